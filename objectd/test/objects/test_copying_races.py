"""Copies whose source or target is replaced, collected or damaged meanwhile."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from objectd.errors import (
    BucketNotFound,
    DamagedBlob,
    DamagedRecord,
    ObjectNotFound,
    OperationAborted,
)
from objectd.interfaces import Commit, Delete, Token
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode, encode
from objectd.model.records import InBlob, InManifest
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.copy_case import (
    FIRST_LOOK,
    OTHER,
    SOURCES,
    CopyCase,
    photo,
)


class RaceTests(CopyCase):
    """Something happens between what a copy reads and what it commits."""

    def test_source_is_deleted_and_collected(self) -> None:
        """A source that is deleted and collected while it is copied is not found: no copy
        refers to what is gone."""
        for source, prefix in FIRST_LOOK.items():
            for interpose in (self.metadata.before, self.metadata.after):
                self.store_as(source)
                interpose(prefix, lambda: begin(self.deleted_and_collected()))
                self.refused(ObjectNotFound, self.store.copies.copy(photo("a"), photo("b")))
                self.assertEqual((self.files(), self.rows(b"r"), self.rows(b"M")), ([], [], []))

    def test_source_is_replaced_and_collected(self) -> None:
        """If the source is replaced and the old one collected, the new one is copied."""
        for source, prefix in FIRST_LOOK.items():
            for interpose in (self.metadata.before, self.metadata.after):
                self.store_as(source)
                interpose(prefix, lambda: begin(self.replaced_and_collected()))
                self.ok(self.store.copies.copy(photo("a"), photo("b")))
                self.assertEqual(self.read("b"), OTHER)
                self.assert_empty()

    def test_source_is_deleted_only(self) -> None:
        """A source that is deleted and not collected yet is still copied: the copy was begun
        while it was there."""
        for source, prefix in FIRST_LOOK.items():
            data = self.store_as(source)
            self.metadata.after(prefix, lambda: self.store.objects.delete("photos", "a"))
            self.ok(self.store.copies.copy(photo("a"), photo("b")))
            self.collect()
            self.assertEqual(self.read("b"), data)
            self.assert_empty()

    def test_target_is_replaced(self) -> None:
        """If others put the target meanwhile, the copy replaces what they put."""
        beside = self.beside()
        for source in SOURCES:
            data = self.store_as(source)
            self.metadata.after(keys.OBJECTS, lambda: beside.objects.put("photos", "b", OTHER))
            self.ok(self.store.copies.copy(photo("a"), photo("b")))
            self.collect()
            self.assertEqual(self.read("b"), data)
            self.assert_empty()

    def test_bucket_is_deleted(self) -> None:
        """A copy into a bucket that is deleted meanwhile is refused and leaves nothing."""
        self.ok(self.store.buckets.create("albums"))
        for source in SOURCES:
            self.store_as(source)
            for interpose in (self.metadata.before, self.metadata.after):
                interpose(keys.OBJECTS, lambda: self.store.buckets.delete("albums"))
                copy = self.store.copies.copy(photo("a"), ObjectName("albums", "b"))
                self.refused(BucketNotFound, copy)
                self.ok(self.store.buckets.create("albums"))
            self.assert_empty()

    def test_same_object_from_both_sides(self) -> None:
        """Two copies of an object onto itself both hold: one after the other."""
        beside = self.beside()
        self.store_as(InBlob)
        own = Overrides(metadata={"who": "me"})
        theirs = Overrides(metadata={"who": "they"})
        self.metadata.after(
            keys.OBJECTS, lambda: beside.copies.copy(photo("a"), photo("a"), own=theirs)
        )
        self.ok(self.store.copies.copy(photo("a"), photo("a"), own=own))
        self.collect()
        self.assertEqual(self.read("a"), LARGE)
        self.assertEqual(self.head("a").tail.metadata, {"who": "me"})
        self.assert_empty()

    def test_itself_is_replaced(self) -> None:
        """A copy of an object onto itself does not bring back what others have replaced."""
        beside = self.beside()
        own = Overrides(metadata={"who": "me"})
        for source in SOURCES:
            for prefix in (keys.OBJECTS, keys.PAYLOADS):
                self.store_as(source)
                self.metadata.after(prefix, lambda: beside.objects.put("photos", "a", OTHER))
                self.ok(self.store.copies.copy(photo("a"), photo("a"), own=own))
                self.collect()
                self.assertEqual(self.read("a"), OTHER)
                self.assert_empty()

    def test_replaced_again_and_again(self) -> None:
        """A copy gives up when its source is replaced each time that it has summed it up."""
        self.store_as(InBlob)
        replaced = 0

        async def replace() -> None:
            nonlocal replaced
            replaced += 1
            await self.store.objects.put("photos", "a", OTHER + str(replaced).encode())
            self.metadata.before(keys.blob(b""), lambda: begin(replace()))

        self.metadata.before(keys.blob(b""), lambda: begin(replace()))
        copy = self.store.copies.copy(photo("a"), photo("b"), checksum_algorithm="SHA256")
        self.refused(OperationAborted, copy)
        self.assertGreaterEqual(replaced, self.store.core.settings.commit_attempts_max)

    def test_caller_goes_away(self) -> None:
        """A copy whose commit has begun is finished, whatever becomes of its caller."""
        self.store_as(InBlob)
        gate: Deferred[None] = Deferred()
        self.metadata.after(keys.OBJECTS, lambda: gate)
        copying_ = begin(self.store.copies.copy(photo("a"), photo("b")))
        copying_.cancel()
        self.failureResultOf(copying_, CancelledError)
        gate.callback(None)
        self.assertEqual(self.read("b"), LARGE)
        self.ok(self.store.core.reads.drained())


class DamageTests(CopyCase):
    def test_flagged(self) -> None:
        """A blob that is known to be damaged is not shared: the copy fails and the target
        stays as it was."""
        self.store_as(InBlob)
        self.ok(self.store.objects.put("photos", "b", OTHER))
        [row] = [
            r for r in self.rows(b"B") if decode(Blob, r.value or b"").size_bytes == len(LARGE)
        ]
        blob = decode(Blob, row.value or b"")
        flagged = Blob(blob.drive, blob.digest, blob.size_bytes, blob.account, damaged=True)
        self.replace_row(row.key, encode(flagged))
        self.refused(DamagedBlob, self.store.copies.copy(photo("a"), photo("b")))
        self.assertEqual(self.read("b"), OTHER)

    def test_lost_manifest(self) -> None:
        """A multipart object whose manifest is lost is not copied."""
        self.store_as(InManifest)
        [row] = self.rows(b"m")
        self.sequence += 1
        token = Token(self.store.core.writer.incarnation, self.sequence)
        self.ok(self.metadata.commit(Commit(token, 0, (Delete(row.key),))))
        self.refused(DamagedRecord, self.store.copies.copy(photo("a"), photo("b")))
        self.refused(ObjectNotFound, self.store.objects.head("photos", "b"))

    def test_flagged_meanwhile(self) -> None:
        """A blob that is flagged between the reading and the commit is not shared either."""
        self.store_as(InBlob)
        [row] = self.rows(b"B")
        blob = decode(Blob, row.value or b"")
        flagged = Blob(blob.drive, blob.digest, blob.size_bytes, blob.account, damaged=True)

        async def flag() -> None:
            self.replace_row(row.key, encode(flagged))

        self.metadata.after(keys.blob(b""), lambda: begin(flag()))
        self.refused(DamagedBlob, self.store.copies.copy(photo("a"), photo("b")))
        self.refused(ObjectNotFound, self.store.objects.head("photos", "b"))
