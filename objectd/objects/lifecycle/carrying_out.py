"""Carrying out what a search has found, each deed decided again in the commit that does it.

A commit expects the configuration that it acts by, and the very version that it is about, so a
rule that was taken back does nothing more, and a version that was put meanwhile stays. It goes
the way that a client's deletion goes, with all that protects a version there. Versions that get
another storage class are in the same commits if nothing more has to be done for it; those whose
bytes must be stored anew follow, one after the other (`objectd.objects.moving`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import attrs
from twisted.logger import Logger, LogLevel

from objectd.errors import (
    DamagedBlob,
    DamagedRecord,
    InvalidArgument,
    ObjectLocked,
    ObjectNotFound,
    OperationAborted,
    StoreBusy,
    StoreFailed,
    StoreFull,
    UnknownStorageClass,
)
from objectd.interfaces import Absent, At, Present, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode_object
from objectd.model.lifecycle import Lifecycle
from objectd.model.records import Bucket, Incompatible
from objectd.objects import features
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
    Noncurrent,
    Rules,
    State,
    told,
)
from objectd.objects.moving import (
    Version,
    VersionChanged,
    move_class,
    put_class,
    stays_where_it_is,
)
from objectd.objects.restaging import Pace
from objectd.objects.shield import Outdated, shield
from objectd.objects.versions import Key, delete_version
from objectd.objects.writer import Batch

DEEDS_A_COMMIT = 100
"""As many as the collector handles at once."""

_REFUSALS = (DamagedRecord, InvalidArgument, ObjectLocked, ObjectNotFound, UnknownStorageClass)
"""What may keep one version from being deleted; nothing is added to the batch for it."""

_NOT_MOVED = (
    DamagedBlob,
    DamagedRecord,
    OperationAborted,
    StoreBusy,
    StoreFailed,
    StoreFull,
    UnknownStorageClass,
)
"""What may keep the bytes of one version where they are. One drive that fails is no reason to leave
all else; where the metadata fails, so does the next commit."""

_KEEPS_MANY = (StoreBusy, StoreFailed, StoreFull, UnknownStorageClass)
"""What may keep the bytes of all versions where they are that are to get one class."""

Logged: TypeAlias = set[tuple[type[Exception], str]]
"""What of `_KEEPS_MANY` was logged already, for which storage class."""

_log = Logger()


class RulesChanged(Outdated):
    """The bucket has another lifecycle by now, or is gone."""


@attrs.frozen
class _Carried:
    """What a commit has done, what is left to be moved alone, and what cannot be moved."""

    done: list[Candidate] = attrs.field(factory=list)
    heavy: list[Candidate] = attrs.field(factory=list)
    stuck: list[Candidate] = attrs.field(factory=list)


async def _at_once(_size_bytes: int) -> None:
    """For a store that nobody else uses."""


@attrs.frozen
class Ledger:
    """Acts on the versions of one bucket by the rules of one configuration; bytes that are moved
    are read at this pace. Who makes several for one pass has them share what was `logged`."""

    core: Core
    bucket: Bucket
    uid: bytes
    rules: Rules
    now_us: int
    pace: Pace = _at_once
    logged: Logged = attrs.field(factory=set)

    async def carry_out(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Do what is still due of these, and return that. What protects a version, a lock for
        one, is logged and leaves it to the next pass. Raises `RulesChanged`, and what the store
        raises. Cancelled, it ends with what is under way."""
        done: list[Candidate] = []
        if any(each.fate.deed is Deed.MOVE for each in candidates):
            await features.ensure(self.core, Incompatible.STORAGE_CLASSES)
        size = VERSIONED_A_COMMIT if self.bucket.versioning else DEEDS_A_COMMIT
        for start in range(0, len(candidates), size):
            carried = await shield(self._carry_out(candidates[start : start + size]))
            done += carried.done
            for each in carried.heavy:
                is_moved = await self._move_bytes(each)
                (done if is_moved else carried.stuck).append(each)
            for each in carried.stuck:
                done += await self._end_unmoved(each)
        return done

    async def _end_unmoved(self, candidate: Candidate) -> list[Candidate]:
        """What cannot be moved expires all the same when its time has come: a class that takes
        nothing must not keep it."""
        end = self.rules.fate(candidate.key, candidate.state)
        if end is None or end.due_us > self.now_us:
            return []
        carried = await shield(self._carry_out([attrs.evolve(candidate, fate=end)]))
        return carried.done

    async def _carry_out(self, group: Sequence[Candidate]) -> _Carried:
        """One commit. A key may be in it with several noncurrent versions, none of which is, or
        becomes, its newest by that."""
        row_keys = {keys.object_(self.bucket.bucket_id, each.key) for each in group}
        async with self.core.locks.holding(*row_keys):
            carried = await self.core.writer.transact(partial(self._decide, group))
        for each in carried.done:
            self._log_done(each)
        return carried

    async def _decide(self, group: Sequence[Candidate], batch: Batch) -> _Carried:
        await self._expect_rules(batch)
        carried = _Carried()
        for each in group:
            try:
                await self._act(batch, each, carried)
            except _REFUSALS as error:
                self._log_kept(each, error)
                if each.fate.deed is Deed.MOVE:
                    carried.stuck.append(each)
        return carried

    async def _move_bytes(self, candidate: Candidate) -> bool:
        async def find(batch: Batch) -> Version | None:
            await self._expect_rules(batch)
            return await self._moving(batch, candidate)

        try:
            target = self.core.classes.named(candidate.fate.storage_class)
            await move_class(self.core, find, target, self.pace)
        except VersionChanged:
            return False
        except _NOT_MOVED as error:
            self._log_kept(candidate, error)
            return False
        self._log_done(candidate)
        return True

    def _log_done(self, candidate: Candidate) -> None:
        fate = candidate.fate
        _log.info(
            "lifecycle: {deed}, by rule {rule!r}: {bucket}/{key}, version {version}",
            deed=told(fate),
            rule=fate.rule.id,
            bucket=self.bucket.name,
            key=candidate.key.decode(),
            version=version_id(candidate.head),
        )

    def _log_kept(self, candidate: Candidate, error: Exception) -> None:
        # There may be a million that are locked, or that a full store takes not, day after day.
        what = type(error), candidate.fate.storage_class
        is_known = isinstance(error, _KEEPS_MANY) and what in self.logged
        self.logged.add(what)
        _log.emit(
            LogLevel.debug if is_known or isinstance(error, ObjectLocked) else LogLevel.warn,
            "lifecycle: {bucket}/{key}, version {version} stays: {error}",
            bucket=self.bucket.name,
            key=candidate.key.decode(),
            version=version_id(candidate.head),
            error=error,
        )

    async def _expect_rules(self, batch: Batch) -> None:
        row_key = configuration_key(self.bucket.bucket_id, Lifecycle)
        [row] = await self.core.metadata.get([row_key])
        lifecycle = decoded(Lifecycle, row_key, row.value) if row is not None else None
        if row is None or lifecycle is None or lifecycle.uid != self.uid:
            raise RulesChanged(f"the lifecycle of {self.bucket.name!r} has changed")
        batch.expect(At(row_key, row.revision))

    async def _act(self, batch: Batch, candidate: Candidate, carried: _Carried) -> None:
        match candidate.fate.deed:
            case Deed.MOVE:
                found = await self._moving(batch, candidate)
                if found is None:
                    return
                target = self.core.classes.named(candidate.fate.storage_class)
                if not stays_where_it_is(self.core, found, target):
                    carried.heavy.append(candidate)
                    return
                put_class(self.core, batch, found, target)
            case Deed.EXPIRE:
                if not await self._expire(batch, candidate):
                    return
            case _:
                if not await self._delete(batch, candidate):
                    return
        carried.done.append(candidate)

    async def _moving(self, batch: Batch, candidate: Candidate) -> Version | None:
        """The version that is to be moved, if it still is."""
        key = Key(self.bucket.name, self.bucket.bucket_id, candidate.key)
        state: State | None
        if isinstance(candidate.state, Current):
            row_key = key.row_key
            [row] = await self.core.metadata.get([row_key])
            if row is None:
                return None
            head, tail = decode_object(row.value)
            state = Current(head, tail.tags)
        else:
            row_key = _row_key(key, candidate)
            row, current = await self.core.metadata.get([row_key, key.row_key])
            if row is None:
                return None
            head, tail = decode_object(row.value)
            state = await self._noncurrent(batch, key, candidate, row, current)
        if head != candidate.head or state is None or not self._is_due(candidate, state):
            return None
        return Version(self.bucket, key.raw, row_key, row, head, tail)

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
        row_key = _row_key(key, candidate)
        row, current = await core.metadata.get([row_key, key.row_key])
        if row is None or decode_object(row.value)[0] != head:
            return False
        if candidate.fate.deed is Deed.DELETE_NONCURRENT:
            state = await self._noncurrent(batch, key, candidate, row, current)
        else:
            batch.expect(Absent(key.row_key) if current is None else Present(key.row_key))
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
        # A page may also end behind the marker because very many deleted rows follow it.
        if page.more or [entry.key for entry in page.entries] != [row_key]:
            return None
        return CurrentMarker(candidate.head, is_alone=True)

    async def _noncurrent(
        self, batch: Batch, key: Key, candidate: Candidate, row: Row, current: Row | None
    ) -> Noncurrent | None:
        """The rows above it tell how many newer ones there are, as far as any rule counts; the
        commit expects these to stay. Since when it is noncurrent was seen, and is still so if
        it has been the same row all the time."""
        batch.expect(Absent(key.row_key) if current is None else Present(key.row_key))
        head, tail = decode_object(row.value)
        row_key = _row_key(key, candidate)
        start = keys.key_versions(key.bucket_id, key.raw)
        limit = self.rules.kept_max + 1
        page = await self.core.metadata.scan(
            Scan(start, row_key, limit=limit, reverse=True, head_bytes=1)
        )
        above = [entry.key for entry in page.entries]
        batch.expect(*map(Present, above))
        seen = candidate.state
        if not isinstance(seen, Noncurrent) or row.revision != candidate.revision:
            return None
        # The newest, if it is a delete marker, is current and none of the noncurrent ones.
        newer_count = len(above) - (current is None)
        return Noncurrent(head, tail.tags, seen.since_us, newer_count)

    def _is_due(self, candidate: Candidate, state: State) -> bool:
        """What a search has found to be done first is still to be done; it need not be what
        would be done first now."""
        wanted = candidate.fate
        if wanted.deed is Deed.MOVE:
            fate = self.rules.due(candidate.key, state, self.now_us)
        else:
            fate = self.rules.fate(candidate.key, state)
        return (
            fate is not None
            and (fate.deed, fate.storage_class) == (wanted.deed, wanted.storage_class)
            and fate.due_us <= self.now_us
        )


def _row_key(key: Key, candidate: Candidate) -> bytes:
    """Of a version that is not current, or a delete marker."""
    head = candidate.head
    return keys.version(key.bucket_id, key.raw, head.modified_us, head.version)
