"""An agent without sockets: treq and Twisted's own HTTP client in front of the real site."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, Request
from twisted.web.client import URI
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from objectd.testing.http import Connection
from objectd.web.site import Site

__all__ = ["MemoryAgent"]


@implementer(IAgent)
class MemoryAgent:
    """Each request has a connection to `site` of its own, over which everything that can
    happen without time passing happens at once."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803 - Twisted's name
    ) -> Deferred[IResponse]:
        where = URI.fromBytes(uri)
        sent = Headers() if headers is None else headers.copy()
        if not sent.hasHeader(b"host"):
            sent.addRawHeader(b"host", where.netloc)
        link = _Link(Connection(self._site, secure=where.scheme == b"https"))
        return link.request(Request(method, where.originForm, sent, bodyProducer, persistent=False))


@implementer(IConsumer, IPushProducer)
class _Link:
    """The client's transport: what is written goes to the server, until both sides rest."""

    disconnecting = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._protocol = HTTP11ClientProtocol()
        self._outgoing: list[bytes] = []
        self._paused = False
        self._moving = False
        self._delivered = 0
        self._lost = False
        self._protocol.makeConnection(self)

    def request(self, request: Request) -> Deferred[IResponse]:
        self._moving = True
        answer = self._protocol.request(request)
        self._moving = False
        self._move()
        return answer

    def _move(self) -> None:
        """Not from within itself: whoever writes or resumes is called by it."""
        if self._moving:
            return
        self._moving = True
        while self._send() or self._deliver():
            pass
        self._moving = False

    def _send(self) -> bool:
        if not self._outgoing or self._connection.closed:
            return False
        data, self._outgoing = b"".join(self._outgoing), []
        self._connection.send(data)
        return True

    def _deliver(self) -> bool:
        if self._paused or self._lost:
            return False
        data = bytes(self._connection.received[self._delivered :])
        if data:
            self._delivered += len(data)
            self._protocol.dataReceived(data)
            return True
        if self._connection.aborted:
            self._connection.clock.advance(0)
        if self._connection.closed:
            self._end()
        return False

    def _end(self) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connectionLost(Failure(ConnectionDone()))

    # The transport

    def write(self, data: bytes) -> None:
        self._outgoing.append(data)
        self._move()

    def writeSequence(self, pieces: list[bytes]) -> None:  # noqa: N802
        self.write(b"".join(pieces))

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802
        """There is always room in memory."""

    def unregisterProducer(self) -> None:  # noqa: N802
        """There was never anything to pause."""

    def pauseProducing(self) -> None:  # noqa: N802
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._paused = False
        self._move()

    def stopProducing(self) -> None:  # noqa: N802
        self.loseConnection()

    def loseConnection(self) -> None:  # noqa: N802
        self._connection.disconnect()
        self._end()

    abortConnection = loseConnection  # noqa: N815

    def getPeer(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "192.0.2.2", 9000)

    getHost = getPeer  # noqa: N815
