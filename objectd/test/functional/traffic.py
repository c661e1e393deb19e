"""Large bodies that nobody holds in memory, on their way to and from a real server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from random import Random
from ssl import create_default_context
from threading import Barrier
from typing import TypeVar

import attrs
from awscrt.checksums import crc32

from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import signed
from objectd.test.functional.server import MIB, Server

__all__ = [
    "Content",
    "at_once",
    "connect",
    "download",
    "request",
    "send_head",
    "upload",
    "upload_with_trailer",
]

TIMEOUT_SECONDS = 300

_T = TypeVar("_T")
_BLOCK = Random("traffic").randbytes(MIB)


@attrs.frozen
class Content:
    """So many bytes that differ from those of any other number, and repeat nothing."""

    number: int
    size_bytes: int

    def pieces(self) -> Iterator[bytes]:
        """Of up to 1 MiB."""
        for start in range(0, self.size_bytes, MIB):
            stamp = b"%16d%16d" % (self.number, start)
            yield (stamp + _BLOCK[len(stamp) :])[: self.size_bytes - start]

    def digest(self) -> bytes:
        found = sha256()
        for piece in self.pieces():
            found.update(piece)
        return found.digest()


def connect(server: Server, *, secure: bool = False) -> HTTPConnection:
    if not secure:
        return HTTPConnection(*server.address, timeout=TIMEOUT_SECONDS)
    host, _, port = server.tls_url.removeprefix("https://").rpartition(":")
    context = create_default_context(cafile=server.certificate)
    return HTTPSConnection(host, int(port), timeout=TIMEOUT_SECONDS, context=context)


def request(
    connection: HTTPConnection, method: str, target: str, data: bytes = b""
) -> HTTPResponse:
    """The answer to one signed request; whoever asked reads its body."""
    _send_head(connection, signed(method, target, payload="UNSIGNED-PAYLOAD"), len(data))
    if data:
        connection.send(data)
    return connection.getresponse()


def send_head(connection: HTTPConnection, target: str, size_bytes: int) -> None:
    """Everything of a PUT but its body."""
    _send_head(connection, signed("PUT", target, payload="UNSIGNED-PAYLOAD"), size_bytes)


def _send_head(connection: HTTPConnection, head: HttpRequest, size_bytes: int | None) -> None:
    connection.putrequest(
        head.method, head.target.decode(), skip_host=True, skip_accept_encoding=True
    )
    for name, value in head.headers:
        if name != b"content-length":
            connection.putheader(name.decode(), value)
    if size_bytes is None:
        connection.putheader("transfer-encoding", "chunked")
    else:
        connection.putheader("content-length", str(size_bytes))
    connection.endheaders()


def upload(
    connection: HTTPConnection,
    target: str,
    content: Content,
    *,
    before_body: Callable[[], object] = lambda: None,
) -> str:
    """PUT it, and return the ETag."""
    send_head(connection, target, content.size_bytes)
    before_body()
    for piece in content.pieces():
        connection.send(piece)
    return _etag(connection)


def upload_with_trailer(
    connection: HTTPConnection,
    target: str,
    content: Content,
    *,
    before_body: Callable[[], object] = lambda: None,
) -> str:
    """The same as SDKs do it over HTTPS: unsigned chunks, and the checksum after them."""
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(content.size_bytes),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    _send_head(connection, signed("PUT", target, headers, payload=payload), None)
    before_body()
    checksum = 0
    for piece in content.pieces():
        checksum = crc32(piece, checksum)
        _send_chunk(connection, b"%x\r\n%b\r\n" % (len(piece), piece))
    trailer = base64.b64encode(checksum.to_bytes(4, "big"))
    _send_chunk(connection, b"0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % trailer)
    connection.send(b"0\r\n\r\n")
    return _etag(connection)


def _send_chunk(connection: HTTPConnection, data: bytes) -> None:
    connection.send(b"%x\r\n%b\r\n" % (len(data), data))


def _etag(connection: HTTPConnection) -> str:
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (answer.status, text)
    return answer.headers["etag"]


def download(connection: HTTPConnection, target: str) -> bytes:
    """The SHA-256 of what GET returns, whole."""
    answer = request(connection, "GET", target)
    assert answer.status == 200, (answer.status, answer.read())
    found, buffer = sha256(), bytearray(MIB)
    left_bytes = int(answer.headers["content-length"])
    while size_bytes := answer.readinto(buffer):
        found.update(memoryview(buffer)[:size_bytes])
        left_bytes -= size_bytes
    assert left_bytes == 0, f"{left_bytes} bytes are missing"
    return found.digest()


def at_once(count: int, work: Callable[[int, Barrier], _T]) -> list[_T]:
    """What `work` returns for each number below `count`, each in a thread of its own. The
    barrier holds them until all have come to it."""
    barrier = Barrier(count, timeout=TIMEOUT_SECONDS)
    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(work, number, barrier) for number in range(count)]
        return [future.result() for future in futures]
