"""What a cancelled call leaves behind on a drive, with threads that are stepped by hand."""

from __future__ import annotations

import errno
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import BlobFile, BlobLocation
from objectd.test.blobs.places import LossyPlace, Threads
from objectd.testing._blob_case import (
    DIGEST_KEY,
    STORE_UUID,
    blob_id,
    listed,
    put,
    read,
    some_bytes,
    write,
)

_T = TypeVar("_T")


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
