"""Putting a new version of an object in the place of whatever is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import structs

from objectd.errors import Conflict
from objectd.model import keys
from objectd.model.records import Bucket, JournalKind, ObjectHead, ObjectTail, Source
from objectd.objects.conditions import Conditions
from objectd.objects.core import Core
from objectd.objects.current import Current, current, read_current, replace
from objectd.objects.ingest import Ingested
from objectd.objects.object import Object
from objectd.objects.publishing import publish, version_placement
from objectd.objects.writer import Batch

FREE_IN_A_ROW = 4


class Guess:
    """That the next key is free, as the last ones were of which nothing was known.

    A put that guesses expects the key `Absent` in its commit, and looks only if that was wrong:
    it asks the metadata once instead of twice, which saves some 30 µs of CPU in both processes
    together, sockets not counted. A wrong guess costs 45 µs more than a look, so one is followed
    by looks until these have found `FREE_IN_A_ROW` free keys.
    """

    def __init__(self) -> None:
        self._free = FREE_IN_A_ROW

    @property
    def is_free(self) -> bool:
        return self._free >= FREE_IN_A_ROW

    def looked(self, *, is_free: bool) -> None:
        """A look has found it to be so."""
        self._free = self._free + 1 if is_free else 0


class Version(msgspec.Struct, frozen=True):
    """What is to be put, and how it is at first: what it replaces may make it a later one,
    and `tail.source` is where its bytes are if they are no blob."""

    core: Core
    bucket: Bucket
    key: bytes
    head: ObjectHead
    tail: ObjectTail
    ingested: Ingested
    conditions: Conditions
    guess: Guess
    kind: JournalKind = JournalKind.OBJECT_PUT
    complete: Callable[[Batch, ObjectTail], Awaitable[ObjectTail]] | None = None
    """Puts what else the version has into the commit, and returns the tail that says so. It is
    called for every attempt."""

    async def put(self) -> Object:
        """Commit it, and return it as it is now. To be run under `shield`."""
        core = self.core
        row_key = keys.object_(self.bucket.bucket_id, self.key)
        if self.ingested.staged is not None:
            placement = version_placement(
                self.bucket, self.key, self.head, self.tail, self.ingested
            )
            return await publish(core, self.ingested, placement, self._decide)
        if not core.locks.take(row_key):
            await core.locks.acquire(row_key)
        try:
            old = None if self.conditions else self._assumed(row_key)
            if old is not None:
                batch = Batch()
                stored = self._over(old, batch, self.tail)
                try:
                    await core.writer.commit(batch)
                except Conflict:
                    pass  # so it is read
                else:
                    return stored
            return await core.writer.transact(lambda batch: self._decide(batch, self.tail.source))
        finally:
            core.locks.release(row_key)

    def _assumed(self, row_key: bytes) -> Current | None:
        """What is at the key, as far as that can be told or guessed without asking. A commit
        that expects it is refused if that is wrong."""
        if self.bucket.versioning or self.complete is not None:
            return None
        rows = self.core.metadata.known([row_key])
        if rows is None and not self.guess.is_free:
            return None
        return current(self.bucket, self.key, rows[0] if rows else None)

    async def _decide(self, batch: Batch, source: Source) -> Object:
        old = await read_current(self.core, self.bucket, self.key)
        old.check(self.conditions, self.bucket.name)
        self.guess.looked(is_free=not old.is_there)
        in_place = source == self.tail.source
        tail = self.tail if in_place else structs.replace(self.tail, source=source)
        if self.complete is not None:
            tail = await self.complete(batch, tail)
        return self._over(old, batch, tail)

    def _over(self, old: Current, batch: Batch, tail: ObjectTail) -> Object:
        payload = self.ingested.payload
        return replace(self.core, batch, old, self.head, tail, payload=payload, kind=self.kind)
