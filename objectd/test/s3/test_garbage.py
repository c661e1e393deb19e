"""Requests with large bodies leave no work to the garbage collector.

Full collections are rare in a server (`objectd.process.running`): what only they would find holds
its memory for long.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.signing import KeyPair, presigned
from objectd.objects.store import wall_clock_us
from objectd.protocol.messages import HttpRequest
from objectd.testing.http import Connection
from objectd.testing.s3 import ACCESS_KEY, HOST, SECRET_KEY, MemoryServer

BODY = bytes(range(256)) * 8192
REQUESTS = 3


@contextmanager
def collected() -> Iterator[list[object]]:
    """What of ours nothing leads to but itself, of what comes to be meanwhile."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [each for each in gc.garbage if type(each).__module__.startswith("objectd.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


class GarbageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")
        self.s3.put_object(Bucket="photos", Key="large", Body=BODY)
        self.connections: list[Connection] = []

    def send(self, method: str, path: str, *headers: str, body: bytes = b"") -> Connection:
        """On a connection that the test keeps, so that none is garbage itself."""
        request = presigned(
            HttpRequest(method, path.encode(), ((b"host", HOST.encode()),), ""),
            KeyPair(ACCESS_KEY, SECRET_KEY),
            region="us-east-1",
            now_us=wall_clock_us(),
            expires_seconds=60,
        )
        lines = [f"{method} {request.target.decode()} HTTP/1.1", f"Host: {HOST}", *headers]
        connection = Connection(self.server.site)
        self.connections.append(connection)
        connection.send("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def put(self, *headers: str) -> None:
        [response] = self.send("PUT", "/photos/new", *headers, body=BODY).responses()
        self.assertEqual(response.status, 400 if headers[1:] else 200)

    def broken_off_put(self) -> None:
        length = f"Content-Length: {2 * len(BODY)}"
        self.send("PUT", "/photos/new", length, body=BODY).disconnect()

    def get(self) -> None:
        [response] = self.send("GET", "/photos/large").responses()
        self.assertEqual(response.body, BODY)

    def test_nothing_is_left(self) -> None:
        """Neither of uploads, stored, refused or broken off, nor of downloads."""
        length = f"Content-Length: {len(BODY)}"
        wrong = "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=="
        requests: list[Callable[[], None]] = [
            lambda: self.put(length),
            lambda: self.put(length, wrong),
            self.broken_off_put,
            self.get,
        ]
        for request in requests:
            request()
            with collected() as found:
                for _ in range(REQUESTS):
                    request()
            self.assertEqual({type(each).__name__ for each in found}, set())
