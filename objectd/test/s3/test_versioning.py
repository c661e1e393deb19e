"""The states of a bucket: never versioned, enabled, suspended."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from objectd.test.s3.versioning_case import ABSENT, SIZES, WHERE, VersioningCase
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic


class StateTests(VersioningCase):
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.s3.get_bucket_versioning(Bucket="photos")
        del found["ResponseMetadata"]
        return found

    def configure(self, code: str, **configuration: str) -> None:
        call = self.s3.put_bucket_versioning
        self.refused(code, call, Bucket="photos", VersioningConfiguration=configuration)

    def test_states(self) -> None:
        """A new bucket tells nothing; then it tells what was set last, as often as that is."""
        self.assertEqual(self.status(), {})
        for status in ("Enabled", "Enabled", "Suspended", "Suspended", "Enabled"):
            self.versioning(status)
            self.assertEqual(self.status(), {"Status": status})

    def test_suspended_first(self) -> None:
        """A bucket may be suspended without ever having been enabled."""
        self.versioning("Suspended")
        self.assertEqual(self.status(), {"Status": "Suspended"})
        self.assertEqual(self.put(), "null")

    def test_refused(self) -> None:
        """MFA delete is not there; without a status, or with another, nothing is done."""
        self.configure("NotImplemented", Status="Enabled", MFADelete="Enabled")
        self.configure("IllegalVersioningConfigurationException")
        self.configure("IllegalVersioningConfigurationException", MFADelete="Disabled")
        for status in ("enabled", "Disabled", ""):
            self.configure("MalformedXML", Status=status)
        self.configure("MalformedXML", Status="Enabled", MFADelete="No")
        mfa = {"Bucket": "photos", "VersioningConfiguration": {"Status": "Enabled"}, "MFA": "a 1"}
        self.refused("NotImplemented", self.s3.put_bucket_versioning, **mfa)
        self.assertEqual(self.status(), {})
        self.s3.put_bucket_versioning(
            Bucket="photos",
            VersioningConfiguration={"Status": "Enabled", "MFADelete": "Disabled"},
        )
        self.assertEqual(self.status(), {"Status": "Enabled"})

    def test_no_bucket(self) -> None:
        """A bucket that is not there, or another's, has no state."""
        for call, more in (
            (self.s3.get_bucket_versioning, {}),
            (
                self.s3.put_bucket_versioning,
                {"VersioningConfiguration": {"Status": "Enabled"}},
            ),
        ):
            self.refused("NoSuchBucket", call, Bucket="absent", **more)
            owner = {"ExpectedBucketOwner": "000000000002"}
            self.refused("AccessDenied", call, Bucket="photos", **owner, **more)
        self.assertEqual(self.status(), {})

    def test_bucket_with_versions(self) -> None:
        """A bucket that holds but a delete marker, or a noncurrent version, is not empty."""
        self.versioning("Enabled")
        first = self.put()
        marker = self.marker()
        for version in (first, marker):
            self.refused("BucketNotEmpty", self.s3.delete_bucket, Bucket="photos")
            self.delete(VersionId=version)
        self.s3.delete_bucket(Bucket="photos")


class DocumentTests(WireTestCase):
    def test_malformed(self) -> None:
        """A body that is no configuration, or is not the one that was announced, is refused."""
        before = self.contents()
        enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        other = _md5(b"other")
        for body, md5, code in (
            (b"", _md5(b""), "MissingRequestBodyError"),
            (b"<Versioning/>", _md5(b"<Versioning/>"), "MalformedXML"),
            (enabled, other, "BadDigest"),
            (enabled, "nonsense", "InvalidDigest"),
        ):
            headers, payload = {"content-md5": md5}, "UNSIGNED-PAYLOAD"
            request = authentic("PUT", f"/{BUCKET}?versioning", headers, payload=payload)
            self.assert_refused(self.send(request, body), 400, code, before)
        without_digest = authentic("PUT", f"/{BUCKET}?versioning", payload="UNSIGNED-PAYLOAD")
        self.assert_refused(self.send(without_digest, enabled), 400, "InvalidRequest", before)


class NeverTests(VersioningCase):
    """A bucket that never had versioning."""

    def test_nothing_is_told(self) -> None:
        """No answer tells of versions."""
        self.s3.put_object(Bucket="photos", Key="source", Body=b"x", Tagging="a=1")
        answers = [
            self.s3.put_object(**WHERE, Body=b"x"),
            self.s3.get_object(**WHERE),
            self.s3.get_object(**WHERE, VersionId="null"),
            self.s3.head_object(**WHERE),
            self.s3.get_object_tagging(**WHERE),
            self.s3.put_object_tagging(**WHERE, Tagging={"TagSet": []}),
            self.s3.delete_object_tagging(**WHERE),
            self.s3.get_object_attributes(**WHERE, ObjectAttributes=["ETag"]),
            self.s3.copy_object(**WHERE, CopySource="photos/source"),
            self.s3.delete_object(**WHERE),
            self.s3.delete_object(**WHERE),
        ]
        for answer in answers:
            names = answer.keys() | answer["ResponseMetadata"]["HTTPHeaders"].keys()
            told = {name for name in names if "version" in name.lower() or "marker" in name.lower()}
            self.assertEqual(told, set())

    def test_null(self) -> None:
        """The one version that there is has the id null."""
        self.put(b"one")
        self.assertEqual(self.body(VersionId="null"), b"one")
        self.refused("NoSuchVersion", self.s3.get_object, **WHERE, VersionId=ABSENT)
        self.delete(VersionId=ABSENT)
        self.assertEqual(self.body(), b"one")
        self.delete(VersionId="null")
        self.refused("NoSuchKey", self.s3.get_object, **WHERE)
        self.refused("NoSuchVersion", self.s3.get_object, **WHERE, VersionId="null")


class SuspendedTests(VersioningCase):
    def test_null_is_replaced(self) -> None:
        """While versioning is suspended a put replaces the null version, and no other."""
        for size in SIZES:
            self.versioning("Enabled")
            kept, data = self.put(b"x" * size), b"y" * size
            self.versioning("Suspended")
            self.assertEqual([self.put(b"gone"), self.put(data)], ["null", "null"])
            got = self.s3.get_object(**WHERE)
            self.assertEqual((got["VersionId"], got["Body"].read()), ("null", data))
            self.assertEqual(self.body(VersionId=kept), b"x" * size)
            self.assertEqual(self.delete(VersionId="null"), ("null", False))
            self.assertEqual(self.s3.head_object(**WHERE)["VersionId"], kept)

    def test_delete(self) -> None:
        """A delete puts a null delete marker in place of the null version."""
        self.put(b"null")
        self.versioning("Enabled")
        kept = self.put(b"kept")
        self.versioning("Suspended")
        self.assertEqual(self.body(VersionId="null"), b"null")
        self.assertEqual(self.delete(), ("null", True))
        self.assertEqual(self.delete(), ("null", True))
        self.refused("MethodNotAllowed", self.s3.get_object, **WHERE, VersionId="null")
        self.assertEqual(self.delete(VersionId="null"), ("null", True))
        self.assertEqual(self.s3.head_object(**WHERE)["VersionId"], kept)

    def test_null_among_others(self) -> None:
        """The null version keeps its place when versioning is enabled again."""
        self.versioning("Suspended")
        self.put(b"null")
        self.versioning("Enabled")
        self.put(b"newer")
        self.assertEqual(self.body(VersionId="null"), b"null")
        self.assertEqual(self.body(), b"newer")
        self.versioning("Suspended")
        self.put(b"the new null")
        self.assertEqual(self.body(VersionId="null"), b"the new null")


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
