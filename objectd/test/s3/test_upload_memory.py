"""What one large body holds in memory on its whole way from the socket to the drive."""

from __future__ import annotations

from hashlib import md5

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.stores import BlobStores
from objectd.objects.checksums import NOTHING_DECLARED
from objectd.objects.ids import IdSource
from objectd.objects.ingest import STREAM_BYTES_MAX, Ingested, Intake
from objectd.protocol.messages import HttpRequest, Response
from objectd.streams import ByteStream
from objectd.test.blobs.places import LossyPlace, Threads
from objectd.test.web.applications import MIB, Scripted, put
from objectd.testing._blob_case import DIGEST_KEY, STORE_UUID, some_bytes
from objectd.testing.http import Connection, memory_site
from objectd.web.application import RequestBody

HELD_BYTES_MAX = 4 * MIB
BODY_BYTES = 16 * MIB


class FastStream:
    """A body whose next piece is always there."""

    given_bytes = 0

    async def read(self) -> bytes:
        piece = bytes(MIB) if self.given_bytes < BODY_BYTES else b""
        self.given_bytes += len(piece)
        return piece

    def close(self) -> None:
        pass


class UploadMemoryTests(SynchronousTestCase):
    """A client that sends as fast as it can, and threads that move when the test says so."""

    def setUp(self) -> None:
        self.threads = Threads()
        blobs = LossyPlace().open(self.threads)
        begun = Deferred.fromCoroutine(blobs.begin(STORE_UUID, DIGEST_KEY, 1))
        self.threads.run()
        self.successResultOf(begun)
        self.body = some_bytes(BODY_BYTES)
        self.intake = Intake(
            BlobStores(blobs), IdSource(1), run_in_thread=self.threads, memory_bytes=1024 * MIB
        )
        self.connection = Connection(memory_site(Scripted(self.answer)))

    async def take(self, stream: ByteStream) -> Ingested:
        return await self.intake.take(
            stream,
            NOTHING_DECLARED,
            size_bytes=BODY_BYTES,
            size_bytes_max=BODY_BYTES,
            inline_bytes_max=0,
        )

    async def answer(self, request: HttpRequest, body: RequestBody) -> Response:
        ingested = await self.take(body)
        return Response(200, (), b"%d %s" % (ingested.size_bytes, ingested.etag.encode()))

    @property
    def sent_bytes(self) -> int:
        return BODY_BYTES - self.connection.unread_bytes

    def go_on(self) -> None:
        """Let threads and client do what they can, to the end of the request."""
        while len(self.threads) or self.connection.unread_bytes:
            self.threads.run()
            self.connection.run()
            self.assertLessEqual(len(self.threads), 4)
        [response] = self.connection.responses()
        expected = md5(self.body, usedforsecurity=False).hexdigest()
        self.assertEqual(response.body, b"%d %s" % (BODY_BYTES, expected.encode()))

    def test_intake(self) -> None:
        """So much waits to be hashed and written, and no more."""
        stream = FastStream()
        taken = Deferred.fromCoroutine(self.take(stream))
        self.threads.step()  # creates the file
        self.assertEqual(stream.given_bytes, STREAM_BYTES_MAX)
        self.threads.run()
        self.assertEqual(self.successResultOf(taken).size_bytes, BODY_BYTES)

    def test_nothing_moves(self) -> None:
        """While threads are busy with something else no more comes in than that."""
        self.connection.send(put(self.body))
        self.assertLessEqual(self.sent_bytes, HELD_BYTES_MAX)
        self.threads.step()  # creates the file
        self.connection.run()
        self.assertLessEqual(self.sent_bytes, HELD_BYTES_MAX)
        self.assertGreater(self.sent_bytes, STREAM_BYTES_MAX)
        self.go_on()

    def test_one_is_slow(self) -> None:
        """Neither does more come in while one of drive and digests works and the other does
        not: a piece is in memory until both are done with it."""
        self.connection.send(put(self.body))
        self.threads.step()  # creates the file
        before = -1
        while before < self.sent_bytes:
            before = self.sent_bytes
            self.threads.delay()
            for _ in range(len(self.threads) - 1):
                self.threads.step()
            self.connection.run()
            self.assertLessEqual(self.sent_bytes, HELD_BYTES_MAX)
        self.go_on()
