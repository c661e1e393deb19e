"""Versions that are encrypted, over the wire: their headers all together, and every key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from objectd.test.s3.encryption_case import (
    ARN,
    KEY,
    LARGE,
    OTHER,
    EncryptionCase,
    in_full,
    mine,
)

WHERE = {"Bucket": "photos", "Key": "k"}
RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}}
KMS = {"ServerSideEncryption": "aws:kms"}


class VersionsCase(EncryptionCase):
    def setUp(self) -> None:
        super().setUp()
        self.versioning("Enabled")

    def versioning(self, status: str) -> None:
        self.s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": status})

    def version(self, body: bytes = LARGE, **more: Any) -> str:
        return str(self.put(body=body, **more)["VersionId"])

    def body(self, **more: Any) -> bytes:
        data: bytes = self.s3.get_object(**WHERE, **more)["Body"].read()
        return data


class AnswerTests(VersionsCase):
    def test_all_together(self) -> None:
        """Whoever puts or reads an object is told of its version, its end and its key."""
        self.s3.put_bucket_lifecycle_configuration(
            Bucket="photos", LifecycleConfiguration={"Rules": [RULE]}
        )
        default = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
        self.s3.put_bucket_encryption(Bucket="photos", ServerSideEncryptionConfiguration=default)
        upload = self.s3.create_multipart_upload(**WHERE)
        part = self.s3.upload_part(**WHERE, UploadId=upload["UploadId"], PartNumber=1, Body=LARGE)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        answers = [
            self.s3.complete_multipart_upload(
                **WHERE, UploadId=upload["UploadId"], MultipartUpload=parts
            ),
            self.s3.copy_object(**WHERE, CopySource="photos/k", MetadataDirective="REPLACE"),
        ]
        for body in (b"small", LARGE):
            answers += [
                self.s3.put_object(**WHERE, Body=body),
                self.s3.put_object(**WHERE, Body=body, Tagging="a=b"),  # the long way
                self.s3.get_object(**WHERE),
                self.s3.get_object(**WHERE, PartNumber=1),
                self.s3.head_object(**WHERE),
                self.s3.head_object(**WHERE, PartNumber=1),
            ]
        for answer in answers:
            self.assertEqual(len(answer["VersionId"]), 40)
            self.assertIn('rule-id="r"', answer["Expiration"])
            self.assertEqual(answer["ServerSideEncryption"], "aws:kms")
            self.assertEqual(answer["SSEKMSKeyId"], ARN + "objectd-kms")

    def test_customer_key_of_a_version(self) -> None:
        """A version is read, described and copied with its own key, and with no other."""
        old, new = self.version(**mine()), self.version(b"newer", **mine(OTHER))
        for version, key, other, body in ((old, KEY, OTHER, LARGE), (new, OTHER, KEY, b"newer")):
            named: dict[str, Any] = {"VersionId": version}
            self.assertEqual(self.body(**named, **mine(key)), body)
            head = self.s3.head_object(**WHERE, **named, **mine(key))
            self.assertEqual((head["VersionId"], head["ContentLength"]), (version, len(body)))
            part = self.s3.head_object(**WHERE, PartNumber=1, **named, **mine(key))
            self.assertEqual(part["VersionId"], version)
            attributes = self.s3.get_object_attributes(
                **WHERE, **named, ObjectAttributes=["ObjectSize"], **in_full(key)
            )
            self.assertEqual(attributes["ObjectSize"], len(body))
            get = self.s3.get_object
            self.refused("AccessDenied", get, status=403, Key="k", **named, **mine(other))
            self.refused("InvalidRequest", get, Key="k", **named)
            self.refused("400", self.s3.head_object, Key="k", **named)
            self.refused(
                "InvalidRequest",
                self.s3.get_object_attributes,
                Key="k",
                ObjectAttributes=["ObjectSize"],
                **named,
            )

    def test_copies_of_a_version(self) -> None:
        """Copies of an object and of a part name their source's version, and show the key of
        their own."""
        old = self.version(**mine())
        self.version(b"newer", **mine(OTHER))
        source: dict[str, Any] = {"CopySource": f"photos/k?versionId={old}"}
        dsse = {"ServerSideEncryption": "aws:kms:dsse"}
        settings: list[dict[str, Any]] = [{}, KMS, dsse]
        for wanted in settings:
            to = {"Bucket": "photos", "Key": "copy"}
            self.refused("InvalidRequest", self.s3.copy_object, Key="copy", **source, **wanted)
            copied = self.s3.copy_object(**to, **source, **mine(prefix="CopySource"), **wanted)
            self.assertEqual(copied["CopySourceVersionId"], old)
            self.assertEqual(copied.get("ServerSideEncryption"), wanted.get("ServerSideEncryption"))
            got = self.s3.get_object(**to, VersionId=copied["VersionId"])
            self.assertEqual(got["Body"].read(), LARGE)
            upload = self.s3.create_multipart_upload(**to, **wanted)["UploadId"]
            part = self.s3.upload_part_copy(
                **to, UploadId=upload, PartNumber=1, **source, **mine(prefix="CopySource")
            )
            self.assertEqual(part["CopySourceVersionId"], old)
            self.assertEqual(part.get("ServerSideEncryption"), wanted.get("ServerSideEncryption"))
            etag = part["CopyPartResult"]["ETag"]
            done = self.s3.complete_multipart_upload(
                **to,
                UploadId=upload,
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]},
            )
            got = self.s3.get_object(**to, VersionId=done["VersionId"])
            self.assertEqual(got["Body"].read(), LARGE)

    def test_null(self) -> None:
        """The null version of a bucket whose versioning is suspended."""
        kept = self.version(b"kept", **KMS)
        self.versioning("Suspended")
        self.assertEqual(self.version(b"first", **mine()), "null")
        self.assertEqual(self.version(b"second", ServerSideEncryption="AES256"), "null")
        self.assertEqual(self.body(VersionId="null"), b"second")
        self.assertEqual(self.body(VersionId=kept), b"kept")


class UpdateTests(VersionsCase):
    def update(self, **more: Any) -> None:
        key = {"SSEKMS": {"KMSKeyArn": ARN + "objectd-kms"}}
        self.s3.update_object_encryption(**WHERE, ObjectEncryption=key, **more)

    def scheme(self, version: str) -> str:
        head: dict[str, str] = self.s3.head_object(**WHERE, VersionId=version)
        return head["ServerSideEncryption"]

    def test_version(self) -> None:
        """The version that is named gets another key."""
        old = self.version(ServerSideEncryption="AES256")
        new = self.version(b"newer", ServerSideEncryption="AES256")
        self.update(VersionId=old)
        self.assertEqual((self.scheme(old), self.scheme(new)), ("aws:kms", "AES256"))
        self.assertEqual(self.body(VersionId=old), LARGE)
        key = {"SSEKMS": {"KMSKeyArn": ARN + "objectd-kms"}}
        update = self.s3.update_object_encryption
        absent = {"ObjectEncryption": key, "VersionId": "0" * 40, "Key": "k"}
        self.refused("NoSuchVersion", update, status=404, **absent)
        marker = self.s3.delete_object(**WHERE)["VersionId"]
        self.refused(
            "MethodNotAllowed", update, status=405, Key="k", ObjectEncryption=key, VersionId=marker
        )

    def test_locked(self) -> None:
        """One that is locked does not."""
        self.s3.create_bucket(Bucket="safe", ObjectLockEnabledForBucket=True)
        self.s3.put_object(
            Bucket="safe",
            Key="k",
            Body=LARGE,
            ServerSideEncryption="AES256",
            ObjectLockMode="GOVERNANCE",
            ObjectLockRetainUntilDate=datetime(2100, 1, 1, tzinfo=UTC),
        )
        head = self.s3.head_object(Bucket="safe", Key="k")
        shown = (head["ServerSideEncryption"], head["ObjectLockMode"])
        self.assertEqual(shown, ("AES256", "GOVERNANCE"))
        self.refused(
            "AccessDenied",
            self.s3.update_object_encryption,
            status=403,
            Bucket="safe",
            Key="k",
            ObjectEncryption={"SSEKMS": {"KMSKeyArn": ARN + "objectd-kms"}},
        )


class AnnotationTests(EncryptionCase):
    def test_shown(self) -> None:
        """Annotations tell how they are encrypted: as their object is."""
        note = {**WHERE, "AnnotationName": "note"}
        settings: list[dict[str, Any]] = [{}, {"ServerSideEncryption": "AES256"}, KMS]
        for wanted in settings:
            self.put(**wanted)
            put = self.s3.put_object_annotation(**note, AnnotationPayload=b"text")
            got = self.s3.get_object_annotation(**note)
            self.assertEqual(got["AnnotationPayload"].read(), b"text")
            self.assertEqual((self.shown(put), self.shown(got)), (wanted, wanted))

    def test_customer_key(self) -> None:
        """Of a customer's key there are none."""
        self.put(**mine())
        self.refused(
            "InvalidRequest",
            self.s3.put_object_annotation,
            Key="k",
            AnnotationName="note",
            AnnotationPayload=b"text",
        )
