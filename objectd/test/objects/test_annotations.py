"""Annotations: their rules, and their pages."""

from __future__ import annotations

from objectd.errors import (
    AnnotationNameTooLong,
    AnnotationNotFound,
    AnnotationNotText,
    BadDigest,
    BucketNotFound,
    DamagedRecord,
    EntityTooLarge,
    IncompleteBody,
    InvalidAnnotationName,
    InvalidAnnotationPrefix,
    InvalidOperation,
    ObjectNotFound,
    PreconditionFailed,
    TooManyAnnotations,
)
from objectd.model import keys
from objectd.objects.checksums import Declared
from objectd.objects.conditions import Conditions
from objectd.objects.settings import (
    ANNOTATION_BYTES_MAX,
    ANNOTATION_NAME_BYTES_MAX,
    ANNOTATIONS_MAX,
)
from objectd.objects.writer import Batch
from objectd.test.objects.annotation_case import AnnotationCase
from objectd.test.objects.cases import LARGE


class PutTests(AnnotationCase):
    def test_put_get_delete(self) -> None:
        """An annotation is what was put last under its name; the object stays as it is."""
        before = self.ok(self.store.objects.head("photos", "a"))
        self.now_us += 5
        put = self.ok(self.store.annotations.put("photos", "a", "note", b"first"))
        self.assertEqual(put.record.etag, "8b04d5e3775d298e78455efc5ca404d5")
        self.now_us += 5
        self.annotate("note", "zwölf".encode())
        found = self.ok(self.store.annotations.get("photos", "a", "note"))
        self.assertEqual(found.payload, "zwölf".encode())
        self.assertEqual((found.record.size_bytes, found.record.modified_us), (6, self.now_us))
        after = self.ok(self.store.objects.head("photos", "a"))
        self.assertEqual((after.head, after.tail.annotations), (before.head, 1))
        self.take_away("note")
        self.take_away("note")
        self.refused(AnnotationNotFound, self.store.annotations.get("photos", "a", "note"))
        self.assertEqual(self.ok(self.store.objects.head("photos", "a")), before)
        self.assertEqual(self.all_rows(), [])
        self.assertEqual(self.read("a"), LARGE)

    def test_sizes(self) -> None:
        """1 byte to 1 MiB, and a shorter one leaves nothing of a longer one."""
        put = self.store.annotations.put
        for size in (1, ANNOTATION_BYTES_MAX, ANNOTATION_BYTES_MAX - 1, 512 << 10, 1):
            self.annotate("note", b"x" * size)
            self.assertEqual(self.text("note"), b"x" * size)
        self.assertEqual(len(self.all_rows()), 2)
        self.refused(InvalidOperation, put("photos", "a", "note", b""))
        too_large = b"y" * (ANNOTATION_BYTES_MAX + 1)
        self.refused(EntityTooLarge, put("photos", "a", "note", too_large))
        self.assertEqual(self.text("note"), b"x")
        self.assertEqual(self.files(), self.files()[:1])

    def test_text(self) -> None:
        """What is not UTF-8 is refused."""
        for payload in (b"\xff", b"\xed\xa0\x80", "ä".encode()[:1]):
            self.refused(
                AnnotationNotText, self.store.annotations.put("photos", "a", "note", payload)
            )
        self.annotate("note", b"\0\n\x7f")

    def test_names(self) -> None:
        """1 to 512 bytes of UTF-8 that an XML document can carry, and not AWS's own."""
        longest = "ä" * (ANNOTATION_NAME_BYTES_MAX // 2)
        for name in (longest, "x", "a/b", " ", "as3", "日本 😀", "ws3", "x" * 512):
            self.annotate(name)
            self.assertEqual(self.text(name), b"x")
        self.assertIn(longest, self.names())
        put = self.store.annotations.put
        self.refused(AnnotationNameTooLong, put("photos", "a", longest + "x", b"x"))
        for name in ("", "aws", "AWS:x", "s3", "S3x", "a\nb", "\0", "\x7f", "\ud800"):
            self.refused(InvalidAnnotationName, put("photos", "a", name, b"x"))
            self.refused(AnnotationNotFound, self.store.annotations.get("photos", "a", name))
            self.take_away(name)
        self.refused(AnnotationNotFound, self.store.annotations.get("photos", "a", "x" * 9000))
        self.take_away("x" * 9000)

    def test_number(self) -> None:
        """A thousand, and to replace one of them is not to add one."""
        for number in range(ANNOTATIONS_MAX):
            self.annotate(str(number))
        put = self.store.annotations.put
        self.refused(TooManyAnnotations, put("photos", "a", "one more", b"x"))
        self.annotate("7", b"again")
        self.take_away("8")
        self.annotate("one more")
        self.assertEqual(len(self.names()), ANNOTATIONS_MAX)

    def test_digests(self) -> None:
        """What is declared of the bytes must be so."""
        put = self.store.annotations.put
        wrong = Declared(md5=bytes(16))
        self.refused(BadDigest, put("photos", "a", "note", b"x", declared=wrong))
        wrong = Declared(algorithm="CRC32", checksum=lambda: bytes(4))
        self.refused(BadDigest, put("photos", "a", "note", b"x", declared=wrong))
        self.refused(IncompleteBody, put("photos", "a", "note", b"x", size_bytes=2))
        self.assertEqual(self.names(), [])

    def test_conditions(self) -> None:
        """The condition is about the object, when the annotation is put or taken away."""
        etag = self.ok(self.store.objects.head("photos", "a")).etag
        right, wrong = Conditions(if_match=f'"{etag}"'), Conditions(if_match='"no"')
        annotations = self.store.annotations
        self.refused(
            PreconditionFailed, annotations.put("photos", "a", "note", b"x", conditions=wrong)
        )
        self.ok(annotations.put("photos", "a", "note", b"x", conditions=right))
        self.refused(
            PreconditionFailed, annotations.delete("photos", "a", "note", conditions=wrong)
        )
        self.assertEqual(self.names(), ["note"])
        self.ok(annotations.delete("photos", "a", "note", conditions=right))
        self.assertEqual(self.names(), [])

    def test_condition_meanwhile(self) -> None:
        """The condition is judged on the version that the annotation is put to."""
        etag = self.ok(self.store.objects.head("photos", "a")).etag
        beside = self.beside()
        self.metadata.after(b"A", lambda: beside.objects.put("photos", "a", b"new"))
        self.refused(
            PreconditionFailed,
            self.store.annotations.put(
                "photos", "a", "note", b"x", conditions=Conditions(if_match=etag)
            ),
        )
        self.assertEqual(self.all_rows(), [])

    def test_not_there(self) -> None:
        """What is not there has no annotations and gets none."""
        annotations = self.store.annotations
        for bucket, error in (("photos", ObjectNotFound), ("albums", BucketNotFound)):
            self.refused(error, annotations.put(bucket, "b", "note", b"x"))
            self.refused(error, annotations.get(bucket, "b", "note"))
            self.refused(error, annotations.list(bucket, "b"))
            self.refused(error, annotations.delete(bucket, "b", "note"))

    def test_replaced_meanwhile(self) -> None:
        """An annotation goes to the object that is there when it is committed."""
        beside = self.beside()
        self.metadata.after(b"A", lambda: beside.objects.put("photos", "a", b"new"))
        self.annotate("note")
        self.assertEqual(self.read("a"), b"new")
        self.assertEqual(self.names(), ["note"])
        self.assertEqual(len(self.all_rows()), 2)

    def test_deleted_meanwhile(self) -> None:
        """Nothing is left of an annotation whose object is deleted meanwhile."""
        beside = self.beside()
        self.metadata.after(b"A", lambda: beside.objects.delete("photos", "a"))
        self.refused(ObjectNotFound, self.store.annotations.put("photos", "a", "note", b"x"))
        self.assertEqual(self.all_rows(), [])

    def test_damaged(self) -> None:
        """A piece that is missing is told, not read over."""
        self.annotate("note", b"x" * ANNOTATION_BYTES_MAX)
        self.damage(self.all_rows()[-1].key)
        self.refused(DamagedRecord, self.store.annotations.get("photos", "a", "note"))
        self.annotate("note", b"whole again")
        self.assertEqual(self.text("note"), b"whole again")

    def test_damaged_record(self) -> None:
        """One that cannot be read costs itself only."""
        self.annotate("a")
        self.annotate("b")
        row = self.rows(keys.ANNOTATIONS)[0]
        self.spoil(row.key)
        self.refused(DamagedRecord, self.store.annotations.get("photos", "a", "a"))
        self.assertEqual(self.names(), ["b"])
        self.annotate("a", b"again")
        self.assertEqual(self.names(), ["a", "b"])

    def spoil(self, key: bytes) -> None:
        async def decide(batch: Batch) -> None:
            batch.put(key, b"?" * 9)

        self.ok(self.store.core.writer.transact(decide))

    def damage(self, key: bytes) -> None:
        async def transact() -> None:
            async def decide(batch: Batch) -> None:
                batch.delete(key)

            await self.store.core.writer.transact(decide)

        self.ok(transact())


class ListTests(AnnotationCase):
    def test_pages(self) -> None:
        """Pages follow each other in the order of the names' bytes, whatever their size."""
        names = sorted(("b", "a", "ba", "ä", "z", "😀", "\uffff"), key=str.encode)
        for name in names:
            self.annotate(name)
        for size in range(1, len(names) + 2):
            found: list[str] = []
            position: bytes | None = b""
            while position is not None:
                page = self.ok(
                    self.store.annotations.list(
                        "photos", "a", position=position, annotations_max=size
                    )
                )
                self.assertLessEqual(len(page.annotations), size)
                found += [listed.name for listed in page.annotations]
                position = page.next_position
            self.assertEqual(found, names)

    def test_prefix(self) -> None:
        """A prefix picks the names that begin with it."""
        for name in ("b", "ba", "bb", "c", "ä"):
            self.annotate(name)
        self.assertEqual(self.names(prefix="b"), ["b", "ba", "bb"])
        self.assertEqual(self.names(prefix="ä"), ["ä"])
        self.assertEqual(self.names(prefix="x"), [])
        for prefix in ("aws", "S3", "x" * 513, "\0"):
            self.refused(
                InvalidAnnotationPrefix,
                self.store.annotations.list("photos", "a", prefix=prefix),
            )

    def test_meanwhile(self) -> None:
        """A page is of one moment: what is not there any more when it is made is not in it."""
        self.annotate("b")
        beside = self.beside()

        async def replace() -> None:
            await beside.objects.put("photos", "a", b"new")
            await beside.annotations.put("photos", "a", "c", b"x")

        self.metadata.after(b"o", replace)
        self.assertEqual(self.names(), ["c"])

    def test_sizes_told(self) -> None:
        """A listing tells of each annotation what a GET does."""
        self.annotate("b", b"four")
        page = self.ok(self.store.annotations.list("photos", "a"))
        [listed] = page.annotations
        found = self.ok(self.store.annotations.get("photos", "a", "b"))
        self.assertEqual(listed.record, found.record)
