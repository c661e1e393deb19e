"""Conditions on reads: RFC 9110, section 13, as S3 applies it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html
"""

from __future__ import annotations

import attrs

from objectd.model.records import ObjectHead
from objectd.protocol.errors import S3Error
from objectd.protocol.scalars import http_date

_SECOND_US = 1_000_000

MEMBERS = {
    b"if-match": "IfMatch",
    b"if-none-match": "IfNoneMatch",
    b"if-modified-since": "IfModifiedSince",
    b"if-unmodified-since": "IfUnmodifiedSince",
}
"""The headers of conditions, and what the model calls them."""


@attrs.frozen
class ReadConditions:
    """Lists of ETags as sent, quoted or not; times in microseconds since 1970 UTC."""

    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None

    def check(self, head: ObjectHead) -> None:
        """Raises `PreconditionFailed` or `NotModified`. A condition on the ETag goes before
        the one on the time that says the same (RFC 9110, 13.2.2)."""
        modified_us = head.modified_us // _SECOND_US * _SECOND_US
        if self.if_match:
            if not _matches(self.if_match, head.etag):
                raise S3Error("PreconditionFailed", extra={"Condition": "If-Match"})
        elif self.if_unmodified_since is not None and modified_us > self.if_unmodified_since:
            raise S3Error("PreconditionFailed", extra={"Condition": "If-Unmodified-Since"})
        if self.if_none_match:
            not_modified = _matches(self.if_none_match, head.etag)
        else:
            since_us = self.if_modified_since
            not_modified = since_us is not None and modified_us <= since_us
        if not_modified:
            raise S3Error("NotModified", headers=_validators(head))


def _matches(listed: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in listed.split(","))
    return any(tag in ("*", etag) for tag in tags)


def _validators(head: ObjectHead) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"ETag", f'"{head.etag}"'.encode()),
        (b"Last-Modified", http_date(head.modified_us).encode()),
    )
