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
CROWD_SECONDS_EACH = 0.00015
CROWD_SECONDS_MAX = 0.003
"""Where this many waited for a flush, the next one begins so long for each of them, and at most,
after it began: a flush, and waking those who wait, takes as much processor time as a commit or two,
so that a crowd had better share it."""

QUICK_SECONDS = 0.0005
"""A thread and the way back take about as long as a sync that is as quick as this."""

TRIAL_SECONDS = 0.002
"""A sync in a thread that is as quick as this may have been a quick one: the thread had to wait for
a processor, and for the interpreter."""

SLOW_SECONDS = 0.02
"""A sync that takes longer is not waited for in place again until the disk has proved quick."""

THREAD_SYNCS = 64
"""So many syncs in threads come before some that are done in place on trial."""

TRIAL_SYNCS = 4
"""So many, unless one of them is slow, or quick: then so are those that follow."""

OTHER_SYNCS_MAX = 16
"""So many in place in a row that are not quick prove that the disk is not."""


_LONG_AGO = float("-inf")


class Quickness:
    """Whether the disk is quick enough for the reactor's thread to wait for a sync.

    Only a sync in place tells how long the disk takes: what one in a thread takes is the
    processors' doing where these are busy. So a few are done in place on trial, after many in
    threads of which some may have been quick; if one of the few is, so are those that follow.
    """

    _thread_syncs: int
    _may_be_quick: bool
    _others_left: int

    def __init__(self) -> None:
        self._begin_anew()

    @property
    def in_place(self) -> bool:
        """The next sync is better done in place."""
        return not self._thread_syncs

    def took_in_thread(self, seconds: float) -> None:
        self._may_be_quick = self._may_be_quick or seconds <= TRIAL_SECONDS
        self._thread_syncs = max(self._thread_syncs - 1, 0)
        if self.in_place and not self._may_be_quick:
            self._begin_anew()

    def took_in_place(self, seconds: float) -> None:
        """`seconds` without what the thread waited for a processor."""
        if seconds <= QUICK_SECONDS:
            self._others_left = OTHER_SYNCS_MAX
            return
        self._others_left -= 1
        if self._others_left <= 0 or seconds > SLOW_SECONDS:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._thread_syncs = THREAD_SYNCS
        self._may_be_quick = False
        self._others_left = TRIAL_SYNCS


class Flushes(Generic[_S]):
    """Syncs what a store writes, one flush at a time.

    A flush covers what was written before it began; what is written meanwhile belongs to
    the next, which begins at once unless there was a crowd. When its sync returns, all in one
    callback: `publish` makes the state taken at its beginning the one that is read, then its
    waiters go on, in the order they came.

    Syncs are done in a thread until the disk has proved quick, and then in place, in the reactor's
    thread: handing them over and back takes more processor time than all else about a flush. One
    in place begins in the next turn of the reactor, so that it covers all that came in this
    one. What it waits for the disk is bounded by `Quickness`: `SLOW_SECONDS` for each, but for
    one after `THREAD_SYNCS`, and by what a disk takes for `OTHER_SYNCS_MAX` when it gets slow.
    `processor_waits` tells how long the reactor's thread has waited for a processor so far.
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
        processor_waits: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._take_state = take_state
        self._sync = sync
        self._publish = publish
        self._on_failure = on_failure
        self._run_in_thread = run_in_thread
        self._clock = clock
        self._processor_waits = processor_waits
        self._began = self._next_begins = _LONG_AGO
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
        elif self._quickness.in_place:
            self._clock.callLater(self._pause(), self._flush_in_place)
        else:
            Deferred.fromCoroutine(self._flush_in_thread())

    def _flush_in_place(self) -> None:
        if self._failure is None:
            state = self._begin()
            waited = self._processor_waits()
            try:
                seconds = self._timed_sync()
            except Exception as error:  # whatever it is, nothing is known to be durable
                self.fail(error)
            else:
                self._quickness.took_in_place(seconds - (self._processor_waits() - waited))
                self._end(state)
        self._flush_on()

    async def _flush_in_thread(self) -> None:
        while self._written and self._failure is None and not self._quickness.in_place:
            if pause := self._pause():
                await deferLater(self._clock, pause)
            else:
                await self._sync_in_thread()
        self._flush_on()

    async def _sync_in_thread(self) -> None:
        state = self._begin()
        syncing = self._run_in_thread(self._timed_sync)
        in_place = syncing.called  # then that is what whoever gave us the threads wants
        try:
            seconds = await syncing
        except Exception as error:  # whatever it is, nothing is known to be durable
            self.fail(error)
        if self._failure is not None:
            return
        if not in_place:
            self._quickness.took_in_thread(seconds)
        self._end(state)

    def _pause(self) -> float:
        """How long the next flush waits for others to share it; not twice, and never long,
        whatever the clock says."""
        next_begins, self._next_begins = self._next_begins, _LONG_AGO
        return min(max(next_begins - self._clock.seconds(), 0.0), CROWD_SECONDS_MAX)

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
        self._began = self._clock.seconds()
        return self._take_state()

    def _end(self, state: _S) -> None:
        self._syncing = False
        if self.waiting >= CROWD:
            pause = min(self.waiting * CROWD_SECONDS_EACH, CROWD_SECONDS_MAX)
            self._next_begins = self._began + pause
        self._publish(state)
        # Whoever goes on here may at once wait again, for what is not durable yet only.
        waiting, self._waiting_now = self._waiting_now, []
        self._answers_now = 0
        for waiter in waiting:
            waiter.callback(None)
