"""A metadata store in one SQLite file: no native package, and every tool can look into it.

Each commit is a transaction of its own with a sync of its own, so it takes fewer commits a
second than RocksDB. All calls run in threads, one after the other.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from objectd.errors import ObjectdError, StoreBusy, StoreFailed, StoreFull
from objectd.interfaces import (
    Commit,
    Host,
    IMetadataStore,
    Outcome,
    Row,
    RunInThread,
    Scan,
    ScanPage,
    Token,
)
from objectd.metadata import decisions
from objectd.metadata.decisions import Decision, State, Writes
from objectd.metadata.directories import make_durable_directory, sync_directory
from objectd.metadata.scanning import scan_page, scan_pages

_A = TypeVar("_A")
_T = TypeVar("_T")

_CREATE = """CREATE TABLE IF NOT EXISTS rows (
    key BLOB PRIMARY KEY, revision INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"""
_ASCENDING = "SELECT key, value, revision FROM rows WHERE key >= ? AND key < ? ORDER BY key"
_DESCENDING = f"{_ASCENDING} DESC"


@attrs.frozen
class Settings:
    """`path` of the file is relative to the data directory."""

    path: str = "metadata.sqlite"
    page_cache_mib: int = 32


async def open_store(settings: Settings, host: Host) -> IMetadataStore:
    path = host.data_directory / settings.path
    make_durable_directory(path.parent)
    return SQLiteMetadata(_Database(path, settings.page_cache_mib), host)


@implementer(IMetadataStore)
class SQLiteMetadata:
    """Hands each call to the one database, in the order in which they come."""

    def __init__(self, database: _Database, host: Host) -> None:
        self._database = database
        self._clock = host.clock
        self._on_failure = host.on_failure
        self._queue = _Queue(host.run_in_thread)
        self._unusable: str | None = None

    async def begin_incarnation(self, above: int = 0) -> int:
        started_us = int(self._clock.seconds() * 1_000_000)
        return await self._carry_out(
            lambda state: decisions.decide_incarnation(state, above, started_us)
        )

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._carry_out(lambda state: decisions.decide_fence(state, incarnations))

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return await self._call(self._database.read, lambda state: decisions.visible(state, keys))

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return None

    async def scan(self, scan: Scan) -> ScanPage:
        return await self._call(self._database.read, lambda state: scan_page(state, scan))

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        return await self._call(self._database.read, lambda state: scan_pages(state, scans))

    async def commit(self, commit: Commit) -> int:
        return await self._carry_out(lambda state: decisions.decide_commit(state, commit))

    async def outcome(self, token: Token) -> Outcome:
        return await self._carry_out(lambda state: decisions.decide_outcome(state, token))

    async def close(self) -> None:
        if self._unusable is None:
            self._unusable = "the metadata store is closed"
        await self._queue.run(self._database.close)

    async def _carry_out(self, decide: Callable[[State], Decision[_T]]) -> _T:
        return await self._call(self._database.carry_out, decide)

    async def _call(self, function: Callable[[_A], _T], argument: _A) -> _T:
        if self._unusable is not None:
            raise StoreFailed(self._unusable)
        try:
            return await self._queue.run(partial(function, argument))
        except StoreFailed as error:
            if self._unusable is None:
                self._unusable = str(error)
                self._on_failure(error)
            raise


class _Queue:
    """Runs blocking calls in threads, one at a time, whatever becomes of their callers."""

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._run_in_thread = run_in_thread
        self._calls: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self._running = False

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """The result of the call, on a Deferred that its caller may cancel."""
        answer: Deferred[_T] = Deferred()
        self._calls.append((call, answer))
        if not self._running:
            Deferred.fromCoroutine(self._run_all())
        return answer

    async def _run_all(self) -> None:
        self._running = True
        while self._calls:
            call, answer = self._calls.popleft()
            try:
                result = await self._run_in_thread(call)
            except Exception as error:  # every error is the caller's
                answer.errback(error)
            else:
                answer.callback(result)
        self._running = False


class _Database:
    """The file and its one connection; every call blocks."""

    def __init__(self, path: Path, page_cache_mib: int) -> None:
        try:
            self._connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            self._state = _Rows(self._connection)
            for statement in (
                "PRAGMA locking_mode = EXCLUSIVE",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                f"PRAGMA cache_size = -{page_cache_mib << 10}",
                _CREATE,
                # The log of a process that was killed may not be synced: make durable what
                # recovery found before anybody reads it.
                "PRAGMA wal_checkpoint(TRUNCATE)",
            ):
                self._connection.execute(statement).fetchall()
            sync_directory(path.parent)
        except sqlite3.Error as error:
            raise StoreFailed(f"SQLite cannot open {path}: {error}") from error

    def read(self, question: Callable[[State], _T]) -> _T:
        """The answer from one snapshot."""
        return self._in_transaction("BEGIN", lambda: question(self._state))

    def carry_out(self, decide: Callable[[State], Decision[_T]]) -> _T:
        """Decide, write, and return when it is durable; on any error nothing is written."""

        def transaction() -> _T:
            decision = decide(self._state)
            if decision.writes is not None:
                self._state.apply(decision.writes)
            return decision.answer

        return self._in_transaction("BEGIN IMMEDIATE", transaction)

    def close(self) -> None:
        self._connection.close()

    def _in_transaction(self, begin: str, transaction: Callable[[], _T]) -> _T:
        try:
            self._connection.execute(begin)
            try:
                answer = transaction()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _domain_error(error) from error
        return answer


class _Rows:
    """The rows within a transaction of the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def row(self, key: bytes) -> Row | None:
        found = self._connection.execute("SELECT value, revision FROM rows WHERE key = ?", (key,))
        for value, revision in found:
            return Row(value, revision)
        return None

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        found = self._connection.execute(_DESCENDING if reverse else _ASCENDING, (start, stop))
        for key, value, revision in found:
            yield key, Row(value, revision)

    def apply(self, writes: Writes) -> None:
        self._connection.executemany(
            "DELETE FROM rows WHERE key >= ? AND key < ?", writes.deleted_ranges
        )
        self._connection.executemany(
            "DELETE FROM rows WHERE key = ?", ((key,) for key in writes.deletes)
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO rows (key, revision, value) VALUES (?, ?, ?)",
            ((key, writes.revision, value) for key, value in writes.puts.items()),
        )


def _domain_error(error: sqlite3.Error) -> ObjectdError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"SQLite cannot write: {error}")
    if code == sqlite3.SQLITE_BUSY:
        return StoreBusy(f"SQLite cannot write: {error}")
    return StoreFailed(f"SQLite cannot go on: {error}")
