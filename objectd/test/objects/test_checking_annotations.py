"""The check of annotations: each that is broken on purpose is found, and nothing else."""

from __future__ import annotations

from objectd.interfaces import Entry
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import decode, decode_object, encode, encode_object
from objectd.model.records import Annotation
from objectd.objects.checking import Problem
from objectd.objects.copy_source import ObjectName
from objectd.objects.settings import ANNOTATION_BYTES_MAX
from objectd.objects.writer import Batch
from objectd.test.objects.check_case import UID, CheckCase

TEXT = b"x" * ANNOTATION_BYTES_MAX


class AnnotationTests(CheckCase):
    def setUp(self) -> None:
        super().setUp()
        for key, name in (("large", "a"), ("large", "b"), ("small", "a")):
            self.ok(self.store.annotations.put("photos", key, name, TEXT))
        row = self.large_row()
        self.version = decode_object(row.value or b"")[0].version

    def large_row(self) -> Entry:
        [row] = self.rows(keys.object_(self.bucket_id, b"large"))
        return row

    def put_rows(self, *puts: tuple[bytes, bytes | None]) -> None:
        async def decide(batch: Batch) -> None:
            for key, value in puts:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)

        self.ok(self.store.core.writer.transact(decide))

    def test_sound(self) -> None:
        """Nothing is found of annotations that are as they should be, or that a copy is about to
        bring."""
        self.assert_found()
        self.ok(self.store.copies.copy(ObjectName("photos", "large"), ObjectName("photos", "copy")))
        self.assert_found()
        staged = keys.annotation(UID, b"a")
        candidate = keys.annotation_candidate(UID), encode(Candidate(self.now_us))
        record = encode(Annotation(0, self.now_us, ""))
        self.put_rows((staged, record), candidate)
        self.assert_found()

    def test_versions(self) -> None:
        """Those of noncurrent versions are somebody's, too."""
        self.ok(self.store.objects.delete("photos", "small"))
        version = keys.version(self.bucket_id, b"large", 1, self.version)
        self.put_rows((version, self.large_row().value), (self.large_row().key, None))
        found = {finding.problem for finding in self.check()}
        self.assertNotIn(Problem.ANNOTATIONS_UNUSED, found)

    def test_piece_missing(self) -> None:
        self.put_rows((keys.annotation_piece(self.version, b"a", 2), None))
        self.assert_found(Problem.ANNOTATION_WRONG)

    def test_piece_of_nothing(self) -> None:
        piece = keys.annotation_piece(self.version, b"a", 1)
        [row] = self.rows(piece)
        self.put_rows((keys.annotation_piece(self.version, b"c", 1), row.value))
        self.assert_found(Problem.ANNOTATION_WRONG)

    def test_piece_damaged(self) -> None:
        piece = keys.annotation_piece(self.version, b"a", 1)
        [row] = self.rows(piece)
        self.put_rows((piece, (row.value or b"") + b"x"))
        self.assert_found(Problem.ROW_DAMAGED, Problem.ANNOTATION_WRONG)

    def test_record_damaged(self) -> None:
        self.put_rows((keys.annotation(self.version, b"a"), b"?" * 20))
        self.assert_found(Problem.ROW_DAMAGED, Problem.ANNOTATION_WRONG)

    def test_miscounted(self) -> None:
        """The count is put right by a repair."""
        row = self.large_row()
        head, tail = decode_object(row.value or b"")
        self.put_rows((row.key, encode_object(head, type(tail)(tail.source, annotations=7))))
        self.assert_found(Problem.ANNOTATIONS_MISCOUNTED)
        self.check(repairs=True)
        self.assert_found()
        self.assertEqual(decode_object(self.large_row().value or b"")[1].annotations, 2)

    def test_unused(self) -> None:
        """Those of no version are found."""
        row = self.rows(keys.annotation(self.version, b"a"))[0]
        record = decode(Annotation, row.value or b"")
        self.put_rows((keys.annotation(UID, b"a"), encode(Annotation(0, 0, record.etag))))
        [finding] = self.assert_found(Problem.ANNOTATIONS_UNUSED)
        self.assertIn(UID.hex(), finding.subject)
