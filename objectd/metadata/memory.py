"""The metadata store in memory: plain, complete, and the oracle of all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import attrs
from sortedcontainers import SortedDict
from zope.interface import implementer

from objectd.errors import StoreFailed
from objectd.interfaces import (
    Commit,
    Host,
    IMetadataStore,
    Outcome,
    Row,
    Scan,
    ScanPage,
    Token,
)
from objectd.metadata import decisions
from objectd.metadata.decisions import Decision, Writes
from objectd.metadata.scanning import scan_page, scan_pages

_T = TypeVar("_T")


@attrs.frozen
class Settings:
    """A store in memory has nothing to set."""


async def open_store(settings: Settings, host: Host) -> IMetadataStore:
    return MemoryMetadata()


@implementer(IMetadataStore)
class MemoryMetadata:
    """Keeps all rows in one sorted dict. Its coroutines never suspend.

    It has no clock: its incarnations all say that they started at 0.
    """

    def __init__(self) -> None:
        self._state = _Rows()
        self._closed = False

    async def begin_incarnation(self, above: int = 0) -> int:
        return self._carry_out(decisions.decide_incarnation(self._open_state(), above, 0))

    async def fence(self, incarnations: Sequence[int]) -> None:
        self._carry_out(decisions.decide_fence(self._open_state(), incarnations))

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return decisions.visible(self._open_state(), keys)

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return decisions.visible(self._open_state(), keys)

    async def scan(self, scan: Scan) -> ScanPage:
        return scan_page(self._open_state(), scan)

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        return scan_pages(self._open_state(), scans)

    async def commit(self, commit: Commit) -> int:
        return self._carry_out(decisions.decide_commit(self._open_state(), commit))

    async def outcome(self, token: Token) -> Outcome:
        return self._carry_out(decisions.decide_outcome(self._open_state(), token))

    async def close(self) -> None:
        self._closed = True

    def _open_state(self) -> _Rows:
        if self._closed:
            raise StoreFailed("the metadata store is closed")
        return self._state

    def _carry_out(self, decision: Decision[_T]) -> _T:
        if decision.writes is not None:
            self._state.apply(decision.writes)
        return decision.answer


class _Rows:
    def __init__(self) -> None:
        self._rows: SortedDict[bytes, Row] = SortedDict()

    def row(self, key: bytes) -> Row | None:
        found: Row | None = self._rows.get(key)
        return found

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        for key in self._rows.irange(start, stop, inclusive=(True, False), reverse=reverse):
            yield key, self._rows[key]

    def apply(self, writes: Writes) -> None:
        for start, stop in writes.deleted_ranges:
            for key in list(self._rows.irange(start, stop, inclusive=(True, False))):
                del self._rows[key]
        for key in writes.deletes:
            self._rows.pop(key, None)
        for key, value in writes.puts.items():
            self._rows[key] = Row(value, writes.revision)
