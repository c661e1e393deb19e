"""Multipart uploads: parts, Complete, Abort."""

from __future__ import annotations

import hashlib

from twisted.internet.defer import CancelledError

from objectd.errors import (
    BucketNotFound,
    EntityTooLarge,
    EntityTooSmall,
    IncompleteBody,
    InvalidArgument,
    InvalidOperation,
    InvalidPart,
    InvalidPartOrder,
    ObjectNotFound,
    OperationAborted,
    UploadNotFound,
)
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Headers, InManifest, Upload, UploadState
from objectd.objects import ListedPart, UploadId
from objectd.objects.completing import DeclaredObject
from objectd.objects.reading import listed_numbers
from objectd.objects.settings import PART_BYTES_MAX, PART_NUMBER_MAX
from objectd.test.objects.cases import LARGE, SlowStream, StoreCase, begin


async def nothing() -> None:
    """What happens where nobody else does anything."""


class PartTests(StoreCase):
    def test_parts(self) -> None:
        """Parts are listed by number, page by page, whatever their order of arrival."""
        upload_id = self.upload("a")
        for number in (3, 1, 10_000, 2):
            data = b"part %d" % number
            stored = self.ok(self.store.uploads.put_part("photos", "a", upload_id, number, data))
            self.assertEqual(stored.part.etag, hashlib.md5(data).hexdigest())
        numbers: list[int] = []
        more = True
        while more:
            page = self.ok(
                self.store.uploads.parts(
                    "photos", "a", upload_id, after_number=max(numbers, default=0), parts_max=3
                )
            )
            numbers += [number for number, _ in page.parts]
            more = page.more
        self.assertEqual(numbers, [1, 2, 3, 10_000])
        none = self.ok(self.store.uploads.parts("photos", "a", upload_id, parts_max=0))
        self.assertEqual((none.parts, none.more), ([], False))

    def test_numbers(self) -> None:
        """Part numbers go from 1 to 10,000."""
        upload_id = self.upload("a")
        put_part = self.store.uploads.put_part
        for number in (1, PART_NUMBER_MAX):
            self.ok(put_part("photos", "a", upload_id, number, b"x"))
        for number in (-1, 0, PART_NUMBER_MAX + 1):
            self.refused(InvalidArgument, put_part("photos", "a", upload_id, number, b"x"))

    def test_overwritten(self) -> None:
        """A part that is put again takes the place of the first, whose blob goes."""
        upload_id = self.upload("a", LARGE)
        self.ok(self.store.uploads.put_part("photos", "a", upload_id, 1, b"other"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(len(self.files()), 1)
        self.complete("a", upload_id)
        self.assertEqual(self.read("a"), b"other")

    def test_wrong_upload(self) -> None:
        """A part goes to an upload of its own key and bucket only, and to one that exists."""
        upload_id = self.upload("a")
        self.ok(self.store.buckets.create("logs"))
        put_part = self.store.uploads.put_part
        for bucket, key, upload in (
            ("photos", "b", upload_id),
            ("logs", "a", upload_id),
            ("photos", "a", UploadId(1, bytes(12)).text()),
            ("photos", "a", ""),
            ("photos", "a", "x" * 40),
            ("photos", "a", "é" * 40),
        ):
            self.refused(UploadNotFound, put_part(bucket, key, upload, 1, b"x"))
        self.refused(BucketNotFound, put_part("none", "a", upload_id, 1, b"x"))
        self.assertEqual((self.files(), self.rows(b"t")), ([], []))

    def test_cancelled(self) -> None:
        """A part whose sender goes away leaves nothing."""
        upload_id = self.upload("a")
        stream = SlowStream()
        putting = begin(self.store.uploads.put_part("photos", "a", upload_id, 1, stream))
        stream.give(LARGE)
        putting.cancel()
        self.failureResultOf(putting, CancelledError)
        self.assertEqual((self.files(), self.rows(b"t")), ([], []))

    def test_aborted_meanwhile(self) -> None:
        """A part that comes in while its upload is aborted is refused and leaves nothing."""
        upload_id = self.upload("a")
        stream = SlowStream()
        putting = begin(self.store.uploads.put_part("photos", "a", upload_id, 1, stream))
        stream.give(LARGE)
        self.ok(self.store.uploads.abort("photos", "a", upload_id))
        stream.give(b"")
        self.failureResultOf(putting, UploadNotFound)
        self.assertEqual((self.files(), self.rows(b"t")), ([], []))

    def test_completed_meanwhile(self) -> None:
        """A part that comes in while its upload is completed is refused and leaves nothing,
        be it new or in place of one that was listed."""
        upload_id = self.upload("a", LARGE)
        streams = {1: SlowStream(), 2: SlowStream()}
        puttings = [
            begin(self.store.uploads.put_part("photos", "a", upload_id, number, stream))
            for number, stream in streams.items()
        ]
        for stream in streams.values():
            stream.give(LARGE + b"late")
        self.complete("a", upload_id)
        for stream, putting in zip(streams.values(), puttings, strict=True):
            stream.give(b"")
            self.failureResultOf(putting, UploadNotFound)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("a"), LARGE)
        self.assertEqual((len(self.files()), len(self.rows(b"t"))), (1, 1))

    def test_overtaken(self) -> None:
        """Of two senders of the same part the last to finish counts, and nothing else stays."""
        upload_id = self.upload("a")
        streams = [SlowStream(), SlowStream()]
        puttings = [
            begin(self.store.uploads.put_part("photos", "a", upload_id, 1, stream))
            for stream in streams
        ]
        for stream, putting, data in zip(streams[::-1], puttings[::-1], (b"2", b"1"), strict=True):
            stream.give(LARGE + data, b"")
            self.successResultOf(putting)
        self.complete("a", upload_id)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("a"), LARGE + b"1")
        self.assertEqual((len(self.files()), len(self.rows(b"t"))), (1, 1))

    def test_size(self) -> None:
        """A part has at most 5 GiB: one that is announced as larger is refused unread."""
        upload_id = self.upload("a")
        for size_bytes, error in (
            (PART_BYTES_MAX, IncompleteBody),
            (PART_BYTES_MAX + 1, EntityTooLarge),
        ):
            stream = SlowStream()
            stream.give(b"not so much", b"")
            putting = self.store.uploads.put_part(
                "photos", "a", upload_id, 1, stream, size_bytes=size_bytes
            )
            self.refused(error, putting)
        self.assertEqual((self.files(), self.rows(b"t")), ([], []))


class CompleteTests(StoreCase):
    def test_object(self) -> None:
        """A completed upload is an object of its parts in order, with all it was created with."""
        headers = Headers(content_type="text/plain")
        create = self.store.uploads.create("photos", "a", headers=headers, metadata={"k": "v"})
        upload_id = self.ok(create).id.text()
        for number, data in ((2, b"world"), (1, b"hello "), (7, b"!")):
            self.ok(self.store.uploads.put_part("photos", "a", upload_id, number, data))
        etag = self.complete("a", upload_id)
        md5s = [hashlib.md5(data).digest() for data in (b"hello ", b"world", b"!")]
        self.assertEqual(etag, hashlib.md5(b"".join(md5s)).hexdigest() + "-3")
        found = self.ok(self.store.objects.head("photos", "a"))
        self.assertEqual((found.etag, found.size_bytes), (etag, 12))
        self.assertEqual((found.tail.headers, found.tail.metadata), (headers, {"k": "v"}))
        self.assertEqual(self.read("a"), b"hello world!")

    def test_unlisted_parts(self) -> None:
        """Parts that are not listed are not in the object, and go."""
        upload_id = self.upload("a", LARGE, b"second", b"third")
        first, _, third = self.listed("a", upload_id)
        self.ok(self.store.completions.complete("photos", "a", upload_id, [first, third]))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("a"), LARGE + b"third")
        self.assertEqual((len(self.files()), len(self.rows(b"t"))), (2, 2))
        source = self.ok(self.store.objects.head("photos", "a")).tail.source
        assert isinstance(source, InManifest)
        self.assertEqual(listed_numbers(source), [1, 3])

    def test_most_parts(self) -> None:
        """An object of 10,000 parts is completed, read and dismantled."""
        upload_id = self.upload("a", *(b"%05d" % number for number in range(PART_NUMBER_MAX)))
        listed: list[ListedPart] = []
        while len(listed) < PART_NUMBER_MAX:
            page = self.ok(
                self.store.uploads.parts("photos", "a", upload_id, after_number=len(listed))
            )
            listed += [ListedPart(number, part.etag) for number, part in page.parts]
        self.ok(self.store.completions.complete("photos", "a", upload_id, listed))
        self.assertEqual(self.read("a")[-10:], b"0999809999")
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(b"t"), self.rows(b"m")), ([], [], []))

    def test_bad_lists(self) -> None:
        """A list that does not fit is refused, and the upload goes on."""
        upload_id = self.upload("a", b"first", b"se", b"third")
        first, second, third = self.listed("a", upload_id)
        for error, listed in (
            (InvalidArgument, []),
            (InvalidPartOrder, [third, first]),
            (InvalidPartOrder, [first, first]),
            (InvalidPart, [first, ListedPart(4, first.etag)]),
            (InvalidPart, [ListedPart(0, first.etag)]),
            (InvalidPart, [ListedPart(10_001, first.etag)]),
            (InvalidPart, [ListedPart(1, third.etag)]),
            (InvalidPart, [ListedPart(1, first.etag, third.checksum)]),
            (EntityTooSmall, [first, second, third]),
        ):
            work = self.store.completions.complete("photos", "a", upload_id, listed)
            self.refused(error, work)
            self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))
        self.ok(self.store.uploads.put_part("photos", "a", upload_id, 4, b"x"))
        self.ok(self.store.completions.complete("photos", "a", upload_id, [first, second]))
        self.assertEqual(self.read("a"), b"firstse")

    def test_declared_size(self) -> None:
        """What is declared of the size of the whole object is compared."""
        upload_id = self.upload("a", b"first", b"second")
        listed = self.listed("a", upload_id)
        complete = self.store.completions.complete
        for size_bytes in (0, 10, 12):
            declared = DeclaredObject(size_bytes=size_bytes)
            work = complete("photos", "a", upload_id, listed, declared=declared)
            self.refused(InvalidOperation, work)
        right = DeclaredObject(size_bytes=11)
        self.ok(complete("photos", "a", upload_id, listed, declared=right))

    def test_repeated(self) -> None:
        """The same list again gets the same answer while the object is there; another does
        not, nor does another bucket or key."""
        upload_id = self.upload("a", b"first", b"second")
        listed = self.listed("a", upload_id)
        complete = self.store.completions.complete
        answer = self.ok(complete("photos", "a", upload_id, listed))
        self.assertEqual(self.ok(complete("photos", "a", upload_id, listed)), answer)
        self.refused(UploadNotFound, complete("photos", "a", upload_id, listed[:1]))
        self.refused(UploadNotFound, complete("photos", "b", upload_id, listed))
        self.ok(self.store.buckets.create("logs"))
        self.refused(UploadNotFound, complete("logs", "a", upload_id, listed))
        self.ok(self.store.objects.put("photos", "a", b"new"))
        self.ok(self.store.collector.run_to_rest())
        self.refused(UploadNotFound, complete("photos", "a", upload_id, listed))
        self.assertEqual(self.read("a"), b"new")

    def test_completed_by_another(self) -> None:
        """A Complete that another process overtakes answers as that one did."""
        upload_id = self.upload("a", b"first", b"second")
        listed = self.listed("a", upload_id)
        other = self.beside().completions
        self.metadata.before(
            keys.parts(b""), lambda: other.complete("photos", "a", upload_id, listed)
        )
        self.ok(self.store.completions.complete("photos", "a", upload_id, listed))
        self.assertEqual(self.read("a"), b"firstsecond")
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((len(self.rows(b"m")), len(self.rows(b"M"))), (1, 1))

    def test_completed_by_another_at_once(self) -> None:
        """So it does where that one was done just after this one had looked."""
        for key in (keys.MANIFESTS, keys.OBJECTS):
            upload_id = self.upload("a", b"first", b"second")
            listed = self.listed("a", upload_id)
            other = self.beside().completions
            self.metadata.after(
                key,
                lambda: other.complete("photos", "a", upload_id, listed),  # noqa: B023
            )
            self.ok(self.store.completions.complete("photos", "a", upload_id, listed))
            self.assertEqual(self.read("a"), b"firstsecond")

    def test_overtaken_again_and_again(self) -> None:
        """A Complete that gives up, since others keep putting the object, leaves the upload
        open."""
        upload_id = self.upload("a", b"first", b"second")
        listed = self.listed("a", upload_id)
        other = self.beside().objects

        async def put() -> None:
            await other.put("photos", "a", b"theirs")
            self.metadata.after(keys.OBJECTS, put)

        self.metadata.after(keys.OBJECTS, put)
        complete = self.store.completions.complete
        self.refused(OperationAborted, complete("photos", "a", upload_id, listed))
        self.metadata.after(keys.OBJECTS, nothing)
        self.ok(self.store.uploads.put_part("photos", "a", upload_id, 2, b"third"))
        self.complete("a", upload_id)
        self.assertEqual(self.read("a"), b"firstthird")

    def test_completed_and_gone(self) -> None:
        """A Complete that finds no parts because another process has completed the upload, and
        the object has gone since, does not blame its list."""
        upload_id = self.upload("a", b"first", b"second")
        listed = self.listed("a", upload_id)
        other = self.beside()

        async def overtake() -> None:
            await other.completions.complete("photos", "a", upload_id, listed)
            await other.objects.delete("photos", "a")
            await other.collector.run_to_rest()

        self.metadata.before(keys.parts(b""), overtake)
        work = self.store.completions.complete("photos", "a", upload_id, listed)
        self.refused(UploadNotFound, work)

    def test_aborted_by_another(self) -> None:
        """A Complete whose upload another process aborts meanwhile makes no object."""
        upload_id = self.upload("a", b"first")
        listed = self.listed("a", upload_id)
        other = self.beside().uploads
        self.metadata.before(keys.parts(b""), lambda: other.abort("photos", "a", upload_id))
        work = self.store.completions.complete("photos", "a", upload_id, listed)
        self.refused(UploadNotFound, work)
        self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))

    def test_takeover(self) -> None:
        """An upload that a dead process left completing takes no part, but may be completed."""
        upload_id = self.upload("a", b"first")
        listed = self.listed("a", upload_id)
        self.freeze(upload_id)
        put_part = self.store.uploads.put_part
        self.refused(OperationAborted, put_part("photos", "a", upload_id, 2, b"x"))
        self.ok(self.store.completions.complete("photos", "a", upload_id, listed))
        self.assertEqual(self.read("a"), b"first")

    def test_abort_of_completing(self) -> None:
        """An upload that a dead process left completing may be aborted."""
        upload_id = self.upload("a", b"first")
        self.freeze(upload_id)
        self.ok(self.store.uploads.abort("photos", "a", upload_id))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(b"t"), self.rows(b"u")), ([], [], []))

    def freeze(self, upload_id: str) -> None:
        """Do the first of Complete's two commits."""
        place = self.ok(self.store.uploads.place("photos", "a", upload_id))
        self.ok(self.store.completions._freeze(place, bytes(32)))
        [row] = self.rows(b"u")
        self.assertEqual(decode(Upload, row.value or b"").state, UploadState.COMPLETING)


class AbortTests(StoreCase):
    def test_abort(self) -> None:
        """An aborted upload takes no parts, is not listed, and all of it goes."""
        upload_id = self.upload("a", LARGE, b"second")
        listed = self.listed("a", upload_id)
        self.ok(self.store.uploads.abort("photos", "a", upload_id))
        uploads, completions = self.store.uploads, self.store.completions
        for work in (
            uploads.abort("photos", "a", upload_id),
            uploads.put_part("photos", "a", upload_id, 1, b"x"),
            uploads.parts("photos", "a", upload_id),
            completions.complete("photos", "a", upload_id, listed),
        ):
            self.refused(UploadNotFound, work)
        self.assertEqual(self.ok(uploads.list("photos")).uploads, [])
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(b"t"), self.rows(b"d")), ([], [], []))

    def test_after_complete(self) -> None:
        """A completed upload cannot be aborted."""
        upload_id = self.upload("a", b"first")
        self.complete("a", upload_id)
        self.refused(UploadNotFound, self.store.uploads.abort("photos", "a", upload_id))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("a"), b"first")
