"""Knowing when every read that could still need a file is over.

A reader learns from the metadata where its bytes are and opens the file only later. The
collector therefore unlinks a file only after every read has ended that was begun before
nothing could lead to that file any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred


class Reads:
    """The reads of this process. A read begins before it looks at the metadata.

    `elsewhere` waits for those of all other processes that read the same blobs.
    """

    def __init__(self, elsewhere: Callable[[], Awaitable[None]] | None = None) -> None:
        self._elsewhere = elsewhere
        self._numbers = itertools.count()
        self._under_way: dict[int, None] = {}
        self._waiting: list[tuple[int, Deferred[None]]] = []

    def begin(self) -> int:
        """Returns the ticket to give to `end`."""
        ticket = next(self._numbers)
        self._under_way[ticket] = None
        return ticket

    def end(self, ticket: int) -> None:
        """Idempotent."""
        self._under_way.pop(ticket, None)
        if self._waiting:
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        oldest = next(iter(self._under_way), None)
        over = [w for w in self._waiting if oldest is None or w[0] <= oldest]
        if over:
            self._waiting = [w for w in self._waiting if w not in over]
            for _, waiter in over:
                waiter.callback(None)

    async def drained(self) -> None:
        """Wait until all reads that began before this call have ended, here and elsewhere."""
        await self.drained_here()
        if self._elsewhere is not None:
            await self._elsewhere()

    async def drained_here(self) -> None:
        """The same for the reads of this process alone."""
        if self._under_way:
            waiter: Deferred[None] = Deferred(self._forget)
            self._waiting.append((next(self._numbers), waiter))
            await waiter

    def _forget(self, waiter: Deferred[None]) -> None:
        self._waiting = [w for w in self._waiting if w[1] is not waiter]
