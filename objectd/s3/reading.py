"""GetObject and HeadObject."""

from __future__ import annotations

from collections.abc import Mapping

from objectd.objects import Object, ObjectPart
from objectd.objects.conditions import Conditions
from objectd.objects.encryption import check_customer_key
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import (
    part_count,
    shown_checksums,
    shown_class,
    shown_headers,
)
from objectd.s3.call import Answer, Call
from objectd.s3.encryption import customer_key, shown_encryption, shown_key
from objectd.s3.lifecycle import shown_expiration
from objectd.s3.multipart import require_part_number
from objectd.s3.object_lock import shown_date, shown_lock
from objectd.s3.ranges import resolve_range
from objectd.s3.restoring import shown_restore


async def get_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ChecksumMode: str = "",
    IfMatch: str = "",
    IfNoneMatch: str = "",
    IfModifiedSince: int | None = None,
    IfUnmodifiedSince: int | None = None,
    PartNumber: int | None = None,
    Range: str = "",
    VersionId: str = "",
    **others: str,
) -> Answer:
    _check_part_wanted(PartNumber, Range)
    conditions = Conditions(IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince)
    key = customer_key(call, others)
    opened = await call.store.objects.get(Bucket, Key, version_id=VersionId, customer_key=key)
    try:
        conditions.check_read(opened.object.head)
        part = None if PartNumber is None else await opened.part(PartNumber)
        result, status, start, stop = shown(opened.object, part, Range, ChecksumMode)
        result.update(await shown_expiration(call.store, opened.object))
        result.update(shown_restore(call.store, opened.object.tail))
        result.update(await shown_date(call.store, opened.object.tail))
    except BaseException:
        opened.close()
        raise
    result.update(_overrides(others), **shown_key(key))
    if opened.payload is not None:
        opened.close()
        return Answer(result, opened.payload[start:stop], status)
    return Answer(result, opened.stream(start, stop), status)


async def head_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ChecksumMode: str = "",
    IfMatch: str = "",
    IfNoneMatch: str = "",
    IfModifiedSince: int | None = None,
    IfUnmodifiedSince: int | None = None,
    PartNumber: int | None = None,
    Range: str = "",
    VersionId: str = "",
    **others: str,
) -> Answer:
    _check_part_wanted(PartNumber, Range)
    conditions = Conditions(IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince)
    key = customer_key(call, others)
    if PartNumber is None:
        found = await call.store.objects.head(Bucket, Key, version_id=VersionId)
        check_customer_key(found.tail.encryption, key)
        conditions.check_read(found.head)
        part = None
    else:
        opened = await call.store.objects.get(
            Bucket, Key, version_id=VersionId, customer_key=key, archived=True
        )
        try:
            found = opened.object
            conditions.check_read(found.head)
            part = await opened.part(PartNumber)
        finally:
            opened.close()
    result, status, _, _ = shown(found, part, Range, ChecksumMode)
    result.update(await shown_expiration(call.store, found))
    result.update(shown_restore(call.store, found.tail))
    result.update(await shown_date(call.store, found.tail))
    result.update(_overrides(others), **shown_key(key))
    return Answer(result, status=status)


def _check_part_wanted(part_number: int | None, range_header: str) -> None:
    if part_number is None:
        return
    require_part_number(part_number)
    if range_header:
        raise S3Error(
            "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
        )


def shown(
    object_: Object, part: ObjectPart | None, range_header: str, checksum_mode: str
) -> tuple[dict[str, object], int, int, int]:
    """The result, its status, and which bytes of the object it shows."""
    span = None
    if part is not None:
        span = part.start, part.stop
    elif range_header:
        span = resolve_range(range_header, object_.size_bytes)
    start, stop = span or (0, object_.size_bytes)
    result: dict[str, object] = {
        "LastModified": object_.head.modified_us,
        "ContentLength": stop - start,
        "ETag": f'"{object_.etag}"',
        "AcceptRanges": "bytes",
        "Metadata": object_.tail.metadata,
        "TagCount": len(object_.tail.tags) or None,
        "PartsCount": part_count(object_) or None if part is not None else None,
        "VersionId": object_.version_id or None,
        "StorageClass": shown_class(object_.head),
        **shown_headers(object_.tail.headers),
        **shown_lock(object_.tail.lock),
        **shown_encryption(object_.tail.encryption),
    }
    if checksum_mode == "ENABLED":
        result.update(_checksums(object_, part, span))
    if span is None or start == stop:  # of no bytes there is no range
        return result, 200, start, stop
    result["ContentRange"] = f"bytes {start}-{stop - 1}/{object_.size_bytes}"
    return result, 206, start, stop


def _checksums(
    object_: Object, part: ObjectPart | None, span: tuple[int, int] | None
) -> dict[str, object]:
    """Of the bytes that are shown, if a checksum of just these is known."""
    if part is not None:
        shown = shown_checksums(part.checksums[:1])
        return {**shown, "ChecksumType": object_.head.checksum_kind} if shown else {}
    if span is None:
        return shown_checksums(object_.tail.checksums, part_count(object_))
    return {}


def _overrides(given: Mapping[str, str]) -> dict[str, object]:
    """`response-content-type` and the like, which only signed requests may send."""
    return {
        name.removeprefix("Response"): text
        for name, text in given.items()
        if name.startswith("Response")
    }
