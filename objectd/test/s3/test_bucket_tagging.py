"""Tags of buckets over the wire: put, read, deleted, refused, and given at birth."""

from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree

from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic

Tags = list[dict[str, str]]

RED: Tags = [{"Key": "colour", "Value": "red"}]


def numbered(count: int) -> Tags:
    return [{"Key": str(number), "Value": ""} for number in range(count)]


class BucketTaggingTests(ObjectsTestCase):
    def tags(self, bucket: str = "photos") -> Tags:
        found: Tags = self.s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
        return found

    def put(self, tags: Tags) -> int:
        answer = self.s3.put_bucket_tagging(Bucket="photos", Tagging={"TagSet": tags})
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

    def test_put_get_delete(self) -> None:
        """The tags of a bucket are those that were put last; without any, there is no set."""
        self.refused("NoSuchTagSet", self.s3.get_bucket_tagging, Bucket="photos")
        self.assertEqual(self.put(RED), 204)
        self.assertEqual(self.tags(), RED)
        self.put([{"Key": "b", "Value": ""}, {"Key": "a", "Value": "1"}])
        self.assertEqual(self.tags(), [{"Key": "b", "Value": ""}, {"Key": "a", "Value": "1"}])
        answer = self.s3.delete_bucket_tagging(Bucket="photos")
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused("NoSuchTagSet", self.s3.get_bucket_tagging, Bucket="photos")
        self.s3.delete_bucket_tagging(Bucket="photos")

    def test_empty_set(self) -> None:
        """To put no tags is to take them away."""
        self.put(RED)
        self.put([])
        self.refused("NoSuchTagSet", self.s3.get_bucket_tagging, Bucket="photos")

    def test_limits(self) -> None:
        """Fifty tags with keys and values of the greatest length, and not a bit more."""
        longest = [{"Key": "ä" * 128, "Value": "ä" * 256}]
        self.put(longest)
        self.assertEqual(self.tags(), longest)
        self.assertEqual(self.put([{"Key": "aws", "Value": "aws:"}]), 204)
        self.put(numbered(50))
        self.assertEqual(self.tags(), numbered(50))
        for code, tags in (
            ("BadRequest", numbered(51)),
            ("InvalidTag", [{"Key": "x" * 129, "Value": ""}]),
            ("InvalidTag", [{"Key": "x", "Value": "y" * 257}]),
            ("InvalidTag", [{"Key": "x!", "Value": "y"}]),
            ("InvalidTag", [{"Key": "x", "Value": "y!"}]),
            ("InvalidTag", [{"Key": "aws:x", "Value": "y"}]),
            ("InvalidTag", [*RED, *RED]),
        ):
            self.refused(
                code, self.s3.put_bucket_tagging, Bucket="photos", Tagging={"TagSet": tags}
            )
        self.assertEqual(self.tags(), numbered(50))

    def test_no_bucket(self) -> None:
        """A bucket that is not there has no tags and gets none."""
        for call, more in (
            (self.s3.get_bucket_tagging, {}),
            (self.s3.put_bucket_tagging, {"Tagging": {"TagSet": RED}}),
            (self.s3.delete_bucket_tagging, {}),
        ):
            self.refused("NoSuchBucket", call, Bucket="albums", **more)

    def test_owner(self) -> None:
        """The tags are their bucket owner's, if the request names one."""
        for call, more in (
            (self.s3.get_bucket_tagging, {}),
            (self.s3.put_bucket_tagging, {"Tagging": {"TagSet": RED}}),
            (self.s3.delete_bucket_tagging, {}),
        ):
            other = {"Bucket": "photos", "ExpectedBucketOwner": "999999999999"}
            self.refused("AccessDenied", call, **more, **other)

    def test_created_with_tags(self) -> None:
        """A bucket may be created with tags; with wrong ones it is not created."""
        for code, tags in (
            ("InvalidTag", [*RED, *RED]),
            ("InvalidTag", [{"Key": "aws:x", "Value": ""}]),
            ("BadRequest", numbered(51)),
        ):
            self.refused(
                code,
                self.s3.create_bucket,
                Bucket="albums",
                CreateBucketConfiguration={"Tags": tags},
            )
        self.refused("NoSuchBucket", self.s3.get_bucket_tagging, Bucket="albums")
        self.s3.create_bucket(Bucket="albums", CreateBucketConfiguration={"Tags": RED})
        self.assertEqual(self.tags("albums"), RED)
        self.s3.delete_bucket(Bucket="albums")
        self.s3.create_bucket(Bucket="albums")
        self.refused("NoSuchTagSet", self.s3.get_bucket_tagging, Bucket="albums")


class DocumentTests(WireTestCase):
    def test_malformed(self) -> None:
        """What is not a set of tags with a key and a value each is malformed."""
        before = self.contents()
        for inner in (
            "",
            "<TagSet><Tag><Key>a</Key></Tag></TagSet>",
            "<TagSet><Tag><Value>a</Value></Tag></TagSet>",
            "<TagSet><Tag/></TagSet>",
            "<TagSet>",
        ):
            document = f"<Tagging>{inner}</Tagging>".encode()
            exchange = self.send_document(f"/{BUCKET}?tagging", document)
            self.assert_refused(exchange, 400, "MalformedXML", before)

    def test_empty_key(self) -> None:
        """A tag without a name is no tag."""
        before = self.contents()
        document = b"<Tagging><TagSet><Tag><Key/><Value>x</Value></Tag></TagSet></Tagging>"
        exchange = self.send_document(f"/{BUCKET}?tagging", document)
        self.assert_refused(exchange, 400, "InvalidTag", before)

    def test_integrity(self) -> None:
        """A document must say how it can be checked, and is."""
        document = b"<Tagging><TagSet/></Tagging>"
        payload = hashlib.sha256(document).hexdigest()
        before = self.contents()
        unchecked = authentic("PUT", f"/{BUCKET}?tagging", payload=payload)
        self.assert_refused(self.send(unchecked, document), 400, "InvalidRequest", before)
        wrong = {"content-md5": base64.b64encode(bytes(16)).decode()}
        request = authentic("PUT", f"/{BUCKET}?tagging", wrong, payload=payload)
        self.assert_refused(self.send(request, document), 400, "BadDigest", before)

    def test_shown(self) -> None:
        """The document is AWS's: a Tagging with its TagSet."""
        self.s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "a", "Value": ""}]})
        answer = self.send(authentic("GET", f"/{BUCKET}?tagging"))
        root = ElementTree.fromstring(answer.response.body)
        self.assertEqual(
            [element.tag.rpartition("}")[2] for element in root.iter()],
            ["Tagging", "TagSet", "Tag", "Key", "Value"],
        )
