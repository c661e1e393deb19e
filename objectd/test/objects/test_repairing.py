"""The check of files, and what a repair of rows mends: all that can be, and nothing else."""

from __future__ import annotations

import attrs
from msgspec import structs

from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode, encode
from objectd.objects.checking import Problem, repair
from objectd.test.objects.cases import LARGE
from objectd.test.objects.check_case import PARTS, CheckCase


class FileTests(CheckCase):
    def test_missing(self) -> None:
        """A file that is gone is found, with the object that it costs."""
        for uid, name in ((self.large, "large"), (self.parts[1], "parts")):
            self.ok(self.blobs.unlink([self.file_of(uid)]))
            _, lost = self.assert_found(Problem.BLOB_DAMAGED, Problem.BYTES_LOST)
            self.assertTrue(str(lost).startswith(f"bucket 'photos', key {name!r}: "))
            self.ok(self.store.objects.delete("photos", name))
            self.ok(self.store.collector.run_to_rest())
            self.assert_found()

    def test_flipped(self) -> None:
        """Bytes that have changed are found by a deep check."""
        file = self.blobs._disks.files[self.file_of(self.large)]
        file.data[3] ^= 1
        self.assert_found()
        self.assert_found(Problem.BLOB_DAMAGED, Problem.BYTES_LOST, deep=True)

    def test_cut_off(self) -> None:
        """A file that is too short is found without a deep look."""
        del self.blobs._disks.files[self.file_of(self.begun)].data[-1:]
        self.assert_found(Problem.BLOB_DAMAGED)

    def test_flagged(self) -> None:
        """A blob that is known to be damaged is told of, and so is its object."""
        key = keys.blob(self.large)
        blob = decode(Blob, self.value(key))
        self.put(key, encode(structs.replace(blob, damaged=True)))
        self.assert_found(Problem.BLOB_FLAGGED, Problem.BYTES_LOST)

    def test_stray(self) -> None:
        """A file that no row knows is told of when its process is over, and is no error."""
        core = self.store.core
        self.ok(core.blobs.create(core.ids.uid(), size_bytes=None))
        self.assert_found()
        self.store = self.opened()
        [finding] = self.assert_found(Problem.FILE_STRAY)
        self.assertFalse(finding.is_error)

    def test_misplaced(self) -> None:
        """A file of a blob that lies elsewhere than its row says is found."""
        files = self.blobs._disks.files
        file = self.file_of(self.large)
        files[attrs.evolve(file, digest=None)] = files[file]
        self.assert_found(Problem.FILE_MISPLACED)


class RepairTests(CheckCase):
    def repair(self) -> None:
        self.check(repairs=True)
        self.store = self.opened()

    def test_counters(self) -> None:
        """Counters are set to what was counted."""
        right = self.ok(self.store.buckets.usage("photos"))
        self.change(lambda batch: batch.count(self.bucket_id, objects=-3, size_bytes=7))
        self.assert_found(Problem.COUNTER_WRONG, Problem.COUNTER_WRONG)
        self.repair()
        self.assert_found()
        self.assertEqual(self.ok(self.store.buckets.usage("photos")), right)

    def test_references(self) -> None:
        """Missing references are put again, and nothing that an object needs is collected."""
        for family in (keys.REFS, keys.MANIFEST_REFS):
            for row in self.rows(family):
                self.remove(row.key)
        self.repair()
        self.assert_found()
        self.ok(self.store.collector.run_to_rest())
        self.assert_found(deep=True)
        self.assertEqual(self.read("large"), LARGE)
        self.assertEqual(self.read("parts"), b"".join(PARTS))

    def test_references_to_nothing(self) -> None:
        """No reference is put to a blob or a manifest that is not there."""
        for key in (
            keys.blob(self.large),
            self.row(keys.refs(self.large)).key,
            keys.blob(self.begun),
            self.row(keys.refs(self.begun)).key,
            keys.manifest(self.upload_uid),
            self.row(keys.MANIFEST_REFS).key,
        ):
            self.remove(key)
        before = list(map(str, self.check(repairs=True)))
        self.assertEqual(list(map(str, self.check())), before)

    def test_unused(self) -> None:
        """What nothing refers to is collected after a repair."""
        self.ok(self.store.objects.delete("photos", "large"))
        self.ok(self.store.objects.delete("photos", "parts"))
        self.remove(self.row(keys.UPLOADS).key)
        for row in self.rows(b"d"):
            self.remove(row.key)
        self.assert_found(Problem.BLOB_UNUSED, Problem.MANIFEST_UNUSED, Problem.PARTS_UNUSED)
        self.repair()
        self.assert_found()
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(keys.BLOBS), self.rows(b"t")), ([], [], []))

    def test_beyond_repair(self) -> None:
        """What is lost stays so, and a repair says that it does nothing about it."""
        self.ok(self.blobs.unlink([self.file_of(self.large)]))
        for finding in self.check():
            self.assertFalse(self.ok(repair(self.store.core.writer, finding)))
        self.assert_found(Problem.BLOB_DAMAGED, Problem.BYTES_LOST)
