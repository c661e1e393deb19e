"""The web layer over real sockets, plain and TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from hashlib import sha256
from http.client import HTTPConnection, HTTPSConnection
from itertools import count
from pathlib import Path
from time import time

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from objectd.interfaces import ITLSContexts
from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import MIB, Scripted
from objectd.test.web.certificates import write_certificate
from objectd.web.application import RequestBody
from objectd.web.limits import Deadlines, Limits
from objectd.web.server import WebServer
from objectd.web.site import Site
from objectd.web.tls import PemContexts
from objectd.web.tree import build_tree


class Zeros:
    """A stream of so many zero bytes."""

    def __init__(self, size_bytes: int) -> None:
        self._remaining_bytes = size_bytes

    async def read(self) -> bytes:
        size_bytes = min(self._remaining_bytes, MIB)
        self._remaining_bytes -= size_bytes
        return bytes(size_bytes)

    def close(self) -> None:
        self._remaining_bytes = 0


async def store(request: HttpRequest, body: RequestBody) -> Response:
    """PUT answers with the digest of what it got, GET with as many zeros as its path says."""
    if request.method == "GET":
        size_bytes = int(request.raw_path[1:])
        return Response(200, (), Zeros(size_bytes), size_bytes)
    if request.raw_path == b"/denied":
        return Response(403, (), b"denied")
    digest = sha256()
    while piece := await body.read():
        digest.update(piece)
    return Response(200, ((b"x-secure", b"%d" % request.secure),), digest.hexdigest().encode())


class SocketTests(TestCase):
    """A server on 127.0.0.1, driven by Python's blocking client from a thread."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        tls = write_certificate(directory)
        self.client_tls = ssl.create_default_context(cafile=tls.certificate)
        application = Scripted(store)
        numbers = count(1)
        self.site = Site(
            build_tree(application, ready=lambda: True),
            application,
            clock=reactor,
            now=time,
            new_request_id=lambda: f"{next(numbers):016X}",
            log_request=lambda event: None,
            limits=Limits(),
            deadlines=Deadlines(),
        )
        self.server = WebServer(reactor, self.site)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop(1)))
        self.plain_port = self.listen(None)
        self.tls_port = self.listen(PemContexts(tls))

    def listen(self, tls: ITLSContexts | None) -> int:
        address = self.server.listen("127.0.0.1:0", tls).getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    def connections(self) -> list[HTTPConnection]:
        return [
            HTTPConnection("127.0.0.1", self.plain_port, timeout=30),
            HTTPSConnection("127.0.0.1", self.tls_port, timeout=30, context=self.client_tls),
        ]

    def put_and_get(self, connection: HTTPConnection) -> list[str]:
        data = bytes(range(256)) * 4096 * 20
        answers = []
        connection.request("PUT", "/b/k", data)
        answers.append(connection.getresponse().read().decode())
        pieces = (data[start : start + 70_000] for start in range(0, len(data), 70_000))
        connection.request("PUT", "/b/k", pieces, encode_chunked=True)
        answers.append(connection.getresponse().read().decode())
        connection.request("GET", f"/{20 * MIB}")
        answers.append(sha256(connection.getresponse().read()).hexdigest())
        connection.close()
        return [*answers, sha256(data).hexdigest(), sha256(bytes(20 * MIB)).hexdigest()]

    async def test_large_bodies_both_ways(self) -> None:
        """20 MiB go up with a length and in chunks, and down, over one kept connection."""
        for connection in self.connections():
            with_length, in_chunks, down, sent, zeros = await deferToThread(
                self.put_and_get, connection
            )
            self.assertEqual((with_length, in_chunks, down), (sent, sent, zeros))
        self.assertEqual(self.site.body_memory.held_bytes, 0)

    def secure_flag(self, connection: HTTPConnection) -> str | None:
        connection.request("PUT", "/b/k", b"x")
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.getheader("x-secure")

    async def test_application_knows_tls(self) -> None:
        """A request that came over TLS says so."""
        flags = [await deferToThread(self.secure_flag, c) for c in self.connections()]
        self.assertEqual(flags, ["0", "1"])

    def refused_upload(self) -> bytes:
        with socket.create_connection(("127.0.0.1", self.plain_port), timeout=30) as client:
            client.sendall(b"PUT /denied HTTP/1.1\r\nHost: s3\r\nContent-Length: 1048576\r\n\r\n")
            client.sendall(bytes(MIB))
            return client.recv(1 << 16)

    async def test_early_refusal_is_readable(self) -> None:
        """A client that sends its whole body before it reads gets the refusal."""
        answer = await deferToThread(self.refused_upload)
        self.assertIn(b" 403 ", answer)

    def lost_clients(self) -> None:
        for request in [
            b"PUT /b HTTP/1.1\r\nHost: s3\r\nContent-Length: 10000000\r\n\r\n" + bytes(3 * MIB),
            b"GET /1000000000 HTTP/1.1\r\nHost: s3\r\n\r\n",
        ]:
            with socket.create_connection(("127.0.0.1", self.plain_port), timeout=30) as client:
                client.sendall(request)
                client.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    client.recv(1 << 16)

    async def test_lost_clients_leave_nothing(self) -> None:
        """Uploads and downloads that break off give everything back."""
        await deferToThread(self.lost_clients)
        await self.site.retire()
        self.assertEqual(self.site.body_memory.held_bytes, 0)
        self.assertEqual((self.site.uploads.taken, self.site.downloads.taken), (0, 0))
