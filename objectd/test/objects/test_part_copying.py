"""Parts that are copied from objects: shared where they can be, stored again where not."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from objectd.errors import (
    DamagedBlob,
    InvalidArgument,
    InvalidOperation,
    ObjectNotFound,
    OperationAborted,
    PreconditionFailed,
    UploadNotFound,
)
from objectd.model import keys
from objectd.model.records import InBlob, InManifest, InRow, Part
from objectd.objects import copy_source
from objectd.objects.conditions import Conditions
from objectd.objects.settings import PART_NUMBER_MAX
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.copy_case import OTHER, SOURCES, CopyCase, photo

PARTS = (b"the first part", b"the second", b"third")


class PartCase(CopyCase):
    def copy(self, upload_id: str, number: int = 1, span: tuple[int, int] | None = None) -> Part:
        work = self.store.part_copies.copy(photo("a"), photo("b"), upload_id, number, span=span)
        return self.ok(work).part

    def blobs_of_parts(self) -> int:
        return len(self.rows(b"B"))


class PartCopyTests(PartCase):
    def test_whole_objects(self) -> None:
        """A part is what its source is, with the MD5 and checksum of its bytes."""
        for source in SOURCES:
            data = self.store_as(source)
            upload_id = self.upload("b")
            part = self.copy(upload_id)
            self.assertEqual(part.etag, hashlib.md5(data).hexdigest())
            self.assertEqual(part.size_bytes, len(data))
            self.assertEqual(part.checksums[0].algorithm, "CRC64NVME")
            self.ok(self.store.objects.delete("photos", "a"))
            self.collect()
            self.complete("b", upload_id)
            self.collect()
            self.assertEqual(self.read("b"), data)
            self.assert_empty()

    def test_shares_a_blob(self) -> None:
        """All of an object that is one blob is shared, and no byte is read."""
        self.store_as(InBlob)
        upload_id = self.upload("b")
        self.ok(self.blobs.unlink(self.files()))
        self.assertEqual(self.copy(upload_id).etag, self.head("a").etag)
        self.assertEqual(self.copy(upload_id, 2, (0, len(LARGE))).etag, self.head("a").etag)

    def test_shares_a_part(self) -> None:
        """Exactly one part of a multipart object is shared; of any other range, the bytes are
        stored."""
        self.complete("a", self.upload("a", *PARTS))
        upload_id, files = self.upload("b"), self.files()
        start = 0
        for number, data in enumerate(PARTS, 1):
            part = self.copy(upload_id, number, (start, start + len(data)))
            self.assertEqual(part.etag, hashlib.md5(data).hexdigest())
            start += len(data)
        self.assertEqual(self.files(), files)
        self.copy(upload_id, 4, (1, len(PARTS[0])))
        self.assertEqual(len(self.files()), len(files) + 1)
        self.complete("b", upload_id)
        self.ok(self.store.objects.delete("photos", "a"))
        self.collect()
        self.assertEqual(self.read("b"), b"".join(PARTS) + PARTS[0][1:])
        self.assert_empty()

    def test_other_checksum(self) -> None:
        """Where the upload has another checksum than the source, the bytes are read for it,
        and share the blob that they have already."""
        self.store_as(InBlob)
        files = self.files()
        upload_id = self.upload("b", algorithm="SHA256")
        part = self.copy(upload_id)
        self.assertEqual(part.checksums[0].value, hashlib.sha256(LARGE).digest())
        self.assertEqual(self.files(), files)

    def test_copy_of_a_copy(self) -> None:
        """A part may be copied of a copy of an object, and a copy of what has such parts."""
        self.complete("c", self.upload("c", *PARTS))
        self.ok(self.store.copies.copy(photo("c"), photo("a")))
        upload_id = self.upload("b")
        self.copy(upload_id)
        self.complete("b", upload_id)
        self.ok(self.store.copies.copy(photo("b"), photo("c")))
        self.ok(self.store.objects.delete_many("photos", ["a", "b"]))
        self.collect()
        self.assertEqual(self.read("c"), b"".join(PARTS))
        self.assert_empty()

    def test_replaces_a_part(self) -> None:
        """A part that is copied takes the place of the one of its number, which is let go."""
        self.store_as(InBlob)
        upload_id = self.upload("b", OTHER)
        self.copy(upload_id)
        self.collect()
        self.assertEqual(len(self.files()), 1)
        self.complete("b", upload_id)
        self.assertEqual(self.read("b"), LARGE)

    def test_appended(self) -> None:
        """What grew by appends, and so has no MD5 of its bytes, is read for one."""
        self.ok(self.store.appends.append("photos", "a", LARGE, offset_bytes=0))
        self.ok(self.store.appends.append("photos", "a", OTHER, offset_bytes=len(LARGE)))
        upload_id = self.upload("b")
        self.assertEqual(self.copy(upload_id).etag, hashlib.md5(LARGE + OTHER).hexdigest())
        self.complete("b", upload_id)
        self.assertEqual(self.read("b"), LARGE + OTHER)

    @given(st.sampled_from((InRow, InBlob, InManifest)), st.integers(0, 60), st.integers(0, 60))
    def test_ranges(self, source: type[object], start: int, stop: int) -> None:
        """A range is what a slice is; one that is not wholly in its source is refused."""
        self.setUp()
        data = self.store_as(source)
        upload_id = self.upload("b")
        work = self.store.part_copies.copy(photo("a"), photo("b"), upload_id, 1, span=(start, stop))
        if start < stop <= len(data):
            self.assertEqual(self.ok(work).part.size_bytes, stop - start)
            self.complete("b", upload_id)
            self.assertEqual(self.read("b"), data[start:stop])
        else:
            self.refused(InvalidArgument, work)


class RefusalTests(PartCase):
    def test_no_upload(self) -> None:
        """An upload or source that is not there is refused, and no read stays open."""
        self.store_as(InBlob)
        copy, upload_id = self.store.part_copies.copy, self.upload("b")
        self.refused(ObjectNotFound, copy(photo("x"), photo("b"), upload_id, 1))
        self.refused(UploadNotFound, copy(photo("a"), photo("x"), upload_id, 1))
        for number in (0, PART_NUMBER_MAX + 1):
            self.refused(InvalidArgument, copy(photo("a"), photo("b"), upload_id, number))
        self.ok(copy(photo("a"), photo("b"), upload_id, PART_NUMBER_MAX))
        self.ok(self.store.core.reads.drained())

    def test_conditions(self) -> None:
        """The source must be as its conditions say."""
        self.store_as(InBlob)
        conditions = Conditions(if_match="other")
        work = self.store.part_copies.copy(
            photo("a"), photo("b"), self.upload("b"), 1, source_conditions=conditions
        )
        self.refused(PreconditionFailed, work)

    def test_size_limit(self) -> None:
        """A part may have so many bytes and not one more, however many its source has."""
        self.store_as(InBlob)
        upload_id = self.upload("b")
        self.patch(copy_source, "COPY_SOURCE_BYTES_MAX", 10)
        self.copy(upload_id, 1, (0, 10))
        copy = self.store.part_copies.copy
        for span in ((0, 11), None):
            work = copy(photo("a"), photo("b"), upload_id, 1, span=span)
            self.refused(InvalidOperation, work)

    def test_upload_ends_meanwhile(self) -> None:
        """A part of an upload that is aborted or completed meanwhile is refused, and leaves
        nothing."""
        self.store_as(InBlob)
        aborted = self.upload("b")
        self.metadata.after(
            keys.blob(b""), lambda: self.store.uploads.abort("photos", "b", aborted)
        )
        work = self.store.part_copies.copy(photo("a"), photo("b"), aborted, 1)
        self.refused(UploadNotFound, work)
        self.collect()
        self.assertEqual(self.rows(b"t"), [])
        self.assertEqual(len(self.rows(b"r")), 1)

    def test_completing(self) -> None:
        """An upload that is being completed takes no part."""
        self.store_as(InBlob)
        upload_id = self.upload("b", b"part")
        listed = self.listed("b", upload_id)
        refused: list[OperationAborted] = []

        async def try_in_between() -> None:
            work = self.store.part_copies.copy(photo("a"), photo("b"), upload_id, 2)
            refused.append(self.refused(OperationAborted, work))

        self.metadata.before(keys.parts(b""), lambda: begin(try_in_between()))
        self.ok(self.store.completions.complete("photos", "b", upload_id, listed))
        self.assertEqual(len(refused), 1)

    def test_damaged(self) -> None:
        """A blob whose bytes are lost cannot be copied where they must be read."""
        self.store_as(InBlob)
        self.ok(self.blobs.unlink(self.files()))
        work = self.store.part_copies.copy(photo("a"), photo("b"), self.upload("b"), 1, span=(0, 5))
        self.refused(DamagedBlob, work)
        self.ok(self.store.core.reads.drained())


class RaceTests(PartCase):
    def test_source_is_replaced_and_collected(self) -> None:
        """What was opened is what is copied, also if it is replaced and collected before its
        bytes are shared or read."""
        cases: list[tuple[type[object], bytes, tuple[int, int] | None]] = [
            (InBlob, keys.blob(b""), None),
            (InBlob, keys.blob(b""), (1, 9)),
            (InManifest, keys.parts(b""), None),
            (InManifest, keys.parts(b""), (0, 5)),
            (InManifest, keys.parts(b""), (1, 9)),
        ]
        for source, first_look, span in cases:
            for interpose in (self.metadata.before, self.metadata.after):
                data = self.store_as(source)
                upload_id = self.upload("b")
                collecting: list[Deferred[object]] = []

                async def replace(collecting: list[Deferred[object]] = collecting) -> None:
                    await self.store.objects.put("photos", "a", OTHER)
                    collecting.append(begin(self.store.collector.run()))

                interpose(first_look, lambda replace=replace: begin(replace()))  # type: ignore[misc]  # mypy cannot infer a default argument
                self.copy(upload_id, 1, span)
                self.successResultOf(collecting[0])
                self.complete("b", upload_id)
                self.collect()
                self.assertEqual(self.read("b"), data[slice(*span)] if span else data)
                self.assert_empty()
