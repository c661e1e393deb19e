"""CopyObject and UploadPartCopy over the wire."""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from objectd.objects import ObjectSettings, copy_source
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic
from objectd.testing.s3 import MemoryServer

HOUR = timedelta(hours=1)
LARGE = b"0123456789" * 2000


class CopyTestCase(ObjectsTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=5))
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")
        self.put("k", LARGE)

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket="photos", Key=key, Body=body, **more)

    def copy(self, key: str = "c", source: Any = "photos/k", **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.copy_object(
            Bucket="photos", Key=key, CopySource=source, **more
        )["CopyObjectResult"]
        return answer

    def not_copied(self, code: str, source: Any = "photos/k", **more: Any) -> ClientError:
        error = self.refused(
            code, self.s3.copy_object, Bucket="photos", Key="c", CopySource=source, **more
        )
        self.assertNotIn("c", self.keys())
        return error

    def read(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket="photos", Key=key)["Body"].read()
        return body

    def head(self, key: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.s3.head_object(Bucket="photos", Key=key)
        return shown


class CopyObjectTests(CopyTestCase):
    def test_copy(self) -> None:
        """A copy has its source's bytes and ETag, also with a bucket between them."""
        self.s3.create_bucket(Bucket="albums")
        for size_bytes in (0, 1, 65536, 65537, 3 << 20):
            self.put("k", b"x" * size_bytes)
            copied = self.s3.copy_object(
                Bucket="albums", Key="c", CopySource={"Bucket": "photos", "Key": "k"}
            )["CopyObjectResult"]
            got = self.s3.get_object(Bucket="albums", Key="c")
            self.assertEqual(got["Body"].read(), b"x" * size_bytes)
            self.assertEqual(copied["ETag"], f'"{hashlib.md5(b"x" * size_bytes).hexdigest()}"')
            self.assertEqual(got["ETag"], copied["ETag"])
            self.assertEqual(got["LastModified"], copied["LastModified"].replace(microsecond=0))

    def test_metadata(self) -> None:
        """With the directive COPY, or without one, headers and metadata are the source's and
        what the request gives of them does nothing; with REPLACE they are the request's."""
        self.put("k", b"x", ContentType="text/plain", CacheControl="no-store", Metadata={"a": "1"})
        own: dict[str, Any] = {"ContentType": "image/png", "Metadata": {"b": "2"}}
        for directive in ({}, {"MetadataDirective": "COPY"}):
            self.copy(**directive, **own)
            shown = self.head("c")
            self.assertEqual(
                (shown["ContentType"], shown["CacheControl"], shown["Metadata"]),
                ("text/plain", "no-store", {"a": "1"}),
            )
        self.copy(MetadataDirective="REPLACE", **own)
        shown = self.head("c")
        self.assertEqual((shown["ContentType"], shown["Metadata"]), ("image/png", {"b": "2"}))
        self.assertNotIn("CacheControl", shown)
        self.copy(MetadataDirective="REPLACE")
        shown = self.head("c")
        self.assertEqual((shown["ContentType"], shown["Metadata"]), ("binary/octet-stream", {}))

    def test_website_redirect(self) -> None:
        """A website's redirect is never copied: each object has its own."""
        self.put("k", b"x", WebsiteRedirectLocation="/there")
        self.copy()
        self.assertNotIn("WebsiteRedirectLocation", self.head("c"))
        self.copy(WebsiteRedirectLocation="/here")
        self.assertEqual(self.head("c")["WebsiteRedirectLocation"], "/here")

    def test_onto_itself(self) -> None:
        """A copy onto itself must change something; with new metadata it keeps the bytes."""
        error = self.refused(
            "InvalidRequest", self.s3.copy_object, Bucket="photos", Key="k", CopySource="photos/k"
        )
        self.assertEqual(
            error.response["Error"]["Message"],
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata, storage class, website redirect location "
            "or encryption attributes.",
        )
        self.copy("k", MetadataDirective="REPLACE", Metadata={"mtime": "1"})
        self.assertEqual(self.head("k")["Metadata"], {"mtime": "1"})
        self.copy("k", StorageClass="STANDARD")
        self.copy("k", WebsiteRedirectLocation="/there")
        self.assertEqual(self.read("k"), LARGE)

    def test_multipart_source(self) -> None:
        """The copy of a multipart object keeps the ETag of its parts."""
        etag = self.upload("k", LARGE, b"end")
        self.assertEqual(self.copy()["ETag"], etag)
        self.assertEqual(self.read("c"), LARGE + b"end")

    def upload(self, key: str, *parts: bytes) -> str:
        upload_id = self.s3.create_multipart_upload(Bucket="photos", Key=key)["UploadId"]
        where = {"Bucket": "photos", "Key": key, "UploadId": upload_id}
        listed = [
            {
                "PartNumber": n,
                "ETag": self.s3.upload_part(**where, PartNumber=n, Body=data)["ETag"],
            }
            for n, data in enumerate(parts, 1)
        ]
        completed = self.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})
        etag: str = completed["ETag"]
        return etag

    def test_checksums(self) -> None:
        """The source's checksum is copied, and another one that is asked for is computed."""
        self.put("k", LARGE, ChecksumAlgorithm="CRC32")
        crc32 = base64.b64encode(zlib.crc32(LARGE).to_bytes(4, "big")).decode()
        copied = self.copy()
        self.assertEqual((copied["ChecksumCRC32"], copied["ChecksumType"]), (crc32, "FULL_OBJECT"))
        copied = self.copy(ChecksumAlgorithm="SHA256")
        sha256 = base64.b64encode(hashlib.sha256(LARGE).digest()).decode()
        self.assertEqual(copied["ChecksumSHA256"], sha256)
        self.assertNotIn("ChecksumCRC32", copied)
        shown = self.s3.head_object(Bucket="photos", Key="c", ChecksumMode="ENABLED")
        self.assertEqual(shown["ChecksumSHA256"], sha256)

    def test_source_conditions(self) -> None:
        """A source that is not as its conditions say is 412, and nothing is copied."""
        etag, now = self.head("k")["ETag"], datetime.now(UTC)
        for failed in (
            {"CopySourceIfMatch": '"other"'},
            {"CopySourceIfNoneMatch": etag},
            {"CopySourceIfModifiedSince": now + HOUR},
            {"CopySourceIfUnmodifiedSince": now - HOUR},
        ):
            self.not_copied("PreconditionFailed", **failed)
        for met in (
            {"CopySourceIfMatch": etag},
            {"CopySourceIfMatch": etag.strip('"')},
            {"CopySourceIfNoneMatch": '"other"'},
            {"CopySourceIfModifiedSince": now - HOUR},
            {"CopySourceIfUnmodifiedSince": now + HOUR},
            {"CopySourceIfMatch": etag, "CopySourceIfUnmodifiedSince": now - HOUR},
        ):
            self.copy(**met)

    def test_target_conditions(self) -> None:
        """What a copy replaces must be as its conditions say."""
        self.copy(IfNoneMatch="*")
        copy = self.s3.copy_object
        where = {"Bucket": "photos", "Key": "c", "CopySource": "photos/k"}
        self.refused("PreconditionFailed", copy, **where, IfNoneMatch="*")
        self.refused("PreconditionFailed", copy, **where, IfMatch='"other"')
        self.copy(IfMatch=self.head("c")["ETag"])
        self.refused("NotImplemented", copy, **where, IfNoneMatch='"some"')
        self.refused("NoSuchKey", copy, **{**where, "Key": "d"}, IfMatch='"some"')

    def test_owners(self) -> None:
        """The buckets of source and target must belong to whom the client expects."""
        owner, other = f"{1:012}", "9" * 12
        self.copy(ExpectedBucketOwner=owner, ExpectedSourceBucketOwner=owner)
        self.s3.delete_object(Bucket="photos", Key="c")
        self.not_copied("AccessDenied", ExpectedBucketOwner=other)
        self.not_copied("AccessDenied", ExpectedSourceBucketOwner=other)

    def test_size_limit(self) -> None:
        """A source of the largest size is copied; of one byte more, AWS's error says why not."""
        self.patch(copy_source, "COPY_SOURCE_BYTES_MAX", len(LARGE) - 1)
        error = self.not_copied("InvalidRequest")
        self.assertEqual(
            error.response["Error"]["Message"],
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {len(LARGE) - 1}",
        )
        self.patch(copy_source, "COPY_SOURCE_BYTES_MAX", len(LARGE))
        self.copy()

    def test_refusals(self) -> None:
        """What cannot be done is refused by its name."""
        self.not_copied("NoSuchKey", "photos/x")
        self.not_copied("NoSuchBucket", "albums/k")
        self.not_copied("InvalidArgument", MetadataDirective="MOVE")
        self.not_copied("InvalidArgument", TaggingDirective="MOVE")
        self.not_copied("InvalidArgument", ServerSideEncryption="aws:fsx")
        self.not_copied("InvalidStorageClass", StorageClass="SNOW")
        self.not_copied("AccessControlListNotSupported", ACL="public-read")
        self.not_copied("InvalidRequest", ChecksumAlgorithm="CRC16")
        self.refused(
            "NoSuchBucket", self.s3.copy_object, Bucket="albums", Key="c", CopySource="photos/k"
        )


class UploadPartCopyTests(CopyTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.upload_id = self.s3.create_multipart_upload(Bucket="photos", Key="c")["UploadId"]
        self.where = {"Bucket": "photos", "Key": "c", "UploadId": self.upload_id}

    def copy_part(self, number: int, span: str | None = None, **more: Any) -> dict[str, Any]:
        if span is not None:
            more["CopySourceRange"] = span
        answer: dict[str, Any] = self.s3.upload_part_copy(
            **self.where, PartNumber=number, CopySource="photos/k", **more
        )["CopyPartResult"]
        return answer

    def test_ranges(self) -> None:
        """An object may be put together of pieces of others."""
        parts = [
            self.copy_part(1, "bytes=0-9999"),
            self.copy_part(2),
            self.copy_part(3, "bytes=19999-19999"),
        ]
        self.s3.complete_multipart_upload(
            **self.where,
            MultipartUpload={
                "Parts": [{"PartNumber": n, "ETag": p["ETag"]} for n, p in enumerate(parts, 1)]
            },
        )
        self.assertEqual(self.read("c"), LARGE[:10_000] + LARGE + LARGE[-1:])

    def test_answer(self) -> None:
        """The answer tells of the part's ETag, time and checksum."""
        part = self.copy_part(1, "bytes=0-9")
        self.assertEqual(part["ETag"], f'"{hashlib.md5(LARGE[:10]).hexdigest()}"')
        self.assertIn("ChecksumCRC64NVME", part)
        self.assertIn("LastModified", part)
        [listed] = self.s3.list_parts(**self.where)["Parts"]
        self.assertEqual((listed["ETag"], listed["Size"]), (part["ETag"], 10))

    def test_malformed_ranges(self) -> None:
        """A range is written as bytes=first-last and in no other way, and lies in its source:
        it is never cut to what there is."""
        for span in (
            *("", "0-9", "bytes=", "bytes=0", "bytes=0-", "bytes=-9", "bytes=9-0", "bytes=a-b"),
            *("bytes=0-1,3-4", "bytes = 0-9", "bytes=0-9;", "octets=0-9"),
            *("bytes=0-20000", "bytes=20000-20000", f"bytes=0-{'9' * 30}", "bytes=+0-9"),
        ):
            self.refused(
                "InvalidArgument",
                self.s3.upload_part_copy,
                **self.where,
                PartNumber=1,
                CopySource="photos/k",
                CopySourceRange=span,
            )
        self.assertNotIn("Parts", self.s3.list_parts(**self.where))

    def test_conditions(self) -> None:
        """The source must be as its conditions say."""
        copy, more = self.s3.upload_part_copy, {**self.where, "CopySource": "photos/k"}
        etag = self.head("k")["ETag"]
        self.copy_part(1, CopySourceIfMatch=etag)
        for failed in ({"CopySourceIfMatch": '"other"'}, {"CopySourceIfNoneMatch": etag}):
            self.refused("PreconditionFailed", copy, **more, PartNumber=2, **failed)
        other = {"ExpectedSourceBucketOwner": "9" * 12}
        self.refused("AccessDenied", copy, **more, PartNumber=2, **other)

    def test_no_upload(self) -> None:
        """An upload that was aborted, and a part number that there is not, are refused."""
        copy, more = self.s3.upload_part_copy, {**self.where, "CopySource": "photos/k"}
        self.refused("InvalidArgument", copy, **more, PartNumber=10_001)
        self.s3.abort_multipart_upload(**self.where)
        self.refused("NoSuchUpload", copy, **more, PartNumber=1)


class CopySourceTests(WireTestCase):
    """USERS-WANT section 2, case 11 (SeaweedFS CVE-2026-55874: `..` in x-amz-copy-source
    crosses buckets; Ceph tracker 72669: an empty header crashes)."""

    def setUp(self) -> None:
        super().setUp()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="other")

    def copy(self, source: str) -> tuple[int, bytes]:
        """The status of a copy of the source as the header names it, and the bytes copied."""
        request = authentic("PUT", f"/{BUCKET}/new", {"x-amz-copy-source": source})
        response = self.send(request, b"").response
        if response.status != 200:
            return response.status, response.body
        got: bytes = self.s3.get_object(Bucket=BUCKET, Key="new")["Body"].read()
        return response.status, got

    def put(self, key: str, bucket: str = BUCKET) -> str:
        """An object whose bytes say which one it is."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=f"{bucket} {key}".encode())
        return key

    def test_forms(self) -> None:
        """Bucket and key come with or without a slash before them, with the version that
        there is or none, and with slashes encoded or not; any key is named exactly."""
        for key in ("k", "a/b", "/k", "//", "a b+c", "100%", "%41", "%2541", "ä/日", "?x=1", "#"):
            self.put(key)
            encoded = quote(key)
            for source in (
                f"{BUCKET}/{encoded}",
                f"/{BUCKET}/{encoded}",
                quote(f"{BUCKET}/{key}", safe=""),
                quote(f"/{BUCKET}/{key}", safe=""),
                f"{BUCKET}/{encoded}?versionId=null",
            ):
                self.assertEqual(self.copy(source), (200, f"{BUCKET} {key}".encode()), source)

    def test_plus_is_a_plus(self) -> None:
        """A plus in the header is a plus in the key, as in a path."""
        self.put("a+b")
        self.put("a b")
        self.assertEqual(self.copy(f"{BUCKET}/a+b"), (200, f"{BUCKET} a+b".encode()))
        self.assertEqual(self.copy(f"{BUCKET}/a%20b"), (200, f"{BUCKET} a b".encode()))

    def test_dots_stay_in_the_key(self) -> None:
        """Dots lead nowhere: the key that is looked up is the key that is named, once decoded,
        in the bucket that is named first."""
        self.put("secret", "other")
        for path in ("../other/secret", "a/../../other/secret", "./k", "..", "%2e%2e/k"):
            for source in (
                f"{BUCKET}/{path}",
                f"/{BUCKET}/{quote(path, safe='')}",
                f"{BUCKET}/{quote(quote(path, safe=''), safe='')}",
            ):
                status, body = self.copy(source)
                self.assertEqual(status, 404, source)
                self.assertIn(b"<Code>NoSuchKey</Code>", body)
        for key in ("../other/secret", "%2e%2e%2fother%2fsecret"):
            self.put(key)
            self.assertEqual(
                self.copy(f"{BUCKET}/{quote(key, safe='')}"), (200, f"{BUCKET} {key}".encode())
            )

    def test_malformed(self) -> None:
        """What names no bucket and key is refused, the empty header too."""
        for source in ("", "/", "//", "//k", BUCKET, f"/{BUCKET}", f"{BUCKET}/", "%FF/k"):
            before = self.contents()
            request = authentic("PUT", f"/{BUCKET}/new", {"x-amz-copy-source": source})
            self.assert_refused(self.send(request, b""), 400, "InvalidArgument", before)
        for query in ("?", "?x=1", "?versionId", "?versionId=null&x"):
            status, _ = self.copy(f"{BUCKET}/k{query}")
            self.assertIn(status, (400, 404), query)

    def test_versions(self) -> None:
        """Without versioning there is the version `null` and no other."""
        self.put("k")
        self.assertEqual(self.copy(f"{BUCKET}/k?versionId=null")[0], 200)
        for version, status, code in (
            ("f" * 40, 404, b"NoSuchVersion"),
            ("abc", 400, b"InvalidArgument"),
            ("", 400, b"InvalidArgument"),
        ):
            found, body = self.copy(f"{BUCKET}/k?versionId={version}")
            self.assertEqual(found, status, version)
            self.assertIn(b"<Code>%b</Code>" % code, body)

    def test_access_points(self) -> None:
        """Sources by the ARN of an access point are not implemented, encoded or not."""
        arn = "arn:aws:s3:us-east-1:123456789012:accesspoint/mine/object/k"
        for source in (arn, quote(arn, safe="")):
            self.assertEqual(self.copy(source)[0], 501)

    def test_other_bucket_is_not_there(self) -> None:
        """A bucket whose name is none is not there."""
        for bucket in ("..", ".", "no-such-bucket", "%2e%2e"):
            status, body = self.copy(f"{bucket}/k")
            self.assertEqual(status, 404, bucket)
            self.assertIn(b"<Code>NoSuchBucket</Code>", body)
