"""Buckets over the wire, through boto3 and the real site."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.wire import refusal
from objectd.testing.s3 import MemoryServer


class BucketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.s3 = MemoryServer().client(parameter_validation=False)

    def names(self) -> list[str]:
        return [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]

    def test_life(self) -> None:
        """A bucket is created, shown, found, and deleted."""
        self.assertEqual(self.s3.create_bucket(Bucket="photos")["Location"], "/photos")
        self.assertEqual(self.names(), ["photos"])
        self.assertEqual(self.s3.head_bucket(Bucket="photos")["BucketRegion"], "us-east-1")
        self.s3.delete_bucket(Bucket="photos")
        self.assertEqual(self.names(), [])
        refusal(self, 404, "404", self.s3.head_bucket, Bucket="photos")
        refusal(self, 404, "NoSuchBucket", self.s3.delete_bucket, Bucket="photos")

    def test_listed_by_name(self) -> None:
        """Buckets are listed in the order of their names, with one owner."""
        for name in ("zoo", "aaa", "m-1"):
            self.s3.create_bucket(Bucket=name)
        self.assertEqual(self.names(), ["aaa", "m-1", "zoo"])
        self.assertEqual(len(self.s3.list_buckets()["Owner"]["ID"]), 64)

    def test_pages(self) -> None:
        """Buckets are listed page by page, of a prefix or a region, with their regions."""
        regions = {"aa": "eu-west-1", "ab": "us-east-1", "ac": "eu-west-1", "b": "us-east-1"}
        regions = {f"{name}-bucket": region for name, region in regions.items()}
        for name, region in regions.items():
            configuration = {"LocationConstraint": region}
            self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=configuration)
        self.assertNotIn("BucketRegion", self.s3.list_buckets()["Buckets"][0])
        for given in ({}, {"Prefix": "a"}, {"BucketRegion": "eu-west-1"}, {"Prefix": "none"}):
            expected = [
                name
                for name, region in regions.items()
                if name.startswith(given.get("Prefix", ""))
                and region == given.get("BucketRegion", region)
            ]
            for page_size in (1, 2, 3, 4, 10_000):
                found: list[str] = []
                progress: dict[str, str] = {}
                truncated = True
                while truncated and len(found) <= len(regions):
                    page = self.s3.list_buckets(MaxBuckets=page_size, **given, **progress)
                    shown = page.get("Buckets", [])
                    self.assertLessEqual(len(shown), page_size)
                    for bucket in shown:
                        self.assertEqual(bucket["BucketRegion"], regions[bucket["Name"]])
                    self.assertEqual(page.get("Prefix"), given.get("Prefix"))
                    found += [bucket["Name"] for bucket in shown]
                    truncated = "ContinuationToken" in page
                    if truncated:
                        self.assertEqual(len(shown), page_size)
                        progress = {"ContinuationToken": page["ContinuationToken"]}
                self.assertEqual(found, expected)

    def test_page_sizes_refused(self) -> None:
        """A page has 1 to 10,000 buckets, and a token is one that was given out."""
        for wrong in (0, -1, 10_001, "ten", ""):
            refusal(self, 400, "InvalidArgument", self.s3.list_buckets, MaxBuckets=wrong)
        for token in ("", "x", "aa-bucket"):
            refusal(self, 400, "InvalidArgument", self.s3.list_buckets, ContinuationToken=token)

    def test_odd_prefixes(self) -> None:
        """A prefix that no bucket can have finds none."""
        self.s3.create_bucket(Bucket="photos")
        for prefix in ("Photos", "é", "p" * 3000):
            self.assertEqual(self.s3.list_buckets(Prefix=prefix).get("Buckets", []), [])
        self.assertEqual(len(self.s3.list_buckets(Prefix="")["Buckets"]), 1)

    def test_location(self) -> None:
        """A bucket is where it was created; us-east-1 is shown as nothing, as AWS does."""
        self.s3.create_bucket(Bucket="here")
        self.s3.create_bucket(
            Bucket="there", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        here = self.s3.get_bucket_location(Bucket="here")
        there = self.s3.get_bucket_location(Bucket="there")
        self.assertIsNone(here["LocationConstraint"])
        self.assertEqual(there["LocationConstraint"], "eu-central-1")

    def test_owned(self) -> None:
        """A bucket that one has already cannot be created again."""
        self.s3.create_bucket(Bucket="photos")
        refusal(self, 409, "BucketAlreadyOwnedByYou", self.s3.create_bucket, Bucket="photos")

    def test_not_empty(self) -> None:
        """A bucket with an object in it stays; one created again later is empty."""
        self.s3.create_bucket(Bucket="photos")
        self.s3.put_object(Bucket="photos", Key="k", Body=b"x")
        refusal(self, 409, "BucketNotEmpty", self.s3.delete_bucket, Bucket="photos")
        self.s3.delete_object(Bucket="photos", Key="k")
        self.s3.delete_bucket(Bucket="photos")
        self.s3.create_bucket(Bucket="photos")
        self.assertEqual(self.s3.list_objects_v2(Bucket="photos")["KeyCount"], 0)

    def test_names(self) -> None:
        """Names outside AWS's rules are refused."""
        for name in ("ab", "a" * 64, "Photos", "a_b", "a..b", "-ab", "ab-", "1.2.3.4", "xn--a"):
            refusal(self, 400, "InvalidBucketName", self.s3.create_bucket, Bucket=name)
        for name in ("abc", "a" * 63, "1.2.3", "a.b-c"):
            self.s3.create_bucket(Bucket=name)

    def test_acl(self) -> None:
        """Only ACLs that grant nothing are accepted."""
        self.s3.create_bucket(Bucket="photos", ACL="private")
        refusal(
            self,
            400,
            "AccessControlListNotSupported",
            self.s3.create_bucket,
            Bucket="others",
            ACL="public-read",
        )

    def test_not_built(self) -> None:
        """What a bucket cannot be created with yet is refused by name."""
        refusal(
            self,
            501,
            "NotImplemented",
            self.s3.create_bucket,
            Bucket="photos",
            GrantRead="id=somebody",
        )
        self.assertEqual(self.names(), [])
