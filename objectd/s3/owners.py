"""The bucket owner condition: buckets that must belong to whom the client expects.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

import re

from objectd.objects import ObjectStore
from objectd.protocol.errors import S3Error

_ACCOUNT = re.compile(r"[0-9]{12}")


async def require_owner(store: ObjectStore, bucket: str, expected: str) -> None:
    """Raises `S3Error` AccessDenied if another account than `expected` owns the bucket, and
    `BucketNotFound`. AWS's account ids have 12 digits, and so have ours here."""
    if _ACCOUNT.fullmatch(expected) is None:
        raise S3Error("InvalidBucketOwnerAWSAccountID")
    if account_id((await store.buckets.get(bucket)).owner) != expected:
        raise S3Error("AccessDenied")


def account_id(account: int) -> str:
    """An account's number as AWS writes it."""
    return f"{account:012}"
