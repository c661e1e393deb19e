"""Bodies that come in: whole and verified, or not at all."""

from __future__ import annotations

import hashlib

from twisted.internet.defer import CancelledError

from objectd.digests import ALGORITHMS
from objectd.errors import (
    BadDigest,
    BucketNotFound,
    EntityTooLarge,
    IncompleteBody,
    InvalidOperation,
    ObjectNotFound,
)
from objectd.objects import Declared
from objectd.objects.checksums import hasher
from objectd.objects.settings import OBJECT_PUT_BYTES_MAX
from objectd.test.objects.cases import LARGE, SlowStream, StoreCase, begin


class BodyTests(StoreCase):
    def assert_nothing_stored(self) -> None:
        self.assertEqual(self.files(), [])
        self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))

    def test_pieces(self) -> None:
        """A body may come in pieces of any size, and its stream is closed at its end."""
        stream = SlowStream()
        putting = begin(self.store.objects.put("photos", "a", stream))
        for piece in (b"1", LARGE, bytes(70_000), b"2"):
            stream.give(piece)
            self.assertNoResult(putting)
        stream.give(b"")
        self.successResultOf(putting)
        self.assertEqual(self.read("a"), b"1" + LARGE + bytes(70_000) + b"2")
        self.assertTrue(stream.is_closed)

    def test_broken_stream(self) -> None:
        """A body whose stream fails leaves nothing, however far it came."""
        for pieces in ((), (b"12",), (LARGE,), (bytes(1 << 21),)):
            stream = SlowStream()
            putting = begin(self.store.objects.put("photos", "a", stream))
            stream.give(*pieces, IncompleteBody("the connection was lost"))
            self.failureResultOf(putting, IncompleteBody)
            self.assertTrue(stream.is_closed)
            self.assert_nothing_stored()

    def test_cancelled(self) -> None:
        """A body whose sender goes away leaves nothing, however far it came."""
        for pieces in ((), (b"12",), (LARGE,), (bytes(1 << 21),)):
            stream = SlowStream()
            putting = begin(self.store.objects.put("photos", "a", stream))
            for piece in pieces:
                stream.give(piece)
            putting.cancel()
            self.failureResultOf(putting, CancelledError)
            self.assertTrue(stream.is_closed)
            self.assert_nothing_stored()

    def test_length(self) -> None:
        """A body that is shorter or longer than declared is refused."""
        for data in (b"12345", LARGE):
            for error, size_bytes in (
                (IncompleteBody, len(data) + 1),
                ((IncompleteBody, EntityTooLarge), len(data) - 1),
            ):
                work = self.store.objects.put("photos", "a", data, size_bytes=size_bytes)
                failure = self.failureResultOf(begin(work))
                self.assertTrue(failure.check(*(error if isinstance(error, tuple) else (error,))))
                self.assert_nothing_stored()
            self.ok(self.store.objects.put("photos", "b", data, size_bytes=len(data)))

    def test_too_large(self) -> None:
        """A body that is declared over the limit is refused before any of it is read."""
        stream = SlowStream()
        work = self.store.objects.put("photos", "a", stream, size_bytes=OBJECT_PUT_BYTES_MAX + 1)
        self.refused(EntityTooLarge, work)

    def test_md5(self) -> None:
        """A declared MD5 is compared, for small bodies and large ones."""
        for data in (b"small", LARGE):
            good = Declared(md5=hashlib.md5(data).digest())
            self.ok(self.store.objects.put("photos", "b", data, declared=good))
            bad = Declared(md5=bytes(16))
            self.refused(BadDigest, self.store.objects.put("photos", "a", data, declared=bad))
            self.ok(self.store.objects.delete("photos", "b"))
            self.ok(self.store.collector.run_to_rest())
            self.assert_nothing_stored()

    def test_checksums(self) -> None:
        """A declared checksum of every algorithm is compared and kept."""
        for algorithm in ALGORITHMS:
            for data in (b"small", LARGE):
                whole = hasher(algorithm)
                whole.update(data)
                good = Declared(algorithm=algorithm, checksum=whole.digest)
                put = self.ok(self.store.objects.put("photos", "b", data, declared=good))
                [kept] = put.tail.checksums
                self.assertEqual((kept.algorithm, kept.value), (algorithm, whole.digest()))
                bad = Declared(algorithm=algorithm, checksum=lambda: b"wrong")
                work = self.store.objects.put("photos", "a", data, declared=bad)
                error = self.refused(BadDigest, work)
                self.assertEqual(error.algorithm, algorithm)
                self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))

    def test_computed(self) -> None:
        """A checksum that is only named is computed and kept."""
        put = self.ok(
            self.store.objects.put("photos", "a", LARGE, declared=Declared(algorithm="SHA256"))
        )
        self.assertEqual(put.tail.checksums[0].value, hashlib.sha256(LARGE).digest())

    def test_unknown_algorithm(self) -> None:
        """An unknown algorithm is refused."""
        work = self.store.objects.put("photos", "a", b"", declared=Declared(algorithm="MD4"))
        self.refused(InvalidOperation, work)

    def test_bucket_deleted_meanwhile(self) -> None:
        """A body that comes in while its bucket is deleted and created again is not stored."""
        for piece in (b"small", LARGE):
            stream = SlowStream()
            putting = begin(self.store.objects.put("photos", "a", stream))
            stream.give(piece)
            self.ok(self.store.buckets.delete("photos"))
            self.ok(self.store.buckets.create("photos"))
            stream.give(b"")
            self.failureResultOf(putting, BucketNotFound)
            self.assert_nothing_stored()

    def test_failed_overwrite(self) -> None:
        """A body that fails leaves the key what it had."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        bad = Declared(md5=bytes(16))
        self.refused(BadDigest, self.store.objects.put("photos", "a", b"new", declared=bad))
        self.assertEqual(self.read("a"), LARGE)
