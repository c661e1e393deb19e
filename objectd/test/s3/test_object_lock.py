"""Object Lock over the wire: documents, headers, and each error that AWS has for them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import timedelta
from typing import Any

from objectd.test.s3.object_lock_case import (
    ENABLED,
    LATER,
    NOW,
    TOMORROW,
    WHERE,
    ObjectLockCase,
    retained,
    rule,
)
from objectd.test.s3.wire import as_bytes, authentic


class ConfigurationTests(ObjectLockCase):
    def test_created(self) -> None:
        """A bucket that is made with Object Lock has versioning, and no default."""
        self.assertEqual(self.s3.get_bucket_versioning(Bucket="safe")["Status"], "Enabled")
        found = self.s3.get_object_lock_configuration(Bucket="safe")
        self.assertEqual(found["ObjectLockConfiguration"], ENABLED)

    def test_default(self) -> None:
        """A default is put, shown, and taken away by a configuration without one."""
        for wanted in (
            rule(Mode="GOVERNANCE", Days=36_500),
            rule(Mode="COMPLIANCE", Years=100),
            ENABLED,
        ):
            self.s3.put_object_lock_configuration(Bucket="safe", ObjectLockConfiguration=wanted)
            found = self.s3.get_object_lock_configuration(Bucket="safe")
            self.assertEqual(found["ObjectLockConfiguration"], wanted)

    def test_existing(self) -> None:
        """A bucket gets Object Lock while its versioning is enabled."""
        put: dict[str, Any] = {"Bucket": "photos", "ObjectLockConfiguration": ENABLED}
        error = self.refused(409, "InvalidBucketState", "put_object_lock_configuration", **put)
        self.assertEqual(
            error["Message"],
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
        enabled = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration=enabled)
        self.s3.put_object_lock_configuration(**put)
        self.s3.get_object_lock_configuration(Bucket="photos")

    def test_no_suspension(self) -> None:
        error = self.refused(
            409,
            "InvalidBucketState",
            "put_bucket_versioning",
            Bucket="safe",
            VersioningConfiguration={"Status": "Suspended"},
        )
        self.assertIn("Object Lock configuration is present", error["Message"])

    def test_none(self) -> None:
        code = "ObjectLockConfigurationNotFoundError"
        error = self.refused(404, code, "get_object_lock_configuration", Bucket="photos")
        self.assertEqual(error["BucketName"], "photos")

    def test_malformed(self) -> None:
        """What a configuration must have, and may not have both."""
        for wrong in (
            {},
            {"ObjectLockEnabled": "Disabled"},
            {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}},
            {**ENABLED, "Rule": {}},
            rule(),
            rule(Mode="GOVERNANCE"),
            rule(Days=1),
            rule(Mode="GOVERNANCE", Days=1, Years=1),
            rule(Mode="governance", Days=1),
        ):
            self.refused(
                400,
                "MalformedXML",
                "put_object_lock_configuration",
                Bucket="safe",
                ObjectLockConfiguration=wrong,
            )

    def test_periods(self) -> None:
        """A period is positive and not too large."""
        for name, value, words in (
            ("Days", 0, "positive"),
            ("Days", -1, "positive"),
            ("Years", 0, "positive"),
            ("Years", -1, "positive"),
            ("Days", 36_501, "too large"),
            ("Years", 101, "too large"),
        ):
            wrong = rule(**{"Mode": "GOVERNANCE", name: value})
            put = {"Bucket": "safe", "ObjectLockConfiguration": wrong}
            error = self.refused(400, "InvalidArgument", "put_object_lock_configuration", **put)
            self.assertEqual((error["ArgumentName"], error["ArgumentValue"]), (name, str(value)))
            self.assertIn(words, error["Message"])

    def test_deleted(self) -> None:
        """A bucket with a locked version is not empty."""
        self.s3.put_object_legal_hold(**WHERE, LegalHold={"Status": "ON"})
        self.s3.delete_object(**WHERE)
        self.refused(409, "BucketNotEmpty", "delete_bucket", Bucket="safe")


class RetentionTests(ObjectLockCase):
    def test_shown(self) -> None:
        """GetObjectRetention, GET and HEAD show it."""
        self.put(retained())
        shown = self.s3.get_object_retention(**WHERE, VersionId=self.version)["Retention"]
        self.assertEqual(shown, retained())
        for found in (self.s3.head_object(**WHERE), self.s3.get_object(**WHERE)):
            self.assertEqual(found["ObjectLockMode"], "COMPLIANCE")
            self.assertEqual(found["ObjectLockRetainUntilDate"], TOMORROW)
            self.assertNotIn("ObjectLockLegalHoldStatus", found)

    def test_compliance(self) -> None:
        self.put(retained())
        for more in ({}, {"BypassGovernanceRetention": True}):
            self.denied({}, **more)
            self.denied(retained(NOW + timedelta(hours=1)), **more)
            self.denied(retained(LATER, "GOVERNANCE"), **more)
        self.put(retained(LATER))

    def test_governance(self) -> None:
        self.put(retained(mode="GOVERNANCE"))
        self.put(retained(LATER, "GOVERNANCE"))
        self.denied(retained(TOMORROW, "GOVERNANCE"))
        self.denied(retained(LATER, "COMPLIANCE"))
        self.denied({})
        self.put({}, BypassGovernanceRetention=True)
        code = "NoSuchObjectLockConfiguration"
        self.refused(404, code, "get_object_retention", **WHERE)

    def test_wrong(self) -> None:
        """A retention has both members, a known mode, and an end in the future."""
        for wrong in (
            {"Mode": "GOVERNANCE"},
            {"RetainUntilDate": TOMORROW},
            retained(mode="governance"),
        ):
            self.refused(400, "MalformedXML", "put_object_retention", **WHERE, Retention=wrong)
        past = retained(NOW - timedelta(seconds=1))
        error = self.refused(
            400, "InvalidArgument", "put_object_retention", **WHERE, Retention=past
        )
        self.assertEqual(error["Message"], "The retain until date must be in the future!")
        self.assertEqual(error["ArgumentName"], "RetainUntilDate")

    def test_no_document(self) -> None:
        self.refused(400, "MalformedXML", "put_object_retention", **WHERE)
        self.refused(400, "MalformedXML", "put_object_legal_hold", **WHERE)

    def test_legal_hold(self) -> None:
        """A hold is shown once it was on or off."""
        code = "NoSuchObjectLockConfiguration"
        self.refused(404, code, "get_object_legal_hold", **WHERE)
        for status in ("ON", "OFF"):
            hold = {"Status": status}
            self.s3.put_object_legal_hold(**WHERE, VersionId=self.version, LegalHold=hold)
            self.assertEqual(self.s3.get_object_legal_hold(**WHERE)["LegalHold"], hold)
            self.assertEqual(self.s3.head_object(**WHERE)["ObjectLockLegalHoldStatus"], status)
        for wrong in ({}, {"Status": "on"}):
            self.refused(400, "MalformedXML", "put_object_legal_hold", **WHERE, LegalHold=wrong)

    def test_no_object_lock(self) -> None:
        """In a bucket without Object Lock there is nothing to ask for."""
        self.s3.put_object(Bucket="photos", Key="a", Body=b"x")
        there = {"Bucket": "photos", "Key": "a"}
        for operation, document in (
            ("put_object_retention", {"Retention": retained()}),
            ("get_object_retention", {}),
            ("put_object_legal_hold", {"LegalHold": {"Status": "ON"}}),
            ("get_object_legal_hold", {}),
        ):
            error = self.refused(400, "InvalidRequest", operation, **there, **document)
            self.assertEqual(error["Message"], "Bucket is missing Object Lock Configuration")

    def test_absent(self) -> None:
        """Buckets, objects and versions that are not there, and delete markers."""
        get = "get_object_retention"
        self.refused(404, "NoSuchBucket", get, Bucket="absent", Key="a")
        self.refused(404, "NoSuchKey", get, Bucket="safe", Key="b")
        self.refused(404, "NoSuchVersion", get, **WHERE, VersionId="0" * 40)
        marker = self.s3.delete_object(**WHERE)["VersionId"]
        self.refused(405, "MethodNotAllowed", get, **WHERE, VersionId=marker)
        retention = {"Retention": retained()}
        put = "put_object_retention"
        self.refused(405, "MethodNotAllowed", put, **WHERE, VersionId=marker, **retention)


class DeleteTests(ObjectLockCase):
    def test_version(self) -> None:
        """A locked version is not deleted; a plain delete puts a marker."""
        self.s3.put_object_retention(**WHERE, Retention=retained())
        for more in ({}, {"BypassGovernanceRetention": True}):
            error = self.refused(
                403, "AccessDenied", "delete_object", **WHERE, VersionId=self.version, **more
            )
            self.assertEqual(
                error["Message"], "Access Denied because object protected by object lock."
            )
        self.assertTrue(self.s3.delete_object(**WHERE)["DeleteMarker"])
        self.s3.get_object(**WHERE, VersionId=self.version)

    def test_bypass(self) -> None:
        self.s3.put_object_retention(**WHERE, Retention=retained(mode="GOVERNANCE"))
        self.refused(403, "AccessDenied", "delete_object", **WHERE, VersionId=self.version)
        self.s3.delete_object(**WHERE, VersionId=self.version, BypassGovernanceRetention=True)
        self.refused(404, "NoSuchVersion", "get_object", **WHERE, VersionId=self.version)

    def test_many(self) -> None:
        """Of several versions those that are locked stay, each with its error."""
        free = self.s3.put_object(Bucket="safe", Key="b", Body=b"x")["VersionId"]
        self.s3.put_object_retention(**WHERE, Retention=retained(mode="GOVERNANCE"))
        lines = [{"Key": "a", "VersionId": self.version}, {"Key": "b", "VersionId": free}]
        done = self.s3.delete_objects(Bucket="safe", Delete={"Objects": lines})
        self.assertEqual(done["Deleted"], [lines[1]])
        [error] = done["Errors"]
        self.assertEqual((error["Key"], error["Code"]), ("a", "AccessDenied"))
        again = self.s3.delete_objects(
            Bucket="safe", Delete={"Objects": lines[:1]}, BypassGovernanceRetention=True
        )
        self.assertEqual(again["Deleted"], lines[:1])

    def test_bypass_of_nothing(self) -> None:
        """Where nothing can be locked there is nothing to bypass."""
        for given in (True, False):
            bypass = {"BypassGovernanceRetention": given}
            error = self.refused(
                400, "InvalidArgument", "delete_object", Bucket="photos", Key="a", **bypass
            )
            self.assertEqual(error["ArgumentName"], "x-amz-bypass-governance-retention")
            delete = {"Objects": [{"Key": "a"}]}
            self.refused(
                400, "InvalidArgument", "delete_objects", Bucket="photos", Delete=delete, **bypass
            )


class HeaderTests(ObjectLockCase):
    """The three headers of requests that make objects."""

    def setUp(self) -> None:
        super().setUp()
        self.lock = {
            "ObjectLockMode": "GOVERNANCE",
            "ObjectLockRetainUntilDate": TOMORROW,
            "ObjectLockLegalHoldStatus": "ON",
        }

    def assert_locked(self) -> None:
        head = self.s3.head_object(**WHERE)
        self.assertEqual({name: head[name] for name in self.lock}, self.lock)

    def makers(self, where: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
        return [
            ("put_object", {**where, "Body": b"x"}),
            ("copy_object", {**where, "CopySource": "/safe/a"}),
            ("create_multipart_upload", where),
        ]

    def test_put(self) -> None:
        self.s3.put_object(**WHERE, Body=b"x", **self.lock)
        self.assert_locked()

    def test_copy(self) -> None:
        """A copy has what it is given, and nothing of its source's lock."""
        self.s3.put_object(Bucket="safe", Key="b", Body=b"b", **self.lock)
        self.s3.copy_object(**WHERE, CopySource="/safe/b")
        self.assertNotIn("ObjectLockMode", self.s3.head_object(**WHERE))
        self.s3.copy_object(**WHERE, CopySource="/safe/b", **self.lock)
        self.assert_locked()

    def test_upload(self) -> None:
        upload = self.s3.create_multipart_upload(**WHERE, **self.lock)["UploadId"]
        named = {**WHERE, "UploadId": upload}
        part = self.s3.upload_part(**named, PartNumber=1, Body=b"x")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.s3.complete_multipart_upload(**named, MultipartUpload=parts)
        self.assert_locked()

    def test_default(self) -> None:
        """A bucket's default is shown as if it had been asked for."""
        configuration = rule(Mode="COMPLIANCE", Days=1)
        self.s3.put_object_lock_configuration(Bucket="safe", ObjectLockConfiguration=configuration)
        self.s3.put_object(**WHERE, Body=b"x")
        head = self.s3.head_object(**WHERE)
        self.assertEqual(head["ObjectLockMode"], "COMPLIANCE")
        late = head["ObjectLockRetainUntilDate"] - head["LastModified"] - timedelta(days=1)
        self.assertLess(abs(late), timedelta(seconds=2))

    def test_no_object_lock(self) -> None:
        for operation, arguments in self.makers({"Bucket": "photos", "Key": "a"}):
            error = self.refused(400, "InvalidRequest", operation, **arguments, **self.lock)
            self.assertEqual(error["Message"], "Bucket is missing Object Lock Configuration")

    def test_wrong(self) -> None:
        """Each header has its values, and two come together; that goes before all else."""
        mode, until = "ObjectLockMode", "ObjectLockRetainUntilDate"
        for wrong, name in (
            ({mode: "GOVERNANCE"}, "x-amz-object-lock-retain-until-date"),
            ({until: TOMORROW}, "x-amz-object-lock-mode"),
            ({mode: "governance", until: TOMORROW}, "x-amz-object-lock-mode"),
            ({"ObjectLockLegalHoldStatus": "on"}, "x-amz-object-lock-legal-hold"),
        ):
            for bucket in ("safe", "photos"):
                for operation, arguments in self.makers({"Bucket": bucket, "Key": "new"}):
                    error = self.refused(400, "InvalidArgument", operation, **arguments, **wrong)
                    self.assertEqual(error["ArgumentName"], name)
        for operation, arguments in self.makers({"Bucket": "safe", "Key": "new"}):
            past = {mode: "GOVERNANCE", until: NOW - timedelta(seconds=1)}
            self.refused(400, "InvalidArgument", operation, **arguments, **past)

    def test_no_date(self) -> None:
        headers = {
            "x-amz-object-lock-mode": "GOVERNANCE",
            "x-amz-object-lock-retain-until-date": "abc",
        }
        self.assertEqual(self.status("PUT", "/safe/a", headers), (400, b"InvalidArgument"))

    def test_digest(self) -> None:
        """What is to be locked comes with a digest; the one that is signed does not count."""
        lock = {"x-amz-object-lock-legal-hold": "ON"}
        self.assertEqual(self.status("PUT", "/safe/a", {}), (200, b""))
        self.assertEqual(self.status("PUT", "/safe/a", lock), (400, b"InvalidRequest"))
        md5 = {"content-md5": b64encode(hashlib.md5(b"x").digest()).decode()}
        self.assertEqual(self.status("PUT", "/safe/a", lock | md5), (200, b""))
        upload = self.s3.create_multipart_upload(**WHERE, **self.lock)["UploadId"]
        part = f"/safe/a?partNumber=1&uploadId={upload}"
        self.assertEqual(self.status("PUT", part, {}), (400, b"InvalidRequest"))
        self.assertEqual(self.status("PUT", part, md5), (200, b""))
        configuration = rule(Mode="GOVERNANCE", Days=1)
        self.s3.put_object_lock_configuration(Bucket="safe", ObjectLockConfiguration=configuration)
        self.assertEqual(self.status("PUT", "/safe/a", {}), (400, b"InvalidRequest"))
        self.assertEqual(self.status("PUT", "/safe/a", md5), (200, b""))

    def status(self, method: str, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Of a request with the body `x`, and the code of its error."""
        payload = hashlib.sha256(b"x").hexdigest()
        request = authentic(method, target, headers, payload=payload)
        response = self.server.send(method, as_bytes(request, b"x"))
        _, _, rest = response.body.partition(b"<Code>")
        return response.status, rest.partition(b"</Code>")[0]


class AnnotationTests(ObjectLockCase):
    def test_bypass(self) -> None:
        """Annotations of a version under GOVERNANCE are deleted by who bypasses it, by a header
        that boto3 does not know."""
        named = {**WHERE, "AnnotationName": "n"}
        self.s3.put_object_annotation(**named, AnnotationPayload=b"old")
        self.s3.put_object_retention(**WHERE, Retention=retained(mode="GOVERNANCE"))
        self.refused(403, "AccessDenied", "delete_object_annotation", **named)
        self.refused(
            403, "AccessDenied", "put_object_annotation", **named, AnnotationPayload=b"new"
        )

        def bypass(request: Any, **_: object) -> None:
            request.headers["x-amz-bypass-governance-retention"] = "true"

        self.s3.meta.events.register("before-sign.s3.DeleteObjectAnnotation", bypass)
        self.s3.delete_object_annotation(**named)
        unlocked = {"Bucket": "photos", "Key": "a"}
        self.s3.put_object(**unlocked)
        self.refused(
            400, "InvalidArgument", "delete_object_annotation", **unlocked, AnnotationName="n"
        )
