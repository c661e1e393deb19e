"""The default metadata store: RocksDB on a local disk.

A commit is checked against the live state and written at once, on the reactor thread; of those
that come together each is checked against what the others before it leave, and all are written
with one call. Its answer waits for the flush that makes it durable. `get` sees the state that the
last flush made durable. A scan sees the live state, each page at one moment (iterators of rocksdict
know no snapshots), and is answered when that is durable. So nothing is ever seen that a crash could
take back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from objectd.errors import Conflict, ObjectdError, StoreBusy, StoreFailed, WrittenInPart
from objectd.interfaces import (
    Commit,
    Host,
    ICommitGroups,
    IMetadataStore,
    Outcome,
    Row,
    Scan,
    ScanPage,
    Token,
)
from objectd.metadata import decisions
from objectd.metadata._rocksdict import Database
from objectd.metadata._rocksdict_rows import Snapshot, scanned
from objectd.metadata.decisions import Decision, State, Writes
from objectd.metadata.directories import make_durable_directory
from objectd.metadata.emptied import Deleted, Emptied
from objectd.metadata.flushing import Flushes
from objectd.metadata.narrowing import PutMeanwhile, Turns, page_behind_deletions
from objectd.metadata.processors import ProcessorWaits
from objectd.metadata.scanning import check_scans, read_page, scan_page
from objectd.metadata.taking import Taken

SKIPPED_KEYS_MAX = 10_000
"""Deleted rows passed (about 1 ms) before a scan first lets the reactor do something else."""

PAGE_SECONDS_MAX = 0.005
"""A page that takes longer ends early: where few rows are left among very many deleted ones."""

LOOK_PATIENCE = 1
"""Rows may have been put several times before they were deleted."""

DELETED_ROWS_MAX = 20_000
"""More are not left in memory, where they would stay in the way of scans (2 ms)."""

COMMITS_WAITING_MAX = 4096
"""Commits that are written and not durable yet; one more is refused at once."""

_T = TypeVar("_T")


@attrs.frozen
class Settings:
    """`path` is relative to the data directory. Memory: the block cache, and the writes that
    are not in tables yet, of all column families together. With less than `free_mib_min`
    on the disk commits are refused: RocksDB needs room to put its tables in order."""

    path: str = "metadata"
    block_cache_mib: int = 32
    write_buffer_mib: int = 32
    free_mib_min: int = 64


async def open_store(settings: Settings, host: Host) -> IMetadataStore:
    path = host.data_directory / settings.path
    make_durable_directory(path)
    database = Database(
        path,
        block_cache_mib=settings.block_cache_mib,
        write_buffer_mib=settings.write_buffer_mib,
        free_mib_min=settings.free_mib_min,
        seconds=host.clock.seconds,
    )
    database.make_recovered_durable()
    return RocksMetadata(database, host)


@implementer(IMetadataStore, ICommitGroups)
class RocksMetadata:
    """Decides on the live state; tells only what is durable."""

    def __init__(self, database: Database, host: Host) -> None:
        self._database = database
        self._clock = host.clock
        self._durable = database.snapshot()
        self._taken = Taken(database.live, database.stage, self._write)
        self._closed = False
        self._run_in_thread = host.run_in_thread
        self._tidying: Deferred[None] = succeed(None)
        self._slow_scans: list[PutMeanwhile] = []
        self._emptied = Emptied()
        self._deleted = Deleted()
        self._processor_waits = ProcessorWaits()
        self._flushes: Flushes[Snapshot] = Flushes(
            take_state=database.snapshot,
            sync=database.sync,
            publish=self._read_from,
            on_failure=host.on_failure,
            run_in_thread=host.run_in_thread,
            clock=host.clock,
            processor_waits=self._processor_waits.seconds,
        )

    async def begin_incarnation(self, above: int = 0) -> int:
        started_us = int(self._clock.seconds() * 1_000_000)
        return await self._carry_out(
            lambda live: decisions.decide_incarnation(live, above, started_us)
        )

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._carry_out(lambda live: decisions.decide_fence(live, incarnations))

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return decisions.visible(self._durable_state(), keys)

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return decisions.visible(self._durable_state(), keys)

    async def scan(self, scan: Scan) -> ScanPage:
        page = await self._page(scan)
        # What it saw must not be told before it is durable and `get` sees it too.
        await self._flushes.durable()
        return page

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        check_scans(scans)
        pages = await self._pages(scans)
        await self._flushes.durable()
        return pages

    async def _pages(self, scans: Sequence[Scan]) -> list[ScanPage]:
        """A page of each, read in one go: before it, what lies behind deleted rows is found."""
        patience = 0
        while True:
            pages = [self._at_once(scan, patience) for scan in scans]
            if all(page.entries or not page.more for page in pages):
                return pages
            for scan, page in zip(scans, pages, strict=True):
                if page.more and not page.entries:
                    await self._page(scan)
            patience += 1

    async def _page(self, scan: Scan) -> ScanPage:
        page = self._at_once(scan)
        if page.entries or not page.more:
            return page
        put_meanwhile = PutMeanwhile(scan.start, scan.stop)
        self._slow_scans.append(put_meanwhile)
        try:
            borders = self._emptied.cut(scan.start, scan.stop, self._deleted.borders)
            page = await page_behind_deletions(
                scan, self._part, Turns(self._clock).pause, put_meanwhile, borders
            )
        finally:
            self._slow_scans.remove(put_meanwhile)
        if page.entries and not scan.reverse:
            self._emptied.add(scan.start, page.entries[0].key)
        return page

    def _at_once(self, scan: Scan, patience: int = 0) -> ScanPage:
        """A page, if it can be found without passing very many deleted rows."""
        before = self._emptied.before(scan)
        if before is not scan:
            page = self._part(before, patience)
            if page.more:
                return page
        return self._read(scan, patience)

    def _part(self, scan: Scan, patience: int = 0) -> ScanPage:
        """The same, of a part of what is scanned: where it is empty, later scans know."""
        page = self._read(scan, patience)
        if not page.entries and not page.more:
            self._emptied.add(scan.start, scan.stop)
        return page

    def _read(self, scan: Scan, patience: int) -> ScanPage:
        past = self._emptied.past(scan)
        snapshot = self._durable_state().skipping(SKIPPED_KEYS_MAX << patience)
        if scan.reverse:
            return scan_page(snapshot, scan)
        late = self._clock.seconds() + PAGE_SECONDS_MAX
        page = read_page(snapshot.entries(past, lambda: self._clock.seconds() > late), past)
        if past is not scan and page.entries:
            self._emptied.add(past.start, page.entries[0].key)
        return page

    async def commit(self, commit: Commit) -> int:
        if self._flushes.waiting >= COMMITS_WAITING_MAX:
            raise StoreBusy(f"{COMMITS_WAITING_MAX} commits wait to become durable")
        return await self._carry_out(lambda live: decisions.decide_commit(live, commit))

    def take(self, commit: Commit) -> int | None:
        if self._flushes.waiting + self._taken.commits >= COMMITS_WAITING_MAX:
            return None
        try:
            self._check()
            return self._taken.take(commit)
        except ObjectdError:
            return None  # `commit` fails in the same way, and tells why

    def taken(self) -> Deferred[None]:
        try:
            return self._flushes.durable(self._taken.finish())
        except WrittenInPart as error:
            known = Failure(error)  # what became of each, and may be told once it is durable
            return self._flushes.durable().addCallback(lambda _: known)
        except ObjectdError as error:
            return fail(error)

    async def outcome(self, token: Token) -> Outcome:
        return await self._carry_out(lambda live: decisions.decide_outcome(live, token))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(StoreFailed):
            await self._flushes.durable()
        await self._tidying
        del self._durable
        self._database.close()
        self._processor_waits.close()

    def _durable_state(self) -> Snapshot:
        self._check()
        return self._durable

    def _read_from(self, snapshot: Snapshot) -> None:
        self._durable = snapshot

    def _check(self) -> None:
        if self._closed:
            raise StoreFailed("the metadata store is closed")
        self._flushes.check()

    async def _carry_out(self, decide: Callable[[State], Decision[_T]]) -> _T:
        """Decide and write at once; answer, or refuse, when all written so far is durable. A
        conflict over rows that are durable waits for nobody else's."""
        self._taken.write_out()
        self._check()
        try:
            decision = decide(self._database.live)
            if decision.writes is not None:
                self._database.stage(decision.writes)
                self._write((decision.writes,))
        except Conflict as conflict:
            if not decisions.tells_only(conflict, self._durable):
                await self._flushes.durable()
            raise
        except ObjectdError:
            await self._flushes.durable()
            raise
        await self._flushes.durable()
        return decision.answer

    def _write(self, steps: Sequence[Writes]) -> None:
        """All or none. After `StoreBusy` it was none; if anything else fails, nobody knows."""
        try:
            self._database.write(steps)
            self._written(steps)
        except StoreBusy:
            raise
        except Exception as error:
            self._flushes.fail(error)
            raise StoreFailed(str(error)) from error

    def _written(self, steps: Sequence[Writes]) -> None:
        self._flushes.written()
        for writes in steps:
            self._note(writes)
        if self._database.deleted_rows >= DELETED_ROWS_MAX and self._tidying.called:
            self._tidying = Deferred.fromCoroutine(self._tidy())

    def _note(self, writes: Writes) -> None:
        self._emptied.note(writes.puts)
        for scan in self._slow_scans:
            scan.note(writes.puts)
        for border in self._deleted.note(scanned(writes.deletes)):
            self._note_emptied(border)

    def _note_emptied(self, border: bytes) -> None:
        """Many rows around this one were deleted: if that were all, later scans need not pass
        them. Whoever deletes pays for the look, some 0.3 µs for each row, but has deleted them
        whatever comes of it."""
        with suppress(StoreFailed):
            for start, stop in self._deleted.beside(border):
                self._part(Scan(start, stop, 1, head_bytes=0), LOOK_PATIENCE)

    async def _tidy(self) -> None:
        try:
            await self._run_in_thread(self._database.flush_records)
        except Exception as error:  # whatever it is, RocksDB takes no write after it
            self._flushes.fail(error)
