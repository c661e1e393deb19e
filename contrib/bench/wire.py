"""A worker's requests with all of HTTP around them, in one process and without a socket: from
the read of a connection of Twisted's to the bytes that it sends, over rows that are kept.

`instructions.py --wire` counts what they cost.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from operations import Bench, Requests, finished
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock
from typing_extensions import override

from objectd.blobs.memory import MemoryBlobs
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.caching import CachedMetadata
from objectd.metadata.memory import MemoryMetadata
from objectd.metadata.slots import Slots
from objectd.objects import ObjectStore
from objectd.objects.opening import run_at_once
from objectd.objects.store import open_store
from objectd.protocol.messages import HttpRequest
from objectd.web.accesslog import AccessLog
from objectd.web.front import Front
from objectd.web.ids import RequestIds
from objectd.web.limits import Deadlines, Limits
from objectd.web.site import Site
from objectd.web.tree import build_tree

CONNECTIONS = 16
SLOTS_BYTES = 8 * (1 << 16)


class Clock(MemoryReactorClock):
    """The time of a reactor, which is that of the machine."""

    seconds = staticmethod(time.monotonic)


class Socket:
    """One that is always ready for both."""

    def __init__(self) -> None:
        self.received = b""
        self.sent: list[memoryview] = []

    def recv(self, size_bytes: int) -> bytes:
        data, self.received = self.received, b""
        return data

    def send(self, data: memoryview) -> int:
        self.sent.append(data)
        return len(data)

    def fileno(self) -> int:
        return 0

    def setblocking(self, blocking: bool) -> None:
        """It never blocks."""

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """There is nothing to set."""


class Wire(Bench):
    """A `Bench` behind a site, with the row cache of a worker."""

    def __init__(self) -> None:
        super().__init__("hot", 1)
        access_log = AccessLog(clock := Clock())
        self.flush_log = access_log.flush
        site = Site(
            Front(self.application.respond, build_tree(self.application, ready=lambda: True)),
            self.application,
            clock=clock,
            now=time.time,
            new_request_id=RequestIds(secrets.token_bytes),
            log_request=access_log.add,
            flush_log=access_log.flush,
            limits=Limits(),
            deadlines=Deadlines(),
        )
        self.connections = [self.connected(site, clock) for _ in range(CONNECTIONS)]

    @override
    def opened(self) -> ObjectStore:
        slots = Slots(bytearray(SLOTS_BYTES))
        kept = CachedMetadata(AnnouncedMetadata(MemoryMetadata(), slots), slots)
        opening = open_store(kept, MemoryBlobs(), clock=Clock(), run_in_thread=run_at_once)
        store: ObjectStore = finished(opening)
        return store

    def connected(self, site: Site, clock: Clock) -> tuple[Socket, Server]:
        channel = site.buildProtocol(None)
        transport: Any = Server(Socket(), channel, ("127.0.0.1", 50000), None, 0, clock)
        channel.makeConnection(transport)
        return transport.socket, transport

    @override
    def ready(self, requests: Requests) -> Callable[[], int]:
        asked = [as_bytes(*request) for request in requests]
        return lambda: self.exchange(asked)

    def exchange(self, asked: Sequence[bytes]) -> int:
        """One after the other, on the connections in turn."""
        for (socket, transport), data in zip(cycle(self.connections), asked, strict=False):
            socket.received = data
            transport.doRead()
        self.flush_log()
        for socket, _ in self.connections:
            for answer in socket.sent:
                assert bytes(answer[9:12]) in (b"200", b"204"), bytes(answer)
            socket.sent.clear()
        return len(asked)


def as_bytes(request: HttpRequest, body: bytes) -> bytes:
    fields = b"".join([b"%b: %b\r\n" % field for field in request.headers])
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (
        request.method.encode(),
        request.target,
        fields,
        body,
    )
