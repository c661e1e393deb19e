"""Request bodies that were there when their request began."""

from __future__ import annotations

from objectd.errors import IncompleteBody
from objectd.web.body import Refusal
from objectd.web.sharing import BodyMemory


class WholeBody:
    """A body that came with its head in one read of the socket: no stream, no timer.

    Satisfies `objectd.web.application.RequestBody`, and has of `StreamingBody` what a
    connection asks of one that is complete.
    """

    __slots__ = ("_memory", "_unread", "length")

    complete = True
    awaits_continue = False
    remaining_bytes = 0
    refusal: Refusal | None = None

    def __init__(self, data: bytes, memory: BodyMemory) -> None:
        self.length: int | None = len(data)
        self._unread: bytes | None = data
        self._memory: BodyMemory | None = memory
        memory.take(len(data))

    @property
    def received_bytes(self) -> int:
        return self.length or 0

    async def read(self) -> bytes:
        return self.whole() or b""

    def whole(self) -> bytes | None:
        data, self._unread = self._unread, None if self.length else b""
        return data

    def close(self) -> None:
        self._unread = None if self.length else b""
        if self._memory is not None and self.length:
            self._memory.give_back(self.length)
            self._memory = None

    def fail(self, failure: IncompleteBody, refusal: Refusal | None = None) -> None:
        """All of it is here."""


NO_BODY = WholeBody(b"", BodyMemory(0))
"""The body of all requests without one."""
