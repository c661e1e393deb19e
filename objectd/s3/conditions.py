"""Conditions of writes: from headers to what `objectd.objects.conditions` judges.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from objectd.objects.conditions import Conditions
from objectd.protocol.errors import S3Error


def write_conditions(if_match: str, if_none_match: str) -> Conditions:
    """Those of PutObject, CopyObject, CompleteMultipartUpload and RenameObject on what they
    replace: If-Match with ETags, or If-None-Match with `*`. Raises `S3Error` for all else,
    with the code that AWS has for it."""
    if if_match and if_none_match:
        raise _refusal("If-Match,If-None-Match", "Multiple conditional request headers present")
    if if_none_match not in ("", "*"):
        raise _refusal("If-None-Match", "Only * is accepted as the value of If-None-Match here")
    if if_match == "*":
        raise _refusal("If-Match", "* is not accepted as the value of If-Match here")
    return Conditions(if_match, if_none_match)


def line_conditions(line: Mapping[str, object]) -> Conditions:
    """Those of one line of a DeleteObjects."""
    return Conditions(
        if_match=str(line.get("ETag", "")),
        size_bytes=cast("int | None", line.get("Size")),
        modified_us=cast("int | None", line.get("LastModifiedTime")),
    )


def _refusal(header: str, message: str) -> S3Error:
    return S3Error("NotImplemented", f"{message}.", extra={"Header": header})
