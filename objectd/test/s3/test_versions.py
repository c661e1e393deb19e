"""Version ids in requests and answers."""

from __future__ import annotations

from typing import Any

from objectd.test.s3.versioning_case import ABSENT, SIZES, WHERE, VersioningCase, headers_of


class EnabledTests(VersioningCase):
    """A bucket with versioning."""

    def setUp(self) -> None:
        super().setUp()
        self.versioning("Enabled")

    def test_versions(self) -> None:
        """Each put makes a version with an id of its own, and all of them can be read."""
        stored = {}
        for size in SIZES:
            data = b"x" * size
            stored[self.put(data)] = data
        self.assertEqual(len(stored), len(SIZES))
        for version, data in stored.items():
            got = self.s3.get_object(**WHERE, VersionId=version)
            self.assertEqual((got["VersionId"], got["Body"].read()), (version, data))
            head = self.s3.head_object(**WHERE, VersionId=version)
            self.assertEqual((head["VersionId"], head["ContentLength"]), (version, len(data)))
        for got in (self.s3.get_object(**WHERE), self.s3.head_object(**WHERE)):
            self.assertEqual(got["VersionId"], version)

    def test_before_versioning(self) -> None:
        """What was there before is the version null, and stays it."""
        self.s3.create_bucket(Bucket="old")
        self.s3.put_object(Bucket="old", Key="k", Body=b"old")
        self.assertNotIn("VersionId", self.s3.get_object(Bucket="old", Key="k"))
        self.s3.put_bucket_versioning(Bucket="old", VersioningConfiguration={"Status": "Enabled"})
        self.assertEqual(self.s3.get_object(Bucket="old", Key="k")["VersionId"], "null")
        self.s3.put_object(Bucket="old", Key="k", Body=b"new")
        got = self.s3.get_object(Bucket="old", Key="k", VersionId="null")
        self.assertEqual((got["VersionId"], got["Body"].read()), ("null", b"old"))

    def test_parts_of_versions(self) -> None:
        """Ranges, parts and conditions are about the version that is named."""
        first, _ = self.put(b"0123456789"), self.put(b"abc")
        got = self.s3.get_object(**WHERE, VersionId=first, Range="bytes=2-4")
        self.assertEqual((got["Body"].read(), got["ContentRange"]), (b"234", "bytes 2-4/10"))
        got = self.s3.get_object(**WHERE, VersionId=first, PartNumber=1)
        self.assertEqual(got["Body"].read(), b"0123456789")
        head = self.s3.head_object(**WHERE, VersionId=first, PartNumber=1)
        self.assertEqual((head["ContentLength"], head["VersionId"]), (10, first))
        etag = self.s3.head_object(**WHERE, VersionId=first)["ETag"]
        self.assertEqual(self.body(VersionId=first, IfMatch=etag), b"0123456789")
        self.refused("PreconditionFailed", self.s3.get_object, **WHERE, IfMatch=etag)
        self.refused("304", self.s3.get_object, **WHERE, VersionId=first, IfNoneMatch=etag)
        self.refused("InvalidRange", self.s3.get_object, **WHERE, Range="bytes=5-6")

    def test_multipart(self) -> None:
        """A completed upload is a version, and answers with its id when asked again."""
        for data in (b"first", b"second"):
            upload = self.s3.create_multipart_upload(**WHERE)["UploadId"]
            part = self.s3.upload_part(**WHERE, UploadId=upload, PartNumber=1, Body=data)
            listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            complete = {**WHERE, "UploadId": upload, "MultipartUpload": listed}
            version = self.s3.complete_multipart_upload(**complete)["VersionId"]
            self.assertEqual(self.s3.complete_multipart_upload(**complete)["VersionId"], version)
            if data == b"first":
                first = version
        self.assertEqual((self.body(), self.body(VersionId=first)), (b"second", b"first"))
        self.assertEqual(self.body(VersionId=first, PartNumber=1), b"first")

    def test_delete(self) -> None:
        """A delete puts a delete marker, which hides what is there; also where nothing is."""
        self.assertTrue(self.marker())
        first = self.put(b"first")
        marker = self.marker()
        second = self.marker()
        self.assertEqual(len({first, marker, second}), 3)
        self.assertEqual(self.body(VersionId=first), b"first")
        self.assertEqual(self.keys(), [])

    def test_undelete(self) -> None:
        """With its delete markers gone a version is current again."""
        for size in SIZES:
            data = b"x" * size
            first, marker, second = self.put(data), self.marker(), self.marker()
            self.assertEqual(self.delete(VersionId=marker), (marker, True))
            self.refused("NoSuchKey", self.s3.get_object, **WHERE)
            self.assertEqual(self.delete(VersionId=second), (second, True))
            got = self.s3.get_object(**WHERE)
            self.assertEqual((got["VersionId"], got["Body"].read()), (first, data))

    def test_delete_version(self) -> None:
        """A version that is deleted is gone; the one before it becomes current. That there is
        none is no error."""
        first, second = self.put(b"first"), self.put(b"second")
        self.assertEqual(self.delete(VersionId=second), (second, False))
        self.assertEqual(self.delete(VersionId=second), (second, False))
        self.refused("NoSuchVersion", self.s3.get_object, **WHERE, VersionId=second)
        self.assertEqual(self.body(), b"first")
        self.assertEqual(self.delete(VersionId=first), (first, False))
        error = self.refused("NoSuchKey", self.s3.get_object, **WHERE)
        self.assertNotIn("x-amz-delete-marker", headers_of(error))

    def test_tags(self) -> None:
        """Tags are those of the version that is named, of the newest one otherwise."""
        first, second = self.put(Tagging="a=1"), self.put()
        red = [{"Key": "colour", "Value": "red"}]
        put, get = self.s3.put_object_tagging, self.s3.get_object_tagging
        answer = put(**WHERE, VersionId=first, Tagging={"TagSet": red})
        self.assertEqual(answer["VersionId"], first)
        for version, tags in ((first, red), (second, [])):
            found = get(**WHERE, VersionId=version)
            self.assertEqual((found["VersionId"], found["TagSet"]), (version, tags))
        self.assertEqual(get(**WHERE)["VersionId"], second)
        self.assertEqual(self.s3.get_object(**WHERE, VersionId=first)["TagCount"], 1)
        self.assertEqual(self.s3.delete_object_tagging(**WHERE)["VersionId"], second)
        answer = self.s3.delete_object_tagging(**WHERE, VersionId=first)
        self.assertEqual(answer["VersionId"], first)
        self.assertEqual(get(**WHERE, VersionId=first)["TagSet"], [])

    def test_attributes_and_acl(self) -> None:
        """GetObjectAttributes and GetObjectAcl take a version."""
        first, second = self.put(b"12345"), self.put(b"1")
        attributes = self.s3.get_object_attributes
        for more, version, size in (({"VersionId": first}, first, 5), ({}, second, 1)):
            found = attributes(**WHERE, **more, ObjectAttributes=["ObjectSize"])
            self.assertEqual((found["VersionId"], found["ObjectSize"]), (version, size))
        marker = self.marker()
        self.s3.get_object_acl(**WHERE, VersionId=first)
        self.refused("NoSuchVersion", self.s3.get_object_acl, **WHERE, VersionId=ABSENT)
        self.refused("MethodNotAllowed", self.s3.get_object_acl, **WHERE, VersionId=marker)
        self.refused("NoSuchKey", self.s3.get_object_acl, **WHERE)

    def test_conditional_writes(self) -> None:
        """A delete marker is nothing to a conditional write."""
        self.put()
        etag = self.s3.head_object(**WHERE)["ETag"]
        self.refused("PreconditionFailed", self.s3.put_object, **WHERE, IfNoneMatch="*")
        self.marker()
        self.refused("NoSuchKey", self.s3.put_object, **WHERE, IfMatch=etag)
        self.refused("NoSuchKey", self.s3.delete_object, **WHERE, IfMatch=etag)
        self.put(b"new", IfNoneMatch="*")
        self.assertEqual(self.body(), b"new")

    def test_conditional_delete(self) -> None:
        """A condition of a delete is about the version that is named."""
        first, second = self.put(b"first"), self.put(b"second")
        etag = self.s3.head_object(**WHERE, VersionId=first)["ETag"]
        self.refused("PreconditionFailed", self.delete, IfMatch=etag)
        self.refused("PreconditionFailed", self.delete, IfMatch=etag, VersionId=second)
        self.assertEqual(self.delete(IfMatch=etag, VersionId=first), (first, False))
        self.refused("NoSuchKey", self.delete, IfMatch=etag, VersionId=first)
        self.assertEqual(self.body(), b"second")

    def test_unversioned_only(self) -> None:
        """Appends and renames, which S3 has for buckets without versions, are refused."""
        self.put(b"data")
        self.refused("InvalidRequest", self.s3.put_object, **WHERE, Body=b"x", WriteOffsetBytes=4)
        self.refused(
            "InvalidRequest", self.s3.rename_object, Bucket="photos", Key="l", RenameSource="k"
        )


class CopyTests(VersioningCase):
    def setUp(self) -> None:
        super().setUp()
        self.versioning("Enabled")

    def copy(self, version: str = "", key: str = "copy", **more: Any) -> dict[str, Any]:
        source = {"Bucket": "photos", "Key": "k"} | ({"VersionId": version} if version else {})
        found: dict[str, Any] = self.s3.copy_object(
            Bucket="photos", Key=key, CopySource=source, **more
        )
        return found

    def test_versions(self) -> None:
        """A copy tells which version it was made of and which it has become."""
        for size in SIZES:
            data = b"x" * size
            first, second = self.put(data), self.put(b"newer")
            for version, source, wanted in ((first, first, data), ("", second, b"newer")):
                copied = self.copy(version)
                self.assertEqual(copied["CopySourceVersionId"], source)
                got = self.s3.get_object(Bucket="photos", Key="copy", VersionId=copied["VersionId"])
                self.assertEqual(got["Body"].read(), wanted)

    def test_restored(self) -> None:
        """An older version is brought back by a copy of it onto its own key."""
        for size in SIZES:
            data = b"x" * size
            first, second = self.put(data), self.put(b"newer")
            restored = self.copy(first, "k")["VersionId"]
            got = self.s3.get_object(**WHERE)
            self.assertEqual((got["VersionId"], got["Body"].read()), (restored, data))
            self.assertNotIn(restored, (first, second))
            self.assertEqual(self.body(VersionId=second), b"newer")
        self.refused("InvalidRequest", self.copy, key="k")

    def test_restored_from_deletion(self) -> None:
        """So it is where a delete marker hides it."""
        first = self.put(b"first")
        self.marker()
        self.copy(first, "k")
        self.assertEqual(self.body(), b"first")

    def test_no_source(self) -> None:
        """A delete marker is not copied: 404 where it is met, 400 where it is named."""
        first = self.put()
        marker = self.marker()
        error = self.refused("NoSuchKey", self.copy)
        self.assertNotIn("x-amz-version-id", headers_of(error))
        self.refused("InvalidRequest", self.copy, version=marker)
        self.refused("NoSuchVersion", self.copy, version=ABSENT)
        self.refused("InvalidArgument", self.copy, version="abc")
        upload = self.s3.create_multipart_upload(Bucket="photos", Key="p")["UploadId"]
        part = {"Bucket": "photos", "Key": "p", "UploadId": upload, "PartNumber": 1}
        for version, code in (
            ("", "NoSuchKey"),
            (marker, "InvalidRequest"),
            (ABSENT, "NoSuchVersion"),
        ):
            source = {"Bucket": "photos", "Key": "k"} | ({"VersionId": version} if version else {})
            self.refused(code, self.s3.upload_part_copy, **part, CopySource=source)
        source = {"Bucket": "photos", "Key": "k", "VersionId": first}
        answer = self.s3.upload_part_copy(**part, CopySource=source)
        self.assertEqual(answer["CopySourceVersionId"], first)
        listed = {"Parts": [{"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}]}
        self.s3.complete_multipart_upload(
            Bucket="photos", Key="p", UploadId=upload, MultipartUpload=listed
        )
        self.assertEqual(self.s3.get_object(Bucket="photos", Key="p")["Body"].read(), b"data")

    def test_conditions(self) -> None:
        """Conditions on the source are about the version that is named."""
        first, _ = self.put(b"first"), self.put(b"second")
        etag = self.s3.head_object(**WHERE, VersionId=first)["ETag"]
        self.copy(first, CopySourceIfMatch=etag)
        self.refused("PreconditionFailed", self.copy, CopySourceIfMatch=etag)

    def test_between_buckets(self) -> None:
        """Each of the two ids is told where its bucket has versions."""
        self.s3.create_bucket(Bucket="plain")
        version = self.put(b"first")
        there = self.s3.copy_object(
            Bucket="plain", Key="k", CopySource={"Bucket": "photos", "Key": "k"}
        )
        self.assertEqual(there["CopySourceVersionId"], version)
        self.assertNotIn("VersionId", there)
        back = self.s3.copy_object(**WHERE, CopySource={"Bucket": "plain", "Key": "k"})
        self.assertNotIn("CopySourceVersionId", back)
        self.assertEqual(back["VersionId"], self.s3.head_object(**WHERE)["VersionId"])
