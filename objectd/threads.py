"""Blocking calls in threads, for two thirds of what Twisted's own pool takes.

A pool of Twisted carries the context of its caller into the thread, and a team of workers
hands each call on. Some ten thousand calls a second need neither.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """At most `threads_max` threads, started as they are needed, that take calls in order."""

    def __init__(self, reactor: IReactorFromThreads, threads_max: int, name: str) -> None:
        self._reactor = reactor
        self._threads_max = threads_max
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._free = 0
        self._counting = Lock()

    def run(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        """What the function returns or raises, on a Deferred that fires in the reactor's
        thread. Cancelling it does not stop the call."""
        result: Deferred[_T] = Deferred()

        def call() -> None:
            try:
                value = function(*args, **kwargs)
            except BaseException:
                self._reactor.callFromThread(result.errback, Failure())
            else:
                self._reactor.callFromThread(result.callback, value)

        with self._counting:
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._threads_max:
                self._start_thread()
        self._calls.put(call)
        return result

    def stop(self) -> None:
        """Returns when all calls have ended; what they return is not told any more."""
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
        while (call := self._calls.get()) is not None:
            call()
            with self._counting:
                self._free += 1
