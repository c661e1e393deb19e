"""What the blob store on disks does beside what every blob store does."""

from __future__ import annotations

import errno
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs import layout
from objectd.errors import DamagedBlob, FormatUnsupported, StoreBusy, StoreFailed, StoreFull
from objectd.interfaces import BlobFile, BlobLocation
from objectd.test.blobs.places import LossyPlace, Threads
from objectd.testing._blob_case import (
    DIGEST_KEY,
    STORE_UUID,
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


class CancellationTests(SynchronousTestCase):
    """With threads that are stepped by hand."""

    def setUp(self) -> None:
        self.place = LossyPlace()
        self.threads = Threads()
        self.store = self.place.open(self.threads)
        begun = Deferred.fromCoroutine(self.store.begin(STORE_UUID, DIGEST_KEY, 1))
        self.threads.run()
        self.successResultOf(begun)
        self.descriptors = self.place.files.descriptors

    def started(self, work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
        """Begun, and at its first call in a thread."""
        return Deferred.fromCoroutine(work)

    def done(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        deferred = Deferred.fromCoroutine(work)
        self.threads.run()
        return self.successResultOf(deferred)

    def cancel(self, deferred: Deferred[_T]) -> None:
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)

    def test_abort_waits_for_a_cancelled_write(self) -> None:
        """While a cancelled write still runs, abort neither closes nor removes its file."""
        writer = self.done(self.store.create(blob_id(1), size_bytes=None))
        self.cancel(self.started(writer.write(b"data")))
        aborted = self.started(writer.abort())
        self.assertEqual(len(self.threads), 1)
        self.assertNoResult(aborted)
        self.threads.step()
        self.assertNoResult(aborted)
        self.assertEqual(self.done(listed(self.store)), set())
        self.successResultOf(aborted)
        self.assertEqual(self.place.files.descriptors, self.descriptors)

    def test_writes_beside_a_sync(self) -> None:
        """While what is written is synced more is written, but only up to the next sync; the
        seal waits for it."""
        writer = self.done(self.store.create(blob_id(1), size_bytes=None))
        first = self.started(writer.write(bytes(100_000)))
        self.threads.step()
        self.successResultOf(first)
        second = self.started(writer.write(bytes(100_000)))
        self.assertEqual(len(self.threads), 2)
        self.threads.delay()
        self.threads.step()
        self.assertNoResult(second)
        self.threads.step()
        self.successResultOf(second)
        sealed = self.started(writer.seal({}))
        self.assertEqual(len(self.threads), 1)
        self.threads.step()
        self.assertNoResult(sealed)
        self.threads.run()
        self.successResultOf(sealed)
        self.assertEqual(self.place.files.descriptors, self.descriptors)

    def test_abort_beside_a_sync(self) -> None:
        """The name of an aborted blob is gone while a sync still runs, and its file is closed
        after that: nobody waits for the one or the other."""
        writer = self.done(self.store.create(blob_id(1), size_bytes=None))
        written = self.started(writer.write(bytes(100_000)))
        self.threads.step()
        self.successResultOf(written)
        aborted = self.started(writer.abort())
        self.threads.delay()
        self.threads.step()
        self.successResultOf(aborted)
        self.assertEqual(self.place.files.descriptors, self.descriptors + 1)
        self.threads.step()
        self.assertEqual(self.place.files.descriptors, self.descriptors + 1)
        self.threads.step()
        self.assertEqual(self.place.files.descriptors, self.descriptors)
        self.assertEqual(self.done(listed(self.store)), set())

    def test_cancelled_abort(self) -> None:
        """An abort that is cancelled goes on, and leaves neither file nor descriptor."""
        writer = self.done(self.store.create(blob_id(1), size_bytes=None))
        self.cancel(self.started(writer.abort()))
        self.threads.run()
        self.assertEqual(self.done(listed(self.store)), set())
        self.assertEqual(self.place.files.descriptors, self.descriptors)

    def test_small_blob(self) -> None:
        """A blob that is known to be small touches its drive in one call, when it is sealed;
        one that is cancelled then is there in the end or not at all."""
        self.done(self.store.create(blob_id(9), size_bytes=1))  # learns how much is free
        writer = self.successResultOf(self.started(self.store.create(blob_id(1), size_bytes=4)))
        self.successResultOf(self.started(writer.write(b"data")))
        finished = self.successResultOf(self.started(writer.finish()))
        sealed = self.started(writer.seal({}))
        self.assertEqual(len(self.threads), 1)
        self.cancel(sealed)
        self.done(writer.abort())
        location = BlobLocation(0, blob_id(1), finished.digest, 4)
        self.assertEqual(self.done(read(self.store, location)), b"data")

    def test_cancelled_create(self) -> None:
        """A create that is cancelled leaves neither file nor descriptor, early or late."""
        self.cancel(self.started(self.store.create(blob_id(1), size_bytes=None)))
        self.assertEqual(self.done(listed(self.store)), set())
        self.assertEqual(self.place.files.descriptors, self.descriptors)

    def test_cancelled_seal(self) -> None:
        """A seal that is cancelled goes on, and an abort after it keeps the blob."""
        writer, finished = self.done(write(self.store, blob_id(1), b"data"))
        self.cancel(self.started(writer.seal({})))
        self.done(writer.abort())
        location = BlobLocation(0, blob_id(1), finished.digest, 4)
        self.assertEqual(self.done(read(self.store, location)), b"data")

    def test_cancelled_open(self) -> None:
        """An open that is cancelled closes the file that it has yet to open."""
        location = self.done(put(self.store, blob_id(1), b"data"))
        self.cancel(self.started(self.store.open(location)))
        self.threads.run()
        self.assertEqual(self.place.files.descriptors, self.descriptors)

    def test_closing_a_reader_that_reads(self) -> None:
        """A reader's file stays open until the thread that uses it is done."""
        location = self.done(put(self.store, blob_id(1), some_bytes(3 << 20)))
        reader = self.done(self.store.open(location))
        self.successResultOf(self.started(reader.read()))
        self.cancel(self.started(reader.read()))
        reader.close()
        self.assertEqual(self.place.files.descriptors, self.descriptors + 1)
        self.threads.run()
        self.assertEqual(self.place.files.descriptors, self.descriptors)

    def test_reading_on_after_a_cancelled_read(self) -> None:
        """A cancelled read loses no bytes: the next one gives them."""
        data = some_bytes(3 << 20)
        location = self.done(put(self.store, blob_id(1), data))
        reader = self.done(self.store.open(location))
        first = self.successResultOf(self.started(reader.read()))
        self.cancel(self.started(reader.read()))
        second = self.done(reader.read())
        self.assertEqual(first + second, data[: 2 << 20])
        reader.close()

    def test_reads_ahead(self) -> None:
        """The next piece is read while the caller is busy with the last one, and no more."""
        data = some_bytes(3 << 20)
        location = self.done(put(self.store, blob_id(1), data))
        reader = self.done(self.store.open(location))
        first = self.successResultOf(self.started(reader.read()))
        self.threads.step()
        self.assertEqual(len(self.threads), 0)
        second = self.successResultOf(self.started(reader.read()))
        self.assertEqual(first + second, data[: 2 << 20])
        reader.close()
        self.threads.run()

    def test_failed_read_ahead_of_a_closed_reader(self) -> None:
        """What was read ahead in vain is no error if nobody asks for it."""
        location = self.done(put(self.store, blob_id(1), some_bytes(3 << 20)))
        reader = self.done(self.store.open(location))
        self.place.files.errors = {"read": errno.EIO}
        self.successResultOf(self.started(reader.read()))
        reader.close()
        self.threads.run()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_close_waits(self) -> None:
        """Closing the store waits for what still runs in threads, and lets in nothing new."""
        writer = self.done(self.store.create(blob_id(1), size_bytes=None))
        written = self.started(writer.write(b"data"))
        closed = self.started(self.store.close())
        self.assertNoResult(closed)
        self.failureResultOf(self.started(self.store.unlink([BlobFile(0, blob_id(2), None)])))
        self.threads.step()
        self.successResultOf(written)
        self.successResultOf(closed)
        self.done(writer.abort())
        self.assertEqual(self.place.files.descriptors, 0)
