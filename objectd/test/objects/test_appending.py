"""Appending: bytes are added to the end of objects, and nothing that is there moves."""

from __future__ import annotations

from collections.abc import Awaitable
from hashlib import md5

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from objectd.errors import (
    BadDigest,
    InvalidOperation,
    ObjectNotFound,
    OperationAborted,
    PreconditionFailed,
    TooManyParts,
    WriteOffsetInvalid,
)
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Headers, InBlob, InManifest, InRow, Manifest, Nothing
from objectd.objects import Declared, ListedPart, Object
from objectd.objects.checksums import hasher
from objectd.objects.conditions import Conditions
from objectd.objects.copy_source import ObjectName
from objectd.objects.object import OpenObject
from objectd.objects.settings import PART_NUMBER_MAX
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, SETTINGS, StoreCase, begin

INLINE = SETTINGS.inline_bytes_max


def digest(data: bytes, algorithm: str = "CRC64NVME") -> bytes:
    hashing = hasher(algorithm)
    hashing.update(data)
    return hashing.digest()


class AppendCase(StoreCase):
    def append(self, data: bytes, offset: int, key: str = "a") -> Object:
        return self.ok(self.appending(data, offset, key))

    def appending(self, data: bytes, offset: int, key: str = "a") -> Awaitable[Object]:
        return self.store.appends.append("photos", key, data, offset_bytes=offset)

    def put(self, data: bytes, key: str = "a") -> Object:
        return self.ok(self.store.objects.put("photos", key, data))

    def copy(self, source: str, target: str) -> None:
        copy = self.store.copies.copy
        self.ok(copy(ObjectName("photos", source), ObjectName("photos", target)))

    def rest(self) -> None:
        self.ok(self.store.collector.run_to_rest())


class AppendTests(AppendCase):
    def test_places(self) -> None:
        """A small object stays a row while it is small, then is one blob, then has parts."""
        data = b""
        for piece, place in (
            (b"12345", InRow),
            (b"6" * (INLINE - 5), InRow),
            (b"7", InBlob),
            (b"8", InManifest),
            (LARGE, InManifest),
        ):
            grown = self.append(piece, len(data))
            data += piece
            self.assertIsInstance(grown.tail.source, place)
            self.rest()
            self.assertEqual(self.read("a"), data)
            self.assertEqual(grown.size_bytes, len(data))
            [checksum] = grown.tail.checksums
            self.assertEqual((checksum.kind, checksum.value), ("FULL_OBJECT", digest(data)))
        self.assertEqual(len(self.files()), 3)
        self.assertEqual(self.ok(self.store.buckets.usage("photos")).size_bytes, len(data))

    def test_large_to_small(self) -> None:
        """A large append to a small object makes one blob of both."""
        self.put(b"small")
        grown = self.append(LARGE, 5)
        self.assertIsInstance(grown.tail.source, InBlob)
        self.assertEqual(self.read("a"), b"small" + LARGE)
        self.rest()
        self.assertEqual((len(self.files()), self.rows(keys.PAYLOADS)), (1, []))

    def test_nothing_is_rewritten(self) -> None:
        """The blobs that were there are those that are there afterwards, and one more."""
        self.put(LARGE)
        before = set(self.files())
        self.append(b"more", len(LARGE))
        self.rest()
        self.assertLess(before, set(self.files()))
        self.assertEqual(len(self.files()), 2)

    def test_to_nothing(self) -> None:
        """An append at 0 makes an object, or goes on with an empty one."""
        headers = Headers(content_type="text/plain")
        made = self.ok(
            self.store.appends.append(
                "photos", "a", b"new", offset_bytes=0, headers=headers, metadata={"x": "y"}
            )
        )
        self.assertEqual((made.tail.headers, made.tail.metadata), (headers, {"x": "y"}))
        self.assertEqual(made.etag, md5(b"new").hexdigest())
        self.assertIsInstance(self.put(b"", "b").tail.source, Nothing)
        self.append(b"new", 0, "b")
        self.assertEqual(self.read("b"), b"new")

    def test_upload(self) -> None:
        """An object that was uploaded in parts gets one part more, whose number is free even
        while unlisted parts are there."""
        upload_id = self.upload("a", b"part1", b"part2", b"part3")
        listed = self.listed("a", upload_id)[:2]
        complete = self.store.completions.complete
        first = self.ok(complete("photos", "a", upload_id, listed))
        self.append(b"more", 10)
        self.assertEqual(self.read("a"), b"part1part2more")
        self.rest()
        self.assertEqual(self.read("a"), b"part1part2more")
        numbers = [keys.part_number(row.key) for row in self.rows(keys.PARTS)]
        self.assertEqual(numbers, [1, 2, 4])
        self.assertEqual(self.ok(complete("photos", "a", upload_id, listed)), first)

    def test_what_stays(self) -> None:
        """Headers, metadata and tags stay; time and version do not."""
        headers = Headers(content_type="text/plain")
        put = self.ok(
            self.store.objects.put("photos", "a", LARGE, headers=headers, metadata={"x": "y"})
        )
        self.ok(self.store.tags.put("photos", "a", {"colour": "red"}))
        append = self.store.appends.append
        other = Headers(content_type="text/html")
        grown = self.ok(append("photos", "a", b"1", offset_bytes=len(LARGE), headers=other))
        self.assertEqual((grown.tail.headers, grown.tail.metadata), (headers, {"x": "y"}))
        self.assertEqual(grown.tail.tags, {"colour": "red"})
        self.assertGreater(grown.head.modified_us, put.head.modified_us)
        self.assertNotEqual(grown.head.version, put.head.version)

    def test_etag(self) -> None:
        """The ETag chains the old one with the digest of what was added, and counts."""
        old = self.put(LARGE).etag
        for count in (2, 3):
            chained = md5(bytes.fromhex(old.partition("-")[0]) + md5(b"x").digest())
            old = self.append(b"x", len(LARGE) + count - 2).etag
            self.assertEqual(old, f"{chained.hexdigest()}-{count}")

    def test_no_bytes(self) -> None:
        """An append of nothing is refused, also where its length was not known."""
        append = self.store.appends.append
        self.refused(InvalidOperation, append("photos", "a", b"", offset_bytes=0, size_bytes=0))
        self.refused(InvalidOperation, append("photos", "a", b"", offset_bytes=0))
        self.assertEqual(self.rows(keys.OBJECTS), [])

    def test_offset(self) -> None:
        """Every offset but the object's size is refused, and without an object all but 0."""
        self.refused(ObjectNotFound, self.appending(b"x", 1))
        for data in (b"small", LARGE):
            self.put(data)
            for offset in (0, len(data) - 1, len(data) + 1):
                error = self.refused(WriteOffsetInvalid, self.appending(b"x", offset))
                self.assertEqual(error.size_bytes, len(data))
            self.assertEqual(self.read("a"), data)

    def test_metadata(self) -> None:
        """Metadata and tags may be given for an object that is made only."""
        self.put(LARGE)
        append, size = self.store.appends.append, len(LARGE)
        for work in (
            append("photos", "a", b"x", offset_bytes=size, metadata={"x": "y"}),
            append("photos", "a", b"x", offset_bytes=size, tags={"x": "y"}),
        ):
            self.refused(InvalidOperation, work)

    def test_conditions(self) -> None:
        """An append has the conditions that a PUT has."""
        etag = self.put(LARGE).etag
        append = self.store.appends.append

        def work(conditions: Conditions) -> Awaitable[Object]:
            offset = len(LARGE)
            return append("photos", "a", b"x", offset_bytes=offset, conditions=conditions)

        self.refused(PreconditionFailed, work(Conditions("other")))
        self.refused(PreconditionFailed, work(Conditions(if_none_match="*")))
        self.ok(work(Conditions(etag)))
        self.assertEqual(self.read("a"), LARGE + b"x")

    def test_most_parts(self) -> None:
        """An object has 10,000 parts at most."""
        self.put(LARGE)
        self.append(b"x", len(LARGE))
        [row] = self.rows(keys.MANIFESTS)
        manifest = decode(Manifest, row.value or b"")
        most = structs.replace(manifest, listed=self.listing(PART_NUMBER_MAX - 1))

        async def decide(batch: Batch) -> None:
            batch.put(row.key, encode(most))

        self.ok(self.store.core.writer.transact(decide))
        self.append(b"y", len(LARGE) + 1)
        self.refused(TooManyParts, self.appending(b"z", len(LARGE) + 2))
        self.assertEqual(self.read("a"), LARGE + b"xy")

    def listing(self, number: int) -> bytes:
        bits = bytearray((number + 7) // 8)
        bits[-1] |= 1 << (number - 1) % 8
        bits[0] |= 3
        return bytes(bits)


class ChecksumTests(AppendCase):
    def test_other_algorithm(self) -> None:
        """Where the checksum goes on, another algorithm is refused; its own is verified."""
        self.put(LARGE)
        append = self.store.appends.append

        def work(declared: Declared) -> Awaitable[Object]:
            return append("photos", "a", b"x", offset_bytes=len(LARGE), declared=declared)

        self.refused(InvalidOperation, work(Declared(None, "CRC32", lambda: b"\0" * 4)))
        self.refused(BadDigest, work(Declared(None, "CRC64NVME", lambda: b"\0" * 8)))
        self.ok(work(Declared(None, "CRC64NVME", lambda: digest(b"x"))))

    def test_what_cannot_go_on(self) -> None:
        """A checksum that does not follow from those of the pieces is dropped."""
        sha = Declared(None, "SHA256", lambda: digest(LARGE, "SHA256"))
        self.ok(self.store.objects.put("photos", "a", LARGE, declared=sha))
        upload = self.upload("b", b"part1", b"part2", algorithm="CRC32", kind="COMPOSITE")
        page = self.ok(self.store.uploads.parts("photos", "b", upload))
        listed = [ListedPart(number, part.etag, part.checksums[0]) for number, part in page.parts]
        self.ok(self.store.completions.complete("photos", "b", upload, listed))
        for key, size in (("a", len(LARGE)), ("b", 10)):
            grown = self.append(b"x", size, key)
            self.assertEqual((grown.tail.checksums, grown.head.checksum_algorithm), ((), ""))
            self.append(b"y", size + 1, key)


class SharedManifestTests(AppendCase):
    """Copies share the parts of their source, and grow each for itself."""

    def setUp(self) -> None:
        super().setUp()
        self.put(LARGE)
        self.append(b"1", len(LARGE))
        self.copy("a", "b")

    def test_apart(self) -> None:
        """What is appended to a copy is not in its source, nor the other way round."""
        size = len(LARGE) + 1
        self.append(b"b", size, "b")
        self.append(b"a", size, "a")
        self.append(b"B", size + 1, "b")
        self.rest()
        self.assertEqual((self.read("a"), self.read("b")), (LARGE + b"1a", LARGE + b"1bB"))
        self.assertEqual(len(self.rows(keys.MANIFESTS)), 1)

    def test_one_goes(self) -> None:
        """A copy keeps what it needs when its source goes, and the last one takes all along."""
        self.append(b"b", len(LARGE) + 1, "b")
        self.ok(self.store.objects.delete("photos", "a"))
        self.rest()
        self.assertEqual(self.read("b"), LARGE + b"1b")
        self.ok(self.store.objects.delete("photos", "b"))
        self.rest()
        self.assertEqual((self.files(), self.rows(keys.REFS), self.rows(keys.PARTS)), ([], [], []))

    def test_at_once(self) -> None:
        """Two that grow at the same time take different numbers, and both are listed."""
        size, other = len(LARGE) + 1, self.beside()

        async def beside() -> None:
            await other.appends.append("photos", "b", b"b", offset_bytes=size)

        self.metadata.after_second(keys.MANIFESTS, beside)
        self.append(b"a", size, "a")
        [manifest] = self.rows(keys.MANIFESTS)
        self.assertEqual(decode(Manifest, manifest.value or b"").listed, b"\x0f")
        self.rest()
        self.assertEqual((self.read("a"), self.read("b")), (LARGE + b"1a", LARGE + b"1b"))


class RaceTests(AppendCase):
    def test_same_offset(self) -> None:
        """Of two appends at one offset one wins, whatever the object is."""
        for data in (b"s", LARGE, LARGE + b"2"):
            self.put(data)
            other = self.beside()

            async def win(size: int = len(data)) -> None:
                await other.appends.append("photos", "a", b"the winner's", offset_bytes=size)  # noqa: B023 - called in this turn of the loop

            self.metadata.after_second(keys.OBJECTS, win)
            work = begin(self.appending(b"mine", len(data)))
            self.failureResultOf(work, WriteOffsetInvalid)
            self.assertEqual(self.read("a"), data + b"the winner's")

    def test_replaced(self) -> None:
        """An append to an object that was replaced by one of the same size, which lies
        elsewhere, is for its client to try again."""
        self.put(b"x" * INLINE)
        other = self.beside()

        async def replace() -> None:
            await other.objects.put("photos", "a", b"y" * INLINE)

        self.metadata.before(keys.CONTENTS, replace)
        self.refused(OperationAborted, self.appending(b"more", INLINE))
        self.assertEqual(self.read("a"), b"y" * INLINE)
        self.rest()
        self.assertEqual(self.files(), [])

    def test_replaced_while_it_looks(self) -> None:
        """An append whose manifest is collected while it looks, looks again."""

        async def replace() -> None:
            other = self.beside()
            await other.objects.put("photos", "a", LARGE + b"2")
            await other.collector.run_to_rest()

        for interpose in (self.metadata.before, self.metadata.after):
            self.put(LARGE)
            self.append(b"1", len(LARGE))
            interpose(keys.MANIFESTS, replace)
            self.append(b"more", len(LARGE) + 1)
            self.assertEqual(self.read("a"), LARGE + b"2more")

    def test_collector(self) -> None:
        """The collector does not take a part that is added while it drops unlisted ones, which
        its next pass does."""
        upload_id = self.upload("a", b"part1", b"part2", b"part3")
        listed = self.listed("a", upload_id)[:2]
        self.ok(self.store.completions.complete("photos", "a", upload_id, listed))

        async def append() -> None:
            await self.beside().appends.append("photos", "a", b"more", offset_bytes=10)

        self.metadata.after(keys.MANIFESTS, append)
        self.rest()
        self.rest()
        self.assertEqual(self.read("a"), b"part1part2more")
        numbers = [keys.part_number(row.key) for row in self.rows(keys.PARTS)]
        self.assertEqual(numbers, [1, 2, 4])

    def test_readers(self) -> None:
        """Who reads the shorter object goes on reading it."""
        for data in (b"small", LARGE, LARGE + b"2"):
            self.put(data)
            opened: OpenObject = self.ok(self.store.objects.get("photos", "a"))
            self.append(b"more", len(data))
            collecting = begin(self.store.collector.run_to_rest())
            self.assertEqual(self.ok(opened.read()), data)
            self.successResultOf(collecting)


class HistoryTests(AppendCase):
    @given(
        st.lists(
            st.one_of(
                st.tuples(
                    st.just("put"), st.sampled_from("abc"), st.sampled_from((b"", b"1", LARGE))
                ),
                st.tuples(
                    st.just("append"),
                    st.sampled_from("abc"),
                    st.sampled_from((b"2", b"3" * INLINE, LARGE)),
                ),
                st.tuples(st.just("copy"), st.sampled_from("abc"), st.sampled_from((b"a", b"b"))),
                st.tuples(st.just("rename"), st.sampled_from("abc"), st.sampled_from((b"a", b"c"))),
                st.tuples(st.just("delete"), st.sampled_from("abc"), st.just(b"")),
                st.tuples(st.just("collect"), st.just("a"), st.just(b"")),
            ),
            max_size=16,
        )
    )
    def test_model(self, history: list[tuple[str, str, bytes]]) -> None:
        """Puts, appends, copies, renames, deletes and the collector in any order leave what
        they would in a dict, and what is left is all that is stored."""
        self.setUp()
        model: dict[str, bytes] = {}
        for verb, key, data in history:
            self.carry_out(model, verb, key, data)
        for key in "abc":
            if key in model:
                self.assertEqual(self.read(key), model[key])
            else:
                self.refused(ObjectNotFound, self.store.objects.head("photos", key))
        usage = self.ok(self.store.buckets.usage("photos"))
        sizes = [len(data) for data in model.values()]
        self.assertEqual((usage.objects, usage.size_bytes), (len(sizes), sum(sizes)))
        self.rest()
        for key, data in model.items():
            self.assertEqual(self.read(key), data)
            self.ok(self.store.objects.delete("photos", key))
        self.rest()
        self.assertEqual(self.files(), [])
        for family in (keys.PAYLOADS, keys.REFS, keys.PARTS, keys.MANIFESTS, keys.BLOBS):
            self.assertEqual(self.rows(family), [])

    def carry_out(self, model: dict[str, bytes], verb: str, key: str, data: bytes) -> None:
        other = data.decode() if verb in ("copy", "rename") else ""
        match verb:
            case "put":
                self.put(data, key)
                model[key] = data
            case "append":
                self.append(data, len(model.get(key, b"")), key)
                model[key] = model.get(key, b"") + data
            case "copy" if key in model and key != other:
                self.copy(key, other)
                model[other] = model[key]
            case "rename" if key in model and key != other:
                self.ok(self.store.renames.rename("photos", key, other))
                model[other] = model.pop(key)
            case "delete":
                self.ok(self.store.objects.delete("photos", key))
                model.pop(key, None)
            case "collect":
                self.rest()
