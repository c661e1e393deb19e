"""Many clients at once on a few keys of a server, and the history of what they did.

What a request became is unknown if the connection broke off or the answer is a 5xx: a read is
then left out, and a change may have been made or not, or be made later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import md5
from http.client import HTTPConnection, HTTPException
from random import Random
from threading import Event, Semaphore, Thread
from urllib.parse import quote
from xml.etree import ElementTree

import attrs

from objectd.auth.signing import KeyPair, signed
from objectd.protocol.messages import Headers, HttpRequest
from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY
from objectd.test.linearizability.operations import (
    Deed,
    Delete,
    Get,
    List,
    Listed,
    Operation,
    Put,
    Result,
)

__all__ = ["Place", "Recorder"]

TIMEOUT_SECONDS = 60
CONNECTIONS = 4
"""Of each client, spread over the processes of the server."""

LOOK_SECONDS_MAX = 60
"""For the last look, while processes that were killed are being replaced."""

_KEYS = KeyPair(ACCESS_KEY, SECRET_KEY)
_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"
RETRY_SECONDS = 0.02
"""After a request that failed, so that a server that is away is not asked thousands of times."""


class _Unknown(Exception):
    """Nobody knows what became of the request."""


class _Refused(Exception):
    """The request was not done, and never will be."""


@attrs.frozen
class Place:
    """Keys of a bucket that nobody else uses: those that begin with `prefix`."""

    address: tuple[str, int]
    bucket: str
    prefix: str
    keys: Sequence[str]


class Recorder:
    """So many clients, who do what follows from the seed, until it is enough. Values are of
    the sizes that are given."""

    def __init__(
        self, place: Place, *, clients: int, sizes_bytes: Sequence[int], seed: str
    ) -> None:
        self._clients = [
            _Client(place, Random(f"{seed}/{number}"), sizes_bytes) for number in range(clients)
        ]
        self._stopped = Event()
        self._done = Semaphore(0)
        self._failures: list[BaseException] = []
        self._threads = [
            Thread(target=self._run, args=[client], daemon=True) for client in self._clients
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, operations: int) -> None:
        """So many more, of all clients together, whose outcome is known."""
        for _ in range(operations):
            if not self._done.acquire(timeout=TIMEOUT_SECONDS) or self._failures:
                raise AssertionError("the clients cannot go on") from next(
                    iter(self._failures), None
                )

    def history(self) -> list[Operation]:
        """Stop, and take a last look at every key."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        self._clients[0].look()
        return [each for client in self._clients for each in client.history]

    def _run(self, client: _Client) -> None:
        try:
            while not self._stopped.is_set():
                if client.do_something():
                    self._done.release()
                else:
                    self._stopped.wait(RETRY_SECONDS)
        except BaseException as error:
            self._failures.append(error)
            self._done.release()
        finally:
            client.close()


class _Client:
    def __init__(self, place: Place, random: Random, sizes_bytes: Sequence[int]) -> None:
        self.history: list[Operation] = []
        self._place = place
        self._random = random
        self._sizes_bytes = sizes_bytes
        self._connections = [self._connection() for _ in range(CONNECTIONS)]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def do_something(self) -> bool:
        """Whether it is known what came of it."""
        key = self._random.choice(self._place.keys)
        kinds = ["get", "head", "put", "put_new", "delete", "list"]
        [kind] = self._random.choices(kinds, [30, 10, 25, 10, 10, 15])
        if kind == "list":
            after = self._random.choice(["", "", *self._place.keys])
            return self._record(List(after, self._random.choice([1, 2, 1000])))
        if kind == "delete":
            return self._record(Delete(key))
        if kind in ("get", "head"):
            return self._record(Get(key), looks=kind == "head")
        body = self._random.randbytes(16)
        body *= self._random.choice(self._sizes_bytes) // len(body)
        return self._record(Put(key, md5(body).hexdigest(), kind == "put_new"), body)

    def look(self) -> None:
        """Read all keys, one after the other, from a server that is to answer soon."""
        deeds: list[Deed] = [*map(Get, self._place.keys), List()]
        for deed in deeds:
            until = time.monotonic() + LOOK_SECONDS_MAX
            while not self._record(deed):
                assert time.monotonic() < until, f"there is no answer to {deed}"
        self.close()

    def _record(self, deed: Deed, body: bytes = b"", *, looks: bool = False) -> bool:
        """Whether it is known what came of it. `looks`: with HEAD."""
        number = self._random.randrange(CONNECTIONS)
        begun = time.perf_counter_ns()
        try:
            result = self._do(self._connections[number], deed, body, looks=looks)
        except _Refused:
            return True
        except (_Unknown, OSError, HTTPException):
            self._connections[number].close()
            self._connections[number] = self._connection()
            if isinstance(deed, Put | Delete):
                self.history.append(Operation(deed, begun, None))
            return False
        self.history.append(Operation(deed, begun, time.perf_counter_ns(), result))
        return True

    def _do(self, connection: HTTPConnection, deed: Deed, body: bytes, *, looks: bool) -> Result:
        if isinstance(deed, Get):
            return self._get(connection, deed, "HEAD" if looks else "GET")
        if isinstance(deed, List):
            return self._list(connection, deed)
        if isinstance(deed, Delete):
            self._ask(connection, "DELETE", self._target(deed.key), expected=(204,))
            return True
        headers = ((b"if-none-match", b"*"),) if deed.only_if_absent else ()
        status, etag, _ = self._ask(
            connection, "PUT", self._target(deed.key), headers, body, expected=(200, 412)
        )
        assert status == (200 if etag else 412), (status, deed)
        assert not etag or etag == deed.value, (etag, deed)
        return status == 200

    def _get(self, connection: HTTPConnection, deed: Get, method: str) -> str | None:
        status, etag, body = self._ask(
            connection, method, self._target(deed.key), expected=(200, 404)
        )
        if status == 404:
            return None
        assert method == "HEAD" or md5(body).hexdigest() == etag, (deed, len(body), etag)
        return etag

    def _list(self, connection: HTTPConnection, deed: List) -> Listed:
        after = f"&start-after={quote(self._place.prefix + deed.after)}" if deed.after else ""
        query = f"?list-type=2&max-keys={deed.limit}&prefix={quote(self._place.prefix)}{after}"
        _, _, document = self._ask(
            connection, "GET", f"/{self._place.bucket}{query}", expected=(200,)
        )
        found = ElementTree.fromstring(document)
        entries = tuple(
            (
                _text(each, "Key").removeprefix(self._place.prefix),
                _text(each, "ETag").strip('"'),
            )
            for each in found.iter(f"{_XML}Contents")
        )
        return Listed(entries, _text(found, "IsTruncated") == "true")

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes = b"",
        *,
        expected: Sequence[int],
    ) -> tuple[int, str, bytes]:
        """Status, ETag and body of an answer that says what became of the request."""
        host, port = self._place.address
        plain = HttpRequest(
            method, target.encode(), ((b"host", f"{host}:{port}".encode()), *headers), ""
        )
        request = signed(
            plain,
            _KEYS,
            payload="UNSIGNED-PAYLOAD",
            region="us-east-1",
            now_us=time.time_ns() // 1000,
        )
        connection.request(
            method,
            target,
            body or None,
            {name.decode(): value.decode() for name, value in request.headers},
        )
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 500:
            raise _Unknown
        if answer.status == 409 and method == "PUT":
            raise _Refused
        assert answer.status in expected, (method, target, answer.status, data)
        return answer.status, (answer.headers["etag"] or "").strip('"'), data

    def _target(self, key: str) -> str:
        return f"/{self._place.bucket}/{quote(self._place.prefix + key)}"

    def _connection(self) -> HTTPConnection:
        return HTTPConnection(*self._place.address, timeout=TIMEOUT_SECONDS)


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(_XML + name) or ""
