"""Clients of a simulated store that give versions another storage class, as a lifecycle does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import attrs

from objectd.errors import BucketNotFound
from objectd.interfaces import Absent, Present, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode_object
from objectd.model.records import Bucket, InManifest, ObjectHead, ObjectTail
from objectd.objects.core import Core
from objectd.objects.moving import Version, VersionChanged, move_class
from objectd.objects.versions import Key
from objectd.objects.writer import Batch
from objectd.testing.simulation.asking import REFUSED, Asker, done
from objectd.testing.simulation.beliefs import KEYS
from objectd.testing.simulation.storage_classes import any_target
from objectd.testing.simulation.versions import BUCKET

ABOVE_MAX = 2
"""Of how many newer versions a move relies on that they stay."""


_Row: TypeAlias = tuple[Key, bytes, tuple[ObjectHead, ObjectTail]]


@attrs.frozen
class _Seen:
    """A version where it lay, and what was said of it."""

    bucket: Bucket
    key: Key
    row_key: bytes
    head: ObjectHead
    tail: ObjectTail

    @property
    def is_current(self) -> bool:
        return self.row_key == self.key.row_key


class MoveClient:
    """A move is told of the version that was seen first, and finds it in each of its commits as
    a lifecycle does: with the same head, in the same row, beneath the same newer versions."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    async def move_current(self) -> None:
        """Of any bucket."""
        bucket, _ = self._ask.place()
        await self._move(bucket, KEYS, noncurrent=False)

    async def move_kept(self) -> None:
        """A version of the bucket that keeps them, current or not."""
        ask = self._ask
        key = ask.random.choices(KEYS, (6, 2, 1))[0]
        await self._move(BUCKET, [key], noncurrent=ask.schedule.chance(0.7))

    async def _move(self, bucket: str, names: Sequence[str], *, noncurrent: bool) -> None:
        ask, start = self._ask, self._ask.now
        try:
            seen = await self._look(bucket, names, noncurrent=noncurrent)
        except (BucketNotFound, *REFUSED):
            ask.beliefs.count("move: not found")
            return
        if seen is None:
            return
        classes = ask.beliefs.classes
        classes.observe(seen.head, start, ask.now)
        target = ask.store.core.classes.named(any_target(ask.random))
        write = classes.register(seen.head).begin(target.name, ask.now)
        what = f"move {'current' if seen.is_current else 'noncurrent'}"
        work = move_class(ask.store.core, partial(self._find, seen), target, self._pace)
        try:
            if await ask.change(what, [write], done(work)):
                ask.beliefs.count(f"move: {_form(seen.tail)}")
        except (VersionChanged, *REFUSED) as error:
            ask.refuse(f"{what}: {type(error).__name__}", [write])

    async def _look(self, bucket: str, names: Sequence[str], *, noncurrent: bool) -> _Seen | None:
        place = await self._ask.store.buckets.get(bucket)
        wanted = [Key(bucket, place.bucket_id, name.encode()) for name in names]
        found = await (self._beneath(wanted) if noncurrent else self._current(wanted))
        versions = [
            _Seen(place, key, row_key, head, tail)
            for key, row_key, (head, tail) in found
            if not head.is_delete_marker
        ]
        if not versions:
            return None
        seldom = [each for each in versions if isinstance(each.tail.source, InManifest)]
        return self._ask.random.choice(seldom or versions)

    async def _current(self, wanted: Sequence[Key]) -> list[_Row]:
        rows = await self._ask.store.core.metadata.get([key.row_key for key in wanted])
        return [
            (key, key.row_key, decode_object(row.value))
            for key, row in zip(wanted, rows, strict=True)
            if row is not None
        ]

    async def _beneath(self, wanted: Sequence[Key]) -> list[_Row]:
        found: list[_Row] = []
        for key in wanted:
            start, stop = keys.span(keys.key_versions(key.bucket_id, key.raw))
            page = await self._ask.store.core.metadata.scan(Scan(start, stop, limit=10))
            found += [(key, e.key, decode_object(e.value or b"")) for e in page.entries]
        return found

    async def _find(self, seen: _Seen, batch: Batch) -> Version | None:
        core = self._ask.store.core
        if seen.is_current:
            [row] = await core.metadata.get([seen.row_key])
        else:
            row = await _noncurrent(core, seen, batch)
        if row is None:
            return None
        head, tail = decode_object(row.value)
        if head != seen.head:
            return None
        return Version(seen.bucket, seen.key.raw, seen.row_key, row, head, tail)

    async def _pace(self, size_bytes: int) -> None:
        await self._ask.process.pause(f"may read {size_bytes} bytes to move")


def _form(tail: ObjectTail) -> str:
    return type(tail.source).__name__ + (", encrypted" if tail.encryption is not None else "")


async def _noncurrent(core: Core, seen: _Seen, batch: Batch) -> Row | None:
    """A noncurrent version: the commit expects what lies above it to stay."""
    key = seen.key
    row, current = await core.metadata.get([seen.row_key, key.row_key])
    batch.expect(Absent(key.row_key) if current is None else Present(key.row_key))
    start = keys.key_versions(key.bucket_id, key.raw)
    page = await core.metadata.scan(
        Scan(start, seen.row_key, limit=ABOVE_MAX, reverse=True, head_bytes=1)
    )
    batch.expect(*(Present(entry.key) for entry in page.entries))
    return row
