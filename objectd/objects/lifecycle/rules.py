"""What the rules of a lifecycle say of one version or upload, and when. Nothing is done here.

There are two sides to it: how a version ends, and to which storage classes it moves before that.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import TypeAlias

import attrs

from objectd.model.lifecycle import LifecycleRule, TransitionMinimum
from objectd.model.records import ObjectHead, Versioning
from objectd.objects.classes import ARCHIVES
from objectd.objects.lifecycle.waterfall import depth, leads

MOVED_BYTES_MIN = 128 << 10
"""Smaller versions keep their class, as AWS has it since 2024, unless their rule or their bucket
says otherwise.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"""

SAYS_NOTHING = "it says nothing"
"""So begins why a rule does nothing that has no such action."""


class Deed(Enum):
    """What a rule has done."""

    EXPIRE = "the current version expires"
    """As by a DELETE without a version: what that does depends on the bucket's versioning."""

    DELETE_NONCURRENT = "the noncurrent version is deleted for good"
    DELETE_MARKER = "the delete marker, beneath which nothing is left, is deleted"
    ABORT = "the upload is aborted"
    MOVE = "the version gets another storage class"


@attrs.frozen
class Fate:
    """What happens, when, and by which rule; with `Deed.MOVE` also which storage class the
    version gets."""

    deed: Deed
    due_us: int
    rule: LifecycleRule
    storage_class: str = ""


def told(fate: Fate) -> str:
    """What happens, in words."""
    if fate.deed is Deed.MOVE:
        return f"the version gets the storage class {fate.storage_class}"
    return str(fate.deed.value)


@attrs.frozen
class Current:
    """The version that a GET shows."""

    head: ObjectHead
    tags: Mapping[str, str]


@attrs.frozen
class Noncurrent:
    """A version or delete marker that others came after: the next of them at `since_us`, and
    `newer_count` of them noncurrent as well."""

    head: ObjectHead
    tags: Mapping[str, str]
    since_us: int
    newer_count: int


@attrs.frozen
class CurrentMarker:
    """A delete marker that is the newest of its key; `is_alone`: nothing lies beneath it."""

    head: ObjectHead
    is_alone: bool


@attrs.frozen
class InProgress:
    """An upload."""

    started_us: int


State: TypeAlias = Current | Noncurrent | CurrentMarker | InProgress


def due_us(start_us: int, days: int, day_us: int) -> int:
    """The midnight after `days` days have passed.

    AWS adds the days to the time and rounds up to the next midnight UTC: what was made on the
    15th at 10:30 and lasts 3 days is due on the 19th at 00:00.
    """
    return (start_us // day_us + days + 1) * day_us


class Rules:
    """The rules of a bucket that are in force. `day_us` is how long they take a day to be;
    `versioning` tells what becomes of what expires."""

    def __init__(
        self,
        rules: Iterable[LifecycleRule],
        day_us: int,
        minimum: TransitionMinimum = TransitionMinimum.ALL_CLASSES_128K,
        versioning: Versioning = Versioning.NEVER,
    ) -> None:
        enabled = [rule for rule in rules if rule.enabled]
        self._day_us = day_us
        self._minimum = minimum
        self._versioning = versioning
        self._moves_any = any(r.transitions or r.noncurrent_transitions for r in enabled)
        self._by_prefix: dict[bytes, list[tuple[int, LifecycleRule]]] = {}
        for number, rule in enumerate(enabled):
            self._by_prefix.setdefault(prefix_of(rule), []).append((number, rule))
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix})
        self.needs_tags = any(rule.filter.tags for rule in enabled)
        self.kept_max = max((_kept_max(rule) for rule in enabled), default=0)
        """How many newer versions are ever counted."""

        self.prefixes_of_objects = _outermost(
            rule for rule in enabled if _is_of_current(rule) or rule.transitions
        )
        self.prefixes_of_versions = _outermost(rule for rule in enabled if _is_of_versions(rule))
        self.prefixes_of_uploads = _outermost(
            rule for rule in enabled if rule.abort_days is not None
        )

    def fate(self, key: bytes, state: State) -> Fate | None:
        """What happens first. Where several rules say so, the earliest wins, as AWS takes the
        shorter of two expirations; of those that are due together, the one that comes first.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
        """
        found: Fate | None = None
        for _, rule in self._matching(key):
            fate = judged(rule, state, self._day_us)
            if isinstance(fate, Fate) and (found is None or fate.due_us < found.due_us):
                found = fate
        return found

    def due(self, key: bytes, state: State, now_us: int) -> Fate | None:
        """What is to be done now. What goes for good is not moved before; what only gets a
        delete marker above it is, since by that it is none of a rule's current versions any more.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
        """
        end = self.fate(key, state)
        if end is not None and end.due_us > now_us:
            end = None
        if not self._moves_any or (end is not None and not self._is_kept(state)):
            return end
        return self._due_move(key, state, now_us) or end

    def _is_kept(self, state: State) -> bool:
        """What expires becomes a noncurrent version, as in `objectd.objects.current`."""
        if not isinstance(state, Current) or self._versioning is Versioning.NEVER:
            return False
        return self._versioning is Versioning.ENABLED or not state.head.version_is_null

    def moves(self, key: bytes, state: State, now_us: int) -> list[Fate]:
        """The moves that lie ahead, up to its end: the one that is due now, and then each that
        leads to a colder class than the one before."""
        end, due = self.fate(key, state), self._due_move(key, state, now_us)
        ahead = [due] if due is not None else []
        later = [move for move in self._moves(key, state) if move.due_us > now_us]
        for move in sorted(later, key=_by_time):
            if not ahead or leads(ahead[-1].storage_class, move.storage_class):
                ahead.append(move)
        return [move for move in ahead if end is None or move.due_us < end.due_us]

    def _due_move(self, key: bytes, state: State, now_us: int) -> Fate | None:
        """Of the moves that are due, the one to the coldest class; if several rules have that,
        the first one's."""
        found: Fate | None = None
        for move in self._moves(key, state):
            if move.due_us <= now_us and (
                found is None or depth(found.storage_class) < depth(move.storage_class)
            ):
                found = move
        return found

    def _moves(self, key: bytes, state: State) -> Iterator[Fate]:
        for _, rule in self._matching(key):
            for move in moved(rule, state, self._day_us, self._minimum):
                if isinstance(move, Fate):
                    yield move

    def _matching(self, key: bytes) -> Sequence[tuple[int, LifecycleRule]]:
        """The rules whose prefix the key has, in their order. There may be a thousand rules, and
        a million keys ask for theirs."""
        groups = [
            group
            for length in self._lengths
            if (group := self._by_prefix.get(key[:length])) is not None
        ]
        if len(groups) == 1:
            return groups[0]
        return sorted((each for group in groups for each in group), key=_number)


def judged(rule: LifecycleRule, state: State, day_us: int) -> Fate | str:
    """What one rule does, or why it does nothing. Its prefix is not looked at, nor whether it
    is enabled."""
    match state:
        case Current(head, tags):
            return mismatch(rule, head.size_bytes, tags) or _of_current(rule, head, day_us)
        case Noncurrent(head, tags):
            return mismatch(rule, head.size_bytes, tags) or _of_noncurrent(rule, state, day_us)
        case CurrentMarker(head):
            return mismatch(rule, 0, {}) or _of_marker(rule, state, day_us)
        case InProgress(started_us):
            if rule.abort_days is None:
                return f"{SAYS_NOTHING} of uploads"
            return Fate(Deed.ABORT, due_us(started_us, rule.abort_days, day_us), rule)


def moved(
    rule: LifecycleRule, state: State, day_us: int, minimum: TransitionMinimum
) -> Iterator[Fate | str]:
    """What comes of each transition of one rule: the move, or why there is none. Its prefix is
    not looked at, nor whether it is enabled. Delete markers and uploads have no class."""
    match state:
        case Current(head, tags):
            for each in rule.transitions:
                start_us = head.modified_us
                due = each.date_us if each.days is None else due_us(start_us, each.days, day_us)
                kept = _unmoved(rule, each.storage_class, head, tags, minimum)
                yield kept or Fate(Deed.MOVE, due or 0, rule, each.storage_class)
        case Noncurrent(head, tags, since_us, newer_count) if not head.is_delete_marker:
            for other in rule.noncurrent_transitions:
                kept = _unmoved(rule, other.storage_class, head, tags, minimum)
                if not kept and newer_count < (other.kept or 0):
                    kept = f"it keeps the class of the newest {other.kept} noncurrent versions"
                due = due_us(since_us, other.days, day_us)
                yield kept or Fate(Deed.MOVE, due, rule, other.storage_class)


def _unmoved(
    rule: LifecycleRule,
    storage_class: str,
    head: ObjectHead,
    tags: Mapping[str, str],
    minimum: TransitionMinimum,
) -> str:
    """Why a rule does not give a version this class; '' if it does."""
    if unfit := mismatch(rule, head.size_bytes, tags):
        return unfit
    if not leads(head.storage_class, storage_class):
        return f"nothing is moved from {head.storage_class} to {storage_class}"
    says_size = rule.filter.size_above is not None or rule.filter.size_below is not None
    any_size = minimum is TransitionMinimum.VARIES and storage_class in ARCHIVES
    if head.size_bytes < MOVED_BYTES_MIN and not (says_size or any_size):
        return f"nothing below {MOVED_BYTES_MIN} bytes is moved to {storage_class}"
    return ""


def mismatch(rule: LifecycleRule, size_bytes: int, tags: Mapping[str, str]) -> str:
    """Why the rule is not about what has this size and these tags; '' if it is. A delete marker
    has no bytes and no tags."""
    wanted = rule.filter
    if wanted.size_above is not None and size_bytes <= wanted.size_above:
        return f"it is about what has more than {wanted.size_above} bytes"
    if wanted.size_below is not None and size_bytes >= wanted.size_below:
        return f"it is about what has less than {wanted.size_below} bytes"
    for name, value in wanted.tags.items():
        if tags.get(name) != value:
            return f"it is about what has the tag {name}={value}"
    return ""


def prefix_of(rule: LifecycleRule) -> bytes:
    return (rule.filter.prefix or "").encode()


def _of_current(rule: LifecycleRule, head: ObjectHead, day_us: int) -> Fate | str:
    if rule.expire_days is not None:
        return Fate(Deed.EXPIRE, due_us(head.modified_us, rule.expire_days, day_us), rule)
    if rule.expire_date_us is not None:
        return Fate(Deed.EXPIRE, rule.expire_date_us, rule)
    return f"{SAYS_NOTHING} of current versions"


def _of_noncurrent(rule: LifecycleRule, state: Noncurrent, day_us: int) -> Fate | str:
    """The days count from when the version was replaced, and the newest so many are kept for
    as long as there are no more of them. Markers are noncurrent versions like others."""
    if rule.noncurrent_days is None:
        return f"{SAYS_NOTHING} of noncurrent versions"
    kept = rule.noncurrent_kept or 0
    if state.newer_count < kept:
        return f"it keeps the newest {kept} noncurrent versions"
    due = due_us(state.since_us, rule.noncurrent_days, day_us)
    return Fate(Deed.DELETE_NONCURRENT, due, rule)


def _of_marker(rule: LifecycleRule, state: CurrentMarker, day_us: int) -> Fate | str:
    """A rule with days removes a delete marker with nothing beneath it when that is old enough,
    one that is about such markers as soon as there is one.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html
    """
    if not state.is_alone:
        return "there are versions beneath the delete marker"
    head = state.head
    if rule.expire_markers:
        return Fate(Deed.DELETE_MARKER, head.modified_us, rule)
    if rule.expire_days is not None:
        due = due_us(head.modified_us, rule.expire_days, day_us)
        return Fate(Deed.DELETE_MARKER, due, rule)
    if rule.expire_date_us is not None:
        return Fate(Deed.DELETE_MARKER, rule.expire_date_us, rule)
    return f"{SAYS_NOTHING} of delete markers"


def _is_of_current(rule: LifecycleRule) -> bool:
    return rule.expire_days is not None or rule.expire_date_us is not None


def _is_of_versions(rule: LifecycleRule) -> bool:
    """It may do something to noncurrent versions, or to delete markers."""
    return (
        _is_of_current(rule)
        or bool(rule.expire_markers)
        or rule.noncurrent_days is not None
        or bool(rule.noncurrent_transitions)
    )


def _kept_max(rule: LifecycleRule) -> int:
    """How many noncurrent versions any of its actions keeps as they are."""
    kept = (rule.noncurrent_kept, *(each.kept for each in rule.noncurrent_transitions))
    return max(each or 0 for each in kept)


def _by_time(move: Fate) -> tuple[int, int]:
    """The earliest first; of those that are due together, the coldest one."""
    return move.due_us, -depth(move.storage_class)


def _outermost(rules: Iterable[LifecycleRule]) -> list[bytes]:
    """The prefixes of these rules without those that begin with another, in byte order."""
    found: list[bytes] = []
    for prefix, _ in groupby(sorted(map(prefix_of, rules))):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found


def _number(numbered: tuple[int, LifecycleRule]) -> int:
    return numbered[0]
