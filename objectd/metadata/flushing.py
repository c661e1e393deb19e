"""Group commit: many answers share one sync, and none is given before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from objectd.errors import StoreFailed
from objectd.interfaces import RunInThread

_S = TypeVar("_S")

CROWD = 8
CROWD_SECONDS_MIN = 0.001
"""Where this many wait at once, from the beginning of a flush to that of the next: a flush
takes as much processor time as a commit or two, so that a crowd had better share it."""

QUICK_SECONDS = 0.0005
"""A thread and the way back take about as long as a sync that is as quick as this."""

SLOW_SECONDS = 0.02
"""A sync that takes longer is not waited for in place again until the disk has proved quick."""

QUICK_SYNCS_MIN = 64
"""So many quick syncs prove a disk quick."""

OTHER_SYNCS_MAX = 16
"""So many in a row that are not quick prove that it is not. Some always are not, where the
processors are busy: what then takes its time is not the disk."""


class Quickness:
    """Whether the disk is quick enough for the reactor's thread to wait for a sync."""

    def __init__(self) -> None:
        self._quick_missing = QUICK_SYNCS_MIN
        self._others = 0

    @property
    def is_proved(self) -> bool:
        return not self._quick_missing

    def took(self, seconds: float) -> None:
        """A sync took so long, wherever it was done."""
        if seconds <= QUICK_SECONDS:
            self._others = 0
            self._quick_missing = max(self._quick_missing - 1, 0)
            return
        self._others += 1
        if self._others >= OTHER_SYNCS_MAX or seconds > SLOW_SECONDS:
            self._quick_missing = QUICK_SYNCS_MIN


class Flushes(Generic[_S]):
    """Syncs what a store writes, one flush at a time.

    A flush covers what was written before it began; what is written meanwhile belongs to
    the next, which begins at once unless there is a crowd. When its sync returns, all in one
    callback: `publish` makes the state taken at its beginning the one that is read, then its
    waiters go on, in the order they came.

    Syncs are done in a thread until they have proved quick, and then in place, in the reactor's
    thread: handing them over and back takes more processor time than all else about a flush. One
    in place begins in the next turn of the reactor, so that it covers all that came in this
    one. What it waits for the disk is bounded by `Quickness`: `SLOW_SECONDS` for each, but for
    one of any `QUICK_SYNCS_MIN`, and by what a disk takes for `OTHER_SYNCS_MAX` when it gets slow.
    """

    def __init__(
        self,
        *,
        take_state: Callable[[], _S],
        sync: Callable[[], None],
        publish: Callable[[_S], None],
        on_failure: Callable[[Exception], None],
        run_in_thread: RunInThread,
        clock: IReactorTime,
    ) -> None:
        self._take_state = take_state
        self._sync = sync
        self._publish = publish
        self._on_failure = on_failure
        self._run_in_thread = run_in_thread
        self._clock = clock
        self._written = False
        self._flushing = False
        self._syncing = False
        self._quickness = Quickness()
        self._waiting_now: list[Deferred[None]] = []
        self._waiting_next: list[Deferred[None]] = []
        self._answers_now = self._answers_next = 0
        self._failure: StoreFailed | None = None

    @property
    def waiting(self) -> int:
        """How many answers wait for a flush."""
        return self._answers_now + self._answers_next

    def written(self) -> None:
        """Something was just written that no flush covers yet."""
        self._written = True

    def durable(self, answers: int = 1) -> Deferred[None]:
        """Fires once everything written so far is durable; fails with `StoreFailed`. So many
        answers wait for that.

        Each caller gets a Deferred of its own: cancelling it disturbs nobody.
        """
        self.check()
        if not (self._written or self._syncing):
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        if self._written:
            self._waiting_next.append(waiter)
            self._answers_next += answers
        else:
            self._waiting_now.append(waiter)
            self._answers_now += answers
        if not self._flushing:
            self._flushing = True
            self._flush_on()
        return waiter

    def check(self) -> None:
        """Raise `StoreFailed` if a sync failed: from then on nothing is certain."""
        if self._failure is not None:
            raise StoreFailed(str(self._failure)) from self._failure

    def fail(self, error: Exception) -> None:
        """Nothing can be relied on any more: every waiter fails, and all that come later."""
        self._failure = StoreFailed(f"the metadata store cannot go on: {error}")
        self._failure.__cause__ = error
        waiting = self._waiting_now + self._waiting_next
        self._waiting_now, self._waiting_next = [], []
        self._answers_now = self._answers_next = 0
        self._on_failure(self._failure)
        for waiter in waiting:
            waiter.errback(StoreFailed(str(self._failure)))

    def _flush_on(self) -> None:
        """Flush, here or there, until nothing is written that is not durable."""
        if not self._written or self._failure is not None:
            self._flushing = False
        elif self._quickness.is_proved:
            self._clock.callLater(0, self._flush_in_place)
        else:
            Deferred.fromCoroutine(self._flush_in_thread())

    def _flush_in_place(self) -> None:
        if self._failure is None:
            state = self._begin()
            try:
                seconds = self._timed_sync()
            except Exception as error:  # whatever it is, nothing is known to be durable
                self.fail(error)
            else:
                self._quickness.took(seconds)
                self._end(state)
        self._flush_on()

    async def _flush_in_thread(self) -> None:
        while self._written and self._failure is None and not self._quickness.is_proved:
            began = self._clock.seconds()
            waited = await self._sync_in_thread()
            if waited >= CROWD and self._written:
                rest = began + CROWD_SECONDS_MIN - self._clock.seconds()
                await deferLater(self._clock, max(rest, 0))
        self._flush_on()

    async def _sync_in_thread(self) -> int:
        """One flush; how many waited for it or for the next when it was done."""
        state = self._begin()
        syncing = self._run_in_thread(self._timed_sync)
        in_place = syncing.called  # then that is what whoever gave us the threads wants
        try:
            seconds = await syncing
        except Exception as error:  # whatever it is, nothing is known to be durable
            self.fail(error)
        if self._failure is not None:
            return 0
        if not in_place:
            self._quickness.took(seconds)
        waited = self.waiting
        self._end(state)
        return waited

    def _timed_sync(self) -> float:
        """Returns how many seconds it took."""
        began = self._clock.seconds()
        self._sync()
        return self._clock.seconds() - began

    def _begin(self) -> _S:
        self._written = False
        self._waiting_now, self._waiting_next = self._waiting_next, []
        self._answers_now, self._answers_next = self._answers_next, 0
        self._syncing = True
        return self._take_state()

    def _end(self, state: _S) -> None:
        self._syncing = False
        self._publish(state)
        # Whoever goes on here may at once wait again, for what is not durable yet only.
        waiting, self._waiting_now = self._waiting_now, []
        self._answers_now = 0
        for waiter in waiting:
            waiter.callback(None)
