"""CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, ListParts
and ListMultipartUploads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import quote

from objectd.model.records import Part, Upload
from objectd.objects import ListedPart, UploadId
from objectd.objects.checksums import ALGORITHMS
from objectd.objects.completing import DeclaredObject
from objectd.objects.settings import LIST_ENTRIES_MAX
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import kept_headers, require_standard, shown_checksums
from objectd.s3.body import declared, decoded
from objectd.s3.buckets import require_private
from objectd.s3.call import Answer, Call, canonical_id
from objectd.s3.listings import entries_max


async def create_multipart_upload(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ACL: str = "private",
    ChecksumAlgorithm: str = "",
    ChecksumType: str = "",
    Metadata: Mapping[str, str] | None = None,
    StorageClass: str = "STANDARD",
    **headers: str,
) -> Answer:
    require_private(ACL)
    require_standard(StorageClass)
    upload_id = await call.store.uploads.create(
        Bucket,
        Key,
        headers=kept_headers(headers),
        metadata=Metadata,
        checksum_algorithm=ChecksumAlgorithm,
        checksum_kind=ChecksumType,
    )
    return Answer(
        {
            "Bucket": Bucket,
            "Key": Key,
            "UploadId": upload_id.text(),
            "ChecksumAlgorithm": ChecksumAlgorithm or None,
            "ChecksumType": ChecksumType or None,
        }
    )


async def upload_part(
    call: Call, *, Bucket: str, Key: str, UploadId: str, PartNumber: int
) -> Answer:
    part = await call.store.uploads.put_part(
        Bucket,
        Key,
        UploadId,
        PartNumber,
        call.body,
        declared=declared(call.request, call.body),
        size_bytes=call.body.size_bytes,
    )
    return Answer({"ETag": f'"{part.etag}"', **_part_checksums(part)})


async def complete_multipart_upload(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    UploadId: str,
    MultipartUpload: Mapping[str, object] | None = None,
    MpuObjectSize: int | None = None,
    ChecksumType: str = "",
    **checksums: str,
) -> Answer:
    lines = cast("Sequence[Mapping[str, object]]", (MultipartUpload or {}).get("Parts", ()))
    if not lines:
        raise S3Error("MalformedXML")
    completed = await call.store.completions.complete(
        Bucket,
        Key,
        UploadId,
        [_listed_part(line) for line in lines],
        declared=DeclaredObject(_whole_checksum(checksums), ChecksumType, MpuObjectSize),
    )
    shown = [completed.checksum] if completed.checksum else []
    return Answer(
        {
            "Location": f"{call.host_url}/{Bucket}/{quote(Key)}",
            "Bucket": Bucket,
            "Key": Key,
            "ETag": f'"{completed.etag}"',
            **shown_checksums(shown, len(lines)),
        }
    )


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
) -> Answer:
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
            "NextPartNumberMarker": page.parts[-1][0] if page.parts else None,
            "MaxParts": page_parts_max,
            "IsTruncated": page.more,
            "Parts": [_shown_part(number, part) for number, part in page.parts],
            "Initiator": owner,
            "Owner": owner,
            "StorageClass": upload.storage_class,
            "ChecksumAlgorithm": upload.checksum_algorithm or None,
            "ChecksumType": upload.checksum_kind or None,
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


def _listed_part(line: Mapping[str, object]) -> ListedPart:
    """A line of the list; ETags come with and without quotes."""
    if "PartNumber" not in line or "ETag" not in line:
        raise S3Error("MalformedXML")
    checksum = None
    for algorithm in ALGORITHMS:
        if text := line.get(f"Checksum{algorithm}"):
            checksum = decoded(str(text), f"Checksum{algorithm}")
    return ListedPart(cast("int", line["PartNumber"]), str(line["ETag"]).strip('"'), checksum)


def _whole_checksum(checksums: Mapping[str, str]) -> bytes | None:
    """The checksum of the whole object that a Complete declares; the -N of a composite one
    follows from the list."""
    for name, text in checksums.items():
        return decoded(text.partition("-")[0], name)
    return None


def _part_checksums(part: Part) -> dict[str, object]:
    shown = shown_checksums(part.checksums)
    shown.pop("ChecksumType", None)
    return shown


def _shown_part(number: int, part: Part) -> dict[str, object]:
    return {
        "PartNumber": number,
        "LastModified": part.modified_us,
        "ETag": f'"{part.etag}"',
        "Size": part.size_bytes,
        **_part_checksums(part),
    }


def _shown_upload(call: Call, key: str, upload: Upload) -> dict[str, object]:
    owner = {"ID": canonical_id(call.store, upload.owner)}
    return {
        "Key": key,
        "UploadId": UploadId(upload.started_us, upload.upload).text(),
        "Initiator": owner,
        "Owner": owner,
        "StorageClass": upload.storage_class,
        "Initiated": upload.started_us,
        "ChecksumAlgorithm": upload.checksum_algorithm or None,
        "ChecksumType": upload.checksum_kind or None,
    }
