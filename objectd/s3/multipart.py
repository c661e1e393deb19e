"""CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, ListParts
and ListMultipartUploads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from objectd.errors import BadDigest, InvalidArgument
from objectd.model.records import Checksum, Part, Upload
from objectd.objects import ListedPart, UploadId
from objectd.objects.checksums import multipart_checksum
from objectd.objects.classes import STANDARD
from objectd.objects.completing import DeclaredObject
from objectd.objects.encryption import check_customer_key
from objectd.objects.settings import LIST_ENTRIES_MAX, PART_NUMBER_MAX
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import kept_headers, shown_checksums
from objectd.s3.body import declared, decoded
from objectd.s3.buckets import require_private
from objectd.s3.call import Answer, Call, canonical_id
from objectd.s3.conditions import write_conditions
from objectd.s3.encryption import (
    customer_key,
    encryption_wanted,
    shown_encryption,
    shown_key,
    shown_new_encryption,
)
from objectd.s3.lifecycle import shown_abortion, shown_expiration
from objectd.s3.listings import check_filters, entries_max
from objectd.s3.object_lock import given_lock
from objectd.s3.tagging import tags_in_header


async def create_multipart_upload(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ACL: str = "private",
    BucketKeyEnabled: bool | None = None,
    ChecksumAlgorithm: str = "",
    ChecksumType: str = "",
    Metadata: Mapping[str, str] | None = None,
    StorageClass: str = STANDARD,
    Tagging: str = "",
    **headers: Any,
) -> Answer:
    require_private(ACL)
    algorithm, kind = multipart_checksum(ChecksumAlgorithm, ChecksumType)
    wanted = encryption_wanted(call, headers, BucketKeyEnabled)
    created = await call.store.uploads.create(
        Bucket,
        Key,
        headers=kept_headers(headers),
        metadata=Metadata,
        tags=tags_in_header(Tagging),
        checksum_algorithm=algorithm,
        checksum_kind=kind,
        lock=given_lock(headers),
        encryption=wanted,
        storage_class=StorageClass,
    )
    return Answer(
        {
            "Bucket": Bucket,
            "Key": Key,
            "UploadId": created.id.text(),
            "ChecksumAlgorithm": algorithm or None,
            "ChecksumType": kind or None,
            **await shown_abortion(call.store, Bucket, Key, created.id.time_us),
            **shown_new_encryption(created.encryption, wanted),
        }
    )


async def upload_part(
    call: Call, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, **given: str
) -> Answer:
    key = customer_key(call, given)
    stored = await call.store.uploads.put_part(
        Bucket,
        Key,
        UploadId,
        PartNumber,
        call.body,
        declared=declared(call.request, call.body),
        size_bytes=call.body.size_bytes,
        customer_key=key,
    )
    return Answer(
        {
            "ETag": f'"{stored.part.etag}"',
            **part_checksums(stored.part),
            **shown_encryption(stored.encryption),
            **shown_key(key),
        }
    )


async def complete_multipart_upload(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    UploadId: str,
    IfMatch: str = "",
    IfNoneMatch: str = "",
    MultipartUpload: Mapping[str, object] | None = None,
    MpuObjectSize: int | None = None,
    ChecksumType: str = "",
    **others: str,
) -> Answer:
    checksums = {name: text for name, text in others.items() if name.startswith("Checksum")}
    await _check_key(call, others, Bucket, Key, UploadId)
    lines = cast("Sequence[Mapping[str, object]]", (MultipartUpload or {}).get("Parts", ()))
    if not lines:
        raise S3Error("MalformedXML")
    completed = await call.store.completions.complete(
        Bucket,
        Key,
        UploadId,
        [_listed_part(line) for line in lines],
        declared=DeclaredObject(
            _whole_checksum(checksums, len(lines)), ChecksumType, MpuObjectSize
        ),
        conditions=write_conditions(IfMatch, IfNoneMatch),
    )
    shown = [completed.checksum] if completed.checksum else []
    return Answer(
        {
            "Location": call.object_url,
            "Bucket": Bucket,
            "Key": Key,
            "ETag": f'"{completed.etag}"',
            **shown_checksums(shown, len(lines)),
            "VersionId": completed.version_id or None,
            **(await shown_expiration(call.store, completed.object) if completed.object else {}),
            **shown_encryption(completed.encryption),
        }
    )


async def _check_key(
    call: Call, given: Mapping[str, str], bucket: str, key: str, upload_id: str
) -> None:
    """A customer's key is not needed where no bytes are touched; one that comes must be right."""
    customer = customer_key(call, given)
    if customer is not None:
        page = await call.store.uploads.parts(bucket, key, upload_id, parts_max=0)
        check_customer_key(page.upload.encryption, customer)


async def abort_multipart_upload(call: Call, *, Bucket: str, Key: str, UploadId: str) -> Answer:
    await call.store.uploads.abort(Bucket, Key, UploadId)
    return Answer()


async def list_parts(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    UploadId: str,
    MaxParts: int = LIST_ENTRIES_MAX,
    PartNumberMarker: int = 0,
    **given: str,
) -> Answer:
    await _check_key(call, given, Bucket, Key, UploadId)
    page_parts_max = entries_max(MaxParts)
    page = await call.store.uploads.parts(
        Bucket,
        Key,
        UploadId,
        after_number=PartNumberMarker,
        parts_max=page_parts_max,
    )
    upload = page.upload
    owner = {"ID": canonical_id(call.store, upload.owner)}
    return Answer(
        {
            "Bucket": Bucket,
            "Key": Key,
            "UploadId": UploadId,
            "PartNumberMarker": PartNumberMarker,
            "NextPartNumberMarker": page.parts[-1][0] if page.parts else PartNumberMarker,
            "MaxParts": page_parts_max,
            "IsTruncated": page.more,
            "Parts": [_shown_part(number, part) for number, part in page.parts],
            "Initiator": owner,
            "Owner": owner,
            "StorageClass": upload.storage_class,
            "ChecksumAlgorithm": upload.checksum_algorithm or None,
            "ChecksumType": upload.checksum_kind or None,
            **await shown_abortion(call.store, Bucket, Key, upload.started_us),
        }
    )


async def list_multipart_uploads(
    call: Call,
    *,
    Bucket: str,
    Prefix: str = "",
    Delimiter: str = "",
    KeyMarker: str = "",
    UploadIdMarker: str = "",
    MaxUploads: int = LIST_ENTRIES_MAX,
    EncodingType: str | None = None,
) -> Answer:
    check_filters(Prefix, Delimiter)
    page_uploads_max = entries_max(MaxUploads)
    page = await call.store.uploads.list(
        Bucket,
        prefix=Prefix,
        delimiter=Delimiter,
        key_marker=KeyMarker,
        upload_id_marker=UploadIdMarker,
        uploads_max=page_uploads_max,
    )
    next_key, next_upload = page.next_markers
    return Answer(
        {
            "Bucket": Bucket,
            "KeyMarker": KeyMarker,
            "UploadIdMarker": UploadIdMarker,
            "NextKeyMarker": next_key or None,
            "NextUploadIdMarker": next_upload or None,
            "Prefix": Prefix,
            "Delimiter": Delimiter or None,
            "EncodingType": EncodingType,
            "MaxUploads": page_uploads_max,
            "IsTruncated": page.more,
            "Uploads": [_shown_upload(call, key, upload) for key, upload in page.uploads],
            "CommonPrefixes": [{"Prefix": prefix} for prefix in page.prefixes],
        }
    )


def require_part_number(number: int) -> None:
    if not 1 <= number <= PART_NUMBER_MAX:
        raise InvalidArgument(
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            name="partNumber",
            value=str(number),
        )


def _listed_part(line: Mapping[str, object]) -> ListedPart:
    """A line of the list; ETags come with and without quotes."""
    if "PartNumber" not in line or "ETag" not in line:
        raise S3Error("MalformedXML")
    checksum = _one_checksum(
        {name: str(text) for name, text in line.items() if name.startswith("Checksum")}
    )
    return ListedPart(cast("int", line["PartNumber"]), str(line["ETag"]).strip('"'), checksum)


def _whole_checksum(checksums: Mapping[str, str], parts_count: int) -> Checksum | None:
    """The checksum of the whole object that a Complete declares; a composite one may tell of
    how many parts it was made."""
    values: dict[str, str] = {}
    for name, text in checksums.items():
        values[name], dash, count = text.partition("-")
        if dash and count != str(parts_count):
            raise BadDigest(name.removeprefix("Checksum"), text, f"-{parts_count}")
    return _one_checksum(values)


def _one_checksum(checksums: Mapping[str, str]) -> Checksum | None:
    if len(checksums) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    for name, text in checksums.items():
        return decoded(text, name.removeprefix("Checksum"))
    return None


def part_checksums(part: Part) -> dict[str, object]:
    """The checksum that the upload was created with, or else the one that came with the part:
    what we keep besides is our own affair."""
    shown = shown_checksums(part.checksums[-1:])
    shown.pop("ChecksumType", None)
    return shown


def _shown_part(number: int, part: Part) -> dict[str, object]:
    return {
        "PartNumber": number,
        "LastModified": part.modified_us,
        "ETag": f'"{part.etag}"',
        "Size": part.size_bytes,
        **part_checksums(part),
    }


def _shown_upload(call: Call, key: str, upload: Upload) -> dict[str, object]:
    owner = {"ID": canonical_id(call.store, upload.owner)}
    return {
        "Key": key,
        "UploadId": UploadId.of(upload).text(),
        "Initiator": owner,
        "Owner": owner,
        "StorageClass": upload.storage_class,
        "Initiated": upload.started_us,
        "ChecksumAlgorithm": upload.checksum_algorithm or None,
        "ChecksumType": upload.checksum_kind or None,
    }
