"""Storage classes and restores over the wire: headers, documents, and AWS's errors for them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from objectd.objects.classes import ClassSettings
from objectd.test.objects.cases import LARGE, NOON_US, StoreCase
from objectd.test.s3.wire import refusal
from objectd.testing.s3 import MemoryServer

BUCKET = "photos"
A: dict[str, Any] = {"Bucket": BUCKET, "Key": "a"}
B: dict[str, Any] = {"Bucket": BUCKET, "Key": "b"}
SOURCE = {"Bucket": BUCKET, "Key": "a"}
HOUR_US = 3_600_000_000
ONE_DAY = {"Days": 1}


class WireCase(StoreCase):
    """A restore from GLACIER takes an hour, and one from DEEP_ARCHIVE no time."""

    classes = MappingProxyType({"GLACIER": ClassSettings(archive=True, restore_seconds=3600)})

    def setUp(self) -> None:
        super().setUp()
        self.s3 = MemoryServer(store=self.store).client()

    def put(self, storage_class: str) -> None:
        self.s3.put_object(**A, Body=LARGE, StorageClass=storage_class)

    def not_done(self, status: int, code: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """The error's elements."""
        return refusal(self, status, code, getattr(self.s3, operation), **arguments)


class ClassTests(WireCase):
    def test_shown(self) -> None:
        """Every class but STANDARD is named in headers, and every one in listings."""
        for name in ("STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY", "GLACIER_IR"):
            self.put(name)
            shown = None if name == "STANDARD" else name
            for operation in (self.s3.head_object, self.s3.get_object):
                self.assertEqual(operation(**A).get("StorageClass"), shown)
            for operation, lines in (
                (self.s3.list_objects, "Contents"),
                (self.s3.list_objects_v2, "Contents"),
                (self.s3.list_object_versions, "Versions"),
            ):
                self.assertEqual(operation(Bucket=BUCKET)[lines][0]["StorageClass"], name)
            found = self.s3.get_object_attributes(**A, ObjectAttributes=["StorageClass"])
            self.assertEqual(found["StorageClass"], name)
            self.assertEqual(self.s3.get_object(**A)["Body"].read(), LARGE)

    def test_uploads(self) -> None:
        upload = self.s3.create_multipart_upload(**A, StorageClass="ONEZONE_IA")["UploadId"]
        [listed] = self.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
        self.assertEqual(listed["StorageClass"], "ONEZONE_IA")
        part = self.s3.upload_part(**A, UploadId=upload, PartNumber=1, Body=LARGE)["ETag"]
        parts = self.s3.list_parts(**A, UploadId=upload)
        self.assertEqual(parts["StorageClass"], "ONEZONE_IA")
        self.s3.complete_multipart_upload(
            **A, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
        )
        self.assertEqual(self.s3.head_object(**A)["StorageClass"], "ONEZONE_IA")

    def test_copies(self) -> None:
        """A copy is STANDARD unless it asks for another class; a new class alone is a reason to
        copy an object onto itself."""
        self.put("STANDARD_IA")
        self.s3.copy_object(**B, CopySource=SOURCE)
        self.assertNotIn("StorageClass", self.s3.head_object(**B))
        self.s3.copy_object(**A, CopySource=SOURCE, StorageClass="GLACIER_IR")
        self.assertEqual(self.s3.head_object(**A)["StorageClass"], "GLACIER_IR")

    def test_unknown(self) -> None:
        for name in ("SNOW", "OUTPOSTS", "nonsense", "INTELLIGENT_TIERING"):
            wanted = (400, "InvalidStorageClass")
            self.not_done(*wanted, "put_object", **A, Body=LARGE, StorageClass=name)
            self.not_done(*wanted, "create_multipart_upload", **A, StorageClass=name)
            self.put("STANDARD")
            self.not_done(*wanted, "copy_object", **B, CopySource=SOURCE, StorageClass=name)

    def test_append(self) -> None:
        """An append has the class of what it appends to, and cannot ask for one."""
        self.put("STANDARD_IA")
        append = {"Body": LARGE, "WriteOffsetBytes": len(LARGE)}
        self.not_done(
            400, "InvalidRequest", "put_object", **A, **append, StorageClass="STANDARD_IA"
        )
        self.s3.put_object(**A, **append)
        self.assertEqual(self.s3.head_object(**A)["StorageClass"], "STANDARD_IA")


class ArchiveTests(WireCase):
    def test_refused(self) -> None:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
        self.put("GLACIER")
        for arguments in ({}, {"Range": "bytes=0-1"}, {"PartNumber": 1}):
            error = self.not_done(403, "InvalidObjectState", "get_object", **A, **arguments)
            self.assertEqual(error["StorageClass"], "GLACIER")
        self.not_done(403, "ObjectNotInActiveTierError", "copy_object", **B, CopySource=SOURCE)
        upload = self.s3.create_multipart_upload(**B)["UploadId"]
        self.not_done(
            403,
            "ObjectNotInActiveTierError",
            "upload_part_copy",
            **B,
            UploadId=upload,
            PartNumber=1,
            CopySource=SOURCE,
        )

    def test_known(self) -> None:
        """HEAD tells of it what it tells of others."""
        self.put("DEEP_ARCHIVE")
        found = self.s3.head_object(**A)
        self.assertEqual(found["StorageClass"], "DEEP_ARCHIVE")
        self.assertEqual(found["ContentLength"], len(LARGE))
        self.assertNotIn("Restore", found)
        self.assertEqual(self.s3.head_object(**A, PartNumber=1)["ContentLength"], len(LARGE))
        wanted = ["ObjectSize", "ObjectParts"]
        found = self.s3.get_object_attributes(**A, ObjectAttributes=wanted)
        self.assertEqual(found["ObjectSize"], len(LARGE))


class RestoreTests(WireCase):
    def status(self, **arguments: Any) -> int:
        found = self.s3.restore_object(**A, **arguments)["ResponseMetadata"]["HTTPStatusCode"]
        return int(found)

    def test_states(self) -> None:
        """Asked for it is 202 and going on, then it is there until a midnight; another request
        for the same is 200, and 409 as long as the first is under way."""
        self.put("GLACIER")
        self.assertEqual(self.status(RestoreRequest=ONE_DAY), 202)
        self.assertEqual(self.s3.head_object(**A)["Restore"], 'ongoing-request="true"')
        again = {**A, "RestoreRequest": ONE_DAY}
        self.not_done(409, "RestoreAlreadyInProgress", "restore_object", **again)
        self.not_done(403, "InvalidObjectState", "get_object", **A)
        self.now_us = NOON_US + HOUR_US
        over = 'ongoing-request="false", expiry-date="Thu, 16 Nov 2023 00:00:00 GMT"'
        for operation in (self.s3.get_object, self.s3.head_object):
            self.assertEqual(operation(**A)["Restore"], over)
        self.assertEqual(self.s3.get_object(**A, Range="bytes=0-3")["Restore"], over)
        self.assertEqual(self.status(RestoreRequest=ONE_DAY), 200)
        self.now_us += 3 * 24 * HOUR_US
        self.assertNotIn("Restore", self.s3.head_object(**A))
        self.not_done(403, "InvalidObjectState", "get_object", **A)

    def test_tiers(self) -> None:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html"""
        for tier in ("Standard", "Bulk"):
            self.put("DEEP_ARCHIVE")
            wanted = {"Days": 1, "GlacierJobParameters": {"Tier": tier}}
            self.assertEqual(self.status(RestoreRequest=wanted), 202)
        self.put("DEEP_ARCHIVE")
        wanted = {"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}
        self.not_done(400, "InvalidArgument", "restore_object", **A, RestoreRequest=wanted)
        self.put("GLACIER")
        self.assertEqual(self.status(RestoreRequest=wanted), 202)

    def test_listed(self) -> None:
        """Listings tell how it stands with restores, where that is asked for."""
        for key in "abc":
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=LARGE, StorageClass="GLACIER")
        wanted = {"Bucket": BUCKET, "OptionalObjectAttributes": ["RestoreStatus"]}

        def statuses() -> list[list[Any]]:
            return [
                [line.get("RestoreStatus") for line in operation(**wanted)[lines]]
                for operation, lines in (
                    (self.s3.list_objects, "Contents"),
                    (self.s3.list_objects_v2, "Contents"),
                    (self.s3.list_object_versions, "Versions"),
                )
            ]

        for key in "ab":
            self.s3.restore_object(Bucket=BUCKET, Key=key, RestoreRequest=ONE_DAY)
        self.s3.put_object(**B, Body=LARGE)
        going_on = {"IsRestoreInProgress": True}
        self.assertEqual(statuses(), [[going_on, None, None]] * 3)
        self.now_us += HOUR_US
        over = {
            "IsRestoreInProgress": False,
            "RestoreExpiryDate": datetime(2023, 11, 16, tzinfo=UTC),
        }
        self.assertEqual(statuses(), [[over, None, None]] * 3)
        self.assertNotIn("RestoreStatus", self.s3.list_objects_v2(Bucket=BUCKET)["Contents"][0])
        self.now_us += 3 * 24 * HOUR_US
        self.assertEqual(statuses(), [[None] * 3] * 3)

    def test_listed_versions(self) -> None:
        enabled = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=enabled)
        self.put("DEEP_ARCHIVE")
        self.s3.restore_object(**A, RestoreRequest=ONE_DAY)
        self.put("DEEP_ARCHIVE")
        found = self.s3.list_object_versions(
            Bucket=BUCKET, OptionalObjectAttributes=["RestoreStatus"]
        )
        self.assertEqual(["RestoreStatus" in line for line in found["Versions"]], [False, True])

    def test_version(self) -> None:
        enabled = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=enabled)
        self.put("DEEP_ARCHIVE")
        version = self.s3.list_object_versions(Bucket=BUCKET)["Versions"][0]["VersionId"]
        self.put("DEEP_ARCHIVE")
        self.assertEqual(self.status(VersionId=version, RestoreRequest=ONE_DAY), 202)
        self.assertEqual(self.s3.get_object(**A, VersionId=version)["Body"].read(), LARGE)
        self.not_done(403, "InvalidObjectState", "get_object", **A)
        marker = self.s3.delete_object(**A)["VersionId"]
        self.not_done(404, "NoSuchKey", "restore_object", **A, RestoreRequest=ONE_DAY)
        named = {**A, "VersionId": marker, "RestoreRequest": ONE_DAY}
        self.not_done(405, "MethodNotAllowed", "restore_object", **named)

    def test_refused(self) -> None:
        self.put("STANDARD_IA")
        error = self.not_done(
            403, "InvalidObjectState", "restore_object", **A, RestoreRequest=ONE_DAY
        )
        self.assertEqual(error["StorageClass"], "STANDARD_IA")
        self.not_done(404, "NoSuchKey", "restore_object", **B, RestoreRequest=ONE_DAY)
        self.put("GLACIER")
        self.not_done(400, "MalformedXML", "restore_object", **A)
        self.not_done(400, "MalformedXML", "restore_object", **A, RestoreRequest={})
        for days in (0, -1, 36_501):
            wanted = {"Days": days}
            self.not_done(400, "InvalidArgument", "restore_object", **A, RestoreRequest=wanted)
        for other in (
            {"Type": "SELECT"},
            {"Description": "x"},
            {"OutputLocation": {"S3": {"BucketName": "b", "Prefix": "p"}}},
        ):
            more: dict[str, Any] = {"Days": 1, **other}
            self.not_done(501, "NotImplemented", "restore_object", **A, RestoreRequest=more)
        self.assertNotIn("Restore", self.s3.head_object(**A))
