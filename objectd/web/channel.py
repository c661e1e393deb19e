"""One connection: what Twisted's HTTP channel lacks for large streams and hostile clients.

This file and `request.py` alone touch private API of Twisted; they were read against
Twisted 26.10. Names used here: `_command`, `_path`, `_version`, `_dataBuffer`,
`_handlingRequest`, `_networkProducer`, `_waitingForTransport`,
`_respondToBadRequestAndDisconnect`, `_busyReceiving`, the order of calls in
`HTTPChannel.lineReceived`, and `dataBuffer`, `offset`, `_tempDataLen` of the transport.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, ISSLTransport, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from typing_extensions import override
from zope.interface import implementer

from objectd.errors import IncompleteBody
from objectd.web.application import RefusalCode
from objectd.web.body import Refusal
from objectd.web.timers import Deadline

if TYPE_CHECKING:
    from objectd.web.request import Request
    from objectd.web.site import Site

CONTENT_LENGTH_DIGITS_MAX = 18
"""Beyond it no length is meant seriously, and `int` of thousands of digits raises."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Phase(Enum):
    """What a connection is doing, and so what its deadline means."""

    IDLE = "between requests"
    HEAD = "receiving a request line or headers"
    REQUEST = "with a request, which has deadlines of its own"
    DRAINING = "dropping what is left of a request that was answered"
    CLOSING = "flushing the last answer"


@implementer(IHalfCloseableProtocol)
class Channel(HTTPChannel):
    """An HTTP/1.1 connection.

    The base class parses and frames. This class refuses what the base class lets pass though
    RFC 9112 has it refused (folded headers, `Transfer-Encoding: identity`, chunks in
    HTTP/1.0, a missing or second Host), counts headers before they are kept, ends every
    wait for the client, and lets the application answer its refusals.
    """

    site: Site
    transport: ITCPTransport
    requests: list[Request]
    persistent: bool

    def __init__(self) -> None:
        super().__init__()
        self._phase = Phase.HEAD
        self._head_bytes = 0
        self._header_count = 0
        self._pipelined_bytes = 0
        self._drained_bytes = 0
        self._deaf = False
        self._input_held = False
        self._input_ended = False

    # The connection's life

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        site = self.site
        self.secure = ISSLTransport.providedBy(self.transport)
        self.peer = getattr(self.transport.getPeer(), "host", "")
        self.MAX_LENGTH = max(site.limits.request_line_bytes, site.limits.header_bytes)
        self.totalHeadersSize = site.limits.request_line_bytes + site.limits.header_bytes
        self.maxHeaders = site.limits.header_count
        self._deadline = Deadline(site.clock, self._out_of_time)
        self._deadline.set(site.deadlines.headers_seconds)
        if not site.connected(self):
            self._refuse_connection()

    def _refuse_connection(self) -> None:
        """Over TLS without a word: that would have to wait, with an open socket, for a
        handshake that may never come."""
        if self.secure:
            self.abort()
        else:
            self.refuse(RefusalCode.SLOW_DOWN, "The server has too many connections.")
            self.loseConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._deaf = True
        self._deadline.stop()
        super().connectionLost(reason)
        self.site.disconnected(self)

    def readConnectionLost(self) -> None:  # noqa: N802
        """The client sends no more, but may still read: whole requests get their answers. It
        may as well be gone, which the first write that it does not take will show."""
        self._input_ended = True
        if self._phase is not Phase.REQUEST:
            self._lose_finished_connection()
        elif not self.requests[0].body.complete:
            self.persistent = False
            message = "The client ended its connection before the end of the request's body."
            refusal = Refusal(RefusalCode.INCOMPLETE_BODY, message)
            self.requests[0].body.fail(IncompleteBody(message), refusal)

    def writeConnectionLost(self) -> None:  # noqa: N802
        """Never happens: this side ends both directions at once."""

    def _lose_finished_connection(self) -> None:
        """Close if nothing more can come. While received bytes are being parsed, more may."""
        waits = self._phase not in (Phase.REQUEST, Phase.CLOSING)
        if self._input_ended and waits and not self._busyReceiving:
            self.loseConnection()

    @override
    def loseConnection(self) -> None:
        """Close once all that was written is sent; the client has `idle_seconds` to take it,
        which at the least rate is more than the transport buffers."""
        self._deaf = True
        self._phase = Phase.CLOSING
        self._deadline.set(self.site.deadlines.idle_seconds)
        super().loseConnection()

    def abort(self) -> None:
        """Break the connection off: the only honest error once an answer has begun."""
        self._deaf = True
        self._deadline.clear()
        self.transport.abortConnection()

    def retire(self) -> None:
        """Close at once if idle, otherwise after the request in flight."""
        if self._phase is Phase.HEAD and self._head_begun:
            return  # its answer will be the last: the site is stopping
        if self._phase in (Phase.IDLE, Phase.HEAD):
            self.loseConnection()
        else:
            self.persistent = False

    def _out_of_time(self) -> None:
        if self._phase is Phase.CLOSING:
            self.abort()
        elif self._phase is Phase.HEAD and self._head_begun:
            self.refuse(RefusalCode.REQUEST_TIMEOUT, "The request's headers took too long.")
        else:
            self.loseConnection()

    @property
    def has_input(self) -> bool:
        """More was received than has been parsed: the body of a request, or the next one."""
        return bool(self._buffer)

    # Request line and headers

    @property
    def _head_begun(self) -> bool:
        return bool(self.requests or self._buffer)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            if self._phase is Phase.DRAINING:
                self.drained(len(data))
            return
        super().dataReceived(data)
        if self._phase is Phase.IDLE and self._buffer:
            self._begin_head()

    def _begin_head(self) -> None:
        self._phase = Phase.HEAD
        self._deadline.set(self.site.deadlines.headers_seconds)

    @override
    def lineReceived(self, line: bytes) -> None:
        if self._deaf:
            return
        if self._phase is Phase.IDLE:
            self._begin_head()
        if not self.requests:
            if len(line) > self.site.limits.request_line_bytes:
                self._refuse_line()
                return
        else:
            self._head_bytes += len(line) + 2
            if self._head_bytes > self.site.limits.header_bytes + 2:
                self._refuse_headers()
                return
            if line[:1] in (b" ", b"\t"):
                # RFC 9112, 5.2: obsolete line folding is refused.
                self.refuse(RefusalCode.BAD_REQUEST, "A header continues on a second line.")
                return
        super().lineReceived(line)

    @override
    def lineLengthExceeded(self, line: bytes) -> None:
        if self.requests:
            self._refuse_headers()
        else:
            self._refuse_line()

    def _refuse_line(self) -> None:
        self.refuse(RefusalCode.URI_TOO_LONG, "The request line is too long.")

    def _refuse_headers(self) -> None:
        self.refuse(
            RefusalCode.HEADERS_TOO_LARGE,
            "Your request header section exceeds the maximum allowed size.",
        )

    @override
    def headerReceived(self, line: bytes) -> bool:
        self._header_count += 1
        if self._header_count > self.site.limits.header_count:
            self._refuse_headers()
            return False
        raw_name, _, raw_value = line.partition(b":")
        name, value = raw_name.lower(), raw_value.strip(b" \t")
        if _CONTROL.search(value):
            # RFC 9110, 5.5: such values are invalid, and somebody would get them back.
            self.refuse(RefusalCode.BAD_REQUEST, "A header holds a control character.")
            return False
        if name == b"transfer-encoding" and not self._is_chunked(value):
            self.refuse(RefusalCode.BAD_REQUEST, "The transfer encoding is not understood.")
            return False
        if name == b"content-length" and len(value) > CONTENT_LENGTH_DIGITS_MAX:
            self.refuse(RefusalCode.BAD_REQUEST, "The content length is not a sensible one.")
            return False
        if not super().headerReceived(line):
            return False
        self.requests[-1].head_fields.append((name, value))
        return True

    def _is_chunked(self, value: bytes) -> bool:
        # RFC 9112, 6.1: HTTP/1.0 knows no transfer encodings, and a message that has one
        # all the same is framed faultily.
        return value.lower() == b"chunked" and self._version == b"HTTP/1.1"

    @override
    def allHeadersReceived(self) -> None:
        request = self.requests[-1]
        hosts = sum(name == b"host" for name, _ in request.head_fields)
        if hosts > 1 or (hosts == 0 and self._version == b"HTTP/1.1"):
            # RFC 9112, 3.2
            self.refuse(RefusalCode.BAD_REQUEST, "There must be exactly one Host header.")
            return
        self._head_bytes = self._header_count = 0
        self._phase = Phase.REQUEST
        self._deadline.clear()
        super().allHeadersReceived()

    @override
    def checkPersistence(self, request: Request, version: bytes) -> bool:
        tokens = {
            token.strip().lower()
            for name, value in request.head_fields
            if name == b"connection"
            for token in value.split(b",")
        }
        return version == b"HTTP/1.1" and b"close" not in tokens

    # Bodies

    @override
    def rawDataReceived(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self._handlingRequest:
            super().rawDataReceived(data)
            return
        # Pipelined input, kept for later. The base class would not stop reading while the
        # client leaves an answer unread.
        self._dataBuffer.append(data)
        self._pipelined_bytes += len(data)
        if self._pipelined_bytes > self.site.limits.pipelined_bytes:
            self._networkProducer.pauseProducing()

    @override
    def allContentReceived(self) -> None:
        if self._deaf:
            return
        self._phase = Phase.REQUEST
        self._deadline.clear()
        super().allContentReceived()

    def hold_input(self) -> None:
        """Stop reading, because a body has too much in memory."""
        self._input_held = True
        self._networkProducer.pauseProducing()

    def release_input(self) -> None:
        self._input_held = False
        if not self._waitingForTransport:
            self._networkProducer.resumeProducing()

    @override
    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self._input_held:
            self._networkProducer.pauseProducing()

    def send_continue(self) -> None:
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # Answers

    @property
    def congested(self) -> bool:
        """The client has not yet taken what was written."""
        return bool(self._waitingForTransport)

    def unsent_bytes(self) -> int:
        """How much of what was written waits in the transport's buffer."""
        transport: Any = self.transport
        if self.secure:
            transport = transport.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)

    def drain(self) -> None:
        """The answer is complete and the request is not: drop a bounded rest of it, so that
        a client which sends first and reads then gets to read."""
        self._phase = Phase.DRAINING
        self._drained_bytes = 0
        self._deadline.set(self.site.deadlines.drain_seconds)
        self._lose_finished_connection()

    def drained(self, size_bytes: int) -> None:
        self._drained_bytes += size_bytes
        if self._drained_bytes > self.site.limits.drain_bytes:
            self.loseConnection()

    @override
    def requestDone(self, request: Request) -> None:
        self._phase = Phase.IDLE
        self._pipelined_bytes = 0
        self._deadline.set(self.site.deadlines.idle_seconds)
        super().requestDone(request)
        self._lose_finished_connection()

    # Refusals

    def refuse(self, code: RefusalCode, message: str) -> None:
        """Answer what never became a request, and close."""
        if self._deaf:
            return
        self._deaf = True
        self.persistent = False
        self.transport.write(self.site.refusal(self, code, message))
        self.drain()

    @override
    def _respondToBadRequestAndDisconnect(self) -> None:
        request = self.requests[0] if self.requests else None
        if request is None or not request.begun:
            self.refuse(RefusalCode.BAD_REQUEST, "The request is not valid HTTP.")
            return
        self._deaf = True
        self.persistent = False
        if request.finished:
            self.loseConnection()
        else:
            message = "The request's body is not framed as HTTP prescribes."
            request.body.fail(IncompleteBody(message), Refusal(RefusalCode.BAD_REQUEST, message))
