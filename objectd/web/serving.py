"""One request from its headers to the end of its response."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as OutOfTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from objectd.errors import IncompleteBody
from objectd.protocol.messages import HttpRequest, Response
from objectd.streams import ByteStream
from objectd.web.application import AccessEvent, RefusalCode, Respond
from objectd.web.body import StreamingBody
from objectd.web.failures import log_failure
from objectd.web.sending import Outflow
from objectd.web.whole import WholeBody
from objectd.web.wire import BODILESS, chunk, response_head

if TYPE_CHECKING:
    from objectd.web.channel import Channel

_INTERNAL_ERROR = "We encountered an internal error. Please try again."
_UPLOADS_FULL = "Too many uploads are under way. Please reduce your request rate."
_DOWNLOADS_FULL = "Too many downloads are under way. Please reduce your request rate."

_log = Logger()


class Exchange:
    """A request and what becomes of it.

    Whoever routes it calls `serve`, or awaits `run` and then calls `finish`. `gone`: there is
    nobody left to answer. `begun`: bytes of the answer were written, `finished`: all of it.
    """

    __slots__ = (
        "_began",
        "_complete",
        "_outflow",
        "_response",
        "_sent_bytes",
        "_working",
        "begun",
        "body",
        "channel",
        "finished",
        "gone",
        "head",
        "http_1_1",
        "site",
        "when_lost",
    )

    def __init__(
        self,
        channel: Channel,
        head: HttpRequest,
        body: StreamingBody | WholeBody,
        *,
        http_1_1: bool,
    ) -> None:
        self.channel = channel
        self.site = channel.site
        self.head = head
        self.body = body
        self.http_1_1 = http_1_1
        self.gone = False
        self.begun = False
        self.finished = False
        self.when_lost: Callable[[], object] | None = None
        self._began = self.site.clock.seconds()
        self._outflow: Outflow | None = None
        self._response: Response | None = None
        self._sent_bytes = 0
        self._complete = False

    # Its life

    def serve(self, respond: Respond) -> None:
        """Have `respond` answer the request, and send the answer. What does not have to wait
        for anything, as most small requests do not, goes without a Deferred."""
        self._working: Coroutine[Deferred[Any], Any, None] = self.run(respond)
        self._go_on(None)

    def _go_on(self, result: object) -> None:
        """What was waited for is there, or failed. Its steps are taken here: a Deferred for all
        of them would cost every PUT 3 µs more."""
        try:
            if isinstance(result, Failure):
                waited = result.throwExceptionIntoGenerator(self._working)
            else:
                waited = self._working.send(None)
        except StopIteration:
            self.finish()
        except BaseException:
            self.fail(Failure())
        else:
            self.when_lost = waited.cancel
            waited.addBoth(self._go_on)
            waited.addErrback(self.fail)

    async def run(self, respond: Respond) -> None:
        """Returns normally also when the client is gone or the connection had to be broken
        off. To be cancelled when the client goes away."""
        try:
            ask = self._ask if self.body.complete else self._ask_with_place
            response = self._response = await ask(respond)
            if not self.gone:
                try:
                    await self._send(response)
                except Exception as error:
                    await self._recover(error)
        finally:
            if self._outflow is not None:
                self._outflow.close()
                self._outflow = None
            if self._response is not None:
                self._response.close()
            self.site.log_request(self._event())

    def finish(self) -> None:
        """The answer is complete."""
        if not (self.gone or self.finished):
            self.finished = True
            self.channel.answered()

    def fail(self, failure: Failure) -> None:
        """Something failed that has no answer of its own."""
        _log.failure("Request {id} failed", failure=failure, id=self.head.request_id)
        if self.begun:
            self.break_off()
        elif not self.gone:
            channel = self.channel
            channel.persistent = False
            self.send(self.site.refusal(channel, RefusalCode.INTERNAL_ERROR, "", self.head))
            self.finish()

    def lost(self) -> None:
        """The client closed the connection."""
        self.gone = True
        self.body.fail(IncompleteBody("The client closed the connection."))
        if self.when_lost is not None:
            self.when_lost()

    def send(self, data: bytes) -> None:
        """Write head and body bytes as they are."""
        self.begun = True
        self._sent_bytes += len(data)
        self.channel.write(data)

    def send_some(self, data: memoryview) -> int:
        """Write the beginning of `data` as it is; returns how much of it."""
        sent_bytes = self.channel.send_some(data)
        self._sent_bytes += sent_bytes
        return sent_bytes

    def break_off(self) -> None:
        """Abort the connection, because the answer that was begun cannot be completed."""
        if not self.gone:
            self.gone = True
            self.channel.abort()

    # The application's part

    async def _ask_with_place(self, respond: Respond) -> Response:
        """A body that is still to come needs one of the places for uploads."""
        if not self.site.uploads.take():
            self.body.close()
            return self._refuse(RefusalCode.SLOW_DOWN, _UPLOADS_FULL)
        try:
            return await self._ask(respond)
        finally:
            self.site.uploads.give_back()

    async def _ask(self, respond: Respond) -> Response:
        try:
            response = await respond(self.head, self.body)
        except Exception as error:
            if not self.gone and self.body.refusal is None:
                log_failure(self.head, error)
            response = self._refuse(RefusalCode.INTERNAL_ERROR, _INTERNAL_ERROR)
        finally:
            self.body.close()
        refusal = self.body.refusal
        if refusal is None:
            return response
        response.close()
        return self._refuse(refusal.code, refusal.message)

    def _refuse(self, code: RefusalCode, message: str) -> Response:
        return self.site.application.refuse(self.head.request_id, code, message)

    # The client's part

    async def _send(self, response: Response) -> None:
        body = response.body
        if self.head.method == "HEAD" or response.status in BODILESS:
            body = b""
        if isinstance(body, bytes):
            self.send(self._head(response) + body)
            if self.channel.congested:
                await self._outward().drained()
            self._complete = True
        elif response.content_length is None:
            await self._send_pieces(response, body)
        elif self.site.downloads.take():
            try:
                await self._send_stream(response, body, response.content_length)
            finally:
                self.site.downloads.give_back()
        else:
            await self._send_instead(RefusalCode.SLOW_DOWN, _DOWNLOADS_FULL)

    async def _send_pieces(self, response: Response, stream: ByteStream) -> None:
        """A body whose length nobody knows yet. HTTP/1.0 has no chunks: there, what ends the
        body is the end of the connection."""
        chunked = self.http_1_1
        if not chunked:
            self.channel.persistent = False
        framed = chunk if chunked else bytes
        await self._outward().send_pieces(
            lambda: self._head(response, chunked=chunked), stream, framed
        )
        self._complete = True

    async def _send_stream(self, response: Response, stream: ByteStream, length: int) -> None:
        reserving = self.site.body_memory.reserve(
            min(length, self.site.limits.download_memory_bytes)
        )
        reserving.addTimeout(self.site.deadlines.memory_seconds, self.site.clock)
        try:
            reserved_bytes = await reserving
        except OutOfTime:
            await self._send_instead(RefusalCode.SLOW_DOWN, _DOWNLOADS_FULL)
            return
        try:
            await self._outward().send_stream(lambda: self._head(response), stream, length)
            self._complete = True
        finally:
            self.site.body_memory.give_back(reserved_bytes)

    async def _recover(self, error: Exception) -> None:
        """The answer could not be sent."""
        if self.gone:
            return
        log_failure(self.head, error)
        if self.begun:
            self.break_off()
        else:
            await self._send_instead(RefusalCode.INTERNAL_ERROR, _INTERNAL_ERROR)

    async def _send_instead(self, code: RefusalCode, message: str) -> None:
        if self._response is not None:
            self._response.close()
        self._response = self._refuse(code, message)
        await self._send(self._response)

    def _outward(self) -> Outflow:
        if self._outflow is None:
            self._outflow = Outflow(self)
        return self._outflow

    def _head(self, response: Response, *, chunked: bool = False) -> bytes:
        stays_open = self.channel.persistent = self._stays_open()
        return response_head(
            response,
            self.site.opening(response.status),
            close=not stays_open,
            chunked=chunked,
        )

    def _stays_open(self) -> bool:
        """Whether another request may follow on this connection: only if what is left of
        this one's body is known, small and on its way (RFC 9110, 10.1.1: a client that was
        not told to continue may send its body or not)."""
        if not self.channel.persistent or self.site.stopping:
            return False
        if self.body.complete:
            return True
        remaining_bytes = self.body.remaining_bytes
        return (
            remaining_bytes is not None
            and remaining_bytes <= self.site.limits.drain_bytes
            and not self.body.awaits_continue
        )

    def _event(self) -> AccessEvent:
        head, response = self.head, self._response
        status, error_code = None, ""
        if response is not None and self._sent_bytes:
            status, error_code = response.status, response.error_code
            if not error_code and response.late_error_code is not None:
                error_code = response.late_error_code()
        return AccessEvent(
            head.request_id,
            head.peer,
            head.method,
            head.raw_path.decode("latin-1"),
            status,
            error_code,
            self.body.received_bytes,
            self._sent_bytes,
            (self.site.clock.seconds() - self._began) * 1000,
            self._complete,
        )
