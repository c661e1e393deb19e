"""One connection: bytes in, requests in order, answers out."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from objectd.errors import IncompleteBody
from objectd.transports import write_directly
from objectd.web.application import RefusalCode
from objectd.web.body import WHOLE_BYTES_MAX, Refusal, StreamingBody
from objectd.web.direct import send_some, unsent_bytes
from objectd.web.heads import Head, Refused
from objectd.web.parsing import Chunks, Malformed, Measured
from objectd.web.serving import Exchange
from objectd.web.timers import NEVER
from objectd.web.whole import NO_BODY, WholeBody

if TYPE_CHECKING:
    from objectd.web.site import Site

READ_BYTES = 64 << 10
LARGE_READ_BYTES = 1 << 20


class Phase(Enum):
    """What a connection is doing, and so what its deadline means."""

    IDLE = "between requests"
    HEAD = "receiving a request line or headers"
    REQUEST = "with a request, which has deadlines of its own"
    DRAINING = "dropping what is left of a request that was answered"
    CLOSING = "flushing the last answer"


# In Python 3.11 it takes 0.12 µs to look a member up, and a request does so some ten times.
_IDLE, _HEAD, _REQUEST, _DRAINING, _CLOSING = Phase


@implementer(IHalfCloseableProtocol, IPushProducer)
class Channel(Protocol):
    """An HTTP/1.1 connection.

    One request at a time is taken from what was received; the next one stays bytes until the
    answer is sent, and beyond `pipelined_bytes` of them the client is not read. There is one
    of these for each idle client, so it has slots, no timer, and no parser of its own.
    """

    __slots__ = (
        "_blank_line",
        "_deaf",
        "_drained_bytes",
        "_exchange",
        "_framing",
        "_input_ended",
        "_input_held",
        "_parsing",
        "_paused",
        "_phase",
        "_unparsed",
        "congested",
        "connected",
        "expires",
        "peer",
        "persistent",
        "secure",
        "site",
        "transport",
        "when_taken",
    )

    transport: ITCPTransport

    def __init__(self, site: Site) -> None:
        self.site = site
        self.persistent = True
        self.congested = False
        self.when_taken: Callable[[], None] | None = None
        self.expires = NEVER
        self._phase = _HEAD
        self._exchange: Exchange | None = None
        self._unparsed = b""
        self._blank_line = False
        self._framing: Measured | Chunks | None = None
        self._drained_bytes = 0
        self._deaf = False
        self._parsing = False
        self._paused = False
        self._input_held = False
        self._input_ended = False

    # The connection's life

    @override
    def connectionMade(self) -> None:
        transport, site = self.transport, self.site
        self.secure = ISSLTransport.providedBy(transport)
        self.peer = getattr(transport.getPeer(), "host", "")
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        consumer: Any = transport
        consumer.registerProducer(self, True)
        self._wait(site.deadlines.headers_seconds)
        if not site.connected(self):
            self._refuse_connection()

    def _refuse_connection(self) -> None:
        """Over TLS without a word: that would have to wait, with an open socket, for a
        handshake that may never come."""
        if self.secure:
            self.abort()
        else:
            self.refuse(RefusalCode.SLOW_DOWN, "The server has too many connections.")
            self.lose_connection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._deaf = True
        self.expires = NEVER
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost()
        self.site.disconnected(self)

    def readConnectionLost(self) -> None:  # noqa: N802
        """The client sends no more, but may still read: whole requests get their answers. It
        may as well be gone, which the first write that it does not take will show."""
        self._input_ended = True
        exchange = self._exchange
        if self._phase is not _REQUEST or exchange is None:
            self._lose_finished_connection()
        elif not exchange.body.complete:
            self.persistent = False
            message = "The client ended its connection before the end of the request's body."
            refusal = Refusal(RefusalCode.INCOMPLETE_BODY, message)
            exchange.body.fail(IncompleteBody(message), refusal)

    def writeConnectionLost(self) -> None:  # noqa: N802
        """Never happens: this side ends both directions at once."""

    def _lose_finished_connection(self) -> None:
        """Close if nothing more can come. While received bytes are being parsed, more may."""
        waits = self._phase not in (_REQUEST, _CLOSING)
        if self._input_ended and waits and not (self._parsing or self._has_pipelined):
            self.lose_connection()

    @property
    def _has_pipelined(self) -> bool:
        """Received bytes wait for the client to take the answers before."""
        return self.congested and bool(self._unparsed)

    def lose_connection(self) -> None:
        """Close once all that was written is sent; the client has `idle_seconds` to take it,
        which at the least rate is more than the transport buffers."""
        self._deaf = True
        self._phase = _CLOSING
        self._wait(self.site.deadlines.idle_seconds)
        consumer: Any = self.transport
        consumer.unregisterProducer()
        consumer.loseConnection()

    def abort(self) -> None:
        """Break the connection off: the only honest error once an answer has begun."""
        self._deaf = True
        self.expires = NEVER
        self.transport.abortConnection()

    def retire(self) -> None:
        """Close at once if idle, otherwise after the request in flight. The first of a new
        connection is as good as in flight: few clients connect without one, and none expects
        to be left before it."""
        if self._phase is _IDLE:
            self.lose_connection()
        elif self._phase is not _HEAD:
            self.persistent = False
        elif not self._unparsed:
            # The answer to its head will be the last: the site is stopping.
            site = self.site
            self.expires = min(self.expires, site.clock.seconds() + site.deadlines.retire_seconds)

    def _wait(self, seconds: float) -> None:
        self.expires = self.site.clock.seconds() + seconds

    def out_of_time(self) -> None:
        """What was waited for did not come until `expires`."""
        if self._phase is _CLOSING:
            self.abort()
        elif self._phase is _HEAD and self._unparsed:
            self.refuse(RefusalCode.REQUEST_TIMEOUT, "The request's headers took too long.")
        else:
            self.lose_connection()

    # Input

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            if self._phase is _DRAINING:
                self._drained(len(data))
            return
        self._unparsed = self._unparsed + data if self._unparsed else data
        if not self._parsing:
            self._parse()

    def _parse(self) -> None:
        """Carry out what was received, up to a request that cannot be answered at once."""
        self._parsing = True
        while self._unparsed and not self._deaf and self._take_some():
            pass
        self._parsing = False
        if self._deaf:
            self._unparsed = b""
            return
        if self._unparsed and self._phase is _IDLE and not self.congested:
            self._phase = _HEAD
            self._wait(self.site.deadlines.headers_seconds)
        if self._unparsed or self._paused:
            self._balance()
        if self._input_ended:
            self._lose_finished_connection()

    def _take_some(self) -> bool:
        """Whether anything could be taken of what is unparsed."""
        if self._framing is not None:
            self._receive_body()
            return True
        if self._exchange is not None or self.congested:
            return False
        return self._receive_head()

    def _balance(self) -> None:
        """Read from the client or not, according to what is held of it."""
        if self._input_ended:
            return
        pipelined = self._phase is not _HEAD
        too_much = pipelined and len(self._unparsed) > self.site.limits.pipelined_bytes
        pause = self._input_held or too_much
        if pause is not self._paused:
            self._paused = pause
            producer: Any = self.transport
            if pause:
                producer.pauseProducing()
            else:
                producer.resumeProducing()

    def _receive_head(self) -> bool:
        """Begin the request whose head is there, if one is there whole."""
        data = self._unparsed
        if data.startswith(b"\r\n"):
            if self._blank_line:
                self.refuse(RefusalCode.BAD_REQUEST, "A request begins with empty lines.")
                return False
            # RFC 9112, 2.2: one empty line before a request is passed over.
            self._blank_line = True
            self._unparsed = data[2:]
            return True
        try:
            head = self.site.heads.take(data, secure=self.secure, peer=self.peer)
        except Refused as refused:
            self.refuse(refused.code, str(refused))
            return False
        if head is None:
            return False
        self._unparsed = data[head.size_bytes :]
        self._begin(head)
        return True

    def _begin(self, head: Head) -> None:
        """Hand the request on, once what has come of its body is with it."""
        self._blank_line = False
        self._phase = _REQUEST
        self.expires = NEVER
        self.persistent = head.persistent
        body = NO_BODY if head.length == 0 else self._body(head)
        self._exchange = exchange = Exchange(self, head.request, body, http_1_1=head.http_1_1)
        if self._unparsed and self._framing is not None:
            self._receive_body()
        self.site.root.begin(exchange)

    # Bodies

    def _body(self, head: Head) -> StreamingBody | WholeBody:
        received, site, length = self._unparsed, self.site, head.length
        if length is not None and length <= min(len(received), WHOLE_BYTES_MAX):
            self._unparsed = received[length:]
            return WholeBody(received[:length], site.body_memory)
        self._framing = Chunks() if length is None else Measured(length)
        return StreamingBody(
            length,
            expects_continue=head.expects_continue and not received,
            source=self,
            memory=site.body_memory,
            limits=site.limits,
            deadlines=site.deadlines,
            clock=site.clock,
        )

    def _receive_body(self) -> None:
        framing = self._framing
        if framing is None:
            return
        try:
            pieces, self._unparsed = framing.receive(self._unparsed)
        except Malformed as fault:
            self._spoil(str(fault))
            return
        for piece in pieces:
            self._pass_on(piece)
        if framing.complete:
            self._framing = None
            self._end_body()

    def _pass_on(self, piece: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.finished:
            self._drained(len(piece))
        elif isinstance(exchange.body, StreamingBody):
            exchange.body.receive(piece)

    def _end_body(self) -> None:
        """If the answer has ended, too, this is the end of the request; otherwise the end of
        the body may be what the answer waits for."""
        exchange = self._exchange
        if self._deaf or exchange is None:
            return
        if exchange.finished:
            self._end_request()
        elif isinstance(exchange.body, StreamingBody):
            exchange.body.finish()

    def _spoil(self, message: str) -> None:
        """Nobody knows where the body ends: the connection is of no more use."""
        self._deaf = True
        self.persistent = False
        exchange = self._exchange
        if exchange is None or exchange.finished:
            self.lose_connection()
        else:
            refusal = Refusal(RefusalCode.BAD_REQUEST, message)
            exchange.body.fail(IncompleteBody(message), refusal)

    def hold_input(self) -> None:
        """Stop reading, because a body has too much in memory."""
        self._input_held = True
        self._balance()

    def release_input(self) -> None:
        self._input_held = False
        self._balance()

    def read_much(self, much: bool) -> None:
        """Take up to `LARGE_READ_BYTES` of the client's bytes at a time, of a large body."""
        if not self.secure:
            transport: Any = self.transport
            transport.bufferSize = LARGE_READ_BYTES if much else READ_BYTES

    def send_continue(self) -> None:
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # Answers

    def write(self, data: bytes) -> None:
        if self.secure:
            self.transport.write(data)
        else:
            write_directly(self.transport, data)

    def send_some(self, data: memoryview) -> int:
        """Write the beginning of `data`; returns how much of it. If that is not all,
        `congested` is set until more can be written."""
        if not self.secure:
            return send_some(self.transport, data)
        self.transport.write(bytes(data))
        return len(data)

    def unsent_bytes(self) -> int:
        """How much of what was written waits in the transport's buffer."""
        transport: Any = self.transport
        return unsent_bytes(transport.transport if self.secure else transport)

    def pauseProducing(self) -> None:  # noqa: N802
        """The transport's buffer is full: the client does not take what was written."""
        self.congested = True

    def resumeProducing(self) -> None:  # noqa: N802
        self.congested = False
        if self.when_taken is not None:
            self.when_taken()
        if self._unparsed and not (self._parsing or self._deaf):
            self._parse()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is lost, of which `connectionLost` tells."""

    def answered(self) -> None:
        """The exchange's answer is complete."""
        exchange = self._exchange
        if exchange is not None and exchange.body.complete:
            self._end_request()
        else:
            self._drain()

    def _end_request(self) -> None:
        self._exchange = None
        if not self.persistent:
            self.lose_connection()
            return
        self._phase = _IDLE
        self._wait(self.site.deadlines.idle_seconds)
        if not self._parsing:
            self._parse()

    def _drain(self) -> None:
        """The answer is complete and the request is not: drop a bounded rest of it, so that
        a client which sends first and reads then gets to read."""
        self._phase = _DRAINING
        self._drained_bytes = 0
        self._wait(self.site.deadlines.drain_seconds)
        self._lose_finished_connection()

    def _drained(self, size_bytes: int) -> None:
        self._drained_bytes += size_bytes
        if self._drained_bytes > self.site.limits.drain_bytes and self._phase is not _CLOSING:
            self.lose_connection()

    def refuse(self, code: RefusalCode, message: str) -> None:
        """Answer what never became a request, and close."""
        self._deaf = True
        self.persistent = False
        self.write(self.site.refusal(self, code, message))
        self._drain()
