"""What all requests of a process share: places, and memory for bodies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, succeed

from objectd.web.limits import PIECE_BYTES_MAX


@attrs.define
class Places:
    """A number of places, of which each request of a kind takes one."""

    limit: int
    taken: int = 0

    def take(self) -> bool:
        """Take a place; False if there is none."""
        if self.taken >= self.limit:
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        self.taken -= 1


@attrs.define(eq=False)
class _Waiter:
    size_bytes: int
    granted: Callable[[], None]


class BodyMemory:
    """The bytes that bodies in flight may hold, all together.

    `large_reads` are the uploads whose sockets are read by the mebibyte: each may be one read
    beyond the limit. Downloads reserve the size of a piece before they read one. Uploads cannot
    know what the next read of the socket brings: they stop reading while the memory is
    exhausted, and only what was already on its way is taken beyond the limit. Who waits is
    served in order.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self.large_reads = Places(limit_bytes // 4 // PIECE_BYTES_MAX)
        self._waiting: deque[_Waiter] = deque()

    @property
    def exhausted(self) -> bool:
        return self.held_bytes >= self.limit_bytes or bool(self._waiting)

    def take(self, size_bytes: int) -> None:
        """Account for bytes that are here already."""
        self.held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes
        while self._waiting and self._has_room_for(self._waiting[0].size_bytes):
            self._waiting.popleft().granted()

    def when_free(self, resume: Callable[[], None]) -> Callable[[], None]:
        """Call `resume` when it is this one's turn and there is some memory; what is
        returned withdraws the wish."""
        return self._wait(1, resume)

    def reserve(self, size_bytes: int) -> Deferred[int]:
        """Take `size_bytes` (or all there can be) as soon as they are free; fires with what
        is to be given back. Cancelling gives up the place in the queue."""
        size_bytes = min(size_bytes, self.limit_bytes)
        if not self._waiting and self._has_room_for(size_bytes):
            self.take(size_bytes)
            return succeed(size_bytes)

        def granted() -> None:
            self.take(size_bytes)
            reserved.callback(size_bytes)

        withdraw = self._wait(size_bytes, granted)
        reserved: Deferred[int] = Deferred(lambda _: withdraw())
        return reserved

    def _wait(self, size_bytes: int, granted: Callable[[], None]) -> Callable[[], None]:
        waiter = _Waiter(size_bytes, granted)
        self._waiting.append(waiter)

        def withdraw() -> None:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self.give_back(0)  # the next one may fit where this one did not

        return withdraw

    def _has_room_for(self, size_bytes: int) -> bool:
        return self.held_bytes + size_bytes <= self.limit_bytes
