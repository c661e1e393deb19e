"""What becomes of everything that a key has, when, and why: for whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import attrs

from objectd.interfaces import Scan
from objectd.model import keys
from objectd.model.codec import decode_object
from objectd.model.lifecycle import LifecycleRule, TransitionMinimum
from objectd.model.locks import Lock
from objectd.model.records import ObjectHead, Upload
from objectd.objects.classes import STANDARD
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.ids import version_id
from objectd.objects.lifecycle.lifecycles import Lifecycles
from objectd.objects.lifecycle.rules import (
    SAYS_NOTHING,
    Current,
    CurrentMarker,
    Fate,
    InProgress,
    Noncurrent,
    Rules,
    State,
    judged,
    moved,
    prefix_of,
)
from objectd.objects.names import key_bytes

ROWS_A_PAGE = 1000


@attrs.frozen
class Explanation:
    """What is to happen to one version or upload: how it ends, and to which storage classes it
    moves before. And what each rule says of it: a fate, or why it does nothing. A version with a
    `lock` stays for as long as that holds, but it moves."""

    what: str
    made_us: int
    lock: Lock | None
    fate: Fate | None
    moves: Sequence[Fate]
    verdicts: Sequence[tuple[LifecycleRule, Fate | str]]

    @property
    def is_held(self) -> bool:
        return self.lock is not None and bool(self.lock.legal_hold)

    @property
    def is_event_held(self) -> bool:
        return self.lock is not None and bool(self.lock.event_hold)

    @property
    def locked_until_us(self) -> int:
        """0 if there is no retention."""
        retention = self.lock.retention if self.lock is not None else None
        return retention.until_us if retention is not None else 0


async def explain(
    core: Core, lifecycles: Lifecycles, bucket: str, bucket_id: int, key: str, now_us: int
) -> AsyncIterator[Explanation]:
    """The versions and delete markers of a key, newest first, and then its uploads. Raises
    `BucketNotFound`, `KeyTooLong`, and `DamagedRecord` for one that cannot be read."""
    lifecycle = await lifecycles.get(bucket)
    rules = lifecycle.rules if lifecycle is not None else ()
    minimum = lifecycle.minimum if lifecycle is not None else TransitionMinimum.ALL_CLASSES_128K
    raw_key, day_us = key_bytes(key), core.settings.lifecycle_day_us
    in_force = Rules(rules, day_us, minimum)
    async for what, made_us, lock, state in _states(core, bucket_id, raw_key):
        yield Explanation(
            what,
            made_us,
            lock,
            in_force.fate(raw_key, state),
            in_force.moves(raw_key, state, now_us),
            [
                (rule, says)
                for rule in rules
                for says in _verdicts(rule, raw_key, state, day_us, minimum)
            ],
        )


def _verdicts(
    rule: LifecycleRule, key: bytes, state: State, day_us: int, minimum: TransitionMinimum
) -> Sequence[Fate | str]:
    if not rule.enabled:
        return ["it is disabled"]
    if not key.startswith(prefix_of(rule)):
        return [f"it is about keys that begin with {rule.filter.prefix!r}"]
    says: list[Fate | str] = [judged(rule, state, day_us)]
    moves = list(moved(rule, state, day_us, minimum))
    if moves and isinstance(says[0], str) and says[0].startswith(SAYS_NOTHING):
        says.clear()
    for each in moves:
        if each not in says:  # as when the rule is not about it
            says.append(each)
    return says


async def _states(
    core: Core, bucket_id: int, key: bytes
) -> AsyncIterator[tuple[str, int, Lock | None, State]]:
    [row] = await core.metadata.get([keys.object_(bucket_id, key)])
    since_us: int | None = None
    count = 0
    if row is not None:
        head, tail = decode_object(row.value)
        what, state = _named("current version", head), Current(head, tail.tags)
        yield what, head.modified_us, tail.lock, state
        since_us = head.modified_us
    prefix = keys.key_versions(bucket_id, key)
    async for value, is_last in _values(core, prefix):
        head, tail = decode_object(value)
        if since_us is None:
            marker = CurrentMarker(head, is_alone=is_last)
            yield _named("delete marker", head), head.modified_us, None, marker
        else:
            what = "noncurrent delete marker" if head.is_delete_marker else "noncurrent version"
            older = Noncurrent(head, tail.tags, since_us, count)
            yield _named(what, head), head.modified_us, tail.lock, older
            count += 1
        since_us = head.modified_us
    async for value, _ in _values(core, keys.key_uploads(bucket_id, key)):
        upload = decoded(Upload, key, value)
        if upload is not None:
            name = f"upload {upload.upload.hex()}"
            yield name, upload.started_us, None, InProgress(upload.started_us)


def _named(what: str, head: ObjectHead) -> str:
    kept = "" if head.storage_class == STANDARD else f", {head.storage_class}"
    return f"{what} {version_id(head)}, {head.size_bytes} bytes{kept}"


async def _values(core: Core, prefix: bytes) -> AsyncIterator[tuple[bytes, bool]]:
    """The rows with this prefix, and of each whether it is the last."""
    start, stop = keys.span(prefix)
    more = True
    while more:
        page = await core.metadata.scan(Scan(start, stop, limit=ROWS_A_PAGE))
        more = page.more
        for entry in page.entries:
            yield entry.value or b"", not more and entry is page.entries[-1]
        if page.entries:
            start = page.entries[-1].key + b"\0"
