"""Requests with large bodies leave no work to the garbage collector.

Full collections are rare in a server (`objectd.process.running`): what only they would find holds
its memory for long.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.wire import authentic_url, head_bytes
from objectd.testing.http import Connection
from objectd.testing.s3 import MemoryServer

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

    def send(self, method: str, path: str, *fields: bytes, body: bytes = b"") -> Connection:
        """On a connection that the test keeps, so that none is garbage itself."""
        connection = Connection(self.server.site)
        self.connections.append(connection)
        connection.send(head_bytes(authentic_url(method, path), *fields) + body)
        return connection

    def put(self, status: int, *fields: bytes) -> None:
        length = b"content-length: %d" % len(BODY)
        [response] = self.send("PUT", "/photos/new", length, *fields, body=BODY).responses()
        self.assertEqual(response.status, status)

    def broken_off_put(self) -> None:
        length = b"content-length: %d" % (2 * len(BODY))
        self.send("PUT", "/photos/new", length, body=BODY).disconnect()

    def get(self) -> None:
        [response] = self.send("GET", "/photos/large").responses()
        self.assertEqual(response.body, BODY)

    def test_nothing_is_left(self) -> None:
        """Neither of uploads, stored, refused or broken off, nor of downloads."""
        requests: list[Callable[[], None]] = [
            lambda: self.put(200),
            lambda: self.put(400, b"content-md5: AAAAAAAAAAAAAAAAAAAAAA=="),
            self.broken_off_put,
            self.get,
        ]
        for request in requests:
            request()
            with collected() as found:
                for _ in range(REQUESTS):
                    request()
            self.assertEqual({type(each).__name__ for each in found}, set())
