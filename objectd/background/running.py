"""Work that goes on while the server runs, until it is stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

_T = TypeVar("_T")
_log = Logger()


class Running:
    """Some works side by side. What one of them must not end by goes through `tried`."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._works: list[Deferred[None]] = []

    def start(self, work: Awaitable[None]) -> None:
        async def until_cancelled() -> None:
            try:
                await work
            except CancelledError:
                return

        self._works.append(Deferred.fromCoroutine(until_cancelled()))

    def start_every(self, interval_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Now, and then so long after each time."""
        self.start(self._every(interval_seconds, work))

    async def stop(self) -> None:
        """End all between two steps. Idempotent."""
        works, self._works = self._works, []
        for each in works:
            each.cancel()
        for each in works:
            await each

    async def _every(self, interval_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await work()
            await deferLater(self._clock, interval_seconds)


async def tried(work: Awaitable[_T], failure: str) -> _T | None:
    """None if it failed, whatever with, which is logged as `failure` and a traceback: nobody else
    would see that it runs no more."""
    try:
        return await work
    except CancelledError:
        raise
    except Exception:
        _log.failure(failure)
        return None
