"""The factory of connections, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web import http, server
from twisted.web.resource import IResource
from typing_extensions import override

from objectd.protocol.messages import HttpRequest, Response
from objectd.web.application import AccessEvent, RefusalCode
from objectd.web.channel import Channel
from objectd.web.limits import Deadlines, Limits
from objectd.web.request import Request
from objectd.web.sharing import BodyMemory, Places
from objectd.web.wire import response_head


class Refuses(Protocol):
    """The part of an `Application` that answers for the web layer."""

    def refuse(self, request_id: str, code: RefusalCode, message: str) -> Response: ...


class Site(server.Site):
    """Serves a tree of resources over HTTP/1.1.

    `clock` measures deadlines, `now` (seconds since 1970) dates responses. `log_request` is
    called once per request, after its end.
    """

    noisy = False
    protocol = Channel  # type: ignore[assignment]  # Twisted wraps its own for HTTP/2

    def __init__(
        self,
        resource: IResource,
        application: Refuses,
        *,
        clock: IReactorTime,
        now: Callable[[], float],
        new_request_id: Callable[[], str],
        log_request: Callable[[AccessEvent], None],
        limits: Limits,
        deadlines: Deadlines,
    ) -> None:
        super().__init__(
            resource, Request, timeout=None, reactor=clock, parsePOSTFormSubmission=False
        )
        self.application = application
        self.clock = clock
        self.new_request_id = new_request_id
        self.log_request = log_request
        self.limits = limits
        self.deadlines = deadlines
        self.body_memory = BodyMemory(limits.body_memory_bytes)
        self.uploads = Places(limits.uploads)
        self.downloads = Places(limits.downloads)
        self.stopping = False
        self._now = now
        self._date = (-1, b"")
        self._channels: set[Channel] = set()
        self._emptied: list[Deferred[None]] = []

    @override
    def startFactory(self) -> None:
        """No log file, no timer."""

    @override
    def stopFactory(self) -> None:
        """Nothing was started."""

    @override
    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    @override
    def log(self, request: http.Request) -> None:
        """Twisted's access log; ours is `log_request`."""

    def date(self) -> bytes:
        """The value of a Date header, made once a second."""
        second = int(self._now())
        if second != self._date[0]:
            self._date = (second, http.datetimeToString(second))
        return self._date[1]

    # Connections

    def connected(self, channel: Channel) -> bool:
        """A connection was accepted; whether it is within the limit."""
        self._channels.add(channel)
        return len(self._channels) <= self.limits.connections

    def disconnected(self, channel: Channel) -> None:
        self._channels.discard(channel)
        if not self._channels:
            emptied, self._emptied = self._emptied, []
            for waiting in emptied:
                waiting.callback(None)

    def retire(self) -> Deferred[None]:
        """Close idle connections now and the others after the request that they are busy
        with; fires when none is left."""
        self.stopping = True
        for channel in list(self._channels):
            channel.retire()
        empty: Deferred[None] = Deferred()
        if self._channels:
            self._emptied.append(empty)
        else:
            empty.callback(None)
        return empty

    def abort(self) -> None:
        """Break all connections off."""
        for channel in list(self._channels):
            channel.abort()

    def refusal(
        self,
        channel: Channel,
        code: RefusalCode,
        message: str,
        request: HttpRequest | None = None,
    ) -> bytes:
        """The whole answer with which `channel` refuses and closes, as logged here."""
        request_id = self.new_request_id() if request is None else request.request_id
        response = self.application.refuse(request_id, code, message)
        body = response.body if isinstance(response.body, bytes) else b""
        bodyless = request is not None and request.method == "HEAD"
        data = response_head(response, date=self.date(), close=True) + (b"" if bodyless else body)
        self.log_request(
            AccessEvent(
                request_id=request_id,
                peer=channel.peer,
                method=request.method if request else "",
                path=request.raw_path.decode("latin-1") if request else "",
                status=response.status,
                error_code=response.error_code or code.value,
                bytes_in=0,
                bytes_out=len(data),
                milliseconds=0.0,
                complete=True,
            )
        )
        return data
