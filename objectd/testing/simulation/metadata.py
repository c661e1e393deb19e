"""A simulated metadata store: one owner with group commit, which announces its commits in
slots, and connections that lose answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any, TypeVar

import attrs
from msgspec import structs
from sortedcontainers import SortedDict
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from objectd.errors import AnswerLost, Conflict, ObjectdError, StoreFailed
from objectd.interfaces import Commit, IMetadataStore, Outcome, Row, Scan, ScanPage, Token
from objectd.metadata import decisions
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.decisions import Decision, Writes
from objectd.metadata.scanning import scan_page, scan_pages
from objectd.metadata.slots import Slots
from objectd.objects.reads import Reads
from objectd.process.epochs import Epochs
from objectd.testing.simulation.schedule import Process, ProcessDied, Schedule

_T = TypeVar("_T")

SHORT_PAGE_PROBABILITY = 0.2

SLOTS = 40
"""Few enough for groups to share one now and then."""

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
    """Goes on when the log is durable up to `position`."""

    position: int
    go_on: Deferred[None]


class MetadataOwner:
    """Applies each commit to a live state at once; makes many durable with one flush.

    Reads see the durable state only, and every answer that depends on the live state waits
    until that is durable. A restart brings back what was durable and any first part of the
    log behind it. `served` is what other processes reach.
    """

    def __init__(self, schedule: Schedule, on_durable: Callable[[Writes], None]) -> None:
        self.visible = Rows()
        self.live = Rows()
        self.slots = Slots(bytearray(8 * (1 + SLOTS)))
        self._schedule = schedule
        self._on_durable = on_durable
        self._log: list[Writes] = []
        self._durable = 0
        self._waiters: list[_Waiter] = []
        self._flush: object | None = None
        self._asked: dict[object, Callable[[], None]] = {}
        self.restarts = 0
        self._serve()

    def _serve(self) -> None:
        store = _Store(self)
        self.epochs = Epochs(store)
        self.served = AnnouncedMetadata(store, self.slots, on_fenced=self.epochs.fenced)

    def ask(
        self,
        work: Coroutine[Deferred[Any], Any, _T],
        give: Callable[[_T], None],
        refuse: Callable[[Exception], None],
        lose: Callable[[], None],
    ) -> None:
        """Have the owner's process do `work`; `lose` if it dies before that is done."""
        question = object()
        self._asked[question] = lose

        def done(result: _T | Failure) -> None:
            if self._asked.pop(question, None) is None:
                return  # of a process that has died
            if isinstance(result, Failure):
                assert isinstance(result.value, Exception)
                refuse(result.value)
            else:
                give(result)

        Deferred.fromCoroutine(work).addBoth(done)

    def write(self, writes: Writes) -> None:
        self.live.apply(writes)
        self._log.append(writes)

    def durable(self) -> Deferred[None]:
        """Fires in a step after all that is written now is durable."""
        waiter = _Waiter(self._durable + len(self._log), Deferred())
        self._waiters.append(waiter)
        self._begin_flush()
        return waiter.go_on

    def restart(self, random: Random) -> None:
        """Kill and reopen: what was not durable is there up to some point, or gone."""
        kept = self._log[: random.randint(0, len(self._log))]
        for writes in kept:
            self._make_visible(writes)
        self._schedule.note(f"owner: restarts with {len(kept)} of {len(self._log)} unsynced")
        self.restarts += 1
        self.live = self.visible.copy()
        self._durable += len(kept)
        self._log = []
        self._flush = None
        self._waiters = []  # what waits dies with the process
        self._serve()
        asked, self._asked = self._asked, {}
        for lose in asked.values():
            lose()

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
            self._schedule.add("owner: goes on", partial(self._go_on, self.restarts, waiter))
        if self._waiters:
            self._begin_flush()

    def _go_on(self, restarts: int, waiter: _Waiter) -> None:
        if restarts == self.restarts:
            waiter.go_on.callback(None)


@implementer(IMetadataStore)
class _Store:
    """What the owner's process itself calls."""

    def __init__(self, owner: MetadataOwner) -> None:
        self._owner = owner

    async def begin_incarnation(self, above: int = 0) -> int:
        return await self._change(lambda rows: decisions.decide_incarnation(rows, above, 0))

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._change(lambda rows: decisions.decide_fence(rows, incarnations))

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return decisions.visible(self._owner.visible, keys)

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return decisions.visible(self._owner.visible, keys)

    async def scan(self, scan: Scan) -> ScanPage:
        return scan_page(self._owner.visible, scan)

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        return scan_pages(self._owner.visible, scans)

    async def commit(self, commit: Commit) -> int:
        return await self._change(lambda rows: decisions.decide_commit(rows, commit))

    async def outcome(self, token: Token) -> Outcome:
        return await self._change(lambda rows: decisions.decide_outcome(rows, token))

    async def close(self) -> None:
        return None

    async def _change(self, decide: Callable[[Rows], Decision[_T]]) -> _T:
        """Decide and write at once; answer, or refuse, when all written so far is durable. A
        conflict over rows that are durable waits for nobody else's."""
        try:
            decided = decide(self._owner.live)
            if decided.writes is not None:
                self._owner.write(decided.writes)
        except Conflict as conflict:
            if not decisions.tells_only(conflict, self._owner.visible):
                await self._owner.durable()
            raise
        except ObjectdError:
            await self._owner.durable()
            raise
        await self._owner.durable()
        return decided.answer


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
        return await self._change("begin", lambda: self._owner.served.begin_incarnation(above))

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._change(f"fence {incarnations}", lambda: self._owner.served.fence(incarnations))

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return await self._read("get", lambda: self._owner.served.get(keys))

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return None

    async def scan(self, scan: Scan) -> ScanPage:
        scan = self._shortened(scan)
        return await self._read("scan", lambda: self._owner.served.scan(scan))

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        scans = [self._shortened(scan) for scan in scans]
        return await self._read("scans", lambda: self._owner.served.scans(scans))

    def _shortened(self, scan: Scan) -> Scan:
        if self._random.random() >= SHORT_PAGE_PROBABILITY:
            return scan
        return structs.replace(scan, limit=min(scan.limit, self._random.randint(1, 3)))

    async def commit(self, commit: Commit) -> int:
        label = f"commit {commit.token.incarnation}/{commit.token.sequence}"
        return await self._change(label, lambda: self._owner.served.commit(commit))

    async def outcome(self, token: Token) -> Outcome:
        label = f"outcome {token.incarnation}/{token.sequence}"
        return await self._change(label, lambda: self._owner.served.outcome(token))

    async def close(self) -> None:
        return None

    async def others_drained(self, own: int) -> None:
        """Wait for an epoch of the owner."""
        await self._change("epoch", lambda: self._owner.epochs.passed(own))

    async def _read(self, label: str, read: Callable[[], Coroutine[Deferred[Any], Any, _T]]) -> _T:
        if self._random.random() < self.loss / 4:
            return await self._process.wait(f"loses {label}", _lose)
        result = await self._process.wait(label, lambda: _at_once(read()))
        await self._process.pause(f"has {label}")
        return result

    async def _change(
        self, label: str, change: Callable[[], Coroutine[Deferred[Any], Any, _T]]
    ) -> _T:
        schedule, process = self._process.schedule, self._process
        restarts = self._owner.restarts
        answered: Deferred[_T] = process.expect()
        is_lost = self._random.random() < self.loss
        loss = _fail if self._random.random() < FAILURE_SHARE else _lose

        def lose() -> None:
            process.answer(answered, loss)

        def give(result: _T) -> None:
            schedule.add(
                f"{process.name}: has {label}", lambda: process.answer(answered, lambda: result)
            )

        def refuse(error: Exception) -> None:
            schedule.add(
                f"{process.name}: {label} is refused: {type(error).__name__}",
                lambda: process.answer(answered, lambda: _raise(error)),
            )

        def arrive() -> None:
            # Also when the process has died meanwhile: the request was on its way.
            if restarts != self._owner.restarts:
                lose()
            else:
                self._owner.ask(change(), give, refuse, lose)

        if is_lost:
            schedule.add(f"{process.name}: loses the answer to {label}", lose)
        if not is_lost or self._random.random() < 0.8:
            schedule.add(f"{process.name}: {label}", arrive)
        return await answered


class Line:
    """Where a process hears of the owner's epochs: lost now and then, and made again."""

    def __init__(
        self, owner: MetadataOwner, process: Process, incarnation: int, reads: Reads, loss: float
    ) -> None:
        self._owner = owner
        self._process = process
        self._incarnation = incarnation
        self._reads = reads
        self._loss = loss
        self.connect()

    def connect(self) -> None:
        """In some step from now on."""
        self._process.schedule.add(f"{self._process.name}: says hello", self._connected)

    def _connected(self) -> None:
        owner, process, restarts = self._owner, self._process, self._owner.restarts
        connected = [True]

        def hear(number: int) -> None:
            process.schedule.add(
                f"{process.name}: hears of epoch {number}",
                lambda: Deferred.fromCoroutine(answer(number)).addErrback(
                    lambda failure: failure.trap(ProcessDied) and None
                ),
            )

        async def answer(number: int) -> None:
            await self._reads.drained_here()
            await process.pause(f"tells that epoch {number} is over")
            if connected and restarts == owner.restarts:
                owner.epochs.answered(self._incarnation, number)

        def lose() -> None:
            connected.clear()
            if restarts == owner.restarts:
                owner.epochs.lost(self._incarnation, hear)

        def look() -> None:
            """A new owner is noticed, and so is that the connection is gone."""
            if not process.alive:
                return
            if restarts != owner.restarts:
                self.connect()
            elif process.schedule.chance(self._loss):
                process.schedule.add(f"{process.name}: a connection is lost", lose)
                self.connect()
            else:
                process.schedule.add(f"{process.name}: looks", look, delay=30.0)

        if process.alive:
            owner.epochs.connected(self._incarnation, hear)
            process.schedule.add(f"{process.name}: looks", look, delay=30.0)


def _at_once(work: Coroutine[Deferred[Any], Any, _T]) -> _T:
    """The result of what does not have to wait."""
    try:
        work.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    raise AssertionError("it waits")


def _lose() -> Any:
    raise AnswerLost("the owner went away")


def _fail() -> Any:
    raise StoreFailed("the owner cannot go on")


def _raise(error: Exception) -> Any:
    raise error
