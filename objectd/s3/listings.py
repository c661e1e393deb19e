"""ListObjects and ListObjectsV2."""

from __future__ import annotations

import base64
import binascii

from objectd.objects import ListedObject
from objectd.objects.listing import after_key, after_marker
from objectd.objects.settings import LIST_ENTRIES_MAX
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.call import Answer, Call, canonical_id

_TOKEN_VERSION = b"\x01"


async def list_objects(
    call: Call,
    *,
    Bucket: str,
    Prefix: str = "",
    Delimiter: str = "",
    Marker: str = "",
    MaxKeys: int = LIST_ENTRIES_MAX,
    EncodingType: str | None = None,
) -> Answer:
    page = await call.store.listings.objects(
        Bucket,
        prefix=Prefix,
        delimiter=Delimiter,
        position=after_marker(Marker, Prefix, Delimiter) if Marker else b"",
        entries_max=entries_max(MaxKeys, "max-keys"),
    )
    truncated = page.next_position is not None
    return Answer(
        {
            "Name": Bucket,
            "Prefix": Prefix,
            "Marker": Marker,
            "NextMarker": page.last if truncated and Delimiter else None,
            "MaxKeys": MaxKeys,
            "Delimiter": Delimiter or None,
            "EncodingType": EncodingType,
            "IsTruncated": truncated,
            "Contents": [_contents(call, listed, owner=True) for listed in page.objects],
            "CommonPrefixes": [{"Prefix": prefix} for prefix in page.prefixes],
        }
    )


async def list_objects_v2(
    call: Call,
    *,
    Bucket: str,
    Prefix: str = "",
    Delimiter: str = "",
    StartAfter: str = "",
    ContinuationToken: str | None = None,
    MaxKeys: int = LIST_ENTRIES_MAX,
    EncodingType: str | None = None,
    FetchOwner: bool = False,
) -> Answer:
    if ContinuationToken is not None:
        position = _position(ContinuationToken)
    else:
        position = after_key(StartAfter) if StartAfter else b""
    page = await call.store.listings.objects(
        Bucket,
        prefix=Prefix,
        delimiter=Delimiter,
        position=position,
        entries_max=entries_max(MaxKeys, "max-keys"),
    )
    following = None if page.next_position is None else _token(page.next_position)
    return Answer(
        {
            "Name": Bucket,
            "Prefix": Prefix,
            "StartAfter": StartAfter or None,
            "ContinuationToken": ContinuationToken,
            "NextContinuationToken": following,
            "KeyCount": len(page.objects) + len(page.prefixes),
            "MaxKeys": MaxKeys,
            "Delimiter": Delimiter or None,
            "EncodingType": EncodingType,
            "IsTruncated": following is not None,
            "Contents": [_contents(call, listed, owner=FetchOwner) for listed in page.objects],
            "CommonPrefixes": [{"Prefix": prefix} for prefix in page.prefixes],
        }
    )


def entries_max(asked: int, name: str) -> int:
    """How many entries a page may have: never more than 1,000, however many are asked for."""
    if asked < 0:
        raise invalid_argument(
            name, str(asked), "Argument maxKeys must be an integer between 0 and 2147483647"
        )
    return min(asked, LIST_ENTRIES_MAX)


def _contents(call: Call, listed: ListedObject, *, owner: bool) -> dict[str, object]:
    head = listed.head
    contents: dict[str, object] = {
        "Key": listed.key,
        "LastModified": head.modified_us,
        "ETag": f'"{head.etag}"',
        "Size": head.size_bytes,
        "StorageClass": head.storage_class,
    }
    if head.checksum_algorithm:
        contents["ChecksumAlgorithm"] = [head.checksum_algorithm]
        contents["ChecksumType"] = head.checksum_kind
    if owner:
        contents["Owner"] = {"ID": canonical_id(call.store, head.owner)}
    return contents


def _token(position: bytes) -> str:
    return base64.urlsafe_b64encode(_TOKEN_VERSION + position).decode()


def _position(token: str) -> bytes:
    try:
        data = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if data[:1] != _TOKEN_VERSION:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect")
    return data[1:]
