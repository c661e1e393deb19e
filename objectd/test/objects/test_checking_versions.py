"""The check of versions: each row that is broken on purpose is found, and nothing else."""

from __future__ import annotations

from msgspec import structs

from objectd.model import keys
from objectd.model.codec import decode, decode_object, encode, encode_object
from objectd.model.records import (
    Bucket,
    BucketName,
    BucketTags,
    NullVersion,
    ObjectHead,
    Versioning,
)
from objectd.objects.checking import Problem
from objectd.objects.references import REF
from objectd.test.objects.cases import LARGE
from objectd.test.objects.check_case import UID, CheckCase


class VersionsCase(CheckCase):
    """Of each object of `CheckCase` there is a newer version: `small` is a version in a row, the
    null version `large` lies beneath another, `parts` beneath a delete marker, and `empty` has
    a null marker beneath a version."""

    def setUp(self) -> None:
        super().setUp()
        self.set_versioning(enabled=True)
        objects = self.store.objects
        self.now_us += 1000
        self.newer = {
            key: self.ok(objects.put("photos", key, data)).version_id
            for key, data in (("small", b"in a row, too"), ("large", LARGE + b"new"))
        }
        self.ok(objects.delete("photos", "parts"))
        self.set_versioning(enabled=False)
        self.ok(objects.delete("photos", "empty"))
        self.set_versioning(enabled=True)
        self.ok(objects.put("photos", "empty", b""))
        self.ok(objects.put("photos", "small", b"newest"))
        self.ok(self.store.collector.run_to_rest())

    def version_rows(self, key: str) -> list[bytes]:
        """The rows of a key's versions, the newest first."""
        return [e.key for e in self.rows(keys.key_versions(self.bucket_id, key.encode()))]

    def null_row(self, key: str) -> bytes:
        return keys.null_version(self.bucket_id, key.encode())

    def head(self, row_key: bytes) -> ObjectHead:
        return decode_object(self.value(row_key))[0]

    def with_head(self, row_key: bytes, **changes: object) -> bytes:
        head, tail = decode_object(self.value(row_key))
        return encode_object(structs.replace(head, **changes), tail)

    def broken(self, key: bytes, value: bytes | None, *expected: Problem) -> None:
        """With this value in a row, or without the row, so much is found."""
        [before] = self.ok(self.metadata.get([key]))
        if value is None:
            self.remove(key)
        else:
            self.put(key, value)
        self.assert_found(*expected)
        if before is None:
            self.remove(key)
        else:
            self.put(key, before.value)
        self.assert_found()


class SoundTests(VersionsCase):
    def test_sound(self) -> None:
        """There is nothing to find in a versioned bucket, shallow or deep, in whatever mode, nor
        when all of its versions are gone, or the bucket."""
        for enabled in (True, False):
            self.set_versioning(enabled=enabled)
            self.assert_found(deep=True)
        for each in self.ok(self.store.version_listings.page("photos")).versions:
            deleted = self.store.objects.delete("photos", each.key, version_id=each.version_id)
            self.ok(deleted)
            self.assert_found()
        for family in (keys.VERSIONS, keys.VERSION_PAYLOADS, keys.NULL_VERSIONS):
            self.assertEqual(self.rows(family), [])
        self.ok(self.store.buckets.delete("photos"))
        self.assert_found()
        self.ok(self.store.collector.run_to_rest())
        self.assert_found()

    def test_usage(self) -> None:
        """Versions count in the usage of a bucket, delete markers do not, and a repair leaves
        the counters as they are."""
        before = self.ok(self.store.buckets.usage("photos"))
        self.assertEqual(before.objects, 7)
        self.assertEqual(self.check(repairs=True), [])
        self.assertEqual(self.ok(self.store.buckets.usage("photos")), before)


class RowTests(VersionsCase):
    def test_removed(self) -> None:
        """A row that is missing is found, with what that costs."""
        counters = [Problem.COUNTER_WRONG, Problem.COUNTER_WRONG]
        middle, null = self.version_rows("small")
        [large] = self.version_rows("large")
        marker, parts = self.version_rows("parts")
        for key, problems in (
            (middle, [Problem.PAYLOAD_UNUSED, *counters]),
            (
                null,
                [Problem.PAYLOAD_UNUSED, Problem.NULL_VERSION_WRONG, *counters],
            ),
            (large, [Problem.REF_UNUSED, Problem.NULL_VERSION_WRONG, *counters]),
            (parts, [Problem.MANIFEST_REF_UNUSED, Problem.NULL_VERSION_WRONG, *counters]),
            (marker, [Problem.VERSION_HIDDEN]),
            (self.null_row("small"), [Problem.NULL_VERSION_MISSING]),
            (self.null_row("empty"), [Problem.NULL_VERSION_MISSING]),
            (
                keys.version_payload(self.bucket_id, self.head(middle).version),
                [Problem.PAYLOAD_MISSING],
            ),
            (
                self.object_key("small"),
                [Problem.PAYLOAD_UNUSED, Problem.VERSION_HIDDEN, *counters],
            ),
        ):
            self.broken(key, None, *problems)

    def test_damaged(self) -> None:
        """A row that does not decode is found, and what it led to still is not called unused if
        the row's key tells enough."""
        counters = [Problem.COUNTER_WRONG, Problem.COUNTER_WRONG]
        middle, _ = self.version_rows("small")
        marker, _ = self.version_rows("parts")
        payload = keys.version_payload(self.bucket_id, self.head(middle).version)
        for key, problems in (
            (middle, counters),
            (marker, []),
            (self.null_row("small"), []),
            (payload, []),
            (keys.live(self.bucket_id, Versioning.ENABLED), []),
        ):
            value = self.value(key)
            spoilt = value[:-1] + bytes((value[-1] ^ 1,))
            self.broken(key, spoilt, Problem.ROW_DAMAGED, *problems)

    def test_misshapen(self) -> None:
        """Rows with keys that no version has are found."""
        prefix = keys.versions(self.bucket_id)
        for key in (prefix + b"k", keys.key_versions(self.bucket_id, b"k") + b"short"):
            self.put(key, REF)
            found = {finding.problem for finding in self.check()}
            self.assertEqual(found, {Problem.ROW_UNKNOWN, Problem.ROW_DAMAGED})
            self.remove(key)
        self.broken(keys.version_payloads(self.bucket_id) + b"x", REF, Problem.ROW_UNKNOWN)
        live = self.value(keys.live(self.bucket_id, Versioning.ENABLED))
        self.broken(keys.live(self.bucket_id) + b"xx", live, Problem.ROW_UNKNOWN)

    def test_superfluous(self) -> None:
        """A row that nothing stands behind is found."""
        live = self.value(keys.live(self.bucket_id, Versioning.ENABLED))
        version = self.version_rows("small")[0]
        marker = self.value(self.version_rows("parts")[0])
        for key, value, problem in (
            (keys.version_payload(self.bucket_id, UID), REF, Problem.PAYLOAD_UNUSED),
            (self.null_row("nobody"), encode(NullVersion(1, UID)), Problem.NULL_VERSION_WRONG),
            (keys.live(self.bucket_id), live, Problem.BUCKET_LIVE_TWICE),
            (keys.live(self.bucket_id, 2), live, Problem.BUCKET_LIVE_TWICE),
            (keys.live(77, 1), live, Problem.ROWS_WITHOUT_BUCKET),
            (keys.version_payload(77, UID), REF, Problem.ROWS_WITHOUT_BUCKET),
            (keys.null_version(77, b"k"), encode(NullVersion(1, UID)), Problem.ROWS_WITHOUT_BUCKET),
            (
                keys.configuration(77, b"tagging"),
                encode(BucketTags({})),
                Problem.ROWS_WITHOUT_BUCKET,
            ),
        ):
            also = {
                keys.VERSION_PAYLOADS: [Problem.PAYLOAD_UNUSED],
                keys.NULL_VERSIONS: [Problem.NULL_VERSION_WRONG],
            }
            if problem is Problem.ROWS_WITHOUT_BUCKET:
                self.broken(key, value, problem, *also.get(key[:1], []))
            else:
                self.broken(key, value, problem)
        twin = keys.version(77, b"k", self.head(version).modified_us, self.head(version).version)
        self.broken(twin, marker, Problem.ROWS_WITHOUT_BUCKET, Problem.VERSION_MISPLACED)

    def test_misplaced(self) -> None:
        """A version in a row of another time or uid is found."""
        version, _ = self.version_rows("small")
        marker, _ = self.version_rows("parts")
        for key, changes in (
            (version, {"modified_us": 7}),
            (marker, {"version": UID}),
        ):
            self.broken(key, self.with_head(key, **changes), Problem.VERSION_MISPLACED)

    def test_order(self) -> None:
        """A current object that is not newer than what lies beneath it is found, and so are two
        versions of one time."""
        version, _ = self.version_rows("small")
        time_us = self.head(version).modified_us
        for modified_us in (time_us, time_us - 1):
            older = self.with_head(self.object_key("small"), modified_us=modified_us)
            self.broken(self.object_key("small"), older, Problem.VERSION_ORDER)
        newer = self.with_head(self.object_key("small"), modified_us=time_us + 1)
        self.put(self.object_key("small"), newer)
        self.assert_found()
        marker, _ = self.version_rows("parts")
        head = self.head(marker)
        twin = keys.version(self.bucket_id, b"parts", head.modified_us, UID)
        self.broken(twin, self.with_head(marker, version=UID), Problem.VERSION_ORDER)

    def test_null_versions(self) -> None:
        """What leads to a version that is not null, or is not the only null one, is found."""
        version, _ = self.version_rows("small")
        head = self.head(version)
        elsewhere = encode(NullVersion(head.modified_us, head.version))
        self.broken(
            self.null_row("small"),
            elsewhere,
            Problem.NULL_VERSION_MISSING,
            Problem.NULL_VERSION_WRONG,
        )
        current = self.object_key("small")
        second = self.with_head(current, version_is_null=True)
        self.broken(current, second, Problem.NULL_VERSION_WRONG)

    def test_bucket(self) -> None:
        """A name that does not tell that there are versions is found, and so is a bucket that
        does not know that it has any."""
        name = keys.bucket_name("photos")
        self.broken(name, encode(BucketName(self.bucket_id)), Problem.NAME_OUTDATED)
        key = keys.bucket(self.bucket_id)
        never = structs.replace(decode(Bucket, self.value(key)), versioning=Versioning.NEVER)
        self.broken(
            key,
            encode(never),
            Problem.NAME_OUTDATED,
            Problem.BUCKET_NOT_LIVE,
            Problem.BUCKET_LIVE_TWICE,
            *[Problem.VERSION_UNEXPECTED] * 3,
        )


class ConfigurationTests(VersionsCase):
    def test_configurations(self) -> None:
        """What a bucket is told about itself has a name that is known, and decodes."""
        value = encode(BucketTags({"a": "b"}))
        key = keys.configuration(self.bucket_id, keys.BUCKET_TAGS)
        self.put(key, value)
        self.assert_found()
        self.broken(key, value[:-1] + b"?", Problem.ROW_DAMAGED)
        self.broken(keys.configuration(self.bucket_id, b"other"), value, Problem.ROW_UNKNOWN)
        self.broken(keys.CONFIGURATIONS + b"short", value, Problem.ROW_UNKNOWN)

    def test_left_behind(self) -> None:
        """What damaged versions have left behind goes after their bucket."""
        self.ok(self.store.buckets.create("other"))
        bucket_id = self.ok(self.store.buckets.id_of("other"))
        left = {
            keys.null_version(bucket_id, b"k"): encode(NullVersion(1, UID)),
            keys.version_payload(bucket_id, UID): REF,
        }
        self.ok(self.store.buckets.delete("other"))
        for key, value in left.items():
            self.put(key, value)
        self.assertEqual(
            {finding.problem for finding in self.check()},
            {Problem.NULL_VERSION_WRONG, Problem.PAYLOAD_UNUSED},
        )
        self.ok(self.store.collector.run_to_rest())
        self.assert_found()
        self.assertEqual(self.ok(self.metadata.get(list(left))), [None, None])


class RepairTests(VersionsCase):
    def repair(self) -> None:
        self.check(repairs=True)
        self.store = self.opened()
        self.assert_found()

    def test_null_version(self) -> None:
        """The row that leads to a null version is put again."""
        row_key = self.null_row("large")
        value = self.value(row_key)
        self.remove(row_key)
        self.repair()
        self.assertEqual(self.value(row_key), value)

    def test_references(self) -> None:
        """The references of noncurrent versions are put again, so nothing of them is taken."""
        before = [(row.key, row.value) for row in self.rows(keys.REFS)]
        held = [(row.key, row.value) for row in self.rows(keys.MANIFEST_REFS)]
        for key, _ in [*before, *held]:
            self.remove(key)
        self.repair()
        self.assertEqual([(row.key, row.value) for row in self.rows(keys.REFS)], before)
        self.assertEqual([(row.key, row.value) for row in self.rows(keys.MANIFEST_REFS)], held)
        self.ok(self.store.collector.run_to_rest())
        self.assert_found(deep=True)

    def test_counters(self) -> None:
        """Counters are set to what all versions amount to."""
        right = self.ok(self.store.buckets.usage("photos"))
        self.change(lambda batch: batch.count(self.bucket_id, objects=-3, size_bytes=7))
        self.repair()
        self.assertEqual(self.ok(self.store.buckets.usage("photos")), right)

    def test_bucket(self) -> None:
        """The name tells of versions again, and a live row of another versioning goes."""
        self.put(keys.bucket_name("photos"), encode(BucketName(self.bucket_id)))
        live = self.value(keys.live(self.bucket_id, Versioning.ENABLED))
        self.put(keys.live(self.bucket_id), live)
        self.repair()
        name = decode(BucketName, self.value(keys.bucket_name("photos")))
        self.assertTrue(name.versioned)
        self.assertEqual(len(self.rows(keys.LIVES)), 1)
