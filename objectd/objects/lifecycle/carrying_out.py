"""Carrying out what a search has found, each deed decided again in the commit that does it.

A commit expects the configuration that it acts by, and the very version that it is about, so a
rule that was taken back does nothing more, and a version that was put meanwhile stays. It goes
the way that a client's deletion goes, with all that protects a version there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs
from twisted.logger import Logger, LogLevel

from objectd.errors import DamagedRecord, InvalidArgument, ObjectLocked, ObjectNotFound
from objectd.interfaces import Absent, At, Present, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode_object
from objectd.model.lifecycle import Lifecycle
from objectd.model.records import Bucket
from objectd.objects.conditions import NO_CONDITIONS
from objectd.objects.configurations import configuration_key
from objectd.objects.core import Core
from objectd.objects.current import read_current, remove
from objectd.objects.damage import decoded
from objectd.objects.deleting import VERSIONED_A_COMMIT
from objectd.objects.ids import version_id
from objectd.objects.lifecycle.candidates import Candidate
from objectd.objects.lifecycle.rules import (
    Current,
    CurrentMarker,
    Deed,
    Fate,
    Noncurrent,
    Rules,
    State,
)
from objectd.objects.shield import shield
from objectd.objects.versions import Key, delete_version
from objectd.objects.writer import Batch

DEEDS_A_COMMIT = 100
"""As many as the collector handles at once."""

_REFUSALS = (DamagedRecord, InvalidArgument, ObjectLocked, ObjectNotFound)
"""What may keep one version from being deleted; nothing is added to the batch for it."""

_log = Logger()


class RulesChanged(Exception):
    """The bucket has another lifecycle by now, or is gone."""


@attrs.frozen
class Ledger:
    """Acts on the versions of one bucket by the rules of one configuration."""

    core: Core
    bucket: Bucket
    uid: bytes
    rules: Rules
    now_us: int

    async def carry_out(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Do what is still due of these, and return that. What protects a version, a lock for
        one, is logged and leaves it to the next pass. Raises `RulesChanged`, and what the store
        raises. Cancelled, it ends with what is under way."""
        done: list[Candidate] = []
        size = VERSIONED_A_COMMIT if self.bucket.versioning else DEEDS_A_COMMIT
        for start in range(0, len(candidates), size):
            done += await shield(self._carry_out(candidates[start : start + size]))
        return done

    async def _carry_out(self, group: Sequence[Candidate]) -> list[Candidate]:
        """One commit. A key may be in it with several noncurrent versions, none of which is, or
        becomes, its newest by that."""
        row_keys = {keys.object_(self.bucket.bucket_id, each.key) for each in group}
        async with self.core.locks.holding(*row_keys):
            done = await self.core.writer.transact(partial(self._decide, group))
        for each in done:
            _log.info(
                "lifecycle: {deed}, by rule {rule!r}: {bucket}/{key}, version {version}",
                deed=each.fate.deed.value,
                rule=each.fate.rule.id,
                bucket=self.bucket.name,
                key=each.key.decode(),
                version=version_id(each.head),
            )
        return done

    async def _decide(self, group: Sequence[Candidate], batch: Batch) -> list[Candidate]:
        await self._expect_rules(batch)
        done: list[Candidate] = []
        for each in group:
            try:
                if await self._act(batch, each):
                    done.append(each)
            except _REFUSALS as error:
                # There may be a million that are locked, day after day.
                _log.emit(
                    LogLevel.debug if isinstance(error, ObjectLocked) else LogLevel.warn,
                    "lifecycle: {bucket}/{key}, version {version} stays: {error}",
                    bucket=self.bucket.name,
                    key=each.key.decode(),
                    version=version_id(each.head),
                    error=error,
                )
        return done

    async def _expect_rules(self, batch: Batch) -> None:
        row_key = configuration_key(self.bucket.bucket_id, Lifecycle)
        [row] = await self.core.metadata.get([row_key])
        lifecycle = decoded(Lifecycle, row_key, row.value) if row is not None else None
        if row is None or lifecycle is None or lifecycle.uid != self.uid:
            raise RulesChanged(f"the lifecycle of {self.bucket.name!r} has changed")
        batch.expect(At(row_key, row.revision))

    async def _act(self, batch: Batch, candidate: Candidate) -> bool:
        if candidate.fate.deed is Deed.EXPIRE:
            return await self._expire(batch, candidate)
        return await self._delete(batch, candidate)

    async def _expire(self, batch: Batch, candidate: Candidate) -> bool:
        found = await read_current(self.core, self.bucket, candidate.key)
        if found.known is None or found.known[0] != candidate.head:
            return False
        head, tail = found.known
        if not self._is_due(candidate, Current(head, tail.tags)):
            return False
        remove(self.core, batch, found)
        return True

    async def _delete(self, batch: Batch, candidate: Candidate) -> bool:
        """A noncurrent version or a delete marker, for good."""
        state: State | None
        core, head = self.core, candidate.head
        key = Key(self.bucket.name, self.bucket.bucket_id, candidate.key)
        row_key = keys.version(key.bucket_id, key.raw, head.modified_us, head.version)
        row, current = await core.metadata.get([row_key, key.row_key])
        if row is None or decode_object(row.value)[0] != head:
            return False
        batch.expect(Absent(key.row_key) if current is None else Present(key.row_key))
        if candidate.fate.deed is Deed.DELETE_NONCURRENT:
            state = await self._noncurrent(batch, key, candidate, row_key, row)
            if current is None and state is not None:
                # The newest is a delete marker, which is current and none of the noncurrent ones.
                state = attrs.evolve(state, newer_count=state.newer_count - 1)
        else:
            state = None if current is not None else await self._marker(key, candidate, row_key)
        if state is None or not self._is_due(candidate, state):
            return False
        # With an id that it shares, the null version of the key may be another one by now.
        batch.expect(At(row_key, row.revision))
        await delete_version(core, batch, key, version_id(head), NO_CONDITIONS)
        return True

    async def _marker(self, key: Key, candidate: Candidate, row_key: bytes) -> State | None:
        """A marker that is all there is of its key: `delete_version` expects that it is the
        newest, and what it finds beneath it, which is nothing."""
        start, stop = keys.span(keys.key_versions(key.bucket_id, key.raw))
        page = await self.core.metadata.scan(Scan(start, stop, limit=2, head_bytes=1))
        if [entry.key for entry in page.entries] != [row_key]:
            return None
        return CurrentMarker(candidate.head, is_alone=True)

    async def _noncurrent(
        self, batch: Batch, key: Key, candidate: Candidate, row_key: bytes, row: Row
    ) -> Noncurrent | None:
        """The rows above it tell how many newer ones there are, as far as any rule counts; the
        commit expects these to stay. Since when it is noncurrent was seen, and is still so if
        it has been the same row all the time."""
        head, tail = decode_object(row.value)
        start = keys.key_versions(key.bucket_id, key.raw)
        limit = self.rules.kept_max + 1
        page = await self.core.metadata.scan(
            Scan(start, row_key, limit=limit, reverse=True, head_bytes=1)
        )
        above = [entry.key for entry in page.entries]
        batch.expect(*map(Present, above))
        seen = candidate.state
        if isinstance(seen, Noncurrent) and row.revision == candidate.revision:
            return Noncurrent(head, tail.tags, seen.since_us, len(above))
        return None

    def _is_due(self, candidate: Candidate, state: State) -> bool:
        fate: Fate | None = self.rules.fate(candidate.key, state)
        return fate is not None and fate.deed is candidate.fate.deed and fate.due_us <= self.now_us
