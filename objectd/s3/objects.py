"""PutObject, DeleteObject and DeleteObjects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from objectd.errors import InvalidArgument, KeyTooLong, ObjectdError
from objectd.objects import Object
from objectd.objects.classes import STANDARD
from objectd.objects.conditions import Conditions
from objectd.objects.deleting import Unwanted
from objectd.objects.names import key_bytes
from objectd.objects.settings import DELETE_KEYS_MAX
from objectd.objects.versions import Deleted
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import (
    kept_headers,
    shown_checksums,
)
from objectd.s3.body import declared
from objectd.s3.buckets import require_private
from objectd.s3.call import Answer, Call
from objectd.s3.conditions import line_conditions, write_conditions
from objectd.s3.encryption import encryption_wanted, shown_new_encryption
from objectd.s3.errors import to_s3_error
from objectd.s3.lifecycle import shown_expiration
from objectd.s3.object_lock import bypasses_governance, given_lock
from objectd.s3.tagging import tags_in_header


async def put_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ACL: str = "private",
    BucketKeyEnabled: bool | None = None,
    IfMatch: str = "",
    IfNoneMatch: str = "",
    Metadata: Mapping[str, str] | None = None,
    StorageClass: str = STANDARD,
    Tagging: str = "",
    WriteOffsetBytes: int | None = None,
    **headers: Any,
) -> Answer:
    require_private(ACL)
    lock = given_lock(headers)
    wanted = encryption_wanted(call, headers, BucketKeyEnabled)
    put = partial(call.store.objects.put, lock=lock, encryption=wanted, storage_class=StorageClass)
    store: Callable[..., Awaitable[Object]] = put
    if WriteOffsetBytes is not None:
        if lock is not None:
            raise S3Error("InvalidRequest", "An append cannot lock what it appends to.")
        if wanted is not None:
            raise S3Error("InvalidRequest", "What is appended cannot be encrypted.")
        if StorageClass != STANDARD:
            raise S3Error("InvalidRequest", "An append cannot choose a storage class.")
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
            "VersionId": stored.version_id or None,
            **await shown_expiration(call.store, stored),
            **shown_new_encryption(stored.tail.encryption, wanted),
        }
    )


async def delete_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    BypassGovernanceRetention: bool | None = None,
    IfMatch: str = "",
    IfMatchLastModifiedTime: int | None = None,
    IfMatchSize: int | None = None,
    VersionId: str = "",
) -> Answer:
    conditions = Conditions(
        if_match=IfMatch, size_bytes=IfMatchSize, modified_us=IfMatchLastModifiedTime
    )
    deleted = await call.store.objects.delete(
        Bucket,
        Key,
        version_id=VersionId,
        conditions=conditions,
        bypass_governance=await bypasses_governance(call, Bucket, BypassGovernanceRetention),
    )
    return Answer(
        {
            "DeleteMarker": deleted.is_delete_marker or None,
            "VersionId": deleted.version_id or None,
        }
    )


async def delete_objects(
    call: Call,
    *,
    Bucket: str,
    Delete: Mapping[str, object],
    BypassGovernanceRetention: bool | None = None,
) -> Answer:
    lines = cast("Sequence[Mapping[str, object]]", Delete.get("Objects", ()))
    if not 1 <= len(lines) <= DELETE_KEYS_MAX:
        raise S3Error("MalformedXML")
    refusals = [_refusal(line) for line in lines]
    wanted = [line for line, error in zip(lines, refusals, strict=True) if error is None]
    bypass = await bypasses_governance(call, Bucket, BypassGovernanceRetention)
    done = await call.store.objects.delete_many(
        Bucket,
        [Unwanted(_key(line), _version(line), line_conditions(line), bypass) for line in wanted],
    )
    errors = [_error(line, error) for line, error in zip(lines, refusals, strict=True) if error]
    deleted: list[dict[str, object]] = []
    for line, outcome in zip(wanted, done, strict=True):
        if isinstance(outcome, ObjectdError):
            errors.append(_error(line, _failure(outcome)))
        elif not Delete.get("Quiet"):
            deleted.append(_deleted(line, outcome))
    return Answer({"Deleted": deleted, "Errors": errors})


def _refusal(line: Mapping[str, object]) -> S3Error | None:
    """Why one line of a DeleteObjects cannot be carried out."""
    if line.get("VersionId") == "":
        return S3Error("InvalidArgument", "Version id cannot be the empty string")
    if line.get("ETag") == "":
        return S3Error("InvalidArgument", "An empty ETag is no condition.")
    try:
        key_bytes(_key(line))
    except KeyTooLong:
        return S3Error("KeyTooLongError")
    return None


def _key(line: Mapping[str, object]) -> str:
    return str(line["Key"])


def _version(line: Mapping[str, object]) -> str:
    return str(line.get("VersionId", ""))


def _failure(error: ObjectdError) -> S3Error:
    """Of a line; what is no version id is to AWS, here and only here, a version that there is
    not: https://github.com/versity/versitygw/issues/2119."""
    if isinstance(error, InvalidArgument):
        return S3Error("NoSuchVersion")
    return to_s3_error(error) or S3Error("InternalError")


def _deleted(line: Mapping[str, object], done: Deleted) -> dict[str, object]:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletedObject.html"""
    shown: dict[str, object] = {"Key": _key(line), "VersionId": _version(line) or None}
    if done.is_delete_marker:
        shown |= {"DeleteMarker": True, "DeleteMarkerVersionId": done.version_id}
    return shown


def _error(line: Mapping[str, object], error: S3Error) -> dict[str, str | None]:
    return {
        "Key": _key(line),
        "VersionId": _version(line) or None,
        "Code": error.code,
        "Message": error.message,
    }
