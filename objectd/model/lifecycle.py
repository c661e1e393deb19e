"""The records of a bucket's lifecycle: its rules, and how far they have been carried out."""

from __future__ import annotations

import enum

import msgspec

from objectd.model.records import Record


class LifecycleFilter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which objects a rule is about: those that fit all that is given. Sizes are exclusive."""

    prefix: str | None = None
    tags: dict[str, str] = {}
    size_above: int | None = None
    size_below: int | None = None


class Transition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A current version gets this storage class, after so many days or at a time; the other one
    is None."""

    storage_class: str
    days: int | None = None
    date_us: int | None = None


class NoncurrentTransition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A version that has been noncurrent for so many days gets this storage class, but for the
    newest `kept` of them."""

    storage_class: str
    days: int
    kept: int | None = None


class TransitionMinimum(enum.IntEnum):
    """Which small versions keep their class, unless a rule says of which size it is."""

    ALL_CLASSES_128K = 0
    VARIES = 1
    """In archives they may lie however small they are."""


class LifecycleRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One rule; what is None it does not do.

    `expire_*` are about current versions: after so many days, from that time on, or (true)
    delete markers with nothing beneath them. A version that was replaced is deleted when it has
    been noncurrent for `noncurrent_days`, but for the newest `noncurrent_kept` of them. Uploads
    are aborted `abort_days` after they were begun. Until a version ends, transitions give it
    other storage classes, each of them at most once. `is_v1`: the prefix stood beside the actions
    and not in a filter, as before 2016.
    """

    id: str
    enabled: bool
    filter: LifecycleFilter
    expire_days: int | None = None
    expire_date_us: int | None = None
    expire_markers: bool | None = None
    noncurrent_days: int | None = None
    noncurrent_kept: int | None = None
    abort_days: int | None = None
    is_v1: bool = False
    transitions: tuple[Transition, ...] = ()
    noncurrent_transitions: tuple[NoncurrentTransition, ...] = ()


class Lifecycle(Record, frozen=True):
    """The rules of a bucket; `uid` names this configuration, and no other one ever."""

    uid: bytes
    rules: tuple[LifecycleRule, ...]
    minimum: TransitionMinimum = TransitionMinimum.ALL_CLASSES_128K


class LifecyclePhase(enum.IntEnum):
    """What a pass over a bucket looks at, one after the other."""

    OBJECTS = 0
    VERSIONS = 1
    UPLOADS = 2
    DONE = 3


class LifecyclePass(Record, frozen=True):
    """How far the rules of this configuration were carried out, in the pass of this day: all
    keys before `key` are done. Days are those of the setting, since 1970 UTC."""

    uid: bytes
    day: int
    phase: LifecyclePhase = LifecyclePhase.OBJECTS
    key: bytes = b""
