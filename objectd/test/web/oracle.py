"""What requests are in some bytes: as Twisted's own channel sees it, and as ours does."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel, Request

from objectd.protocol.messages import HttpRequest, Response
from objectd.streams import read_all
from objectd.test.web.applications import MIB, Scripted
from objectd.testing.http import Connection, memory_site
from objectd.web.application import RequestBody


@attrs.frozen
class Seen:
    """A whole request with its body, and its headers by name."""

    method: bytes
    target: bytes
    headers: dict[bytes, list[bytes]]
    body: bytes


def cut(data: bytes, pieces: Iterable[int]) -> list[bytes]:
    found = []
    for size_bytes in pieces:
        found.append(data[:size_bytes])
        data = data[size_bytes:]
    return [*found, data]


def seen_by_twisted(data: bytes, pieces: Iterable[int] = ()) -> list[Seen]:
    """The requests that Twisted's channel takes before it gives the connection up."""
    seen: list[Seen] = []

    class Recorded(Request):
        def process(self) -> None:
            fields = self.requestHeaders.getAllRawHeaders()
            headers = {name.lower(): list(values) for name, values in fields}
            assert self.content is not None
            seen.append(Seen(self.method, self.uri, headers, self.content.read()))
            self.finish()

    channel = HTTPChannel()
    channel.requestFactory = Recorded
    transport = StringTransport()
    channel.makeConnection(transport)
    for piece in cut(data, pieces):
        if not transport.disconnecting:
            channel.dataReceived(piece)
    return seen


def seen_by_us(data: bytes, pieces: Iterable[int] = ()) -> list[Seen]:
    """The requests that our channel has answered by the application."""
    seen: list[Seen] = []

    async def record(request: HttpRequest, body: RequestBody) -> Response:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in request.headers:
            headers.setdefault(name, []).append(value)
        whole = await read_all(body, MIB)
        seen.append(Seen(request.method.encode(), request.target, headers, whole))
        return Response(200)

    connection = Connection(memory_site(Scripted(record)))
    for piece in cut(data, pieces):
        connection.send(piece)
    connection.disconnect()
    return seen
