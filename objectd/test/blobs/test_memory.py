"""The blob store in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import StoreFull
from objectd.interfaces import IBlobStore
from objectd.testing._blob_case import (
    begun,
    blob_id,
    put,
    result,
    sealed_file,
    write,
)
from objectd.testing.blobs import make_blob_store_tests


class MemoryPlace:
    """Stores that one after the other use the same drives."""

    drives: tuple[int, ...] = (0,)

    def __init__(self) -> None:
        self._store: MemoryBlobs | None = None

    def open(self) -> IBlobStore:
        if self._store is None:
            self._store = MemoryBlobs(self.drives, capacity_bytes=1 << 40)
        else:
            self._store = self._store.reopened()
        return self._store

    def close(self) -> None:
        self._store = None


class TwoDrivesPlace(MemoryPlace):
    drives = (0, 1)


MemoryBlobsTests = make_blob_store_tests(f"{__name__}.MemoryBlobsTests", MemoryPlace)
TwoDrivesTests = make_blob_store_tests(f"{__name__}.TwoDrivesTests", TwoDrivesPlace)


class SmallPlace(MemoryPlace):
    def open(self) -> IBlobStore:
        return MemoryBlobs((0, 1), capacity_bytes=10)


class CapacityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = result(begun(SmallPlace()))

    def test_full(self) -> None:
        """A write that would pass the capacity of its drive is refused."""
        writer, _ = result(write(self.store, blob_id(1), b"0123456789"))
        with self.assertRaises(StoreFull):
            result(writer.write(b"x"))

    def test_spreads(self) -> None:
        """The drive that holds least takes the next blob."""
        drives = {result(put(self.store, blob_id(n), b"0123456789")).drive for n in range(2)}
        self.assertEqual(drives, {0, 1})

    def test_unlink_makes_room(self) -> None:
        """What unlinked blobs took can be written again."""
        first, _ = (result(put(self.store, blob_id(n), b"0123456789")) for n in range(2))
        with self.assertRaises(StoreFull):
            result(self.store.create(blob_id(2), size_bytes=1))
        result(self.store.unlink([sealed_file(first)]))
        again = result(put(self.store, blob_id(3), b"0123456789"))
        self.assertEqual(again.drive, first.drive)
