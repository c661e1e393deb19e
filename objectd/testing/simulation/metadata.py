"""A simulated metadata store: one owner with group commit, and connections that lose answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

import attrs
from sortedcontainers import SortedDict
from twisted.internet.defer import Deferred
from zope.interface import implementer

from objectd.errors import AnswerLost, StoreFailed
from objectd.interfaces import Commit, IMetadataStore, Outcome, Row, ScanPage, Token
from objectd.metadata import decisions
from objectd.metadata.decisions import Decision, Writes
from objectd.metadata.scanning import Scan, scan_page
from objectd.testing.simulation.schedule import Process, Schedule

_T = TypeVar("_T")

SHORT_PAGE_PROBABILITY = 0.2

FAILURE_SHARE = 0.15
"""So many of the answers that are lost are replaced by `StoreFailed`."""


class Rows:
    """All rows at one moment, as `objectd.metadata.decisions` reads them."""

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

    def copy(self) -> Rows:
        other = Rows()
        other._rows = self._rows.copy()
        return other


@attrs.frozen
class _Waiter:
    """An answer that may be given once the log is durable up to `position`."""

    position: int
    give: Callable[[], None]
    lose: Callable[[], None]


class MetadataOwner:
    """Applies each commit to a live state at once; makes many durable with one flush.

    Reads see the durable state only, and every answer that depends on the live state waits
    until that is durable. A restart brings back what was durable and any first part of the
    log behind it.
    """

    def __init__(self, schedule: Schedule, on_durable: Callable[[Writes], None]) -> None:
        self.visible = Rows()
        self._live = Rows()
        self._schedule = schedule
        self._on_durable = on_durable
        self._log: list[Writes] = []
        self._durable = 0
        self._waiters: list[_Waiter] = []
        self._flush: object | None = None
        self.restarts = 0

    def decide(
        self, decision: Callable[[Rows], Decision[_T]], waiter: Callable[[int, Decision[_T]], None]
    ) -> None:
        """Carry out what `decision` says of the live state; its errors are the caller's."""
        decided = decision(self._live)
        if decided.writes is not None:
            self._live.apply(decided.writes)
            self._log.append(decided.writes)
        waiter(self._end, decided)

    @property
    def _end(self) -> int:
        return self._durable + len(self._log)

    def answer_when_durable(
        self, position: int | None, give: Callable[[], None], lose: Callable[[], None]
    ) -> None:
        """`give` in a step after all that is written now is durable, or `lose`."""
        self._waiters.append(_Waiter(self._end if position is None else position, give, lose))
        self._begin_flush()

    def restart(self, random: Random) -> None:
        """Kill and reopen: what was not durable is there up to some point, or gone."""
        kept = self._log[: random.randint(0, len(self._log))]
        for writes in kept:
            self._make_visible(writes)
        self._schedule.note(f"owner: restarts with {len(kept)} of {len(self._log)} unsynced")
        self.restarts += 1
        self._live = self.visible.copy()
        self._durable += len(kept)
        self._log = []
        self._flush = None
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.lose()

    def _begin_flush(self) -> None:
        if self._flush is not None:
            return
        flush = self._flush = object()
        covered: list[int] = []

        def end() -> None:
            if self._flush is flush:
                self._flush = None
                self._publish(covered[0])

        def begin() -> None:
            if self._flush is flush:
                covered.append(len(self._log))
                self._schedule.add("owner: flush ends", end)

        self._schedule.add("owner: flush begins", begin)

    def _make_visible(self, writes: Writes) -> None:
        self.visible.apply(writes)
        self._on_durable(writes)

    def _publish(self, count: int) -> None:
        for writes in self._log[:count]:
            self._make_visible(writes)
        self._log = self._log[count:]
        self._durable += count
        ready = [w for w in self._waiters if w.position <= self._durable]
        self._waiters = [w for w in self._waiters if w.position > self._durable]
        for waiter in ready:
            self._schedule.add("owner: answers", waiter.give)
        if self._waiters:
            self._begin_flush()


@implementer(IMetadataStore)
class Connection:
    """What one process sees of the owner. `loss` is the probability that an answer is lost:
    the request may then have been applied, never arrive, or arrive any time later."""

    def __init__(self, owner: MetadataOwner, process: Process, *, loss: float) -> None:
        self._owner = owner
        self._process = process
        self._random = process.schedule.random
        self.loss = loss

    async def begin_incarnation(self, above: int = 0) -> int:
        return await self._change(
            "begin", lambda rows: decisions.decide_incarnation(rows, above, 0)
        )

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._change(
            f"fence {incarnations}", lambda rows: decisions.decide_fence(rows, incarnations)
        )

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return await self._read("get", lambda: decisions.visible(self._owner.visible, keys))

    async def scan(
        self,
        start: bytes,
        stop: bytes,
        *,
        limit: int,
        reverse: bool = False,
        prefix: bytes = b"",
        delimiter: bytes = b"",
        head_bytes: int | None = None,
    ) -> ScanPage:
        if self._random.random() < SHORT_PAGE_PROBABILITY:
            limit = min(limit, self._random.randint(1, 3))
        scan = Scan(start, stop, limit, reverse, prefix, delimiter, head_bytes)
        return await self._read("scan", lambda: scan_page(self._owner.visible, scan))

    async def commit(self, commit: Commit) -> int:
        label = f"commit {commit.token.incarnation}/{commit.token.sequence}"
        return await self._change(label, lambda rows: decisions.decide_commit(rows, commit))

    async def outcome(self, token: Token) -> Outcome:
        label = f"outcome {token.incarnation}/{token.sequence}"
        return await self._change(label, lambda rows: decisions.decide_outcome(rows, token))

    async def close(self) -> None:
        return None

    async def _read(self, label: str, read: Callable[[], _T]) -> _T:
        if self._random.random() < self.loss / 4:
            return await self._process.wait(f"loses {label}", _lose)
        return await self._process.wait(label, read)

    async def _change(self, label: str, decision: Callable[[Rows], Decision[_T]]) -> _T:
        schedule, process = self._process.schedule, self._process
        restarts = self._owner.restarts
        answered: Deferred[_T] = process.expect()

        loss = _fail if self._random.random() < FAILURE_SHARE else _lose

        def lose() -> None:
            process.answer(answered, loss)

        def give(decided: Decision[_T]) -> None:
            process.answer(answered, lambda: decided.answer)

        def refuse(error: Exception) -> None:
            process.answer(answered, lambda: _raise(error))

        def arrive() -> None:
            # Also when the process has died meanwhile: the request was on its way.
            if restarts != self._owner.restarts:
                lose()
                return
            try:
                self._owner.decide(
                    decision,
                    lambda end, decided: self._owner.answer_when_durable(
                        end, lambda: give(decided), lose
                    ),
                )
            except Exception as error:
                schedule.note(f"{process.name}: {label} is refused: {type(error).__name__}")
                refused = error  # `error` itself ends with this block
                self._owner.answer_when_durable(None, lambda: refuse(refused), lose)

        is_lost = self._random.random() < self.loss
        if is_lost:
            schedule.add(f"{process.name}: loses the answer to {label}", lose)
        if not is_lost or self._random.random() < 0.8:
            schedule.add(f"{process.name}: {label}", arrive)
        return await answered


def _lose() -> Any:
    raise AnswerLost("the owner went away")


def _fail() -> Any:
    raise StoreFailed("the owner cannot go on")


def _raise(error: Exception) -> Any:
    raise error
