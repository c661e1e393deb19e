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


class Flushes(Generic[_S]):
    """Syncs what a store writes, one flush at a time, in a thread.

    A flush covers what was written before it began; what is written meanwhile belongs to
    the next, which begins at once unless there is a crowd. When its sync returns, all in one
    callback: `publish` makes the state taken at its beginning the one that is read, then its
    waiters go on, in the order they came.
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
        self._waiting_now: list[Deferred[None]] = []
        self._waiting_next: list[Deferred[None]] = []
        self._failure: StoreFailed | None = None

    @property
    def waiting(self) -> int:
        """How many wait for a flush."""
        return len(self._waiting_now) + len(self._waiting_next)

    def written(self) -> None:
        """Something was just written that no flush covers yet."""
        self._written = True

    def durable(self) -> Deferred[None]:
        """Fires once everything written so far is durable; fails with `StoreFailed`.

        Each caller gets a Deferred of its own: cancelling it disturbs nobody.
        """
        self.check()
        if not (self._written or self._syncing):
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        (self._waiting_next if self._written else self._waiting_now).append(waiter)
        if not self._flushing:
            Deferred.fromCoroutine(self._flush())
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
        self._on_failure(self._failure)
        for waiter in waiting:
            waiter.errback(StoreFailed(str(self._failure)))

    async def _flush(self) -> None:
        self._flushing = True
        while self._written and self._failure is None:
            began = self._clock.seconds()
            waited = await self._sync_written()
            if waited >= CROWD and self._written:
                rest = began + CROWD_SECONDS_MIN - self._clock.seconds()
                await deferLater(self._clock, max(rest, 0))
        self._flushing = False

    async def _sync_written(self) -> int:
        """One flush; how many waited for it or for the next when it was done."""
        self._written = False
        self._waiting_now, self._waiting_next = self._waiting_next, []
        state = self._take_state()
        self._syncing = True
        try:
            await self._run_in_thread(self._sync)
        except Exception as error:  # whatever it is, nothing is known to be durable
            self.fail(error)
        if self._failure is not None:
            return 0
        self._syncing = False
        waited = self.waiting
        self._publish(state)
        # Whoever goes on here may at once wait again, for what is not durable yet only.
        waiting, self._waiting_now = self._waiting_now, []
        for waiter in waiting:
            waiter.callback(None)
        return waited
