"""Conditional writes that race over sockets, against the real server."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import attrs
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.auth.signing import signed
from objectd.test.functional.server import BUCKET, Server
from objectd.test.functional.traffic import at_once, connect

CREATORS = 200
REPETITIONS = 50
WRITERS = 20
INCREMENTS = 4
REPEATED = 500

_T = TypeVar("_T")


@attrs.frozen
class Answered:
    status: int
    etag: str
    size_bytes: int
    body: bytes


def ask(
    connection: HTTPConnection,
    method: str,
    key: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answered:
    head = signed(method, f"/{BUCKET}/{key}", headers, payload="UNSIGNED-PAYLOAD")
    fields = {name.decode(): value.decode() for name, value in head.headers}
    fields.pop("content-length", None)  # the signer knows of no body
    connection.request(method, head.target.decode(), body, fields)
    answer = connection.getresponse()
    size_bytes = int(answer.headers.get("content-length", 0))
    return Answered(answer.status, answer.headers.get("etag", ""), size_bytes, answer.read())


class RaceTests(SynchronousTestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()))
        self.addCleanup(self.server.end)
        self.server.start()

    def test_creation(self) -> None:
        """Of 200 connections that PUT with If-None-Match: * at once exactly one creates the
        object, and GET returns its bytes; 50 times."""

        def create(number: int, barrier: Barrier, connection: HTTPConnection) -> list[int]:
            statuses = []
            for repetition in range(REPETITIONS):
                body = self.body(number, repetition)
                barrier.wait()
                absent = {"if-none-match": "*"}
                statuses.append(ask(connection, "PUT", f"{repetition}", body, absent).status)
            return statuses

        statuses = self.all_at_once(CREATORS, create)
        reader = connect(self.server)
        for repetition in range(REPETITIONS):
            answered = [each[repetition] for each in statuses]
            self.assertEqual(Counter(answered), {200: 1, 412: CREATORS - 1}, f"{repetition}")
            found = ask(reader, "GET", f"{repetition}")
            body = self.body(answered.index(200), repetition)
            self.assertEqual((found.status, found.body), (200, body), f"{repetition}")
            self.assertEqual(found.etag, f'"{hashlib.md5(body).hexdigest()}"')
        reader.close()

    def test_counting(self) -> None:
        """20 writers that count with GET and PUT If-Match lose no update, and each is told
        when it was too late."""

        def count(number: int, barrier: Barrier, connection: HTTPConnection) -> int:
            counted = refused = 0
            barrier.wait()
            while counted < INCREMENTS:
                seen = ask(connection, "GET", "counter")
                body = b"%d" % (int(seen.body) + 1)
                put = ask(connection, "PUT", "counter", body, {"if-match": seen.etag})
                self.assertIn(put.status, {200, 409, 412})
                counted += put.status == 200
                refused += put.status != 200
            return refused

        reader = connect(self.server)
        ask(reader, "PUT", "counter", b"0")
        refused = self.all_at_once(WRITERS, count)
        self.assertEqual(ask(reader, "GET", "counter").body, b"%d" % (WRITERS * INCREMENTS))
        self.assertGreater(sum(refused), 0, "nobody raced")
        reader.close()

    def test_appending(self) -> None:
        """Writers that append where the object ends get every piece in, whole and once."""

        def append(number: int, barrier: Barrier, connection: HTTPConnection) -> None:
            barrier.wait()
            for piece in range(INCREMENTS):
                body = b"%d-%d;" % (number, piece) * REPEATED
                status = 0
                while status != 200:
                    end = ask(connection, "HEAD", "log").size_bytes
                    offset = {"x-amz-write-offset-bytes": str(end)}
                    answer = ask(connection, "PUT", "log", body, offset)
                    status = answer.status
                    if status == 400:
                        self.assertIn(b"InvalidWriteOffset", answer.body)
                    else:
                        self.assertIn(status, {200, 409})

        reader = connect(self.server)
        ask(reader, "PUT", "log")
        self.all_at_once(WRITERS // 2, append)
        found = ask(reader, "GET", "log").body.split(b";")[:-1]
        runs = [
            piece for piece, before in zip(found, [b"", *found], strict=False) if piece != before
        ]
        self.assertEqual(set(Counter(found).values()), {REPEATED})
        self.assertEqual(len(runs), WRITERS // 2 * INCREMENTS)
        reader.close()

    def all_at_once(
        self, count: int, work: Callable[[int, Barrier, HTTPConnection], _T]
    ) -> list[_T]:
        """Each with a connection of its own that is open before the first begins."""

        def take_part(number: int, barrier: Barrier) -> _T:
            connection = connect(self.server)
            connection.connect()
            try:
                return work(number, barrier, connection)
            finally:
                connection.close()

        return at_once(count, take_part)

    def body(self, number: int, repetition: int) -> bytes:
        """A row or, every fifth time, a blob."""
        return b"%d" % number * (80_000 if repetition % 5 == 0 else 10)
