"""Compressing on the way in: what the blob store is told, when it is broken off, and what it
costs."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.frames import FRAME_BYTES, Frames
from objectd.blobs.memory import MemoryBlobs
from objectd.blobs.stores import BlobStores
from objectd.errors import IncompleteBody, StoreFailed, StoreFull
from objectd.interfaces import BlobFile, IBlobStore, IBlobWriter, RunInThread
from objectd.model.blobs import Codec
from objectd.objects.checksums import NOTHING_DECLARED
from objectd.objects.classes import StorageClass
from objectd.objects.compressing import CompressingWriter
from objectd.objects.ids import IdSource
from objectd.objects.ingest import (
    COMPRESSED_STREAMS_MIN,
    PIECE_BYTES,
    PIECE_BYTES_MIN,
    Ingested,
    Intake,
)
from objectd.objects.opening import run_at_once
from objectd.streams import BytesStream, ByteStream
from objectd.test.blobs.places import LossyPlace, Threads
from objectd.test.objects.cases import SlowStream, begin
from objectd.testing._blob_case import DIGEST_KEY, STORE_UUID

COLD = StorageClass("STANDARD_IA", zstd_level=1)
NOISE = Random("noise").randbytes(FRAME_BYTES + 1000)
TEXT = bytes(n * n >> 3 & 0xFF for n in range(4096)) * 1000
"""Almost four frames."""


def begun(blobs: IBlobStore) -> Deferred[None]:
    return begin(blobs.begin(STORE_UUID, DIGEST_KEY, 1))


class WriterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.blobs = MemoryBlobs()
        self.successResultOf(begun(self.blobs))
        self.told: list[int | None] = []

    async def create(self, size_bytes: int | None) -> IBlobWriter:
        self.told.append(size_bytes)
        return await self.blobs.create(bytes(12), size_bytes=size_bytes)

    def written(self, *pieces: bytes, size_bytes: int | None) -> tuple[int, Frames | None]:
        """How many bytes are stored, and their index."""

        async def write() -> tuple[int, Frames | None]:
            writer = CompressingWriter(self.create, size_bytes, 1, run_at_once)
            for piece in pieces:
                await writer.write(piece)
            finished = await writer.finish()
            self.assertEqual(finished.drive, writer.drive)
            await writer.abort()
            await writer.abort()
            return finished.size_bytes, writer.frames()

        return self.successResultOf(begin(write()))

    def test_size(self) -> None:
        """The blob store is told how many bytes come wherever that is known: of what fits in a
        frame, and of what gets no smaller."""
        for data, is_compressed in (
            (b"", False),
            (NOISE[:1000], False),
            (NOISE, False),
            (NOISE + TEXT, False),
            (TEXT[:1000] * 2, True),
            (TEXT[:FRAME_BYTES], True),
        ):
            stored_bytes, frames = self.written(data, size_bytes=len(data))
            self.assertEqual(self.told.pop(), stored_bytes)
            self.assertEqual(frames is not None, is_compressed)
            self.assertEqual(self.told, [])
        self.written(TEXT, size_bytes=len(TEXT))
        self.assertEqual(self.told.pop(), None)

    def test_unknown_size(self) -> None:
        """Of a body without a length what is known at the end of its first frame."""
        for data in (b"", NOISE[:1000], TEXT[:1000] * 2):
            stored_bytes, _ = self.written(data, size_bytes=None)
            self.assertEqual(self.told.pop(), stored_bytes)
        for data in (NOISE, TEXT):
            self.written(data, size_bytes=None)
            self.assertEqual(self.told.pop(), None)

    def test_pieces(self) -> None:
        """In whatever pieces it comes, the same is stored."""
        for data in (TEXT, NOISE):
            whole = self.written(data, size_bytes=len(data))
            for size in (100_000, FRAME_BYTES - 1, FRAME_BYTES + 1):
                pieces = [data[start : start + size] for start in range(0, len(data), size)]
                self.assertEqual(self.written(*pieces, size_bytes=len(data)), whole)

    def test_nothing_was_started(self) -> None:
        """A writer that was given less than a frame has nothing to abort, and nothing to seal."""
        writer = CompressingWriter(self.create, None, 1, run_at_once)
        self.successResultOf(begin(writer.write(TEXT[:1000])))
        self.failureResultOf(begin(writer.seal({})), StoreFailed)
        self.successResultOf(begin(writer.abort()))
        self.assertEqual(self.told, [])


class IntakeTests(SynchronousTestCase):
    def intake(self, blobs: IBlobStore, threads: RunInThread, memory_bytes: int = 1 << 30) -> None:
        self.taking = Intake(
            BlobStores(blobs), IdSource(1), run_in_thread=threads, memory_bytes=memory_bytes
        )

    async def take(
        self, stream: ByteStream, size_bytes: int | None = None, kept: StorageClass = COLD
    ) -> Ingested:
        return await self.taking.take(
            stream,
            NOTHING_DECLARED,
            size_bytes=size_bytes,
            size_bytes_max=1 << 40,
            inline_bytes_max=0,
            kept=kept,
        )

    def test_cancelled(self) -> None:
        """Whenever a body is broken off, nothing is left of it."""
        steps = 0
        while True:
            threads = Threads()
            place = LossyPlace()
            blobs = place.open(threads)
            beginning = begun(blobs)
            threads.run()
            self.successResultOf(beginning)
            self.intake(blobs, threads)
            taking = begin(self.take(BytesStream(TEXT[: 2 * FRAME_BYTES + 1])))
            for _ in range(steps):
                if len(threads):
                    threads.step()
            if taking.called:
                break
            taking.cancel()
            threads.run()
            self.failureResultOf(taking, CancelledError)
            self.assertEqual(self.files(blobs, threads), [])
            steps += 1
        self.assertGreater(steps, 6)
        ingested = self.successResultOf(taking)
        self.assertEqual(ingested.size_bytes, 2 * FRAME_BYTES + 1)
        dropping = begin(ingested.drop())
        threads.run()
        self.successResultOf(dropping)

    def files(self, blobs: IBlobStore, threads: RunInThread = run_at_once) -> list[BlobFile]:
        async def every() -> list[BlobFile]:
            return [file async for file in blobs.files(0)]

        listing = begin(every())
        if isinstance(threads, Threads):
            threads.run()
        return self.successResultOf(listing)

    def test_full(self) -> None:
        """What is small enough when it is compressed is taken, and what is not is refused, if it
        gets no smaller when its first frame has come."""
        blobs = MemoryBlobs(capacity_bytes=len(NOISE) - 1)
        self.successResultOf(begun(blobs))
        self.intake(blobs, run_at_once)
        self.successResultOf(begin(self.take(BytesStream(TEXT), len(TEXT))))
        stream = SlowStream()
        taking = begin(self.take(stream, len(NOISE)))
        stream.give(NOISE[:FRAME_BYTES])
        self.failureResultOf(taking, StoreFull)

    def test_incomplete(self) -> None:
        """A body that is shorter than was declared leaves nothing, however short."""
        for size in (0, 1000, FRAME_BYTES, len(TEXT)):
            blobs = MemoryBlobs()
            self.successResultOf(begun(blobs))
            self.intake(blobs, run_at_once)
            work = self.take(BytesStream(TEXT[:size]), size + 1)
            self.failureResultOf(begin(work), IncompleteBody)
            self.assertEqual(self.files(blobs), [])

    def test_memory(self) -> None:
        """What is held for compressing comes off what all bodies share."""
        for kept, expected_bytes in ((StorageClass(), PIECE_BYTES), (COLD, PIECE_BYTES_MIN)):
            blobs = MemoryBlobs()
            self.successResultOf(begun(blobs))
            self.intake(blobs, run_at_once, memory_bytes=8 << 20)
            streams = [SlowStream() for _ in range(3)]
            bodies = [begin(self.take(stream, kept=kept)) for stream in streams]
            for stream in streams:
                stream.give(b"1")
            self.assertEqual(self.taking._piece_bytes(), expected_bytes)
            for stream in streams:
                stream.give(b"")
            for body in bodies:
                self.assertEqual(self.successResultOf(body).size_bytes, 1)

    def test_too_many(self) -> None:
        """So many bodies are compressed at once that what they hold leaves the others some room,
        four at least; those beyond that are stored as they come."""
        for memory_bytes, compressed in ((64 << 20, 10), (1 << 20, COMPRESSED_STREAMS_MIN)):
            blobs = MemoryBlobs()
            self.successResultOf(begun(blobs))
            self.intake(blobs, run_at_once, memory_bytes=memory_bytes)
            for _ in range(2):  # what was taken is given back
                streams = [SlowStream() for _ in range(12)]
                bodies = [begin(self.take(stream)) for stream in streams]
                for stream in streams:
                    stream.give(TEXT)
                for stream in streams:
                    stream.give(b"")
                taken = [self.successResultOf(body).staged for body in bodies]
                codecs = [staged.codec for staged in taken if staged is not None]
                self.assertEqual(codecs.count(Codec.FRAMES), compressed)
                self.assertEqual(codecs.count(Codec.PLAIN), 12 - compressed)
                self.assertEqual({staged.storage_class for staged in taken if staged}, {COLD.name})
