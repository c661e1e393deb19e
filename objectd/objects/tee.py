"""One stream of pieces for several consumers, none of which waits for another.

MD5 takes four times as long for a body as everything else together. It keeps its core busy
only if the next bytes are there whenever it is done with some, also while a drive syncs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

Consume: TypeAlias = Callable[[Sequence[bytes]], Deferred[None]]


@attrs.frozen
class Consumer:
    """Handed more before it is done with what it was handed, up to `calls_max` times: it
    then keeps the order itself, and has something to go on with."""

    consume: Consume
    calls_max: int = 1


class Tee:
    """Hands each piece to every consumer, in order; what came while a consumer was busy it
    is handed at once. The first error of any of them is that of the whole."""

    def __init__(self, *consumers: Consumer) -> None:
        self._branches = [_Branch(consumer, self._moved) for consumer in consumers]
        self._waiting: Deferred[None] | None = None

    async def put(self, piece: bytes, *, held_bytes_max: int) -> None:
        """Take the next piece; returns once the pieces in memory are so many bytes or fewer."""
        for branch in self._branches:
            branch.put(piece)
        await self._until_held(held_bytes_max)

    async def drain(self) -> None:
        """Returns when every consumer is done with every piece."""
        await self._until_held(0)

    def stop(self) -> None:
        """Hand on no more, for good. A consumer that is at work has its wait cancelled."""
        branches, self._branches = self._branches, []  # which know of this, and hold much
        for branch in branches:
            branch.stop()

    async def _until_held(self, bytes_max: int) -> None:
        while True:
            for branch in self._branches:
                branch.raise_failure()
            if max(branch.held_bytes for branch in self._branches) <= bytes_max:
                return
            self._waiting = Deferred()
            try:
                await self._waiting
            finally:
                self._waiting = None

    def _moved(self) -> None:
        if self._waiting is not None and not self._waiting.called:
            self._waiting.callback(None)


class _Branch:
    """`held_bytes` is what its consumer is not done with. All branches are given the same
    pieces in the same order, so the most that one holds is what all hold together."""

    def __init__(self, consumer: Consumer, moved: Callable[[], None]) -> None:
        self.held_bytes = 0
        self._consumer = consumer
        self._moved = moved
        self._queue: list[bytes] = []
        self._failure: Failure | None = None
        self._working: list[Deferred[None]] = []

    def put(self, piece: bytes) -> None:
        self._queue.append(piece)
        self.held_bytes += len(piece)
        self._hand_on()

    def _hand_on(self) -> None:
        if self._failure is None and len(self._working) < self._consumer.calls_max:
            pieces, self._queue = self._queue, []
            work = self._consumer.consume(pieces)
            self._working.append(work)
            work.addBoth(self._done, work, sum(map(len, pieces)))

    def _done(self, failure: Failure | None, work: Deferred[None], size_bytes: int) -> None:
        self._working.remove(work)
        self.held_bytes -= size_bytes
        if failure is not None:
            self._failure = self._failure or failure
            self._queue.clear()
        elif self._queue:
            self._hand_on()
        self._moved()

    def raise_failure(self) -> None:
        if self._failure is not None:
            self._failure.raiseException()

    def stop(self) -> None:
        self._queue.clear()
        for work in self._working[:]:
            work.cancel()
