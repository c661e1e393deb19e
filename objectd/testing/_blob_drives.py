"""What lies on the drives, and what a restart finds there."""

from __future__ import annotations

import attrs
from zope.interface.verify import verifyObject

from objectd.errors import DamagedBlob, FormatUnsupported, StoreFailed
from objectd.interfaces import BlobFile, IBlobReader, IBlobStore, IBlobWriter
from objectd.testing._blob_case import (
    DIGEST_KEY,
    BlobStoreTestCase,
    blob_id,
    listed,
    put,
    read,
    result,
    sealed_file,
    write,
)


class DriveTests(BlobStoreTestCase):
    def test_provides_the_interfaces(self) -> None:
        """Store, writer and reader provide what they say."""
        location = result(put(self.store, blob_id(1), b"x"))
        verifyObject(IBlobStore, self.store)
        verifyObject(IBlobWriter, result(self.store.create(blob_id(2), size_bytes=1)))
        reader = result(self.store.open(location))
        self.addCleanup(reader.close)
        verifyObject(IBlobReader, reader)

    def test_drives_ascend(self) -> None:
        """Drives have ascending numbers, and there is at least drive 0."""
        self.assertEqual(list(self.store.drives), sorted(set(self.store.drives)))
        self.assertIn(0, self.store.drives)

    def test_files_lists_incoming_and_sealed(self) -> None:
        """A blob is listed as incoming until it is sealed, then by its digest."""
        writer, finished = result(write(self.store, blob_id(5, incarnation=3), b"x"))
        incoming = BlobFile(finished.drive, blob_id(5, incarnation=3), None)
        self.assertEqual(result(listed(self.store)), {incoming})
        result(writer.seal({}))
        sealed = attrs.evolve(incoming, digest=finished.digest)
        self.assertEqual(result(listed(self.store)), {sealed})

    def test_unlink(self) -> None:
        """Unlinked files are gone, those that were not there are no error."""
        location = result(put(self.store, blob_id(1), b"x"))
        writer, _ = result(write(self.store, blob_id(2), b"y"))
        incoming = BlobFile(writer.drive, blob_id(2), None)
        absent = BlobFile(writer.drive, blob_id(3), bytes(32))
        for _ in range(2):
            result(self.store.unlink([sealed_file(location), incoming, absent]))
        self.assertEqual(result(listed(self.store)), set())
        with self.assertRaises(DamagedBlob):
            result(self.store.open(location))

    def test_reopening(self) -> None:
        """Sealed blobs are there after a restart; unfinished ones are left incoming."""
        location = result(put(self.store, blob_id(1), b"x"))
        writer, _ = result(write(self.store, blob_id(2), b"y"))
        incoming = BlobFile(writer.drive, blob_id(2), None)
        self.reopen()
        self.assertEqual(result(read(self.store, location)), b"x")
        self.assertEqual(result(listed(self.store)), {sealed_file(location), incoming})

    def test_incarnations(self) -> None:
        """The highest incarnation is known before `begin`, and never falls."""
        self.reopen(incarnation=7)
        self.reopen(incarnation=3)
        result(self.store.close())
        self.store = self.place.open()
        self.assertEqual(result(self.store.highest_incarnation()), 7)

    def test_fresh_drives_have_seen_nobody(self) -> None:
        """Before the first `begin` the highest incarnation is 0."""
        place = self.make_place()
        self.addCleanup(place.close)
        store = place.open()
        self.addCleanup(lambda: result(store.close()))
        self.assertEqual(result(store.highest_incarnation()), 0)

    def test_drives_of_another_store(self) -> None:
        """Drives that belong to another store are refused, and not marked anew."""
        result(self.store.close())
        self.store = self.place.open()
        with self.assertRaises(FormatUnsupported):
            result(self.store.begin(b"another store...", DIGEST_KEY, 9))
        self.reopen(incarnation=2)
        self.assertEqual(result(self.store.highest_incarnation()), 2)

    def test_closed(self) -> None:
        """A closed store refuses work with `StoreFailed`, and may be closed again."""
        location = result(put(self.store, blob_id(1), b"x"))
        result(self.store.close())
        result(self.store.close())
        with self.assertRaises(StoreFailed):
            result(self.store.create(blob_id(2), size_bytes=1))
        with self.assertRaises(StoreFailed):
            result(self.store.open(location))

    def test_abort_after_close(self) -> None:
        """Aborting a blob of a closed store is no error."""
        writer, _ = result(write(self.store, blob_id(1), b"x"))
        result(self.store.close())
        self.assertIs(result(writer.abort()), None)
