"""Reading blobs: the right bytes, or `DamagedBlob`."""

from __future__ import annotations

import attrs

from objectd.errors import DamagedBlob
from objectd.interfaces import BlobLocation
from objectd.testing._blob_case import (
    BLOCK_BYTES,
    READ_BYTES_MAX,
    BlobStoreTestCase,
    blob_id,
    put,
    read,
    read_all,
    result,
    sealed_file,
    some_bytes,
    write,
)


class ReadingTests(BlobStoreTestCase):
    def test_ranges(self) -> None:
        """A range gives exactly its bytes, wherever the blocks end."""
        data = some_bytes(3 * BLOCK_BYTES + 7)
        location = result(put(self.store, blob_id(1), data))
        edges = (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1, len(data))
        for start in edges:
            for stop in edges:
                if start <= stop:
                    found = result(read(self.store, location, start, stop))
                    self.assertEqual(found, data[start:stop], (start, stop))

    def test_reads_bounded_pieces(self) -> None:
        """`read` gives at most 1 MiB at once, and b'' again and again at the end."""
        location = result(put(self.store, blob_id(1), some_bytes(5_000_000)))
        reader = result(self.store.open(location, start=3))
        self.addCleanup(reader.close)
        total_bytes = 0
        while piece := result(reader.read()):
            self.assertLessEqual(len(piece), READ_BYTES_MAX)
            total_bytes += len(piece)
        self.assertEqual(total_bytes, 5_000_000 - 3)
        self.assertEqual(result(reader.read()), b"")

    def test_readers_are_independent(self) -> None:
        """Two readers of one blob do not disturb each other."""
        data = some_bytes(2_500_000)
        location = result(put(self.store, blob_id(1), data))
        one, two = result(self.store.open(location)), result(self.store.open(location))
        first = result(one.read())
        self.assertEqual(result(read_all(two)), data)
        self.assertEqual(first + result(read_all(one)), data)

    def test_closing_a_reader_twice(self) -> None:
        """A reader may be closed before its end, and again."""
        location = result(put(self.store, blob_id(1), some_bytes(3_000_000)))
        reader = result(self.store.open(location))
        result(reader.read())
        reader.close()
        reader.close()
        self.assertEqual(len(result(read(self.store, location))), 3_000_000)

    def test_damaged_if_it_is_not_the_one(self) -> None:
        """What is not there under that drive, id, digest and length is damaged."""
        location = result(put(self.store, blob_id(1), b"data"))
        for other in (
            attrs.evolve(location, drive=999),
            attrs.evolve(location, blob_id=blob_id(2)),
            attrs.evolve(location, digest=bytes(32)),
            attrs.evolve(location, size_bytes=3),
            attrs.evolve(location, size_bytes=5),
        ):
            with self.assertRaises(DamagedBlob):
                result(self.store.open(other))
            with self.assertRaises(DamagedBlob):
                result(self.store.identity(other))

    def test_incoming_cannot_be_read(self) -> None:
        """A blob that is not sealed is not there for readers."""
        _, finished = result(write(self.store, blob_id(1), b"data"))
        location = BlobLocation(finished.drive, blob_id(1), finished.digest, 4)
        with self.assertRaises(DamagedBlob):
            result(self.store.open(location))

    def test_open_reader_outlives_unlink(self) -> None:
        """A reader that is open reads to the end of a blob that is unlinked meanwhile."""
        data = some_bytes(3_000_000)
        location = result(put(self.store, blob_id(1), data))
        reader = result(self.store.open(location))
        first = result(reader.read())
        result(self.store.unlink([sealed_file(location)]))
        self.assertEqual(first + result(read_all(reader)), data)
