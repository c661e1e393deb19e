"""How much of a blob is read at once."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.disk import READ_MEMORY_BYTES
from objectd.blobs.disk_reader import PIECE_BYTES_MAX
from objectd.blobs.format import BLOCK_BYTES
from objectd.interfaces import BlobLocation, IBlobReader, IBlobStore
from objectd.test.blobs.places import LossyPlace
from objectd.testing._blob_case import begun, blob_id, put, result


class ReadMemoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store: IBlobStore = result(begun(LossyPlace()))
        self.location: BlobLocation = result(
            put(self.store, blob_id(1), bytes(4 * PIECE_BYTES_MAX))
        )

    def readers(self, count: int) -> list[IBlobReader]:
        return [result(self.store.open(self.location)) for _ in range(count)]

    def test_shared(self) -> None:
        """The more readers are open, the less each reads at once, down to a block; what they
        hold together stays bounded. When they are closed, one alone reads large pieces."""
        for count in [1, 100, 1000]:
            readers = self.readers(count)
            for reader in readers:
                result(reader.read())  # read when there were fewer
            result(readers[0].read())
            size_bytes = len(result(readers[0].read()))
            self.assertLessEqual(size_bytes * count, max(READ_MEMORY_BYTES, count * BLOCK_BYTES))
            self.assertEqual(size_bytes % BLOCK_BYTES, 0)
            for reader in readers:
                reader.close()
                reader.close()
        [alone] = self.readers(1)
        self.assertEqual(len(result(alone.read())), PIECE_BYTES_MAX)
