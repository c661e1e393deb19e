"""Writing blobs: what is sealed is whole, what is not leaves nothing."""

from __future__ import annotations

from blake3 import blake3

from objectd.errors import StoreFailed, StoreFull
from objectd.interfaces import BlobFile, BlobLocation
from objectd.testing._blob_case import (
    BLOCK_BYTES,
    DIGEST_KEY,
    READ_BYTES_MAX,
    BlobStoreTestCase,
    blob_id,
    listed,
    put,
    read,
    result,
    sealed_file,
    some_bytes,
    write,
)


class WritingTests(BlobStoreTestCase):
    def test_returns_what_was_written(self) -> None:
        """Blobs of any size, whole blocks or not, come back as they were."""
        edges = (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, READ_BYTES_MAX)
        for number, size_bytes in enumerate((*edges, READ_BYTES_MAX + 1, 3_000_000)):
            data = some_bytes(size_bytes)
            location = result(put(self.store, blob_id(number), data))
            self.assertEqual(location.size_bytes, size_bytes)
            self.assertEqual(result(read(self.store, location)), data)

    def test_digest_is_keyed_blake3(self) -> None:
        """The digest is the keyed BLAKE3 of the bytes, however they were cut."""
        data = some_bytes(200_000)
        expected = blake3(data, key=DIGEST_KEY).digest()
        whole = result(put(self.store, blob_id(1), data))
        cut = result(put(self.store, blob_id(2), data[:1], data[1:70_001], data[70_001:]))
        self.assertEqual([whole.digest, cut.digest], [expected, expected])

    def test_identity(self) -> None:
        """A blob tells the identity that it was sealed with, a long one too."""

        async def scenario(identity: dict[str, object], uid: bytes) -> object:
            writer, finished = await write(self.store, uid, b"data")
            await writer.seal(identity)
            return await self.store.identity(BlobLocation(finished.drive, uid, finished.digest, 4))

        identities: tuple[dict[str, object], ...] = (
            {},
            {"bucket": 7, "key": b"\xff\0", "headers": {"a": "b"}},
            {"x": "y" * 30_000},
        )
        for n, identity in enumerate(identities):
            self.assertEqual(result(scenario(identity, blob_id(n))), identity)

    def test_two_writers_at_once(self) -> None:
        """Blobs that are written at the same time do not mix."""

        async def scenario() -> list[bytes]:
            found = []
            one = await self.store.create(blob_id(1), size_bytes=4)
            two = await self.store.create(blob_id(2), size_bytes=4)
            await one.write(b"aa")
            await two.write(b"bb")
            await one.write(b"AA")
            await two.write(b"BB")
            for uid, writer in ((blob_id(2), two), (blob_id(1), one)):
                finished = await writer.finish()
                await writer.seal({})
                location = BlobLocation(finished.drive, uid, finished.digest, 4)
                found.append(await read(self.store, location))
            return found

        self.assertEqual(result(scenario()), [b"bbBB", b"aaAA"])

    def test_known_size(self) -> None:
        """A blob of a size that was told beforehand, in however many pieces it comes, and also
        if more comes than was told, is what was written."""
        for number, pieces in enumerate(((), (b"a",), (b"a", b"b"), (b"a", bytes(200_000), b"b"))):
            for size_bytes in (sum(map(len, pieces)), 1):
                uid = blob_id(2 * number + (size_bytes == 1))
                location = result(put(self.store, uid, *pieces, size_bytes=size_bytes))
                self.assertEqual(result(read(self.store, location)), b"".join(pieces))
                self.assertEqual(result(listed(self.store)), {sealed_file(location)})
                result(self.store.unlink([sealed_file(location)]))

    def test_abort_of_known_size(self) -> None:
        """Nothing is left of an aborted blob of a known size, and it cannot be sealed."""
        for number, pieces in enumerate(((), (b"a",), (b"a", b"b"))):
            writer, _ = result(write(self.store, blob_id(number), *pieces, size_bytes=2))
            result(writer.abort())
            self.assertEqual(result(listed(self.store)), set())
            with self.assertRaises(StoreFailed):
                result(writer.seal({}))
            self.assertEqual(result(listed(self.store)), set())

    def test_equal_content_twice(self) -> None:
        """Two blobs of equal content are two files: one stays when the other goes."""
        one = result(put(self.store, blob_id(1), b"same"))
        two = result(put(self.store, blob_id(2), b"same"))
        result(self.store.unlink([sealed_file(one)]))
        self.assertEqual(result(read(self.store, two)), b"same")
        self.assertEqual(result(listed(self.store)), {sealed_file(two)})

    def test_an_id_cannot_be_used_twice(self) -> None:
        """A second blob of an id under way is refused and leaves the first one alone."""
        writer = result(self.store.create(blob_id(1), size_bytes=None))
        with self.assertRaises(StoreFailed):
            result(self.store.create(blob_id(1), size_bytes=None))
        self.assertEqual(result(listed(self.store)), {BlobFile(writer.drive, blob_id(1), None)})

    def test_too_large_is_refused_early(self) -> None:
        """A blob that cannot fit is refused before a byte of it is taken."""
        with self.assertRaises(StoreFull):
            result(self.store.create(blob_id(1), size_bytes=1 << 60))
        self.assertEqual(result(listed(self.store)), set())

    def test_abort(self) -> None:
        """Nothing is left of an aborted blob, finished or not; abort may be repeated."""
        unfinished = result(self.store.create(blob_id(1), size_bytes=None))
        finished, _ = result(write(self.store, blob_id(2), b"x"))
        for writer in (unfinished, finished, unfinished):
            result(writer.abort())
        self.assertEqual(result(listed(self.store)), set())

    def test_abort_after_seal(self) -> None:
        """A sealed blob is not dropped by a late abort."""
        writer, finished = result(write(self.store, blob_id(1), b"x"))
        result(writer.seal({}))
        result(writer.abort())
        location = BlobLocation(finished.drive, blob_id(1), finished.digest, 1)
        self.assertEqual(result(read(self.store, location)), b"x")

    def test_seal_twice(self) -> None:
        """Sealing again changes nothing."""
        writer, finished = result(write(self.store, blob_id(1), b"x"))
        result(writer.seal({"n": 1}))
        result(writer.seal({"n": 2}))
        location = BlobLocation(finished.drive, blob_id(1), finished.digest, 1)
        self.assertEqual(result(self.store.identity(location)), {"n": 1})

    def test_seal_without_file(self) -> None:
        """A blob whose incoming file was removed is not acknowledged."""
        writer, finished = result(write(self.store, blob_id(1), b"x"))
        result(self.store.unlink([BlobFile(finished.drive, blob_id(1), None)]))
        with self.assertRaises(StoreFailed):
            result(writer.seal({}))
        result(writer.abort())
        self.assertEqual(result(listed(self.store)), set())
