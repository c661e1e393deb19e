"""Buckets: names, creation, deletion."""

from __future__ import annotations

from objectd.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    BucketNotFound,
    InvalidBucketName,
    UploadNotFound,
)
from objectd.interfaces import Scan
from objectd.model import keys
from objectd.objects.names import check_bucket_name
from objectd.objects.usage import Usage
from objectd.test.objects.cases import LARGE, NOON_US, StoreCase


class BucketNameTests(StoreCase):
    def test_allowed(self) -> None:
        """Names that AWS allows are allowed, also the shortest and the longest."""
        for name in ("abc", "a" * 63, "a.b", "a-b", "1.2.3", "123", "1.2.3.4.5", "a--b"):
            check_bucket_name(name)

    def test_refused(self) -> None:
        """Names that AWS refuses are refused."""
        for name in (
            "",
            "ab",
            "a" * 64,
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "sthree-abc",
            "amzn-s3-demo-x",
            "abc-s3alias",
            "abc--ol-s3",
            "abc.mrap",
            "abc--x-s3",
            "abc\n",
            "äbc",
        ):
            with self.assertRaises(InvalidBucketName, msg=name):
                check_bucket_name(name)


class BucketTests(StoreCase):
    def test_create(self) -> None:
        """A bucket is found as it was created."""
        created = self.ok(self.store.buckets.create("logs", account=7, region="eu-1"))
        self.assertEqual(self.ok(self.store.buckets.get("logs")), created)
        self.assertEqual((created.owner, created.region, created.created_us), (7, "eu-1", NOON_US))

    def test_bad_name(self) -> None:
        """A bucket with a bad name is not created."""
        self.refused(InvalidBucketName, self.store.buckets.create("Photos"))
        self.assertEqual(len(self.ok(self.store.buckets.list()).buckets), 1)

    def test_owned(self) -> None:
        """Creating one's own bucket again is refused and changes nothing."""
        before = self.ok(self.store.buckets.get("photos"))
        self.refused(BucketAlreadyOwnedByYou, self.store.buckets.create("photos"))
        self.assertEqual(self.ok(self.store.buckets.get("photos")), before)

    def test_owned_by_another(self) -> None:
        """Creating a bucket of another account is refused without saying more."""
        self.refused(BucketAlreadyExists, self.store.buckets.create("photos", account=7))

    def test_found_again(self) -> None:
        """What was found of a bucket is not told of another one that has its name now."""
        before = self.ok(self.store.buckets.get("photos"))
        self.assertIs(self.ok(self.store.buckets.get("photos")), before)
        other = self.beside().buckets
        self.ok(other.delete("photos"))
        self.refused(BucketNotFound, self.store.buckets.get("photos"))
        after = self.ok(other.create("photos"))
        self.assertEqual(self.ok(self.store.buckets.get("photos")), after)
        logs = self.ok(other.create("logs"))
        for bucket in (logs, after, logs):
            self.assertEqual(self.ok(self.store.buckets.get(bucket.name)), bucket)

    def test_deleted_meanwhile(self) -> None:
        """A bucket whose name is found taken, but is free a moment later, is created."""
        other = self.beside().buckets
        self.metadata.before(keys.bucket(0)[:1], lambda: other.delete("photos"))
        self.ok(self.store.buckets.create("photos"))
        self.ok(self.store.buckets.get("photos"))

    def test_list(self) -> None:
        """An account lists its own buckets, by name."""
        for name in ("zoo", "art"):
            self.ok(self.store.buckets.create(name))
        self.ok(self.store.buckets.create("logs", account=7))
        names = [bucket.name for bucket in self.ok(self.store.buckets.list()).buckets]
        self.assertEqual(names, ["art", "photos", "zoo"])

    def test_delete(self) -> None:
        """A deleted bucket is gone, and with it all rows once the collector has run."""
        self.ok(self.store.objects.put("photos", "a", b"x"))
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.buckets.delete("photos"))
        self.refused(BucketNotFound, self.store.buckets.get("photos"))
        self.refused(BucketNotFound, self.store.buckets.delete("photos"))
        self.ok(self.store.collector.run_to_rest())
        page = self.ok(self.metadata.scan(Scan(b"\x20", b"~", limit=99)))
        kinds = {entry.key[:1] for entry in page.entries}
        self.assertEqual(kinds, {keys.CLOCK_MARK, keys.FORMAT, keys.INCARNATIONS})

    def test_not_empty(self) -> None:
        """A bucket with an object in it is not deleted."""
        self.ok(self.store.objects.put("photos", "a", b"x"))
        self.refused(BucketNotEmpty, self.store.buckets.delete("photos"))
        self.assertEqual(self.read("a"), b"x")

    def test_recreated(self) -> None:
        """A bucket that is created again under the same name is empty and uncounted."""
        upload_id = self.upload("a", LARGE)
        self.ok(self.store.buckets.delete("photos"))
        self.ok(self.store.buckets.create("photos"))
        self.assertEqual(self.ok(self.store.listings.objects("photos")).objects, [])
        self.assertEqual(self.ok(self.store.uploads.list("photos")).uploads, [])
        self.assertEqual(self.ok(self.store.buckets.usage("photos")), Usage(0, 0))
        self.refused(UploadNotFound, self.store.uploads.abort("photos", "a", upload_id))

    def test_uploads_of_deleted_bucket(self) -> None:
        """What was uploaded to a bucket that is deleted is collected."""
        self.upload("a", LARGE)
        self.ok(self.store.buckets.delete("photos"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(b"t"), self.rows(b"u")), ([], [], []))

    def test_every_operation_needs_its_bucket(self) -> None:
        """In a bucket that is not there, nothing is found, stored or listed."""
        store = self.store
        for work in (
            store.objects.put("none", "a", b""),
            store.objects.get("none", "a"),
            store.objects.head("none", "a"),
            store.objects.delete("none", "a"),
            store.listings.objects("none"),
            store.uploads.create("none", "a"),
            store.uploads.list("none"),
            store.buckets.usage("none"),
        ):
            self.refused(BucketNotFound, work)
        self.assertEqual(store.core.reads._under_way, {})


class UsageTests(StoreCase):
    def test_counted(self) -> None:
        """Usage follows every put, overwrite and delete."""
        objects = self.store.objects
        self.ok(objects.put("photos", "a", b"12"))
        self.ok(objects.put("photos", "b", LARGE))
        self.assertEqual(self.usage(), Usage(2, 2 + len(LARGE)))
        self.ok(objects.put("photos", "b", b"1"))
        self.assertEqual(self.usage(), Usage(2, 3))
        self.ok(objects.delete_many("photos", ["a", "b", "c"]))
        self.assertEqual(self.usage(), Usage(0, 0))

    def test_folded(self) -> None:
        """The counters of processes that are over are folded into one when the next starts."""
        self.ok(self.store.objects.put("photos", "a", b"12"))
        self.store = self.opened()
        self.ok(self.store.objects.put("photos", "b", b"345"))
        self.store = self.opened()
        self.assertEqual(self.usage(), Usage(2, 5))
        shards = {keys.usage_fields(entry.key)[2] for entry in self.rows(keys.USAGES)}
        self.assertEqual(shards, {0})

    def usage(self) -> Usage:
        return self.ok(self.store.buckets.usage("photos"))
