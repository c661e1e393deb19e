"""What the blob store on disks does beside what every blob store does."""

from __future__ import annotations

import errno
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs import layout
from objectd.errors import DamagedBlob, FormatUnsupported, StoreBusy, StoreFailed, StoreFull
from objectd.interfaces import BlobFile, BlobLocation
from objectd.test.blobs.places import LossyPlace
from objectd.testing._blob_case import (
    DIGEST_KEY,
    begun,
    blob_id,
    listed,
    put,
    read,
    result,
    sealed_file,
    some_bytes,
    write,
)
from objectd.testing.blobs import make_blob_store_tests

_T = TypeVar("_T")

DiskBlobsTests = make_blob_store_tests(f"{__name__}.DiskBlobsTests", LossyPlace)
TwoDrivesTests = make_blob_store_tests(f"{__name__}.TwoDrivesTests", lambda: LossyPlace(drives=2))


class DamageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = LossyPlace()
        self.store = result(begun(self.place))

    def content(self, location: BlobLocation) -> bytearray:
        path = layout.path_of(sealed_file(location))
        return self.place.files.content(path, root=self.place.paths[0])

    @settings(deadline=None, max_examples=200)
    @given(data=st.data(), size_bytes=st.sampled_from([0, 1, 65_536, 65_537, 1_200_000]))
    def test_right_bytes_or_none(self, data: st.DataObject, size_bytes: int) -> None:
        """Whatever byte changes or end is cut off, a range comes back right or not at all."""
        place = LossyPlace()
        store = result(begun(place))
        written = some_bytes(size_bytes)
        location = result(put(store, blob_id(1), written))
        path = layout.path_of(sealed_file(location))
        content = place.files.content(path, root=place.paths[0])
        if data.draw(st.booleans(), "cut off"):
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        else:
            at = data.draw(st.integers(0, len(content) - 1) | st.integers(-200, -1))
            content[max(at, -len(content))] ^= data.draw(st.integers(1, 255))
        start, stop = sorted(data.draw(st.integers(0, size_bytes)) for _ in range(2))
        try:
            found = result(read(store, location, start, stop))
        except DamagedBlob:
            return
        self.assertEqual(found, written[start:stop])

    def test_every_flipped_byte_is_noticed(self) -> None:
        """A read of a whole blob notices any change of any byte of its file."""
        location = result(put(self.store, blob_id(1), b"some data"))
        content = self.content(location)
        for at in range(len(content)):
            content[at] ^= 0x10
            with self.assertRaises(DamagedBlob):
                result(read(self.store, location))
            content[at] ^= 0x10
        self.assertEqual(result(read(self.store, location)), b"some data")

    def test_swapped(self) -> None:
        """Two files that changed places are both damaged."""
        one = result(put(self.store, blob_id(1), b"aaaa"))
        two = result(put(self.store, blob_id(2), b"bbbb"))
        first, second = self.content(one), self.content(two)
        first[:], second[:] = bytes(second), bytes(first)
        for location in (one, two):
            with self.assertRaisesRegex(DamagedBlob, "it holds blob"):
                result(self.store.open(location))

    def test_damage_after_the_first_piece(self) -> None:
        """Good pieces before a damaged one are returned, it and later ones are not."""
        data = some_bytes(3 << 20)
        location = result(put(self.store, blob_id(1), data))
        self.content(location)[1 << 20] ^= 1
        reader = result(self.store.open(location))
        self.assertEqual(result(reader.read()), data[: 1 << 20])
        for _ in range(2):
            with self.assertRaisesRegex(DamagedBlob, "block 16 does not have its checksum"):
                result(reader.read())
        reader.close()
        self.assertEqual(result(read(self.store, location, 2 << 20)), data[2 << 20 :])

    def test_unreadable(self) -> None:
        """A file that the disk cannot read is a damaged blob; the message names the file."""
        location = result(put(self.store, blob_id(1), b"data"))
        for call in ("open_to_read", "read"):
            self.place.files.errors = {call: errno.EIO}
            with self.assertRaisesRegex(DamagedBlob, layout.path_of(sealed_file(location))):
                result(self.store.open(location))

    def test_failures_are_not_damage(self) -> None:
        """What is wrong with the process, not the file, does not make a blob damaged, and
        may be better in a moment."""
        location = result(put(self.store, blob_id(1), b"data"))
        self.place.files.errors = {"open_to_read": errno.EMFILE}
        with self.assertRaisesRegex(StoreBusy, "limit of open files"):
            result(self.store.open(location))

    def test_damaged_blobs_leave_no_open_file(self) -> None:
        """Descriptors are closed whatever is wrong with a file."""
        location = result(put(self.store, blob_id(1), b"data"))
        before = self.place.files.descriptors
        self.content(location).clear()
        with self.assertRaises(DamagedBlob):
            result(self.store.open(location))
        self.assertEqual(self.place.files.descriptors, before)


class FailingDriveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = LossyPlace()
        self.store = result(begun(self.place))

    def test_full(self) -> None:
        """A drive that runs full is `StoreFull`, and the blob can be aborted."""
        for error in (errno.ENOSPC, errno.EDQUOT):
            writer = result(self.store.create(blob_id(error), size_bytes=None))
            self.place.files.errors = {"write": error}
            with self.assertRaises(StoreFull):
                result(writer.write(b"x"))
            self.place.files.errors = {}
            result(writer.abort())
        self.assertEqual(result(listed(self.store)), set())

    def test_reserve(self) -> None:
        """Blobs may take all space but the reserve, whether or not their size was known."""
        self.place.files.free_bytes_left = 1100
        self.place.clock.advance(1)
        result(self.store.create(blob_id(1), size_bytes=100))
        with self.assertRaises(StoreFull):
            result(self.store.create(blob_id(2), size_bytes=101))
        writer = result(self.store.create(blob_id(3), size_bytes=None))
        result(writer.write(bytes(60)))
        with self.assertRaises(StoreFull):
            result(writer.write(bytes(41)))

    def test_unlink_on_a_full_drive(self) -> None:
        """A drive without room still deletes."""
        location = result(put(self.store, blob_id(1), b"data"))
        self.place.files.free_bytes_left = 0
        self.place.clock.advance(1)
        result(self.store.unlink([sealed_file(location)]))
        self.assertEqual(result(listed(self.store)), set())

    def test_failed_sync_is_not_tried_again(self) -> None:
        """After a failed sync a blob can never be sealed, only aborted."""
        writer, _ = result(write(self.store, blob_id(1), b"data"))
        self.place.files.errors = {"sync": errno.EIO}
        with self.assertRaisesRegex(StoreFailed, "the disk does not work"):
            result(writer.seal({}))
        self.place.files.errors = {}
        with self.assertRaisesRegex(StoreFailed, "could not be written"):
            result(writer.seal({}))
        result(writer.abort())
        self.assertEqual(result(listed(self.store)), set())

    def test_failure_after_the_rename(self) -> None:
        """A blob whose directory could not be synced is dropped under its final name too."""
        kept = result(put(self.store, blob_id(1), b"data"))
        writer, _ = result(write(self.store, blob_id(2), b"data"))
        self.place.files.errors = {"open_directory": errno.EIO}
        with self.assertRaises(StoreFailed):
            result(writer.seal({}))
        self.place.files.errors = {}
        self.assertEqual(len(result(listed(self.store))), 2)
        result(writer.abort())
        self.assertEqual(result(listed(self.store)), {sealed_file(kept)})

    def test_abort_on_a_failing_drive(self) -> None:
        """A file that cannot be removed is left to the sweep, without an open descriptor."""
        before = self.place.files.descriptors
        writer, _ = result(write(self.store, blob_id(1), b"data"))
        self.place.files.errors = {"unlink": errno.EROFS}
        result(writer.abort())
        self.assertEqual(self.place.files.descriptors, before)
        self.assertEqual(result(listed(self.store)), {BlobFile(0, blob_id(1), None)})

    def test_syncs_while_it_writes(self) -> None:
        """A blob is synced whenever `sync_bytes` more of it are written, not all at its end;
        of a sync that failed the next one tells."""
        writer = result(self.store.create(blob_id(1), size_bytes=None))
        result(writer.write(bytes(99_999)))
        self.place.files.errors = {"sync": errno.EIO}
        result(writer.write(b"x"))
        self.place.files.errors = {}
        result(writer.write(bytes(99_999)))
        with self.assertRaisesRegex(StoreFailed, "the disk does not work"):
            result(writer.write(b"x"))
        result(writer.abort())
        self.assertEqual(result(listed(self.store)), set())

    def test_failed_sync_is_the_end_of_it(self) -> None:
        """A blob of which one sync failed on the way can never be sealed, only aborted."""
        writer = result(self.store.create(blob_id(1), size_bytes=None))
        self.place.files.errors = {"sync": errno.EIO}
        result(writer.write(bytes(100_000)))
        self.place.files.errors = {}
        for _ in range(2):
            with self.assertRaisesRegex(StoreFailed, "the disk does not work"):
                result(writer.seal({}))
        result(writer.abort())
        self.assertEqual(result(listed(self.store)), set())


class DrivesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = LossyPlace(drives=2)

    def test_shared_with_another_server(self) -> None:
        """A drive that a server uses cannot be opened by another one."""
        store = self.place.open()
        with self.assertRaisesRegex(StoreFailed, "/drive0 is in use by another server"):
            self.place.open()
        result(store.close())
        result(self.place.open().close())

    def test_foreign_directory(self) -> None:
        """A directory with something else in it is refused and left as it is."""
        files = self.place.files
        root = files.open_root("/drive1")
        files.close(files.create("photo.jpg", root=root))
        files.close(root)
        with self.assertRaisesRegex(FormatUnsupported, "/drive1 is not empty"):
            self.place.open()
        self.assertEqual(files.paths("/drive1"), {"photo.jpg"})
        self.assertEqual(files.descriptors, 0)

    def test_new_file_system(self) -> None:
        """A directory with only `lost+found` in it is as good as empty."""
        files = self.place.files
        root = files.open_root("/drive0")
        files.make_directory("lost+found", root=root)
        files.close(root)
        self.assertEqual(result(begun(self.place)).drives, (0, 1))

    def test_exchanged_drives(self) -> None:
        """Drives that are listed in another order are refused."""
        result(result(begun(self.place)).close())
        self.place.paths.reverse()
        with self.assertRaisesRegex(FormatUnsupported, "/drive1 is drive 1 .* as drive 0"):
            result(begun(self.place))

    def test_nothing_is_marked_unless_all_belong(self) -> None:
        """If one drive is another store's, a new one beside it stays unmarked."""
        self.place.paths = ["/drive0"]
        result(result(begun(self.place)).close())
        self.place.paths = ["/drive0", "/drive1"]
        store = self.place.open()
        with self.assertRaises(FormatUnsupported):
            result(store.begin(b"another store...", DIGEST_KEY, 1))
        self.assertEqual(self.place.files.paths("/drive1"), {layout.LOCK})

    def test_drive_added(self) -> None:
        """A new drive at the end of the list is marked and used."""
        self.place.paths = ["/drive0"]
        result(result(begun(self.place)).close())
        self.place.paths = ["/drive0", "/drive1"]
        store = result(begun(self.place))
        used = {result(put(store, blob_id(n), some_bytes(1000))).drive for n in range(4)}
        self.assertEqual(used, {0, 1})

    def test_empty_incarnations_are_removed(self) -> None:
        """Starting removes the incoming directories in which nothing is left."""
        self.place.paths = ["/drive0"]
        store = result(begun(self.place))
        result(put(store, blob_id(1, incarnation=1), b"x"))
        result(write(store, blob_id(2, incarnation=2), b"y"))
        result(store.close())
        result(begun(self.place, incarnation=3))
        root = self.place.files.open_root("/drive0")
        incoming = self.place.files.open_directory("incoming", root=root)
        self.assertEqual(self.place.files.list(incoming), ["00000002"])
