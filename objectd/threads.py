"""Blocking calls in threads, for two thirds of what Twisted's own pool takes.

A pool of Twisted carries the context of its caller into the thread, and a team of workers
hands each call on. Some ten thousand calls a second need neither.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread, get_native_id
from typing import ParamSpec, TypeAlias, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

_P = ParamSpec("_P")
_T = TypeVar("_T")

_Call: TypeAlias = Callable[[], None]


class Threads:
    """At most `threads_max` threads, started as they are needed, that take calls in order.

    Called with a function and its arguments it is a `RunInThread`: what the function returns
    or raises comes on a Deferred that fires in the reactor's thread. Cancelling that does not
    stop the call. By `niceness` its threads stand back behind all others.
    """

    def __init__(
        self, reactor: IReactorFromThreads, threads_max: int, name: str, *, niceness: int = 0
    ) -> None:
        self._reactor = reactor
        self._threads_max = threads_max
        self._name = name
        self._niceness = niceness
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._free = 0
        self._stopping = False
        self._counting = Lock()

    def __call__(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        result: Deferred[_T] = Deferred()
        self.take(self.answering(result, partial(function, *args, **kwargs)))
        return result

    def line(self) -> Line:
        """A `RunInThread` that makes one call after the other (`HasLines`)."""
        return Line(self)

    def answering(self, result: Deferred[_T], function: Callable[[], _T]) -> _Call:
        """A call for a thread that tells `result` what the function returned or raised."""

        def call() -> None:
            try:
                value = function()
            except BaseException:
                self._reactor.callFromThread(result.errback, Failure())
            else:
                self._reactor.callFromThread(result.callback, value)

        return call

    def take(self, call: _Call) -> None:
        """Have a thread make this call as soon as one is free. From any thread."""
        with self._counting:
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._threads_max:
                self._start_thread()
        self._calls.put(call)

    def take_after_others(self, call: _Call) -> bool:
        """Have a thread make this call when those have been made that wait for one now; False
        if none does. In a thread of this pool, as the last that a call does."""
        with self._counting:
            if self._free >= 0 or self._stopping:
                return False
            self._free -= 1
            self._calls.put(call)
            return True

    def stop(self) -> None:
        """Returns when all calls have ended; what they return is not told any more."""
        with self._counting:
            self._stopping = True
            for _ in self._threads:
                self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _start_thread(self) -> None:
        self._free += 1
        number = len(self._threads) + 1
        thread = Thread(target=self._work, name=f"{self._name} {number}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        if self._niceness:
            _stand_back(self._niceness)
        while (call := self._calls.get()) is not None:
            call()
            del call  # an idle thread holds nothing of what it was given
            with self._counting:
                self._free += 1


class Line:
    """Calls in threads, one after the other in the order in which they were asked for.

    The thread that has made one makes the next, if it is there by then: a turn of the reactor
    between them, while the core has nothing to do, would take MD5 a tenth of its speed. After
    each it lets others go first that wait for a thread.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[_Call] = deque()
        self._goes_on = False
        self._lock = Lock()

    def __call__(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        result: Deferred[_T] = Deferred()
        call = self._threads.answering(result, partial(function, *args, **kwargs))
        with self._lock:
            self._waiting.append(call)
            goes_on, self._goes_on = self._goes_on, True
        if not goes_on:
            self._threads.take(self._go)
        return result

    def _go(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call
            if self._threads.take_after_others(self._go):
                return

    def _next(self) -> _Call | None:
        with self._lock:
            self._goes_on = bool(self._waiting)
            return self._waiting.popleft() if self._goes_on else None


def _stand_back(niceness: int) -> None:
    """Lower the priority of this thread, where threads have one of their own (`nice(2)`)."""
    if sys.platform == "linux":
        thread = get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)
