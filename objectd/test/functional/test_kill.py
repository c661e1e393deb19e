"""kill -9 under load, and what the next process finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import md5
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from threading import Semaphore, Thread
from typing import TYPE_CHECKING, cast

import attrs
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from objectd.objects import ObjectSettings
from objectd.objects.opening import open_directory
from objectd.test.functional.server import BUCKET, Server
from objectd.test.functional.traffic import connect, request
from objectd.testing.simulation.audit import audit

if TYPE_CHECKING:
    from twisted.internet.base import ReactorBase

ROUNDS = 12
WRITERS = 8
KEYS_A_WRITER = 6
ACKNOWLEDGED_A_ROUND = (20, 150)
PART_BYTES_MIN = 64 << 10
SETTINGS = ObjectSettings(part_bytes_min=PART_BYTES_MIN)
CONFIG = f"collection.interval_seconds = 0.1\nobjects.part_bytes_min = {PART_BYTES_MIN}"
SEED = 1


@attrs.frozen
class Data:
    """What a key may hold: bytes that two of them share only if they are equal."""

    seed: int
    size_bytes: int

    def read(self) -> bytes:
        return Random(self.seed).randbytes(self.size_bytes)


SHARED = [Data(seed, size_bytes) for seed, size_bytes in enumerate([100, 80_000, 300_000])]
"""What all writers put again and again, so that blobs are shared, released and collected."""


class ServerGone(Exception):
    """The request got no answer, as the server was killed."""


@attrs.define
class Writer:
    """Writes to keys of its own, and knows for each what it may hold: one thing, or, while a
    request has not been answered, one of two. None is absence."""

    number: int
    random: Random
    acknowledged: Semaphore
    may_hold: dict[str, set[Data | None]] = attrs.field(init=False)
    doubts: int = attrs.field(default=0, init=False)
    _connection: HTTPConnection = attrs.field(init=False)
    _made: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        keys = [f"{self.number}/{key}" for key in range(KEYS_A_WRITER)]
        self.may_hold = {key: {None} for key in keys}

    def run(self, server: Server) -> None:
        """Look at all keys, and then write until the server is gone."""
        deeds = [self.put, self.put, self.share, self.delete, self.multipart]
        try:
            self.look(server)
            while True:
                self.random.choice(deeds)()
                self.acknowledged.release()
        except ServerGone:
            self._connection.close()

    def look(self, server: Server) -> None:
        """Every key holds what it may hold, whole; what it does hold is settled."""
        self._connection = connect(server)
        for key, possible in self.may_hold.items():
            self.doubts += len(possible) > 1
            data = self.get(key)
            found = {each for each in possible if (each and each.read()) == data}
            assert found, f"{key} holds {_shown(data)}, not one of {possible}"
            self.may_hold[key] = found

    # What it does

    def put(self) -> None:
        size_bytes = self.random.choice([0, 10, 65_536, 65_537, 200_000, 1_500_000])
        data = self.new(size_bytes)
        self.change(data, lambda key: self.ask("PUT", key, data.read()))

    def share(self) -> None:
        data = self.random.choice(SHARED)
        self.change(data, lambda key: self.ask("PUT", key, data.read()))

    def delete(self) -> None:
        self.change(None, lambda key: self.ask("DELETE", key))

    def multipart(self) -> None:
        """An upload of several parts, of which some come twice, and some uploads are left."""
        data = self.new(self.random.randrange(3 * PART_BYTES_MIN, 6 * PART_BYTES_MIN))
        key = self.random.choice(sorted(self.may_hold))
        upload = _field("UploadId", self.ask("POST", f"{key}?uploads="))
        whole, etags = data.read(), []
        pieces = [whole[: 2 * PART_BYTES_MIN], whole[2 * PART_BYTES_MIN :]]
        for number, piece in enumerate(pieces, 1):
            target = f"{key}?partNumber={number}&uploadId={upload}"
            if self.random.random() < 0.2:
                self.ask("PUT", target, SHARED[2].read())
            self.ask("PUT", target, piece)
            etags.append(md5(piece).hexdigest())
        last = self.random.random()
        if last < 0.1:
            return
        if last < 0.2:
            self.ask("DELETE", f"{key}?uploadId={upload}")
            return
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        self.change(data, lambda _: self.ask("POST", f"{key}?uploadId={upload}", document), key)

    # How it does it

    def new(self, size_bytes: int) -> Data:
        self._made += 1
        return Data(self.number << 32 | 1 << 31 | self._made, size_bytes)

    def change(
        self, data: Data | None, how: Callable[[str], object], key: str | None = None
    ) -> None:
        key = key or self.random.choice(sorted(self.may_hold))
        self.may_hold[key] = self.may_hold[key] | {data}
        how(key)
        self.may_hold[key] = {data}

    def get(self, key: str) -> bytes | None:
        status, data = self.exchange("GET", key)
        assert status in (200, 404), (key, status, data)
        return data if status == 200 else None

    def ask(self, method: str, key: str, data: bytes = b"") -> bytes:
        status, answer = self.exchange(method, key, data)
        assert status in (200, 204), (method, key, status, answer)
        return answer

    def exchange(self, method: str, key: str, data: bytes = b"") -> tuple[int, bytes]:
        try:
            answer = request(self._connection, method, f"/{BUCKET}/{key}", data)
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            raise ServerGone from error


def _field(name: str, document: bytes) -> str:
    found = re.search(f"<{name}>(.*)</{name}>", document.decode())
    assert found is not None, document
    return found[1]


def _shown(data: bytes | None) -> str:
    return "nothing" if data is None else f"{len(data)} bytes, {data[:20]!r}"


class KillTests(TestCase):
    timeout = 600

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), config=CONFIG)
        self.addCleanup(self.server.end)
        self.random = Random(SEED)
        self.acknowledged = Semaphore(0)
        self.writers = [
            Writer(number, Random(SEED * WRITERS + number), self.acknowledged)
            for number in range(WRITERS)
        ]
        self.failures: list[BaseException] = []

    def round(self) -> None:
        """Start the server, and kill it after some acknowledged requests."""
        self.server.start()
        threads = [Thread(target=self._write, args=[writer]) for writer in self.writers]
        for thread in threads:
            thread.start()
        for _ in range(self.random.randrange(*ACKNOWLEDGED_A_ROUND)):
            self.assertTrue(self.acknowledged.acquire(timeout=60), self.failures)
        self.server.process.kill()
        for thread in threads:
            thread.join()
        self.server.wait()
        if self.failures:
            raise self.failures[0]

    def _write(self, writer: Writer) -> None:
        try:
            writer.run(self.server)
        except BaseException as error:
            self.failures.append(error)

    def rounds(self) -> None:
        for _ in range(ROUNDS):
            self.round()
        self.server.start()
        for writer in self.writers:
            writer.look(self.server)
        self.assertEqual(self.server.stop(), 0)

    async def test_rounds(self) -> None:
        """After 20 kills under load from 8 writers every key holds what was acknowledged last,
        or else, whole, what the one unanswered request was to make of it; and once the
        collector has run no file and no row is left that nothing refers to."""
        await deferToThread(self.rounds)
        store = await open_directory(cast("ReactorBase", reactor), self.server.data, SETTINGS)
        try:
            await store.sweep.run()
            await store.collector.run_to_rest()
            core = store.core
            seen = await audit(core.metadata, core.blobs, store.format.digest_key, deep=True)
        finally:
            await store.close()
        self.assertGreater(seen.blobs, 0)
        self.assertGreater(sum(writer.doubts for writer in self.writers), 0)
