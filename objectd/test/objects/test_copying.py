"""Copies of objects: what they are, what they share, and when they are made."""

from __future__ import annotations

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from objectd.digests import ALGORITHMS
from objectd.errors import (
    BucketNotFound,
    InvalidOperation,
    InvalidTag,
    MetadataTooLarge,
    ObjectNotFound,
    PreconditionFailed,
)
from objectd.model import keys
from objectd.model.records import Checksum, Headers, InBlob, InManifest, InRow
from objectd.objects import copy_source
from objectd.objects.conditions import Conditions
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.objects.settings import METADATA_BYTES_MAX
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.copy_case import (
    FILES,
    OTHER,
    REFERENCES,
    SOURCES,
    CopyCase,
    photo,
)


class CopyTests(CopyCase):
    def test_shares(self) -> None:
        """A copy has the bytes, ETag, checksums, headers and metadata of its source, a later
        time, and no file of its own; it outlives its source."""
        for source in SOURCES:
            data = self.store_as(source)
            self.now_us += 5
            files = self.files()
            copied = self.ok(self.store.copies.copy(photo("a"), photo("b")))
            found = self.head("b")
            self.assertEqual((copied.head, copied.tail), (found.head, found.tail))
            self.assertIsInstance(copied.tail.source, source)
            self.assertEqual(self.files(), files)
            original = self.head("a")
            self.assertEqual(copied.tail, original.tail)
            self.assertEqual(copied.etag, original.etag)
            self.assertEqual(copied.head.checksum_kind, original.head.checksum_kind)
            self.assertEqual(copied.head.modified_us, self.now_us)
            self.assertNotEqual(copied.head.version, original.head.version)
            self.ok(self.store.objects.delete("photos", "a"))
            self.collect()
            self.assertEqual(self.read("b"), data)
            self.assert_empty()

    def test_replaces(self) -> None:
        """What a copy replaces is let go, whatever it was, and the usage is right."""
        for old in SOURCES:
            for new in SOURCES:
                self.store_as(old, "b")
                data = self.store_as(new, "a")
                self.ok(self.store.copies.copy(photo("a"), photo("b")))
                self.collect()
                self.assertEqual(self.read("b"), data)
                used = self.ok(self.store.buckets.usage("photos"))
                self.assertEqual((used.objects, used.size_bytes), (2, 2 * len(data)))
                self.assertEqual(len(self.files()), FILES.get(new, 0))
                self.assert_empty()

    def test_other_bucket(self) -> None:
        """A copy may go to another bucket, which outlives the first one."""
        self.ok(self.store.buckets.create("albums"))
        for source in SOURCES:
            data = self.store_as(source)
            self.ok(self.store.copies.copy(photo("a"), ObjectName("albums", "b")))
            self.ok(self.store.objects.delete("photos", "a"))
            self.ok(self.store.buckets.delete("photos"))
            self.collect()
            self.assertEqual(self.read("b", "albums"), data)
            self.ok(self.store.buckets.create("photos"))

    def test_multipart_etag(self) -> None:
        """The copy of a multipart object keeps the ETag of parts: none of its bytes is read."""
        self.store_as(InManifest)
        self.ok(self.store.copies.copy(photo("a"), photo("b")))
        self.assertTrue(self.head("b").etag.endswith("-2"))

    def test_time(self) -> None:
        """A copy is later than what it replaces, also when the clock steps back."""
        self.store_as(InRow, "a")
        before = self.head("a")
        self.now_us -= 1_000_000
        own = Overrides(metadata={})
        self.ok(self.store.copies.copy(photo("a"), photo("a"), own=own))
        self.assertEqual(self.head("a").head.modified_us, before.head.modified_us + 1)

    def test_not_found(self) -> None:
        """A source or a bucket that is not there is not found, and no read stays open."""
        self.store_as(InRow)
        copy = self.store.copies.copy
        self.refused(ObjectNotFound, copy(photo("b"), photo("c")))
        self.refused(BucketNotFound, copy(ObjectName("albums", "a"), photo("c")))
        self.refused(BucketNotFound, copy(photo("a"), ObjectName("albums", "c")))
        self.ok(self.store.core.reads.drained())

    def test_size_limit(self) -> None:
        """A source of the largest size is copied, and one byte more is not."""
        self.store_as(InBlob)
        self.patch(copy_source, "COPY_SOURCE_BYTES_MAX", len(LARGE))
        self.ok(self.store.copies.copy(photo("a"), photo("b")))
        self.patch(copy_source, "COPY_SOURCE_BYTES_MAX", len(LARGE) - 1)
        self.refused(InvalidOperation, self.store.copies.copy(photo("a"), photo("b")))

    def test_journal(self) -> None:
        """The journal tells of a copy."""
        self.store_as(InRow)
        entries = len(self.rows(b"j"))
        self.ok(self.store.copies.copy(photo("a"), photo("b")))
        self.assertEqual(len(self.rows(b"j")), entries + 1)


class OverrideTests(CopyCase):
    def setUp(self) -> None:
        super().setUp()
        self.headers = Headers(content_type="text/plain", website_redirect_location="/there")
        self.ok(
            self.store.objects.put(
                "photos",
                "a",
                LARGE,
                headers=self.headers,
                metadata={"x": "1"},
                tags={"colour": "red"},
            )
        )

    def copied(self, own: Overrides) -> tuple[Headers, dict[str, str], dict[str, str]]:
        tail = self.ok(self.store.copies.copy(photo("a"), photo("b"), own=own)).tail
        return tail.headers, tail.metadata, tail.tags

    def test_everything_is_copied(self) -> None:
        """Without overrides headers, metadata and tags are the source's, but a website's
        redirect is never copied."""
        plain = Headers(content_type="text/plain")
        self.assertEqual(self.copied(Overrides()), (plain, {"x": "1"}, {"colour": "red"}))

    def test_own(self) -> None:
        """What is given takes the place of the source's; what is not given is the source's."""
        headers = Headers(content_type="image/png")
        plain = Headers(content_type="text/plain")
        self.assertEqual(
            self.copied(Overrides(headers=headers, metadata={})), (headers, {}, {"colour": "red"})
        )
        self.assertEqual(self.copied(Overrides(tags={})), (plain, {"x": "1"}, {}))
        redirect = self.copied(Overrides(website_redirect_location="/here"))[0]
        self.assertEqual(redirect.website_redirect_location, "/here")

    def test_limits(self) -> None:
        """Metadata and tags of a copy have the limits of any object."""
        copy = self.store.copies.copy
        too_much = Overrides(metadata={"a": "x" * METADATA_BYTES_MAX})
        self.refused(MetadataTooLarge, copy(photo("a"), photo("b"), own=too_much))
        self.refused(InvalidTag, copy(photo("a"), photo("b"), own=Overrides(tags={"": "x"})))


class OntoItselfTests(CopyCase):
    def test_nothing_changes(self) -> None:
        """A copy of an object onto itself that changes nothing of it is refused; tags alone
        are nothing."""
        self.store_as(InBlob)
        copy = self.store.copies.copy
        self.refused(InvalidOperation, copy(photo("a"), photo("a")))
        own = Overrides(tags={"a": "b"})
        self.refused(InvalidOperation, copy(photo("a"), photo("a"), own=own))

    def test_bytes_stay(self) -> None:
        """An object that is copied onto itself keeps its bytes, however often and whatever is
        collected in between, and lets go of them in the end."""
        for source in SOURCES:
            data = self.store_as(source)
            for n in range(3):
                before = self.head("a")
                own = Overrides(metadata={"n": str(n)})
                self.ok(self.store.copies.copy(photo("a"), photo("a"), own=own))
                self.collect()
                after = self.head("a")
                self.assertEqual((after.tail.metadata, after.etag), ({"n": str(n)}, before.etag))
                self.assertNotEqual(after.head.version, before.head.version)
                self.assertEqual(self.read("a"), data)
            refs = self.rows(b"r") + self.rows(b"M")
            self.assertEqual(len(refs), REFERENCES.get(source, 0))
            self.assert_empty()


class ChecksumTests(CopyCase):
    def test_asked_for(self) -> None:
        """A checksum that the source has not for its whole is computed; no byte is written,
        and the bytes are those of the source."""
        for source in SOURCES:
            data = self.store_as(source)
            files = self.files()
            for algorithm in ALGORITHMS:
                copied = self.ok(
                    self.store.copies.copy(photo("a"), photo("b"), checksum_algorithm=algorithm)
                )
                [checksum] = copied.tail.checksums
                self.assertEqual((checksum.algorithm, checksum.kind), (algorithm, "FULL_OBJECT"))
                self.assertEqual(copied.head.checksum_algorithm, algorithm)
                self.assertEqual(self.read("b"), data)
                if algorithm == "CRC32":
                    self.assertEqual(checksum.value, zlib.crc32(data).to_bytes(4, "big"))
            self.assertEqual(self.files(), files)
            self.assert_empty()

    def test_known(self) -> None:
        """One that the source has is not computed again: its bytes need not even be there."""
        self.store_as(InBlob)
        self.ok(self.blobs.unlink(self.files()))
        [known] = self.head("a").tail.checksums
        copied = self.ok(
            self.store.copies.copy(photo("a"), photo("b"), checksum_algorithm=known.algorithm)
        )
        self.assertEqual(copied.tail.checksums, (known,))

    def test_composite(self) -> None:
        """A composite checksum is copied as it is, but it is not one of the whole."""
        self.complete("a", self.upload("a", b"part1", b"part2", algorithm="CRC32"))
        copied = self.ok(self.store.copies.copy(photo("a"), photo("b")))
        self.assertEqual(copied.tail.checksums[0].kind, "COMPOSITE")
        copied = self.ok(self.store.copies.copy(photo("a"), photo("b"), checksum_algorithm="CRC32"))
        whole = Checksum("CRC32", zlib.crc32(b"part1part2").to_bytes(4, "big"))
        self.assertEqual(copied.tail.checksums, (whole,))

    def test_unknown(self) -> None:
        """An algorithm that there is not is refused."""
        self.store_as(InRow)
        copy = self.store.copies.copy(photo("a"), photo("b"), checksum_algorithm="CRC16")
        self.refused(InvalidOperation, copy)

    def test_source_is_replaced(self) -> None:
        """If the source is replaced after it was summed up, so is the checksum: bytes and
        checksum of a copy are of one version."""
        self.store_as(InBlob)

        async def replace_before_the_next_look() -> None:
            self.metadata.before(
                keys.objects(0)[:1], lambda: self.store.objects.put("photos", "a", OTHER)
            )

        self.metadata.after(keys.objects(0)[:1], lambda: begin(replace_before_the_next_look()))
        copied = self.ok(self.store.copies.copy(photo("a"), photo("b"), checksum_algorithm="CRC32"))
        self.assertEqual(self.read("b"), OTHER)
        expected = zlib.crc32(self.read("b")).to_bytes(4, "big")
        self.assertEqual(copied.tail.checksums[0].value, expected)


class ConditionTests(CopyCase):
    def setUp(self) -> None:
        super().setUp()
        self.store_as(InBlob)

    def test_source(self) -> None:
        """The source must be as its conditions say."""
        copy, etag = self.store.copies.copy, self.head("a").etag
        seconds = self.now_us // 1_000_000 * 1_000_000
        for met in (
            Conditions(if_match=etag),
            Conditions(if_none_match="other"),
            Conditions(if_modified_since=seconds - 1_000_000),
            Conditions(if_unmodified_since=seconds),
        ):
            self.ok(copy(photo("a"), photo("b"), source_conditions=met))
        for failed in (
            Conditions(if_match="other"),
            Conditions(if_none_match=etag),
            Conditions(if_modified_since=seconds),
            Conditions(if_unmodified_since=seconds - 1_000_000),
        ):
            work = copy(photo("a"), photo("c"), source_conditions=failed)
            self.refused(PreconditionFailed, work)
        self.refused(ObjectNotFound, self.store.objects.head("photos", "c"))

    def test_source_of_the_copy(self) -> None:
        """The conditions are judged on the version that is copied, not on one before it."""
        etag = self.head("a").etag
        self.metadata.before(keys.blob(b""), lambda: begin(self.replaced_and_collected()))
        work = self.store.copies.copy(
            photo("a"), photo("b"), source_conditions=Conditions(if_match=etag)
        )
        self.refused(PreconditionFailed, work)

    def test_target(self) -> None:
        """What is replaced must be as the conditions say, at the moment of the commit."""
        copy = self.store.copies.copy
        only_new = Conditions(if_none_match="*")
        self.ok(copy(photo("a"), photo("b"), conditions=only_new))
        self.refused(PreconditionFailed, copy(photo("a"), photo("b"), conditions=only_new))
        beside = self.beside()
        self.metadata.after(keys.OBJECTS, lambda: beside.objects.put("photos", "c", b"x"))
        self.refused(PreconditionFailed, copy(photo("a"), photo("c"), conditions=only_new))
        self.assertEqual(self.read("c"), b"x")
        wrong = Conditions(if_match="other")
        self.refused(PreconditionFailed, copy(photo("a"), photo("b"), conditions=wrong))
        self.refused(ObjectNotFound, copy(photo("a"), photo("d"), conditions=wrong))


KEYS = st.sampled_from(("a", "b", "c"))
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.sampled_from((b"", b"tiny", LARGE, OTHER))),
    st.tuples(st.just("copy"), KEYS, KEYS),
    st.tuples(st.just("copy"), KEYS, KEYS),
    st.tuples(st.just("multipart"), KEYS, KEYS),
    st.tuples(st.just("delete"), KEYS, KEYS),
    st.tuples(st.just("collect"), KEYS, KEYS),
)


class LawTests(CopyCase):
    @settings(max_examples=60)
    @given(st.lists(STEPS, max_size=14))
    def test_law(self, steps: list[tuple[str, str, str | bytes]]) -> None:
        """Puts, copies, multipart copies and deletions do to the store what they do to a
        dictionary, whenever the collector runs; and in the end nothing is left."""
        self.setUp()
        model: dict[str, bytes] = {}
        for number, (step, key, other) in enumerate(steps):
            self.take(step, key, other, model, str(number))
            for each in ("a", "b", "c"):
                if each in model:
                    self.assertEqual(self.read(each), model[each])
                else:
                    self.refused(ObjectNotFound, self.store.objects.head("photos", each))
        self.assert_empty()

    def take(
        self, step: str, key: str, other: str | bytes, model: dict[str, bytes], number: str
    ) -> None:
        match step, other:
            case "put", bytes(data):
                self.ok(self.store.objects.put("photos", key, data))
                model[key] = data
            case "copy", str(target):
                own = Overrides(metadata={"n": number})
                work = self.store.copies.copy(photo(key), photo(target), own=own)
                if key in model:
                    self.assertEqual(self.ok(work).tail.metadata, {"n": number})
                    model[target] = model[key]
                else:
                    self.refused(ObjectNotFound, work)
            case "multipart", str(target):
                if not model.get(key):
                    return
                upload_id = self.upload(target, b"head")
                copy_part = self.store.part_copies.copy
                self.ok(copy_part(photo(key), photo(target), upload_id, 2))
                span = (0, max(4, len(model[key]) // 2))
                self.ok(copy_part(photo(key), photo(target), upload_id, 3, span=span))
                self.complete(target, upload_id)
                model[target] = b"head" + model[key] + model[key][slice(*span)]
            case "delete", _:
                self.ok(self.store.objects.delete("photos", key))
                model.pop(key, None)
            case _:
                self.collect()
