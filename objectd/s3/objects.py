"""PutObject, DeleteObject and DeleteObjects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import cast

from objectd.errors import KeyTooLong
from objectd.objects import Object
from objectd.objects.conditions import Conditions
from objectd.objects.names import key_bytes
from objectd.objects.settings import DELETE_KEYS_MAX
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import (
    kept_headers,
    require_null_version,
    require_standard,
    shown_checksums,
)
from objectd.s3.body import declared
from objectd.s3.buckets import require_private
from objectd.s3.call import Answer, Call
from objectd.s3.conditions import line_conditions, write_conditions
from objectd.s3.errors import to_s3_error
from objectd.s3.tagging import tags_in_header


async def put_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ACL: str = "private",
    IfMatch: str = "",
    IfNoneMatch: str = "",
    Metadata: Mapping[str, str] | None = None,
    StorageClass: str = "STANDARD",
    Tagging: str = "",
    WriteOffsetBytes: int | None = None,
    **headers: str,
) -> Answer:
    require_private(ACL)
    require_standard(StorageClass)
    store: Callable[..., Awaitable[Object]] = call.store.objects.put
    if WriteOffsetBytes is not None:
        store = partial(call.store.appends.append, offset_bytes=WriteOffsetBytes)
    stored = await store(
        Bucket,
        Key,
        call.body,
        headers=kept_headers(headers),
        metadata=Metadata,
        tags=tags_in_header(Tagging),
        declared=declared(call.request, call.body),
        size_bytes=call.body.size_bytes,
        conditions=write_conditions(IfMatch, IfNoneMatch),
    )
    return Answer(
        {
            "ETag": f'"{stored.etag}"',
            "Size": None if WriteOffsetBytes is None else stored.size_bytes,
            **shown_checksums(stored.tail.checksums),
        }
    )


async def delete_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    IfMatch: str = "",
    IfMatchLastModifiedTime: int | None = None,
    IfMatchSize: int | None = None,
    VersionId: str = "null",
) -> Answer:
    require_null_version(VersionId)
    conditions = Conditions(
        if_match=IfMatch, size_bytes=IfMatchSize, modified_us=IfMatchLastModifiedTime
    )
    await call.store.objects.delete(Bucket, Key, conditions=conditions)
    return Answer()


async def delete_objects(call: Call, *, Bucket: str, Delete: Mapping[str, object]) -> Answer:
    lines = cast("Sequence[Mapping[str, object]]", Delete.get("Objects", ()))
    if not 1 <= len(lines) <= DELETE_KEYS_MAX:
        raise S3Error("MalformedXML")
    refusals = [_refusal(line) for line in lines]
    wanted = [line for line, error in zip(lines, refusals, strict=True) if error is None]
    failed = await call.store.objects.delete_many(
        Bucket,
        [_key(line) for line in wanted],
        [line_conditions(line) for line in wanted],
    )
    errors = [_error(line, error) for line, error in zip(lines, refusals, strict=True) if error]
    deleted: list[dict[str, str]] = []
    for line, failure in zip(wanted, failed, strict=True):
        error = to_s3_error(failure) if failure is not None else None
        if error is not None:
            errors.append(_error(line, error))
        elif not Delete.get("Quiet"):
            deleted.append({"Key": _key(line)})
    return Answer({"Deleted": deleted, "Errors": errors})


def _refusal(line: Mapping[str, object]) -> S3Error | None:
    """Why one line of a DeleteObjects cannot be carried out."""
    if line.get("VersionId", "null") != "null":
        return S3Error("NoSuchVersion")
    if line.get("ETag") == "":
        return S3Error("InvalidArgument", "An empty ETag is no condition.")
    try:
        key_bytes(_key(line))
    except KeyTooLong:
        return S3Error("KeyTooLongError")
    return None


def _key(line: Mapping[str, object]) -> str:
    return str(line["Key"])


def _error(line: Mapping[str, object], error: S3Error) -> dict[str, str]:
    return {"Key": _key(line), "Code": error.code, "Message": error.message}
