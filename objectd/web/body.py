"""The body of a request as a stream that the application pulls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from objectd.errors import IncompleteBody
from objectd.web.application import RefusalCode
from objectd.web.limits import PIECE_BYTES_MAX, Deadlines, Limits
from objectd.web.sharing import BodyMemory
from objectd.web.timers import Progress

WHOLE_BYTES_MAX = 64 << 10
"""A body up to this size may be taken at once, where all of it is there."""

LARGE_BYTES = 1 << 20
"""From here on a body is read in large pieces: each costs the same as a small one."""

STREAM_BYTES_MIN = 32 << 10
"""A stream that holds less is read on though the shared memory is exhausted: so every body
gets on, whatever others hold. One read of its socket, up to 64 KiB unless it is one of the
`large_reads`, may come on top."""

PIECE_BYTES_MIN = 256 << 10
"""TLS brings 16 KiB at a time. Digests, threads and drives cost per call, so pieces are
gathered up to this size while more can be had."""


SCRAP_BYTES = 4 << 10
"""Smaller data is collected in one buffer: as an object of its own, a chunk of two bytes
would take twenty times the memory that is accounted for."""


class Source(Protocol):
    """The connection that a body comes over."""

    def hold_input(self) -> None:
        """Stop reading from the client."""

    def release_input(self) -> None:
        """Read on."""

    def send_continue(self) -> None:
        """Tell the client to send the body that it holds back."""

    def read_much(self, much: bool) -> None:
        """Take more than usual from the client at a time, or no more than usual."""


@attrs.frozen
class Refusal:
    """What the web layer has to say of a request itself."""

    code: RefusalCode
    message: str


class StreamingBody:
    """Bytes on their way from a connection to an application.

    What is queued here, together with the piece that the application was handed last, is
    accounted for in the shared memory and bounded by `stream_memory_bytes`; beyond that the
    connection is not read. Satisfies `objectd.web.application.RequestBody`.
    """

    def __init__(
        self,
        length: int | None,
        *,
        expects_continue: bool,
        source: Source,
        memory: BodyMemory,
        limits: Limits,
        deadlines: Deadlines,
        clock: IReactorTime,
    ) -> None:
        self.length = length
        self.received_bytes = 0
        self.complete = length == 0
        self.awaits_continue = expects_continue and not self.complete
        self.refusal: Refusal | None = None
        self._source = source
        self._memory = memory
        self._held_bytes_max = limits.stream_memory_bytes
        self._queue: list[bytes | bytearray] = []
        self._queued_bytes = 0
        self._handed_bytes = 0
        self._closed = False
        self._failure: IncompleteBody | None = None
        self._reader: Deferred[None] | None = None
        self._holding = False
        self._withdraw: Callable[[], None] | None = None
        self._reads_much = False
        self._progress = Progress(
            clock,
            deadlines,
            moved_bytes=lambda: self.received_bytes,
            stalled=self._stalled,
        )

    # The application's side

    async def read(self) -> bytes:
        self._let_go()
        if self.awaits_continue:
            self.awaits_continue = False
            self._source.send_continue()
        if not self._ready:
            self._read_much((self.remaining_bytes or 0) >= LARGE_BYTES)
            self._balance()
            await self._arrival()
        if self._failure is not None:
            raise self._failure
        piece = self._take_piece()
        self._balance()
        return piece

    def whole(self) -> bytes | None:
        held_bytes = self._queued_bytes
        if not self.complete or held_bytes != self.received_bytes or held_bytes > WHOLE_BYTES_MAX:
            return None
        if self._failure is not None:
            return None
        piece = self._take_piece()
        self._balance()
        return piece

    def close(self) -> None:
        """Drop what is queued, and whatever still comes."""
        if self._closed:
            return
        self._closed = True
        self._read_much(False)
        self._failure = IncompleteBody("the stream was closed before its end")
        self._drop_queue()
        self._let_go()
        self._wake()

    # The connection's side

    @property
    def remaining_bytes(self) -> int | None:
        """How much is still to come, if that is known."""
        return None if self.length is None else self.length - self.received_bytes

    def receive(self, data: bytes) -> None:
        self.awaits_continue = False
        self.received_bytes += len(data)
        if self._closed or self._failure is not None or not data:
            return
        self._enqueue(data)
        self._queued_bytes += len(data)
        self._memory.take(len(data))
        self._balance()
        if self._ready:
            self._wake()

    def finish(self) -> None:
        """The last byte has been received."""
        self.complete = True
        self._read_much(False)
        self._balance()
        self._wake()

    def fail(self, failure: IncompleteBody, refusal: Refusal | None = None) -> None:
        """No more will come though more was announced. `refusal` is what the client is told
        if it is still there."""
        if self.complete or self._closed or self._failure is not None:
            return
        self._failure = failure
        self.refusal = refusal
        self._drop_queue()
        self._wake()

    # Between the two

    @property
    def _ready(self) -> bool:
        return (
            self.complete
            or self._failure is not None
            or self._queued_bytes >= PIECE_BYTES_MIN
            or (self._holding and self._queued_bytes > 0)
        )

    def _enqueue(self, data: bytes) -> None:
        if len(data) >= SCRAP_BYTES:
            self._queue.append(data)
            return
        last = self._queue[-1] if self._queue else b""
        if isinstance(last, bytearray) and len(last) < PIECE_BYTES_MIN:
            last += data
        else:
            self._queue.append(bytearray(data))

    def _take_piece(self) -> bytes:
        count = size_bytes = 0
        for data in self._queue:
            if count and size_bytes + len(data) > PIECE_BYTES_MAX:
                break
            count += 1
            size_bytes += len(data)
        piece = b"".join(self._queue[:count])
        del self._queue[:count]
        self._queued_bytes -= size_bytes
        self._handed_bytes = size_bytes
        return piece

    def _read_much(self, much: bool) -> None:
        if much is self._reads_much:
            return
        if not much:
            self._memory.large_reads.give_back()
        elif not self._memory.large_reads.take():
            return
        self._reads_much = much
        self._source.read_much(much)

    async def _arrival(self) -> None:
        self._reader = Deferred()
        self._progress.start()
        try:
            await self._reader
        finally:
            self._reader = None
            self._progress.pause()

    def _wake(self) -> None:
        if self.complete or self._failure is not None:
            self._progress.stop()
        if self._reader is not None and not self._reader.called:
            self._reader.callback(None)

    def _stalled(self) -> None:
        message = "The client did not send its request body fast enough."
        self.fail(IncompleteBody(message), Refusal(RefusalCode.REQUEST_TIMEOUT, message))

    # Memory

    def _balance(self) -> None:
        """Hold the connection or release it, according to what is held of it."""
        over = not (self.complete or self._failure is not None) and self._over_its_share()
        if over and not self._holding:
            self._holding = True
            self._source.hold_input()
            if self._held_bytes < self._held_bytes_max:
                self._withdraw = self._memory.when_free(self._release)
        elif self._holding and not over:
            self._release()

    def _over_its_share(self) -> bool:
        held_bytes = self._held_bytes
        return held_bytes >= self._held_bytes_max or (
            held_bytes >= STREAM_BYTES_MIN and self._memory.exhausted
        )

    def _release(self) -> None:
        self._holding = False
        if self._withdraw is not None:
            self._withdraw()
            self._withdraw = None
        self._source.release_input()

    @property
    def _held_bytes(self) -> int:
        return self._queued_bytes + self._handed_bytes

    def _let_go(self) -> None:
        """The application is done with the piece that it was handed."""
        handed_bytes, self._handed_bytes = self._handed_bytes, 0
        self._memory.give_back(handed_bytes)
        self._balance()

    def _drop_queue(self) -> None:
        queued_bytes, self._queued_bytes = self._queued_bytes, 0
        self._queue.clear()
        self._memory.give_back(queued_bytes)
        self._balance()
