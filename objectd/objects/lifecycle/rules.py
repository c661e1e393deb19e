"""What the rules of a lifecycle say of one version or upload, and when. Nothing is done here.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import TypeAlias

import attrs

from objectd.model.lifecycle import LifecycleRule
from objectd.model.records import ObjectHead


class Deed(Enum):
    """What a rule has done."""

    EXPIRE = "the current version expires"
    """As by a DELETE without a version: what that does depends on the bucket's versioning."""

    DELETE_NONCURRENT = "the noncurrent version is deleted for good"
    DELETE_MARKER = "the delete marker, beneath which nothing is left, is deleted"
    ABORT = "the upload is aborted"


@attrs.frozen
class Fate:
    """What happens, when, and by which rule."""

    deed: Deed
    due_us: int
    rule: LifecycleRule


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
    """The rules of a bucket that are in force. `day_us` is how long they take a day to be."""

    def __init__(self, rules: Iterable[LifecycleRule], day_us: int) -> None:
        enabled = [rule for rule in rules if rule.enabled]
        self._day_us = day_us
        self._by_prefix: dict[bytes, list[tuple[int, LifecycleRule]]] = {}
        for number, rule in enumerate(enabled):
            self._by_prefix.setdefault(prefix_of(rule), []).append((number, rule))
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix})
        self.needs_tags = any(rule.filter.tags for rule in enabled)
        self.kept_max = max((rule.noncurrent_kept or 0 for rule in enabled), default=0)
        """How many newer versions are ever counted."""

        self.prefixes_of_objects = _outermost(rule for rule in enabled if _is_of_current(rule))
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
                return "it says nothing of uploads"
            return Fate(Deed.ABORT, due_us(started_us, rule.abort_days, day_us), rule)


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
    return "it says nothing of current versions"


def _of_noncurrent(rule: LifecycleRule, state: Noncurrent, day_us: int) -> Fate | str:
    """The days count from when the version was replaced, and the newest so many are kept for
    as long as there are no more of them. Markers are noncurrent versions like others."""
    if rule.noncurrent_days is None:
        return "it says nothing of noncurrent versions"
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
    return "it says nothing of delete markers"


def _is_of_current(rule: LifecycleRule) -> bool:
    return rule.expire_days is not None or rule.expire_date_us is not None


def _is_of_versions(rule: LifecycleRule) -> bool:
    """It may do something to noncurrent versions, or to delete markers."""
    return _is_of_current(rule) or bool(rule.expire_markers) or rule.noncurrent_days is not None


def _outermost(rules: Iterable[LifecycleRule]) -> list[bytes]:
    """The prefixes of these rules without those that begin with another, in byte order."""
    found: list[bytes] = []
    for prefix, _ in groupby(sorted(map(prefix_of, rules))):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found


def _number(numbered: tuple[int, LifecycleRule]) -> int:
    return numbered[0]
