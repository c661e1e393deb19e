"""A response on its way to the client, at the client's pace."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from objectd.streams import ByteStream
from objectd.web.request import Request
from objectd.web.timers import Progress


class LengthMismatch(Exception):
    """A response's stream did not hold the bytes that its head promised."""


@implementer(IPushProducer)
class Outflow:
    """Writes to one client and waits whenever the client's connection is full.

    A producer of its own, with a loop, since Twisted's pull producers take a turn of the
    global cooperator for each piece. A client that takes less than the least rate while it
    is waited for has its connection broken off.
    """

    def __init__(self, request: Request) -> None:
        channel, site = request.channel, request.site
        self._request = request
        self._channel = channel
        self._resumed: Deferred[None] | None = None
        self._progress = Progress(
            site.clock,
            site.deadlines,
            moved_bytes=lambda: -channel.unsent_bytes(),
            stalled=request.break_off,
        )
        self.sent_bytes = 0

    async def send(self, data: bytes) -> None:
        """Write `data`; returns when more may be written."""
        self._request.send(data)
        self.sent_bytes += len(data)
        await self._drained()

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
            await self.send(piece)
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

    async def _drained(self) -> None:
        """Wait until the client has taken what the transport would not buffer."""
        if not self._channel.congested or self._request.gone:
            return
        self._resumed = Deferred()
        self._request.registerProducer(self, True)
        self._progress.start()
        try:
            await self._resumed
        finally:
            self._resumed = None
            self._progress.pause()
            if not self._request.gone:
                self._request.unregisterProducer()

    def close(self) -> None:
        self._progress.stop()

    def pauseProducing(self) -> None:  # noqa: N802
        """`_drained` has the channel's word for it."""

    def resumeProducing(self) -> None:  # noqa: N802
        if self._resumed is not None:
            self._resumed.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is lost, which cancels the coroutine that waits."""
