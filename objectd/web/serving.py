"""One request from its headers to the end of its response."""

from __future__ import annotations

from twisted.internet.defer import TimeoutError as OutOfTime

from objectd.protocol.messages import Response
from objectd.streams import ByteStream
from objectd.web.application import AccessEvent, RefusalCode, Respond
from objectd.web.failures import log_failure
from objectd.web.request import Request
from objectd.web.sending import Outflow
from objectd.web.wire import BODILESS, chunk, response_head

_INTERNAL_ERROR = "We encountered an internal error. Please try again."
_UPLOADS_FULL = "Too many uploads are under way. Please reduce your request rate."
_DOWNLOADS_FULL = "Too many downloads are under way. Please reduce your request rate."


async def serve(request: Request, respond: Respond) -> None:
    """Have `respond` answer the request and send the answer.

    Leaves `request.finish` to the caller. Returns normally also when the client is gone or
    the connection had to be broken off. Cancelled when the client goes away.
    """
    await Exchange(request).run(respond)


class Exchange:
    """A request and what becomes of it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._body = request.body
        self._site = request.site
        self._channel = request.channel
        self._outflow = Outflow(request)
        self._began = self._site.clock.seconds()
        self._response: Response | None = None
        self._complete = False

    async def run(self, respond: Respond) -> None:
        try:
            response = self._response = await self._answer(respond)
            self._body.close()
            if not self._request.gone:
                await self._deliver(response)
        finally:
            self._body.close()
            self._outflow.close()
            if self._response is not None:
                self._response.close()
            self._site.log_request(self._event())

    # The application's part

    async def _answer(self, respond: Respond) -> Response:
        if self._body.complete:
            return await self._ask(respond)
        if not self._site.uploads.take():
            return self._refuse(RefusalCode.SLOW_DOWN, _UPLOADS_FULL)
        try:
            return await self._ask(respond)
        finally:
            self._site.uploads.give_back()

    async def _ask(self, respond: Respond) -> Response:
        try:
            response = await respond(self._request.head, self._body)
        except Exception as error:
            if not self._request.gone and self._body.refusal is None:
                log_failure(self._request.head, error)
            response = self._refuse(RefusalCode.INTERNAL_ERROR, _INTERNAL_ERROR)
        refusal = self._body.refusal
        if refusal is None:
            return response
        response.close()
        return self._refuse(refusal.code, refusal.message)

    def _refuse(self, code: RefusalCode, message: str) -> Response:
        return self._site.application.refuse(self._request.head.request_id, code, message)

    # The client's part

    async def _deliver(self, response: Response) -> None:
        try:
            await self._send(response)
        except Exception as error:
            if self._request.gone:
                return
            log_failure(self._request.head, error)
            if self._request.startedWriting:
                self._request.break_off()
            else:
                await self._send_instead(RefusalCode.INTERNAL_ERROR, _INTERNAL_ERROR)

    async def _send(self, response: Response) -> None:
        head_only = self._request.head.method == "HEAD" or response.status in BODILESS
        if head_only:
            await self._send_whole(response, b"")
        elif isinstance(response.body, bytes):
            await self._send_whole(response, response.body)
        elif response.content_length is None:
            await self._send_pieces(response, response.body)
        elif self._site.downloads.take():
            try:
                await self._send_stream(response, response.body, response.content_length)
            finally:
                self._site.downloads.give_back()
        else:
            await self._send_instead(RefusalCode.SLOW_DOWN, _DOWNLOADS_FULL)

    async def _send_whole(self, response: Response, body: bytes) -> None:
        await self._outflow.send(self._head(response) + body)
        self._complete = True

    async def _send_pieces(self, response: Response, stream: ByteStream) -> None:
        """A body whose length nobody knows yet. HTTP/1.0 has no chunks: there, what ends the
        body is the end of the connection."""
        chunked = self._request.clientproto == b"HTTP/1.1"
        if not chunked:
            self._channel.persistent = False
        framed = chunk if chunked else bytes
        await self._outflow.send_pieces(
            lambda: self._head(response, chunked=chunked), stream, framed
        )
        self._complete = True

    async def _send_stream(self, response: Response, stream: ByteStream, length: int) -> None:
        reserving = self._site.body_memory.reserve(
            min(length, self._site.limits.download_memory_bytes)
        )
        reserving.addTimeout(self._site.deadlines.memory_seconds, self._site.clock)
        try:
            reserved_bytes = await reserving
        except OutOfTime:
            await self._send_instead(RefusalCode.SLOW_DOWN, _DOWNLOADS_FULL)
            return
        try:
            await self._outflow.send_stream(lambda: self._head(response), stream, length)
            self._complete = True
        finally:
            self._site.body_memory.give_back(reserved_bytes)

    async def _send_instead(self, code: RefusalCode, message: str) -> None:
        if self._response is not None:
            self._response.close()
        self._response = self._refuse(code, message)
        await self._send(self._response)

    def _head(self, response: Response, *, chunked: bool = False) -> bytes:
        self._channel.persistent = self._stays_open()
        return response_head(
            response,
            date=self._site.date(),
            close=not self._channel.persistent,
            chunked=chunked,
        )

    def _stays_open(self) -> bool:
        """Whether another request may follow on this connection: only if what is left of
        this one's body is known, small and on its way (RFC 9110, 10.1.1: a client that was
        not told to continue may send its body or not)."""
        if not self._channel.persistent or self._site.stopping:
            return False
        if self._body.complete:
            return True
        remaining_bytes = self._body.remaining_bytes
        return (
            remaining_bytes is not None
            and remaining_bytes <= self._site.limits.drain_bytes
            and not self._body.awaits_continue
        )

    def _event(self) -> AccessEvent:
        head = self._request.head
        response = self._response if self._outflow.sent_bytes > 0 else None
        return AccessEvent(
            request_id=head.request_id,
            peer=head.peer,
            method=head.method,
            path=head.raw_path.decode("latin-1"),
            status=response.status if response is not None else None,
            error_code=_error_code(response) if response is not None else "",
            bytes_in=self._body.received_bytes,
            bytes_out=self._outflow.sent_bytes,
            milliseconds=(self._site.clock.seconds() - self._began) * 1000,
            complete=self._complete,
        )


def _error_code(response: Response) -> str:
    return response.error_code or response.late_error_code()
