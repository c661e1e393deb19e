"""Tags of objects over the wire: in a header, in documents, and in copies."""

from __future__ import annotations

from typing import Any

from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic

RED = [{"Key": "colour", "Value": "red"}]
WHERE = {"Bucket": "photos", "Key": "k"}


class TaggingTests(ObjectsTestCase):
    def tags(self, key: str = "k") -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.s3.get_object_tagging(Bucket="photos", Key=key)["TagSet"]
        return found

    def put(self, tagging: str = "", key: str = "k") -> None:
        self.s3.put_object(Bucket="photos", Key=key, Body=b"x", Tagging=tagging)

    def test_put_get_delete(self) -> None:
        """Tags are put, read and deleted; the object stays the same version of itself."""
        self.put()
        self.assertEqual(self.tags(), [])
        before = self.s3.head_object(**WHERE)
        self.s3.put_object_tagging(**WHERE, Tagging={"TagSet": RED})
        self.assertEqual(self.tags(), RED)
        after = self.s3.head_object(**WHERE)
        for name in ("ETag", "LastModified"):
            self.assertEqual(after[name], before[name])
        self.s3.put_object_tagging(**WHERE, Tagging={"TagSet": [{"Key": "a", "Value": ""}]})
        self.assertEqual(self.tags(), [{"Key": "a", "Value": ""}])
        answer = self.s3.delete_object_tagging(**WHERE)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.tags(), [])

    def test_count(self) -> None:
        """GET and HEAD tell how many tags there are, if there are any."""
        self.put("a=1&b=2")
        self.assertEqual(self.s3.get_object(**WHERE)["TagCount"], 2)
        self.assertEqual(self.s3.head_object(**WHERE)["TagCount"], 2)
        self.s3.delete_object_tagging(**WHERE)
        self.assertNotIn("TagCount", self.s3.get_object(**WHERE))

    def test_header(self) -> None:
        """A PUT gives its tags as the query of an URL."""
        self.put("colour=red&empty=&bare&a%20b=c%2Bd+e&%C3%A4=%E6%97%A5")
        self.assertEqual(
            {tag["Key"]: tag["Value"] for tag in self.tags()},
            {"colour": "red", "empty": "", "bare": "", "a b": "c+d e", "ä": "日"},
        )
        self.put()
        self.assertEqual(self.tags(), [])

    def test_as_given(self) -> None:
        """Spaces and capitals count, and so do signs in values."""
        self.put("A=1&a=2&+b+=+c+&d=e=f&&g")
        wanted = {"A": "1", "a": "2", " b ": " c ", "d": "e=f", "g": ""}
        self.assertEqual({tag["Key"]: tag["Value"] for tag in self.tags()}, wanted)
        tags = [{"Key": key, "Value": value} for key, value in wanted.items()]
        self.put()
        self.s3.put_object_tagging(**WHERE, Tagging={"TagSet": tags})
        self.assertEqual(self.tags(), tags)

    def test_wrong_copies(self) -> None:
        """A copy with wrong tags, or with an unknown directive, is not made."""
        self.put("colour=red")
        source = {"Bucket": "photos", "Key": "c", "CopySource": "photos/k"}
        for code, directive, tagging in (
            ("InvalidArgument", "EXCLUDE", ""),
            ("InvalidArgument", "REPLACE", "a=1&a=2"),
            ("InvalidTag", "REPLACE", "aws:x=1"),
            ("BadRequest", "REPLACE", "&".join(f"t{n}=x" for n in range(11))),
        ):
            more = {"TaggingDirective": directive, "Tagging": tagging}
            self.refused(code, self.s3.copy_object, **source, **more)
        self.assertEqual(self.keys(), ["k"])

    def test_wrong_headers(self) -> None:
        """Duplicates, what is not UTF-8, and tags that break the rules are refused, and
        nothing is stored."""
        eleven = "&".join(f"t{n}=x" for n in range(11))
        for code, tagging in (
            ("InvalidArgument", "a=1&a=2"),
            ("InvalidArgument", "a=%FF"),
            ("InvalidArgument", "&".join(f"t{n}=x" for n in range(101))),
            ("BadRequest", eleven),
            ("InvalidTag", "=x"),
            ("InvalidTag", "aws:x=y"),
            ("InvalidTag", "a=%3C"),
            ("InvalidTag", "a=%zz"),
            ("InvalidTag", "&".join(f"t{n}=%21" for n in range(11))),
        ):
            self.refused(code, self.s3.put_object, **WHERE, Body=b"x", Tagging=tagging)
            self.refused(code, self.s3.create_multipart_upload, **WHERE, Tagging=tagging)
        self.assertEqual(self.keys(), [])

    def test_wrong_documents(self) -> None:
        """Documents with tags that break the rules are refused, and the old tags stay."""
        self.put("colour=red")
        sets: list[tuple[str, list[dict[str, str]]]] = [
            ("InvalidTag", [*RED, *RED]),
            ("InvalidTag", [{"Key": "x" * 129, "Value": ""}]),
            ("InvalidTag", [{"Key": "x", "Value": "y" * 257}]),
            ("BadRequest", [{"Key": str(n), "Value": ""} for n in range(11)]),
        ]
        for code, tags in sets:
            put = self.s3.put_object_tagging
            self.refused(code, put, **WHERE, Tagging={"TagSet": tags})
        self.assertEqual(self.tags(), RED)

    def test_not_found(self) -> None:
        """What is not there has no tags, nor any version of it but null."""
        for call, more in (
            (self.s3.get_object_tagging, {}),
            (self.s3.put_object_tagging, {"Tagging": {"TagSet": RED}}),
            (self.s3.delete_object_tagging, {}),
        ):
            self.refused("NoSuchKey", call, **WHERE, **more)
            self.refused("NoSuchBucket", call, Bucket="albums", Key="k", **more)
            self.refused("NoSuchVersion", call, **WHERE, VersionId="f" * 40, **more)
            self.refused("InvalidArgument", call, **WHERE, VersionId="abc", **more)

    def test_upload(self) -> None:
        """The tags of a multipart upload are those of its object."""
        upload_id = self.s3.create_multipart_upload(**WHERE, Tagging="colour=red")["UploadId"]
        more: dict[str, Any] = {**WHERE, "UploadId": upload_id}
        part = self.s3.upload_part(**more, PartNumber=1, Body=b"x")
        self.s3.complete_multipart_upload(
            **more, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )
        self.assertEqual(self.tags(), RED)

    def test_copy(self) -> None:
        """A copy has its source's tags, whatever the request says, unless the directive is
        REPLACE: then it has the request's, or none."""
        self.put("colour=red")

        def copied(**more: str) -> list[dict[str, str]]:
            self.s3.copy_object(Bucket="photos", Key="c", CopySource="photos/k", **more)
            return self.tags("c")

        self.assertEqual(copied(), RED)
        self.assertEqual(copied(TaggingDirective="COPY", Tagging="a=1"), RED)
        self.assertEqual(
            copied(TaggingDirective="REPLACE", Tagging="a=1"), [{"Key": "a", "Value": "1"}]
        )
        self.assertEqual(copied(TaggingDirective="REPLACE"), [])
        self.assertEqual(copied(MetadataDirective="REPLACE"), RED)


class DocumentTests(WireTestCase):
    def test_header(self) -> None:
        """What is not ASCII must be encoded: nobody guesses in which way it was meant."""
        before = self.contents()
        request = authentic("PUT", f"/{BUCKET}/k", {"x-amz-tagging": "a=\xe4"})
        self.assert_refused(self.send(request, b""), 400, "InvalidArgument", before)

    def test_empty_set(self) -> None:
        """A set of no tags takes away those that there are."""
        self.s3.put_object(Bucket=BUCKET, Key="k", Tagging="a=1")
        self.s3.put_object_tagging(Bucket=BUCKET, Key="k", Tagging={"TagSet": []})
        self.assertEqual(self.s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"], [])

    def test_incomplete_tags(self) -> None:
        """A document whose tags lack a key or a value is malformed."""
        self.send(authentic("PUT", f"/{BUCKET}/k"), b"")
        for code, inner in (
            ("MalformedXML", "<TagSet><Tag><Key>a</Key></Tag></TagSet>"),
            ("MalformedXML", "<TagSet><Tag><Value>b</Value></Tag></TagSet>"),
            ("MalformedXML", "<TagSet><Tag/></TagSet>"),
            ("MalformedXML", ""),
            ("InvalidTag", "<TagSet><Tag><Key/><Value>b</Value></Tag></TagSet>"),
        ):
            before = self.contents()
            document = f"<Tagging>{inner}</Tagging>".encode()
            exchange = self.send_document(f"/{BUCKET}/k?tagging", document)
            self.assert_refused(exchange, 400, code, before)
