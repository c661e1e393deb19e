"""HTTP in memory: bytes through the real site to the real application, and answers back.

Nothing is replaced but the socket: a `MemoryTransport` is Twisted's own `FileDescriptor`
with its buffer, its producers and its back-pressure, over a client that takes as much as a
test lets it.

    site = memory_site(application)
    [response] = exchange(site, b"GET / HTTP/1.1\\r\\nHost: s3\\r\\n\\r\\n")

For anything with time, half-sent bodies or slow clients, hold the `Connection` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count

import attrs
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from objectd.protocol.messages import HttpRequest
from objectd.web.application import AccessEvent, Application
from objectd.web.channel import Channel
from objectd.web.front import Front
from objectd.web.limits import Deadlines, Limits
from objectd.web.site import Root, Site
from objectd.web.tree import build_tree

__all__ = [
    "ClientResponse",
    "Connection",
    "MemoryTransport",
    "exchange",
    "memory_site",
    "parse_responses",
    "site_over",
]


def memory_site(
    application: Application,
    *,
    limits: Limits | None = None,
    deadlines: Deadlines | None = None,
    ready: Callable[[], bool] = lambda: True,
    names_bucket: Callable[[HttpRequest], bool] = lambda request: False,
    log_request: Callable[[AccessEvent], None] = lambda event: None,
    flush_log: Callable[[], None] = lambda: None,
) -> Site:
    """A site as the server builds it, on a clock of its own (`Connection.clock` moves it),
    with request ids 0000000000000001, 0000000000000002, …"""
    tree = build_tree(application, ready=ready, names_bucket=names_bucket)
    return site_over(
        Front(application.respond, tree),
        application,
        limits=limits or Limits(),
        deadlines=deadlines or Deadlines(),
        log_request=log_request,
        flush_log=flush_log,
    )


def site_over(
    root: Root,
    application: Application,
    *,
    limits: Limits,
    deadlines: Deadlines,
    log_request: Callable[[AccessEvent], None],
    flush_log: Callable[[], None] = lambda: None,
) -> Site:
    """The same with a root of the test's."""
    clock = MemoryReactorClock()
    numbers = count(1)
    return Site(
        root,
        application,
        clock=clock,
        now=clock.seconds,
        new_request_id=lambda: f"{next(numbers):016X}",
        log_request=log_request,
        flush_log=flush_log,
        limits=limits,
        deadlines=deadlines,
    )


@attrs.frozen
class ClientResponse:
    """One response as a client reads it; header names are lower case, in order."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


class MemoryTransport(FileDescriptor):
    """The server's end of a connection, whose socket is a `Connection`."""

    connected = 1

    def __init__(self, clock: MemoryReactorClock, client: Connection) -> None:
        super().__init__(clock)
        self._client = client
        self.transport = self  # what TLS wraps, in a secure one
        self.socket = self

    def send(self, data: bytes) -> int:
        """As a socket does that does not block."""
        taken_bytes = self._client._take(data)
        if data and not taken_bytes:
            raise BlockingIOError
        return taken_bytes

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        return self._client._take(data)

    def abortConnection(self) -> None:  # noqa: N802
        if self.connected and not self.disconnected:
            self.disconnecting = 1
            self.stopReading()
            self.stopWriting()
            self._client._aborted()

    def getPeer(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "192.0.2.1", 50000)

    def getHost(self) -> IPv4Address:  # noqa: N802
        return IPv4Address("TCP", "192.0.2.2", 9000)

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """There is no Nagle in memory."""


class Connection:
    """The client's end of one connection to a site.

    `takes_bytes` is how much the client will still take off the network, None for
    everything: set it to 0 for a client that does not read.
    """

    def __init__(self, site: Site, *, secure: bool = False) -> None:
        assert isinstance(site.clock, MemoryReactorClock), "use memory_site()"
        self.clock = site.clock
        self.received = bytearray()
        self.closed = False
        self.aborted = False
        self.takes_bytes: int | None = None
        self._unread = b""
        self._finished = False
        self._transport = MemoryTransport(self.clock, self)
        if secure:
            alsoProvides(self._transport, ISSLTransport)
        channel = site.buildProtocol(self._transport.getPeer())
        assert isinstance(channel, Channel)
        self._channel = channel
        self._transport.startReading()
        self._channel.makeConnection(self._transport)
        self.run()

    @property
    def unread_bytes(self) -> int:
        """How much of what was sent the server has not read: it pushes back."""
        return len(self._unread)

    def send(self, data: bytes) -> None:
        """Send bytes, and let the server work until it has nothing to do."""
        self._unread += data
        self.run()

    def run(self) -> None:
        """Move bytes both ways until neither side can go on, or waits for the clock."""
        while not self.closed and (self._read_some() or self._write_some()):
            pass

    def advance(self, seconds: float) -> None:
        """Let time pass, second by second, for clients and timers to act in between."""
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1.0
            self.run()

    def finish(self) -> None:
        """Send no more, and still read: as a socket does whose writing side is shut down."""
        self._finished = True
        self.run()

    def disconnect(self) -> None:
        """The client is gone."""
        if not self.closed:
            self._lose(ConnectionDone())

    def responses(self, methods: Iterable[str] = ()) -> list[ClientResponse]:
        """What was received, as whole responses; see `parse_responses`."""
        return parse_responses(bytes(self.received), methods)

    def _read_some(self) -> bool:
        reading = self._transport in self.clock.getReaders()
        if not reading or not (self._unread or self._finished):
            return False
        if not self._unread:
            self._end_reading()
            return True
        size_bytes = self._transport.bufferSize
        data, self._unread = self._unread[:size_bytes], self._unread[size_bytes:]
        self._channel.dataReceived(data)
        return True

    def _end_reading(self) -> None:
        """As the reactor does it: who reads again finds the end again."""
        self._transport.stopReading()
        if ISSLTransport.providedBy(self._transport):
            self._lose(ConnectionDone())
        else:
            self._channel.readConnectionLost()

    def _write_some(self) -> bool:
        has_more = self._channel.unsent_bytes() > 0 or self._transport.producerPaused
        if (self.takes_bytes == 0 and has_more) or self._transport not in self.clock.getWriters():
            return False
        end = self._transport.doWrite()
        if end is not None:
            self._lose(ConnectionDone())
        return True

    def _take(self, data: bytes) -> int:
        taken = data if self.takes_bytes is None else data[: self.takes_bytes]
        if self.takes_bytes is not None:
            self.takes_bytes -= len(taken)
        self.received += taken
        return len(taken)

    def _aborted(self) -> None:
        self.aborted = True
        self.clock.callLater(0, self._lose, ConnectionAborted())
        # As the reactor does it: not from within the call, but before anything else.
        self._unread = b""

    def _lose(self, reason: Exception) -> None:
        if self.closed:
            return
        self.closed = True
        failure = Failure(reason)
        self._transport.connectionLost(failure)
        self._channel.connectionLost(failure)


def exchange(
    site: Site, data: bytes, *, methods: Iterable[str] = (), pieces: Iterable[int] = ()
) -> list[ClientResponse]:
    """Send `data` on one new connection, cut after each number of bytes in `pieces`, and
    return every response that came without any time passing."""
    connection = Connection(site)
    for size_bytes in pieces:
        connection.send(data[:size_bytes])
        data = data[size_bytes:]
    connection.send(data)
    responses = connection.responses(methods)
    connection.disconnect()
    return responses


def parse_responses(data: bytes, methods: Iterable[str] = ()) -> list[ClientResponse]:
    """The responses in `data`, which must end with a whole one. `methods` are those of
    the requests, in order; GET where they run out."""
    return list(_parse(data, iter(methods)))


def _parse(data: bytes, methods: Iterator[str]) -> Iterator[ClientResponse]:
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"a response's head is cut off: {head!r}"
        status_line, *lines = head.split(b"\r\n")
        status = int(status_line.split(b" ")[1])
        fields = [line.partition(b":") for line in lines]
        headers = tuple((name.lower(), value.strip()) for name, _, value in fields)
        if status < 200:
            yield ClientResponse(status, headers, b"")
            continue
        has_body = next(methods, "GET") != "HEAD" and status not in (204, 304)
        body, data = _split_body(dict(headers), data) if has_body else (b"", data)
        yield ClientResponse(status, headers, body)


def _split_body(headers: dict[bytes, bytes], data: bytes) -> tuple[bytes, bytes]:
    """A body, and what follows it."""
    if headers.get(b"transfer-encoding") == b"chunked":
        return _split_chunks(data)
    length = int(headers[b"content-length"])
    assert len(data) >= length, f"a body of {length} bytes is cut off at {len(data)}"
    return data[:length], data[length:]


def _split_chunks(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, separator, data = data.partition(b"\r\n")
        assert separator, "a chunked body is cut off"
        length = int(size, 16)
        assert data[length : length + 2] == b"\r\n", "a chunk is cut off"
        body, data = body + data[:length], data[length + 2 :]
        if not length:
            return body, data
