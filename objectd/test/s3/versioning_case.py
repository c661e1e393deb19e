"""A bucket over the wire whose versioning can be set."""

from __future__ import annotations

from typing import Any

from objectd.test.s3.test_objects import ObjectsTestCase

ABSENT = "0" * 40
"""The form of a version id, and of no version."""

WHERE = {"Bucket": "photos", "Key": "k"}
SIZES = (0, 5, 100_000)
"""A payload that is nothing, one in a row, one in a blob."""


class VersioningCase(ObjectsTestCase):
    """Tests of one server with one bucket."""

    def versioning(self, status: str) -> None:
        self.s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": status})

    def put(self, data: bytes = b"data", **more: Any) -> str:
        """Returns the version's id, '' for none."""
        return str(self.s3.put_object(**WHERE, Body=data, **more).get("VersionId", ""))

    def body(self, **more: Any) -> bytes:
        data: bytes = self.s3.get_object(**WHERE, **more)["Body"].read()
        return data

    def delete(self, **more: Any) -> tuple[str, bool]:
        """The version id that the answer tells, and whether it tells of a delete marker."""
        answer = self.s3.delete_object(**WHERE, **more)
        return answer.get("VersionId", ""), answer.get("DeleteMarker", False)

    def marker(self) -> str:
        """Put a delete marker; return its id."""
        version, is_marker = self.delete()
        self.assertTrue(is_marker)
        return version


def headers_of(error: Any) -> dict[str, str]:
    found: dict[str, str] = error.response["ResponseMetadata"]["HTTPHeaders"]
    return found
