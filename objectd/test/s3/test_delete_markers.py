"""Delete markers over the wire, and deleting many at once."""

from __future__ import annotations

from typing import Any

from objectd.interfaces import Scan
from objectd.model import keys
from objectd.objects.writer import Batch
from objectd.test.s3.versioning_case import ABSENT, SIZES, WHERE, VersioningCase, headers_of
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic
from objectd.testing.s3 import result_of


class MarkerTests(VersioningCase):
    """What an answer tells of a delete marker."""

    def setUp(self) -> None:
        super().setUp()
        self.versioning("Enabled")
        self.put()

    def test_met(self) -> None:
        """Where the newest version is a delete marker there is no object, and the answer says
        why."""
        marker = self.marker()
        attributes = {**WHERE, "ObjectAttributes": ["ETag"]}
        tags = {**WHERE, "Tagging": {"TagSet": []}}
        for code, call, arguments in (
            ("NoSuchKey", self.s3.get_object, WHERE),
            ("404", self.s3.head_object, WHERE),
            ("404", self.s3.head_object, {**WHERE, "PartNumber": 1}),
            ("NoSuchKey", self.s3.get_object, {**WHERE, "Range": "bytes=0-1"}),
            ("NoSuchKey", self.s3.get_object_attributes, attributes),
            ("NoSuchKey", self.s3.get_object_tagging, WHERE),
            ("NoSuchKey", self.s3.put_object_tagging, tags),
            ("NoSuchKey", self.s3.delete_object_tagging, WHERE),
        ):
            headers = headers_of(self.refused(code, call, **arguments))
            self.assertEqual(headers["x-amz-delete-marker"], "true", call)
            self.assertEqual(headers["x-amz-version-id"], marker, call)

    def test_named(self) -> None:
        """A delete marker that is named can be deleted and nothing else."""
        marker = self.marker()
        named = {**WHERE, "VersionId": marker}
        for code, call, arguments in (
            ("MethodNotAllowed", self.s3.get_object, named),
            ("405", self.s3.head_object, named),
            ("MethodNotAllowed", self.s3.get_object, {**named, "Range": "bytes=0-1"}),
            (
                "MethodNotAllowed",
                self.s3.get_object_attributes,
                {**named, "ObjectAttributes": ["ETag"]},
            ),
            ("MethodNotAllowed", self.s3.get_object_tagging, named),
            ("MethodNotAllowed", self.s3.put_object_tagging, {**named, "Tagging": {"TagSet": []}}),
            ("MethodNotAllowed", self.s3.delete_object_tagging, named),
        ):
            error = self.refused(code, call, **arguments)
            headers = headers_of(error)
            self.assertEqual(headers["x-amz-delete-marker"], "true", call)
            self.assertEqual(headers["x-amz-version-id"], marker, call)
            self.assertEqual(headers["allow"], "DELETE", call)
            self.assertIn("GMT", headers["last-modified"], call)
            if code != "405":
                self.assertEqual(error.response["Error"]["ResourceType"], "DeleteMarker")

    def test_no_version(self) -> None:
        """An id that no version has is 404, and what was never an id 400."""
        arguments: dict[str, Any]
        for call, more in (
            (self.s3.get_object, {}),
            (self.s3.get_object_attributes, {"ObjectAttributes": ["ETag"]}),
            (self.s3.get_object_tagging, {}),
            (self.s3.put_object_tagging, {"Tagging": {"TagSet": []}}),
            (self.s3.delete_object_tagging, {}),
            (self.s3.get_object_acl, {}),
        ):
            error = self.refused("NoSuchVersion", call, **WHERE, VersionId=ABSENT, **more)
            found = error.response["Error"]
            self.assertEqual((found["Key"], found["VersionId"]), ("k", ABSENT))
            self.refused("NoSuchVersion", call, **WHERE, VersionId="null", **more)
            for malformed in ("abc", "0" * 39, "0" * 41, "G" * 40, "A" * 40, "Null"):
                arguments = {**WHERE, "VersionId": malformed, **more}
                error = self.refused("InvalidArgument", call, **arguments)
                self.assertEqual(error.response["Error"]["ArgumentValue"], malformed)
        self.refused("404", self.s3.head_object, **WHERE, VersionId=ABSENT)
        self.refused("400", self.s3.head_object, **WHERE, VersionId="abc")
        self.refused("InvalidArgument", self.s3.delete_object, **WHERE, VersionId="abc")
        self.refused(
            "NoSuchVersion", self.s3.get_object, Bucket="photos", Key="l", VersionId=ABSENT
        )


class MultiDeleteTests(VersioningCase):
    def many(self, *objects: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.delete_objects(
            Bucket="photos", Delete={"Objects": list(objects), **more}
        )
        del answer["ResponseMetadata"]
        return answer

    def test_never(self) -> None:
        """Without versioning nothing is told but what was named."""
        self.put()
        answer = self.many({"Key": "k", "VersionId": "null"}, {"Key": "l"})
        self.assertEqual(answer["Deleted"], [{"Key": "k", "VersionId": "null"}, {"Key": "l"}])
        self.refused("NoSuchKey", self.s3.get_object, **WHERE)

    def test_kinds(self) -> None:
        """Each line tells which version is gone, or which delete marker was put."""
        self.versioning("Enabled")
        first, marker = self.put(), self.marker()
        answer = self.many(
            {"Key": "k", "VersionId": first},
            {"Key": "k", "VersionId": marker},
            {"Key": "k", "VersionId": ABSENT},
            {"Key": "l"},
        )
        new = answer["Deleted"].pop()
        self.assertEqual(new.pop("DeleteMarkerVersionId"), self.newest_marker("l"))
        self.assertEqual(new, {"Key": "l", "DeleteMarker": True})
        self.assertEqual(
            answer,
            {
                "Deleted": [
                    {"Key": "k", "VersionId": first},
                    {
                        "Key": "k",
                        "VersionId": marker,
                        "DeleteMarker": True,
                        "DeleteMarkerVersionId": marker,
                    },
                    {"Key": "k", "VersionId": ABSENT},
                ]
            },
        )

    def newest_marker(self, key: str) -> str:
        error = self.refused("NoSuchKey", self.s3.get_object, Bucket="photos", Key=key)
        return headers_of(error)["x-amz-version-id"]

    def test_errors(self) -> None:
        """A line that fails tells its version; what is no id is no version, and an empty one
        means none of them."""
        self.versioning("Enabled")
        first = self.put()
        answer = self.many(
            {"Key": "k", "VersionId": "abc"},
            {"Key": "k", "VersionId": first, "ETag": "other"},
            {"Key": "k", "VersionId": ""},
        )
        self.assertNotIn("Deleted", answer)
        errors = {(each["Code"], each.get("VersionId")) for each in answer["Errors"]}
        self.assertEqual(
            errors,
            {("NoSuchVersion", "abc"), ("PreconditionFailed", first), ("InvalidArgument", None)},
        )
        self.assertEqual(self.body(), b"data")

    def test_quiet(self) -> None:
        """A quiet one tells errors only."""
        self.versioning("Enabled")
        first = self.put()
        lines = ({"Key": "k", "VersionId": first}, {"Key": "k", "VersionId": "abc"})
        answer = self.many(*lines, Quiet=True)
        self.assertEqual([each["VersionId"] for each in answer.pop("Errors")], ["abc"])
        self.assertEqual(answer, {})

    def test_all_versions(self) -> None:
        """All that a bucket holds is deleted in one request, in any order."""
        self.versioning("Enabled")
        versions = [self.put(b"x" * size) for size in SIZES for _ in range(3)]
        versions[3:3] = [self.marker()]
        versions += [self.put(), self.marker()]
        shuffled = versions[::2] + versions[1::2][::-1]
        answer = self.many(*({"Key": "k", "VersionId": version} for version in shuffled))
        self.assertEqual(len(answer["Deleted"]), len(versions))
        self.s3.delete_bucket(Bucket="photos")

    def test_damaged(self) -> None:
        """A line about an object that cannot be read is not told as deleted, and others are
        carried out."""
        self.versioning("Enabled")
        self.put()
        core = self.server.store.core
        page = result_of(core.metadata.scan(Scan(*keys.span(keys.OBJECTS), limit=1)))
        batch = Batch()
        batch.put(page.entries[0].key, b"damaged")
        result_of(core.writer.commit(batch))
        answer = self.many({"Key": "k", "VersionId": ABSENT}, {"Key": "l"})
        [error] = answer["Errors"]
        self.assertEqual((error["Key"], error["Code"]), ("k", "InternalError"))
        self.assertEqual([each["Key"] for each in answer["Deleted"]], ["l"])


class EmptyIdTests(WireTestCase):
    def test_refused(self) -> None:
        """`versionId=` is 400 wherever a version can be named, and does nothing."""
        before = self.contents()
        for method, target in (
            ("GET", "kept?versionId="),
            ("GET", "kept?versionId"),
            ("DELETE", "kept?versionId="),
            ("GET", "kept?tagging&versionId="),
            ("DELETE", "kept?tagging&versionId="),
            ("GET", "kept?acl&versionId="),
        ):
            exchange = self.send(authentic(method, f"/{BUCKET}/{target}"))
            self.assert_refused(exchange, 400, "InvalidArgument", before)
        head = self.send(authentic("HEAD", f"/{BUCKET}/kept?versionId=")).response
        self.assertEqual(head.status, 400)
