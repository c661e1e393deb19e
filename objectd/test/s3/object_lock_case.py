"""A bucket with Object Lock, and clients of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.wire import refusal
from objectd.testing.s3 import MemoryServer

NOW = datetime.now(UTC).replace(microsecond=0)
TOMORROW = NOW + timedelta(days=1)
LATER = NOW + timedelta(days=2)
WHERE = {"Bucket": "safe", "Key": "a"}
CONTENT = b"x"
ENABLED = {"ObjectLockEnabled": "Enabled"}


def rule(**default: object) -> dict[str, Any]:
    return {**ENABLED, "Rule": {"DefaultRetention": default}}


def retained(until: datetime = TOMORROW, mode: str = "COMPLIANCE") -> dict[str, Any]:
    return {"Mode": mode, "RetainUntilDate": until}


class ObjectLockCase(SynchronousTestCase):
    """`safe` has Object Lock and holds the version `version` of `a`; `photos` has neither."""

    def setUp(self) -> None:
        self.server = self.make_server()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")
        self.s3.create_bucket(Bucket="safe", ObjectLockEnabledForBucket=True)
        self.version = self.s3.put_object(**WHERE, Body=CONTENT)["VersionId"]

    def make_server(self) -> MemoryServer:
        return MemoryServer()

    def refused(self, status: int, code: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """The error's elements."""
        return refusal(self, status, code, getattr(self.s3, operation), **arguments)

    def put(self, retention: dict[str, Any], **more: Any) -> None:
        self.s3.put_object_retention(**WHERE, Retention=retention, **more)

    def denied(self, retention: dict[str, Any], **more: Any) -> None:
        error = self.refused(
            403, "AccessDenied", "put_object_retention", **WHERE, Retention=retention, **more
        )
        self.assertEqual(error["Message"], "Access Denied because object protected by object lock.")
