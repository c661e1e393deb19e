"""PutObject, GetObject, HeadObject, DeleteObject and DeleteObjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from objectd.errors import KeyTooLong
from objectd.objects import Object
from objectd.objects.conditions import Conditions
from objectd.objects.names import key_bytes
from objectd.objects.settings import DELETE_KEYS_MAX
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import (
    kept_headers,
    part_count,
    require_null_version,
    require_standard,
    shown_checksums,
    shown_headers,
)
from objectd.s3.body import declared
from objectd.s3.buckets import require_private
from objectd.s3.call import Answer, Call
from objectd.s3.ranges import resolve_range


async def put_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ACL: str = "private",
    Metadata: Mapping[str, str] | None = None,
    StorageClass: str = "STANDARD",
    **headers: str,
) -> Answer:
    require_private(ACL)
    require_standard(StorageClass)
    stored = await call.store.objects.put(
        Bucket,
        Key,
        call.body,
        headers=kept_headers(headers),
        metadata=Metadata,
        declared=declared(call.request, call.body),
        size_bytes=call.body.size_bytes,
    )
    return Answer({"ETag": f'"{stored.etag}"', **shown_checksums(stored.tail.checksums)})


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
    Range: str = "",
    VersionId: str = "null",
    **overrides: str,
) -> Answer:
    require_null_version(VersionId)
    conditions = Conditions(IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince)
    opened = await call.store.objects.get(Bucket, Key)
    try:
        conditions.check_read(opened.object.head)
        result, status, start, stop = _shown(opened.object, Range, ChecksumMode)
    except BaseException:
        opened.close()
        raise
    result.update(_overrides(overrides))
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
    Range: str = "",
    VersionId: str = "null",
    **overrides: str,
) -> Answer:
    require_null_version(VersionId)
    found = await call.store.objects.head(Bucket, Key)
    Conditions(IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince).check_read(found.head)
    result, status, _, _ = _shown(found, Range, ChecksumMode)
    result.update(_overrides(overrides))
    return Answer(result, status=status)


async def delete_object(call: Call, *, Bucket: str, Key: str, VersionId: str = "null") -> Answer:
    require_null_version(VersionId)
    await call.store.objects.delete(Bucket, Key)
    return Answer()


async def delete_objects(call: Call, *, Bucket: str, Delete: Mapping[str, object]) -> Answer:
    objects = cast("Sequence[Mapping[str, str]]", Delete.get("Objects", ()))
    if not 1 <= len(objects) <= DELETE_KEYS_MAX:
        raise S3Error("MalformedXML")
    keys: list[str] = []
    errors: list[dict[str, str]] = []
    for wanted in objects:
        error = _refusal(wanted)
        if error is None:
            keys.append(wanted["Key"])
        else:
            errors.append(_error(wanted["Key"], error))
    await call.store.objects.delete_many(Bucket, keys)
    deleted = [] if Delete.get("Quiet") else [{"Key": key} for key in keys]
    return Answer({"Deleted": deleted, "Errors": errors})


def _shown(
    object_: Object, range_header: str, checksum_mode: str
) -> tuple[dict[str, object], int, int, int]:
    """The result, its status, and which bytes of the object it shows."""
    span = resolve_range(range_header, object_.size_bytes) if range_header else None
    start, stop = span or (0, object_.size_bytes)
    result: dict[str, object] = {
        "LastModified": object_.head.modified_us,
        "ContentLength": stop - start,
        "ETag": f'"{object_.etag}"',
        "AcceptRanges": "bytes",
        "Metadata": object_.tail.metadata,
        **shown_headers(object_.tail.headers),
    }
    if span is not None:
        result["ContentRange"] = f"bytes {start}-{stop - 1}/{object_.size_bytes}"
    elif checksum_mode == "ENABLED":
        result.update(shown_checksums(object_.tail.checksums, part_count(object_)))
    return result, 200 if span is None else 206, start, stop


def _overrides(given: Mapping[str, str]) -> dict[str, object]:
    """`response-content-type` and the like, which only signed requests may send."""
    return {name.removeprefix("Response"): text for name, text in given.items()}


def _refusal(wanted: Mapping[str, str]) -> S3Error | None:
    """Why one line of a DeleteObjects cannot be carried out."""
    unsupported = wanted.keys() - {"Key", "VersionId"}
    if unsupported:
        return S3Error("NotImplemented", f"{', '.join(sorted(unsupported))} is not implemented.")
    if wanted.get("VersionId", "null") != "null":
        return S3Error("NoSuchVersion")
    try:
        key_bytes(wanted["Key"])
    except KeyTooLong:
        return S3Error("KeyTooLongError")
    return None


def _error(key: str, error: S3Error) -> dict[str, str]:
    return {"Key": key, "Code": error.code, "Message": error.message}
