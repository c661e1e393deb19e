"""CopyObject and UploadPartCopy, and the source of a copy as a header names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from objectd.objects.conditions import Conditions
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.attributes import (
    kept_headers,
    part_count,
    shown_checksums,
)
from objectd.s3.buckets import require_private
from objectd.s3.call import Answer, Call
from objectd.s3.conditions import write_conditions
from objectd.s3.encryption import (
    customer_key,
    encryption_wanted,
    shown_encryption,
    shown_key,
    shown_new_encryption,
)
from objectd.s3.lifecycle import shown_expiration
from objectd.s3.multipart import part_checksums
from objectd.s3.object_lock import given_lock
from objectd.s3.owners import require_owner
from objectd.s3.tagging import tags_in_header

_SOURCE = "x-amz-copy-source"
_SPAN = re.compile(r"bytes=([0-9]{1,20})-([0-9]{1,20})")


class Source(NamedTuple):
    """What is to be copied: its newest version for ''."""

    name: ObjectName
    version_id: str


def copy_source(header: str) -> Source:
    """What `x-amz-copy-source` names: `bucket/key` or `/bucket/key`, and perhaps `?versionId=`.

    Percent-decoded exactly once, and nothing else is done to it: `+` is a plus, `..` is a
    part of a key, and what is looked up here is what is copied. Raises `S3Error`.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    path, mark, query = header.partition("?")
    name, _, version = query.partition("=")
    if mark and name != "versionId":
        raise _invalid_source(header)
    if mark and not version:
        raise invalid_argument("versionId", "", "Version id cannot be the empty string")
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise _invalid_source(header) from None
    if decoded.startswith("arn:"):
        raise S3Error("NotImplemented", "Access points are not implemented as a copy source.")
    bucket, _, key = decoded.removeprefix("/").partition("/")
    if not bucket or not key:
        raise _invalid_source(header)
    return Source(ObjectName(bucket, key), version)


async def copy_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    CopySource: str,
    ACL: str = "private",
    AnnotationDirective: str = "COPY",
    BucketKeyEnabled: bool | None = None,
    ChecksumAlgorithm: str = "",
    CopySourceIfMatch: str = "",
    CopySourceIfModifiedSince: int | None = None,
    CopySourceIfNoneMatch: str = "",
    CopySourceIfUnmodifiedSince: int | None = None,
    ExpectedSourceBucketOwner: str | None = None,
    IfMatch: str = "",
    IfNoneMatch: str = "",
    Metadata: Mapping[str, str] | None = None,
    MetadataDirective: str = "COPY",
    StorageClass: str = "",
    Tagging: str = "",
    TaggingDirective: str = "COPY",
    WebsiteRedirectLocation: str = "",
    **headers: Any,
) -> Answer:
    require_private(ACL)
    metadata_is_own = _is_replaced("metadata", MetadataDirective)
    tags_are_own = _is_replaced("tagging", TaggingDirective)
    redirect = WebsiteRedirectLocation
    lock = given_lock(headers)
    wanted = encryption_wanted(call, headers, BucketKeyEnabled)
    source = copy_source(CopySource)
    await _require_source_owner(call, source, ExpectedSourceBucketOwner)
    copied = await call.store.copies.copy(
        source.name,
        ObjectName(Bucket, Key),
        source_version=source.version_id,
        own=Overrides(
            headers=kept_headers({**headers, "WebsiteRedirectLocation": redirect})
            if metadata_is_own
            else None,
            metadata=(Metadata or {}) if metadata_is_own else None,
            tags=tags_in_header(Tagging) if tags_are_own else None,
            website_redirect_location=redirect,
            storage_class=StorageClass,
            annotations=_are_annotations_copied(AnnotationDirective),
            lock=lock,
        ),
        source_conditions=Conditions(
            CopySourceIfMatch,
            CopySourceIfNoneMatch,
            CopySourceIfModifiedSince,
            CopySourceIfUnmodifiedSince,
        ),
        conditions=write_conditions(IfMatch, IfNoneMatch),
        checksum_algorithm=ChecksumAlgorithm,
        encryption=wanted,
        source_customer_key=customer_key(call, headers, "CopySource"),
    )
    return Answer(
        {
            "CopySourceVersionId": copied.source_version_id or None,
            "VersionId": copied.version_id or None,
            **await shown_expiration(call.store, copied),
            **shown_new_encryption(copied.tail.encryption, wanted),
            "CopyObjectResult": {
                "LastModified": copied.head.modified_us,
                "ETag": f'"{copied.etag}"',
                **shown_checksums(copied.tail.checksums, part_count(copied)),
            },
        }
    )


async def upload_part_copy(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    UploadId: str,
    PartNumber: int,
    CopySource: str,
    CopySourceIfMatch: str = "",
    CopySourceIfModifiedSince: int | None = None,
    CopySourceIfNoneMatch: str = "",
    CopySourceIfUnmodifiedSince: int | None = None,
    CopySourceRange: str | None = None,
    ExpectedSourceBucketOwner: str | None = None,
    **customer_keys: str,
) -> Answer:
    key = customer_key(call, customer_keys)
    source = copy_source(CopySource)
    await _require_source_owner(call, source, ExpectedSourceBucketOwner)
    copied = await call.store.part_copies.copy(
        source.name,
        ObjectName(Bucket, Key),
        UploadId,
        PartNumber,
        source_version=source.version_id,
        span=None if CopySourceRange is None else _copied_span(CopySourceRange),
        source_conditions=Conditions(
            CopySourceIfMatch,
            CopySourceIfNoneMatch,
            CopySourceIfModifiedSince,
            CopySourceIfUnmodifiedSince,
        ),
        customer_key=key,
        source_customer_key=customer_key(call, customer_keys, "CopySource"),
    )
    part = copied.part
    return Answer(
        {
            "CopySourceVersionId": copied.source_version_id or None,
            **shown_encryption(copied.encryption),
            **shown_key(key),
            "CopyPartResult": {
                "LastModified": part.modified_us,
                "ETag": f'"{part.etag}"',
                **part_checksums(part),
            },
        }
    )


def _copied_span(header: str) -> tuple[int, int]:
    """The bytes start <= i < stop that are to be copied: unlike a Range, it is written in one
    way only. Whether the source has them is for its size to say. Raises `S3Error`."""
    match = _SPAN.fullmatch(header)
    if match is None or int(match[2]) < int(match[1]):
        raise invalid_argument(
            "x-amz-copy-source-range",
            header,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
        )
    return int(match[1]), int(match[2]) + 1


async def _require_source_owner(call: Call, source: Source, expected: str | None) -> None:
    if expected is not None:
        await require_owner(call.store, source.name.bucket, expected)


def _is_replaced(what: str, directive: str) -> bool:
    """COPY leaves what the request gives of it without effect, as AWS does."""
    if directive not in ("COPY", "REPLACE"):
        name = f"x-amz-{what}-directive"
        raise invalid_argument(name, directive, f"Unknown {what} directive.")
    return directive == "REPLACE"


def _are_annotations_copied(directive: str) -> bool:
    if directive not in ("COPY", "EXCLUDE"):
        name = "x-amz-object-annotation-directive"
        raise invalid_argument(name, directive, "Unknown annotation directive.")
    return directive == "COPY"


def _invalid_source(header: str) -> S3Error:
    message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
    return invalid_argument(_SOURCE, header, message)
