"""The check of rows: each that is broken on purpose is found, and nothing else."""

from __future__ import annotations

import attrs
from msgspec import structs
from twisted.python.failure import Failure

from objectd.errors import OutcomeUnknown, StoreFailed
from objectd.model import keys
from objectd.model.blobs import BlobTrash, Candidate, ManifestTrash
from objectd.model.codec import decode, decode_object, encode, encode_object
from objectd.model.records import (
    BucketName,
    ClientToken,
    InManifest,
    Manifest,
    Part,
    SweepHold,
)
from objectd.objects.checking import Problem, subject
from objectd.objects.copy_source import ObjectName
from objectd.objects.references import REF
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.check_case import PARTS, UID, CheckCase


class SoundTests(CheckCase):
    def test_sound(self) -> None:
        """In a store that is as it should be there is nothing to find, shallow or deep."""
        self.assert_found()
        self.assert_found(deep=True)

    def test_work_to_do(self) -> None:
        """What waits for the collector is no problem, at any moment of its work."""
        for key in ("large", "parts", "small"):
            self.ok(self.store.objects.delete("photos", key))
        self.ok(self.store.buckets.create("gone"))
        self.ok(self.store.uploads.create("gone", "never"))
        self.ok(self.store.buckets.delete("gone"))
        is_done = False
        deaths = -1
        while not is_done:
            self.assert_found()
            deaths += 1
            self.metadata.changes_left = deaths
            collecting = begin(self.store.collector.run_to_rest())
            is_done = not isinstance(collecting.result, Failure)
            collecting.addErrback(lambda failure: failure.trap(OutcomeUnknown, StoreFailed))
            self.metadata.changes_left = None
            self.store = self.opened()
        self.assertGreater(deaths, 3)
        self.assert_found()

    def test_shared_bytes(self) -> None:
        """Copies, appends and renames share blobs and manifests, and leave nothing behind
        that is wrong, before the collector has run or after."""
        store = self.store
        for key in ("small", "large", "parts"):
            source = ObjectName("photos", key)
            self.ok(store.copies.copy(source, ObjectName("photos", f"{key} copy")))
            size_bytes = len(self.read(key))
            self.ok(store.appends.append("photos", key, LARGE, offset_bytes=size_bytes))
            self.ok(store.renames.rename("photos", f"{key} copy", f"{key} moved", token=key))
        upload = self.upload("pieces")
        source = ObjectName("photos", "large moved")
        for number in (1, 2):
            target = ObjectName("photos", "pieces")
            self.ok(store.part_copies.copy(source, target, upload, number))
        self.assert_found(deep=True)
        for key in ("large", "parts moved"):
            self.ok(store.objects.delete("photos", key))
        self.assert_found()
        self.ok(store.collector.run_to_rest())
        self.assert_found(deep=True)
        self.assertEqual(self.read("parts"), b"".join(PARTS) + LARGE)

    def test_totals(self) -> None:
        """The check tells what it has seen."""
        check = self.new_check()

        async def run() -> None:
            async for _ in check.run(deep=True):
                pass

        self.ok(run())
        size_bytes = sum(map(len, PARTS)) + len(LARGE)
        self.assertEqual(
            attrs.asdict(check.totals),
            {
                "buckets": 1,
                "objects": 4,
                "object_bytes": size_bytes + len(b"in a row"),
                "uploads": 1,
                "parts": 4,
                "blobs": 5,
                "blob_bytes": size_bytes + len(LARGE) + 5,
                "bytes_read": size_bytes + len(LARGE) + 5,
                "files": 5,
                "waiting": 0,
            },
        )


class RowTests(CheckCase):
    """Rows that are removed, damaged, or put where none belongs."""

    def test_removed(self) -> None:
        """A row of any family that is missing is found, with what that costs."""
        large, part = self.large, self.parts[0]
        version = decode_object(self.value(self.object_key("large")))[0].version
        counters = [Problem.COUNTER_WRONG, Problem.COUNTER_WRONG]
        [content] = [row for row in self.rows(keys.CONTENTS) if large in (row.value or b"")]
        cases: dict[bytes, list[Problem]] = {
            keys.bucket_name("photos"): [Problem.BUCKET_WITHOUT_NAME],
            keys.bucket(self.bucket_id): [
                Problem.NAME_WITHOUT_BUCKET,
                *[Problem.ROWS_WITHOUT_BUCKET] * 5,
            ],
            keys.live(self.bucket_id): [Problem.BUCKET_NOT_LIVE],
            self.object_key("small"): [Problem.PAYLOAD_UNUSED, *counters],
            self.object_key("large"): [Problem.REF_UNUSED, *counters],
            self.object_key("parts"): [Problem.MANIFEST_REF_UNUSED, *counters],
            self.object_key("empty"): [Problem.COUNTER_WRONG],
            keys.payload(self.bucket_id, b"small"): [Problem.PAYLOAD_MISSING],
            self.row(keys.UPLOADS).key: [Problem.PARTS_UNUSED],
            keys.part(self.upload_uid, 1): [Problem.PART_MISSING, Problem.REF_UNUSED],
            keys.manifest(self.upload_uid): [Problem.MANIFEST_MISSING],
            self.row(keys.MANIFEST_REFS).key: [
                Problem.MANIFEST_REF_MISSING,
                Problem.MANIFEST_UNUSED,
            ],
            keys.blob(large): [
                Problem.BLOB_MISSING,
                Problem.REF_WITHOUT_BLOB,
                Problem.CONTENT_WRONG,
            ],
            keys.blob(part): [
                Problem.BLOB_MISSING,
                Problem.REF_WITHOUT_BLOB,
                Problem.CONTENT_WRONG,
            ],
            keys.version_ref(large, version): [Problem.REF_MISSING, Problem.BLOB_UNUSED],
            self.row(keys.refs(part)).key: [Problem.REF_MISSING, Problem.BLOB_UNUSED],
            content.key: [],
            self.row(keys.usages(self.bucket_id)).key: [Problem.COUNTER_WRONG],
        }
        for key, expected in cases.items():
            value = self.value(key)
            self.remove(key)
            self.assert_found(*expected)
            self.put(key, value)
            self.assert_found()

    def test_damaged(self) -> None:
        """A row of any family that does not decode is found, and what it was for still is
        not called unused."""
        self.put(keys.blob_trash(UID), encode(BlobTrash(0, bytes(32), 1)))
        self.put(keys.manifest_trash(UID), encode(ManifestTrash(1)))
        self.put(keys.blob_candidate(UID), encode(Candidate(1)))
        self.put(keys.SWEEP_HOLD, encode(SweepHold(1)))
        self.put(keys.client_token(1, 1, bytes(32)), encode(ClientToken(bytes(32))))
        self.ok(self.store.objects.put("photos", "more", b""))
        unusual: dict[bytes, list[Problem]] = {
            keys.PAYLOADS: [Problem.ROW_DAMAGED],
            self.object_key("large"): [
                Problem.ROW_DAMAGED,
                Problem.REF_UNUSED,
                *[Problem.COUNTER_WRONG] * 2,
            ],
            keys.PARTS: [Problem.ROW_DAMAGED, Problem.REF_UNUSED, Problem.BYTES_LOST],
        }
        for family in (
            keys.BUCKET_NAMES,
            keys.BUCKETS,
            keys.LIVES,
            keys.UPLOADS,
            keys.MANIFESTS,
            keys.BLOBS,
            keys.CONTENTS,
            keys.JOURNAL,
            keys.CLIENT_TOKENS,
            keys.INCARNATIONS,
            keys.FORMAT,
            keys.BLOB_TRASH,
            keys.MANIFEST_TRASH,
            keys.BLOB_CANDIDATES,
            keys.SWEEP_HOLD,
            *unusual,
        ):
            key = self.row(family).key
            value = self.value(key)
            self.damage(key)
            held = [] if family == keys.SWEEP_HOLD else [Problem.SWEEP_HELD]
            self.assert_found(*unusual.get(family, [Problem.ROW_DAMAGED]), *held)
            self.put(key, value)

    def test_misshapen(self) -> None:
        """Rows with keys that no version of the format has are found."""
        for key in (b"?", b"dz", keys.bucket(1) + b"x", keys.blob(b"short"), keys.USAGES + b"x"):
            self.put(key, REF)
            [finding] = self.assert_found(Problem.ROW_UNKNOWN)
            self.assertIn(repr(key), str(finding))
            self.remove(key)

    def test_superfluous(self) -> None:
        """A row that nothing stands behind is found."""
        live = self.value(keys.live(self.bucket_id))
        upload = self.row(keys.UPLOADS)
        blob, manifest = (
            self.value(keys.blob(self.large)),
            self.value(keys.manifest(self.upload_uid)),
        )
        cases: dict[bytes, tuple[bytes, list[Problem]]] = {
            keys.bucket_name("nobody"): (encode(BucketName(77)), [Problem.NAME_WITHOUT_BUCKET]),
            keys.bucket_name("other"): (
                encode(BucketName(self.bucket_id)),
                [Problem.NAME_WITHOUT_BUCKET],
            ),
            keys.live(77): (live, [Problem.ROWS_WITHOUT_BUCKET]),
            keys.payload(self.bucket_id, b"none"): (REF, [Problem.PAYLOAD_UNUSED]),
            keys.upload(self.bucket_id, b"k", 1, UID): (
                upload.value or b"",
                [Problem.UPLOAD_WRONG],
            ),
            keys.version_ref(self.large, UID): (REF, [Problem.REF_UNUSED]),
            keys.part_ref(self.large, UID): (REF, [Problem.REF_UNUSED]),
            keys.version_ref(UID, UID): (REF, [Problem.REF_UNUSED, Problem.REF_WITHOUT_BLOB]),
            keys.manifest_ref(self.upload_uid, UID): (REF, [Problem.MANIFEST_REF_UNUSED]),
            keys.manifest(UID): (manifest, [Problem.MANIFEST_UNUSED]),
            keys.blob(UID): (blob, [Problem.BLOB_DAMAGED, Problem.BLOB_UNUSED]),
            keys.blob_trash(self.large): (
                encode(BlobTrash(0, bytes(32), 1)),
                [Problem.TRASH_IN_USE],
            ),
            keys.manifest_trash(self.upload_uid): (
                encode(ManifestTrash(1)),
                [Problem.TRASH_IN_USE],
            ),
            keys.content(1, bytes(32), 0, "STANDARD"): (
                self.row(keys.CONTENTS).value or b"",
                [Problem.CONTENT_WRONG],
            ),
            keys.SWEEP_HOLD: (encode(SweepHold(1)), [Problem.SWEEP_HELD]),
        }
        for key, (value, expected) in cases.items():
            self.put(key, value)
            self.assert_found(*expected)
            self.remove(key)

    def test_parts_in_use(self) -> None:
        """The parts of an object whose manifest is missing are not called unused, as long as
        the object or a reference tells of them: the object can still be read."""
        self.remove(keys.manifest(self.upload_uid))
        for key in (self.row(keys.MANIFEST_REFS).key, self.object_key("parts")):
            value = self.value(key)
            self.remove(key)
            self.check(repairs=True)
            self.ok(self.store.collector.run_to_rest())
            self.put(key, value)
            self.assertEqual(self.read("parts"), b"".join(PARTS))

    def test_part_of_nothing(self) -> None:
        """A part that belongs to no upload, and one that its manifest does not list, are found;
        while the collector knows of them they are not."""
        part = self.value(keys.part(self.upload_uid, 1))
        for key, problem in (
            (keys.part(UID, 1), Problem.PARTS_UNUSED),
            (keys.part(self.upload_uid, 9), Problem.PART_UNUSED),
        ):
            self.put(key, part)
            self.assertIn(problem, [finding.problem for finding in self.check()])
            candidate = keys.parts_candidate(key[1:13])
            self.put(candidate, encode(Candidate(1)))
            self.assertEqual(self.check(), [])
            self.remove(candidate)
            self.remove(key)

    def test_shared_manifest(self) -> None:
        """Objects that share a manifest may each list some of its parts."""
        head, tail = decode_object(self.value(self.object_key("parts")))
        assert isinstance(tail.source, InManifest)
        copy = structs.replace(
            tail,
            source=InManifest(tail.source.upload, b"\x05", ((len(PARTS[0]), 2),)),
        )
        copy_head = structs.replace(head, version=UID, size_bytes=2 * len(PARTS[0]))

        def put_copy(batch: Batch) -> None:
            batch.put(self.object_key("some"), encode_object(copy_head, copy))
            batch.put(keys.manifest_ref(tail.source.upload, UID), REF)  # type: ignore[union-attr]
            batch.count(self.bucket_id, objects=1, size_bytes=2 * len(PARTS[0]))

        self.change(put_copy)
        self.assert_found()
        self.ok(self.store.objects.delete("photos", "parts"))
        self.assert_found()

    def test_wrong_sizes(self) -> None:
        """An object that says another size than its bytes have is found, whatever its form."""
        for key, problem in (
            ("small", Problem.PAYLOAD_WRONG),
            ("large", Problem.OBJECT_WRONG),
            ("empty", Problem.OBJECT_WRONG),
            ("parts", Problem.OBJECT_WRONG),
        ):
            value = self.value(self.object_key(key))
            head, tail = decode_object(value)
            wrong = structs.replace(head, size_bytes=head.size_bytes + 1)
            self.put(self.object_key(key), encode_object(wrong, tail))
            [finding, _] = self.assert_found(problem, Problem.COUNTER_WRONG)
            self.assertTrue(str(finding).startswith(f"bucket 'photos', key {key!r}: "))
            self.put(self.object_key(key), value)
        part_key = keys.part(self.upload_uid, 2)
        part = decode(Part, self.value(part_key))
        self.put(part_key, encode(structs.replace(part, size_bytes=1)))
        self.assert_found(Problem.PART_WRONG, Problem.PART_WRONG)

    def test_unlisted(self) -> None:
        """A part that an object needs and its manifest does not list is found before the
        collector can take it."""
        key = keys.manifest(self.upload_uid)
        manifest = decode(Manifest, self.value(key))
        self.put(key, encode(structs.replace(manifest, listed=b"\x03")))
        self.assert_found(Problem.PART_UNLISTED, Problem.PART_UNUSED)


class WindowTests(CheckCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(subject, "CLAIMS_A_WINDOW", 2)
        self.patch(subject, "ROWS_A_PAGE", 1)

    def test_small_windows(self) -> None:
        """However few rows and references fit in memory, the same is found."""
        self.assert_found()
        for n in range(5):
            self.put(keys.version_ref(self.large, UID[:-1] + bytes((n,))), REF)
        self.assert_found(*[Problem.REF_UNUSED] * 5)
