"""Objects: put, get, head and delete."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import (
    InvalidArgument,
    KeyTooLong,
    MetadataTooLarge,
    ObjectNotFound,
    StoreBusy,
)
from objectd.interfaces import Commit
from objectd.model.records import Headers, InBlob, InManifest, InRow, Nothing
from objectd.objects import deleting, ids
from objectd.objects.settings import DELETE_KEYS_MAX, KEY_BYTES_MAX, METADATA_BYTES_MAX
from objectd.objects.versions import Deleted
from objectd.test.objects.cases import LARGE, SETTINGS, StoreCase, begin

INLINE = SETTINGS.inline_bytes_max


class ObjectTests(StoreCase):
    def put(self, key: str, data: bytes) -> None:
        self.ok(self.store.objects.put("photos", key, data))

    def test_sizes(self) -> None:
        """Bytes come back as they were put, and lie where their number says."""
        for size, source in (
            (0, Nothing),
            (1, InRow),
            (INLINE, InRow),
            (INLINE + 1, InBlob),
            ((64 << 10) - 1, InBlob),
            (64 << 10, InBlob),
            ((1 << 20) + 1, InBlob),
            ((3 << 20) + 5, InBlob),
        ):
            data = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)
            data = data[:size]
            put = self.ok(self.store.objects.put("photos", "a", data))
            self.assertIsInstance(put.tail.source, source)
            self.assertEqual(self.read("a"), data)
            self.assertEqual((put.size_bytes, put.etag), (size, hashlib.md5(data).hexdigest()))

    def test_head(self) -> None:
        """HEAD shows what the PUT returned: headers, metadata, ETag and checksum."""
        headers = Headers(content_type="text/plain", cache_control="no-cache")
        put = self.ok(
            self.store.objects.put(
                "photos", "a", LARGE, headers=headers, metadata={"colour": "grün"}
            )
        )
        self.assertEqual(self.ok(self.store.objects.head("photos", "a")), put)
        self.assertEqual((put.tail.headers, put.tail.metadata), (headers, {"colour": "grün"}))
        [checksum] = put.tail.checksums
        self.assertEqual(checksum.algorithm, "CRC64NVME")
        self.assertEqual(put.head.checksum_algorithm, "CRC64NVME")

    def test_not_found(self) -> None:
        """A key that has no object is not found, and leaves no read under way."""
        self.refused(ObjectNotFound, self.store.objects.get("photos", "a"))
        self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))
        self.ok(self.store.core.reads.drained())

    def test_overwrite(self) -> None:
        """Whatever an object is replaced by, the new one is read and nothing of the old stays."""
        values = {InRow: b"small", InBlob: LARGE, Nothing: b"", InManifest: b"part1part2"}
        for old in values:
            for new in values:
                self.store_as(old, values[old])
                self.store_as(new, values[new])
                self.assertEqual(self.read("a"), values[new])
                source = self.ok(self.store.objects.head("photos", "a")).tail.source
                self.assertIsInstance(source, new)
                self.ok(self.store.collector.run_to_rest())
                self.assertEqual(len(self.rows(b"p")), new is InRow)
                self.assertEqual(len(self.rows(b"m")), new is InManifest)
                files = {InBlob: 1, InManifest: 2}.get(new, 0)
                self.assertEqual((len(self.files()), len(self.rows(b"r"))), (files, files))

    def store_as(self, source: type[object], data: bytes) -> None:
        if source is InManifest:
            self.complete("a", self.upload("a", data[:5], data[5:]))
        else:
            self.put("a", data)

    def test_delete(self) -> None:
        """A deleted object is gone; deleting it again is no error."""
        self.put("a", LARGE)
        self.ok(self.store.objects.delete("photos", "a"))
        self.refused(ObjectNotFound, self.store.objects.get("photos", "a"))
        self.ok(self.store.objects.delete("photos", "a"))

    def test_delete_many(self) -> None:
        """Several objects are deleted at once, also where some are named twice or missing."""
        for key in ("a", "b", "c"):
            self.put(key, LARGE)
        self.ok(self.store.objects.delete_many("photos", ["c", "a", "a", "x"]))
        page = self.ok(self.store.listings.objects("photos"))
        self.assertEqual([listed.key for listed in page.objects], ["b"])

    def test_delete_most(self) -> None:
        """1,000 objects with the longest keys are deleted at once; one key more is refused."""
        longest = [f"{n:04}".ljust(KEY_BYTES_MAX, "k") for n in range(DELETE_KEYS_MAX)]
        for key in longest:
            self.put(key, b"x")
        work = self.store.objects.delete_many("photos", [*longest, "a"])
        self.refused(InvalidArgument, work)
        self.ok(self.store.objects.delete_many("photos", longest))
        self.assertEqual(self.ok(self.store.listings.objects("photos")).objects, [])

    def test_delete_some(self) -> None:
        """Where the store takes no more after some of them, it is told of each; where it takes
        none, of all."""
        self.patch(deleting, "DELETED_A_COMMIT", 2)
        for key in "abc":
            self.put(key, b"x")
        commit, room = self.metadata.commit, [True]

        async def busy(wanted: Commit) -> int:
            if not room:
                raise StoreBusy("behind")
            room.pop()
            return await commit(wanted)

        self.patch(self.metadata, "commit", busy)
        done = self.ok(self.store.objects.delete_many("photos", ["a", "b", "c"]))
        self.assertEqual([type(each) for each in done], [Deleted, Deleted, StoreBusy])
        self.refused(StoreBusy, self.store.objects.delete_many("photos", ["c"]))

    def test_keys(self) -> None:
        """Any text of 1 to 1,024 bytes is a key."""
        for key in ("/", "//", ".", "..", "a/../b", "\0", "%2F", "+ ", "ä" * 512, "a" * 1024, "😀"):
            self.put(key, key.encode())
            self.assertEqual(self.read(key), key.encode())
        self.refused(KeyTooLong, self.store.objects.put("photos", "a" * 1025, b""))
        self.refused(KeyTooLong, self.store.objects.put("photos", "ä" * 512 + "a", b""))
        self.refused(InvalidArgument, self.store.objects.put("photos", "", b""))
        self.refused(InvalidArgument, self.store.objects.put("photos", "\ud800", b""))

    def test_metadata_limit(self) -> None:
        """2 KB of metadata are kept, names and values together, and a byte more is refused."""
        value = "ä" * (METADATA_BYTES_MAX // 2 - 1)
        put = self.store.objects.put
        self.ok(put("photos", "a", b"", metadata={"ab": value}))
        self.refused(MetadataTooLarge, put("photos", "a", b"", metadata={"abc": value}))

    def test_time(self) -> None:
        """A later version has a later time, also when the clock steps back."""
        first = self.ok(self.store.objects.put("photos", "a", b"1"))
        self.now_us -= 1_000_000
        second = self.ok(self.store.objects.put("photos", "a", b"2"))
        self.assertEqual(second.head.modified_us, first.head.modified_us + 1)

    def test_ranges(self) -> None:
        """Any range of any object is what a slice of its bytes is."""
        data = bytes(range(60))
        for source in (InBlob, InManifest):
            self.store_as(source, data)
            for start, stop in ((0, 60), (0, 1), (4, 6), (5, 5), (59, None), (10, 1000)):
                opened = self.ok(self.store.objects.get("photos", "a"))
                stream = opened.stream(start, stop)
                got = b"".join(iter(lambda stream=stream: self.ok(stream.read()), b""))  # type: ignore[misc]  # mypy cannot infer a default argument
                stream.close()
                self.assertEqual(got, data[start:stop])

    def test_read_goes_on(self) -> None:
        """An object that is open stays readable when it is overwritten and collected."""
        for source in (InRow, InBlob, InManifest):
            self.store_as(source, b"old bytes" if source is InRow else LARGE)
            opened = self.ok(self.store.objects.get("photos", "a"))
            self.put("a", b"new")
            collecting = self.store.collector.run()
            waiting = begin(collecting)
            self.assertIn(self.ok(opened.read()), (b"old bytes", LARGE))
            self.successResultOf(waiting)


class SharingTests(StoreCase):
    def test_same_content(self) -> None:
        """Equal content of one account is stored once, until the last that refers to it goes."""
        for key in ("a", "b"):
            self.ok(self.store.objects.put("photos", key, LARGE))
        self.assertEqual(len(self.files()), 1)
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("b"), LARGE)
        self.ok(self.store.objects.delete("photos", "b"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(b"c"), self.rows(b"B")), ([], [], []))

    def test_same_object(self) -> None:
        """An object that is put again as it is keeps its blob."""
        for _ in range(2):
            self.ok(self.store.objects.put("photos", "a", LARGE))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.read("a"), len(self.files())), (LARGE, 1))

    def test_parts(self) -> None:
        """Parts and objects share content too."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.complete("b", self.upload("b", LARGE, LARGE))
        self.assertEqual(len(self.files()), 1)
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("b"), LARGE + LARGE)

    def test_other_account(self) -> None:
        """Content is not shared between accounts."""
        self.ok(self.store.buckets.create("logs", account=7))
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.ok(self.store.objects.put("logs", "a", LARGE))
        self.assertEqual(len(self.files()), 2)

    def test_not_wanted(self) -> None:
        """A bucket that is not to share stores every object anew."""
        self.ok(self.store.buckets.create("logs", deduplicate=False))
        for key in ("a", "b"):
            self.ok(self.store.objects.put("logs", key, LARGE))
        self.assertEqual((len(self.files()), self.rows(b"c")), (2, []))


class IdTests(SynchronousTestCase):
    @given(st.integers(1, (1 << 32) - 1), st.integers(1, (1 << 32) - 1))
    def test_unique(self, incarnation: int, other: int) -> None:
        """Ids of one process differ, those of two processes too, and tell their process."""
        made = [ids.IdSource(n) for n in {incarnation, other} for _ in range(1)]
        uids = [source.uid() for source in made for _ in range(3)]
        buckets = [source.bucket() for source in made for _ in range(3)]
        self.assertEqual(len(set(uids)), len(uids))
        self.assertEqual(len(set(buckets)), len(buckets))
        self.assertEqual({ids.incarnation_of(uid) for uid in uids}, {incarnation, other})
