"""The factory of connections, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.web.http import datetimeToString
from typing_extensions import override
from zope.interface import implementer

from objectd.protocol.messages import HttpRequest, Response
from objectd.web.application import AccessEvent, RefusalCode
from objectd.web.channel import Channel
from objectd.web.heads import Heads
from objectd.web.limits import Deadlines, Limits
from objectd.web.serving import Exchange
from objectd.web.sharing import BodyMemory, Places
from objectd.web.timers import Sweep
from objectd.web.wire import opening, response_head


class Refuses(Protocol):
    """The part of an `Application` that answers for the web layer."""

    def refuse(self, request_id: str, code: RefusalCode, message: str) -> Response: ...


class Root(Protocol):
    """Where all requests go."""

    def begin(self, exchange: Exchange) -> None:
        """Have the exchange served. Called once, when the head is complete; errors are told
        to `Exchange.fail`, not raised."""


@implementer(IProtocolNegotiationFactory)
class Site(ServerFactory[Channel]):
    """Serves what is at `root` over HTTP/1.1.

    `clock` measures deadlines, `now` (seconds since 1970) dates responses. `log_request` is
    called once per request, after its end; `flush_log` when no connection is left.
    """

    noisy = False

    def __init__(
        self,
        root: Root,
        application: Refuses,
        *,
        clock: IReactorTime,
        now: Callable[[], float],
        new_request_id: Callable[[], str],
        log_request: Callable[[AccessEvent], None],
        limits: Limits,
        deadlines: Deadlines,
        flush_log: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = root
        self.application = application
        self.clock = clock
        self.new_request_id = new_request_id
        self.log_request = log_request
        self.limits = limits
        self.deadlines = deadlines
        self.body_memory = BodyMemory(limits.body_memory_bytes)
        self.uploads = Places(limits.uploads)
        self.downloads = Places(limits.downloads)
        self.heads = Heads(limits, new_request_id)
        self.stopping = False
        self._now = now
        self._flush_log = flush_log
        self._second = -1
        self._openings: dict[int, bytes] = {}
        self._channels: set[Channel] = set()
        self._sweep = Sweep(clock, self._channels)
        self._emptied: list[Deferred[None]] = []

    @override
    def buildProtocol(self, addr: IAddress | None) -> Channel:
        return Channel(self)

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """What TLS clients are told."""
        return [b"http/1.1"]

    def opening(self, status: int) -> bytes:
        """How all heads with this status begin during one second."""
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._openings.clear()
        found = self._openings.get(status)
        if found is None:
            found = self._openings[status] = opening(status, datetimeToString(second))
        return found

    # Connections

    def connected(self, channel: Channel) -> bool:
        """A connection was accepted; whether it is within the limit."""
        self._channels.add(channel)
        self._sweep.start()
        return len(self._channels) <= self.limits.connections

    def disconnected(self, channel: Channel) -> None:
        self._channels.discard(channel)
        if not self._channels:
            self._sweep.stop()
            self._flush_log()
            emptied, self._emptied = self._emptied, []
            for waiting in emptied:
                waiting.callback(None)

    def retire(self) -> Deferred[None]:
        """Close idle connections now and the others after the request that they are busy
        with, or that is on its way; fires when none is left."""
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
        head = response_head(response, self.opening(response.status), close=True)
        data = head if bodyless else head + body
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
