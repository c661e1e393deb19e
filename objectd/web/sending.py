"""A response on its way to the client, at the client's pace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from objectd.streams import ByteStream
from objectd.web.timers import Progress

if TYPE_CHECKING:
    from objectd.web.serving import Exchange


class LengthMismatch(Exception):
    """A response's stream did not hold the bytes that its head promised."""


class Outflow:
    """Writes to one client and waits whenever the client's connection is full.

    A client that takes less than the least rate while it is waited for has its connection
    broken off.
    """

    def __init__(self, exchange: Exchange) -> None:
        channel, site = exchange.channel, exchange.site
        self._exchange = exchange
        self._channel = channel
        self._resumed: Deferred[None] | None = None
        self._left_bytes = 0
        self._progress = Progress(
            site.clock,
            site.deadlines,
            moved_bytes=lambda: -channel.unsent_bytes() - self._left_bytes,
            stalled=exchange.break_off,
        )

    async def send(self, data: bytes) -> None:
        """Write `data`; returns when more may be written."""
        self._exchange.send(data)
        if self._channel.congested:
            await self.drained()

    async def send_stream(self, head: Callable[[], bytes], stream: ByteStream, length: int) -> None:
        """Write what `head` returns, and exactly `length` bytes: all that the stream holds.

        The first piece is there before the head goes out, so that what fails until then can
        still be answered with an error.
        """
        piece, remaining_bytes = await stream.read(), length
        await self.send(head())
        while remaining_bytes > 0:
            remaining_bytes -= len(piece)
            if not piece or remaining_bytes < 0:
                raise LengthMismatch(f"of {length} bytes promised, {remaining_bytes} are left")
            await self._send_piece(piece)
            del piece  # not held while the next one is read
            piece = await stream.read() if remaining_bytes else b""

    async def send_pieces(
        self, head: Callable[[], bytes], stream: ByteStream, framed: Callable[[bytes], bytes]
    ) -> None:
        """Write what `head` returns and all that the stream holds, each piece `framed` and
        at once; the end is a piece of nothing."""
        piece = await stream.read()
        await self.send(head() + framed(piece))
        while piece:
            piece = await stream.read()
            await self.send(framed(piece))

    async def _send_piece(self, piece: bytes) -> None:
        """As `send`, but straight from `piece`: the transport would copy what the client does
        not take at once."""
        left = memoryview(piece)
        left = left[self._exchange.send_some(left) :]
        self._left_bytes = len(left)
        if not left:
            await self.drained()
            return
        self._progress.start()
        try:
            while left and not self._exchange.gone:
                await self._room()
                left = left[self._exchange.send_some(left) :]
                self._left_bytes = len(left)
        finally:
            self._progress.pause()

    async def drained(self) -> None:
        """Wait until the client has taken what the transport would not buffer."""
        if not self._channel.congested or self._exchange.gone:
            return
        self._progress.start()
        try:
            await self._room()
        finally:
            self._progress.pause()

    async def _room(self) -> None:
        resumed: Deferred[None] = Deferred()
        self._resumed = resumed
        self._channel.when_taken = self._taken
        try:
            await resumed
        finally:
            self._resumed = self._channel.when_taken = None

    def _taken(self) -> None:
        if self._resumed is not None:
            self._resumed.callback(None)

    def close(self) -> None:
        self._progress.stop()
