"""What the tests of encryption over the wire share."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.wire import refusal
from objectd.testing.s3 import MemoryServer

KEY = b"k" * 32
OTHER = b"o" * 32
LARGE = b"0123456789abcdef" * 9000
ARN = "arn:aws:kms:us-east-1:000000000001:key/"


def mine(key: bytes = KEY, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


def in_full(key: bytes = KEY) -> dict[str, Any]:
    """For the operations whose headers boto3 does not make of the key itself."""
    return {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": base64.b64encode(key).decode(),
        "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key).digest()).decode(),
    }


SOURCE = mine(prefix="CopySource")
SETTINGS: list[dict[str, Any]] = [
    {},
    {"ServerSideEncryption": "AES256"},
    {"ServerSideEncryption": "aws:kms"},
    {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
    {"ServerSideEncryption": "aws:kms:dsse"},
    mine(),
]


class EncryptionCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer()
        self.s3 = self.server.client(secure=True)
        self.s3.create_bucket(Bucket="photos")

    def refused(self, code: str, call: Any, *, status: int = 400, **arguments: Any) -> str:
        """Returns the message."""
        elements = refusal(self, status, code, call, **{"Bucket": "photos", **arguments})
        return str(elements["Message"])

    def put(self, key: str = "k", body: bytes = LARGE, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.put_object(Bucket="photos", Key=key, Body=body, **more)
        return answer

    def shown(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {name: answer[name] for name in answer if "SSE" in name or "Server" in name}

    def keys_manager(self) -> Any:
        return self.server.store.core.encryptions._manager
