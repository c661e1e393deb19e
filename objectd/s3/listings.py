"""ListObjects, ListObjectsV2 and ListObjectVersions."""

from __future__ import annotations

import base64
from binascii import crc32
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from objectd.errors import KeyTooLong
from objectd.model.records import Restore
from objectd.objects.listing import ListedObject, ObjectPage, after_key, after_marker
from objectd.objects.settings import KEY_BYTES_MAX, LIST_ENTRIES_MAX
from objectd.objects.version_listing import ListedVersion
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.call import Answer, Call, canonical_id
from objectd.s3.contents import NOTHING_MORE, common_prefixes, contents, versions
from objectd.s3.restoring import restore_status

_L = TypeVar("_L", ListedObject, ListedVersion)

_TOKEN_VERSION = b"\x01"
_TOKEN_HEAD_BYTES = len(_TOKEN_VERSION) + 4


async def list_objects(
    call: Call,
    *,
    Bucket: str,
    Prefix: str = "",
    Delimiter: str = "",
    Marker: str = "",
    MaxKeys: int = LIST_ENTRIES_MAX,
    EncodingType: str | None = None,
    OptionalObjectAttributes: Sequence[str] = (),
) -> Answer:
    _check_optional(OptionalObjectAttributes)
    check_filters(Prefix, Delimiter)
    page_entries_max = entries_max(MaxKeys)
    page = await call.store.listings.objects(
        Bucket,
        prefix=Prefix,
        delimiter=Delimiter,
        position=after_marker(Marker, Prefix, Delimiter) if Marker else b"",
        entries_max=page_entries_max,
    )
    truncated = page.next_position is not None
    also = await _statuses_of_objects(call, Bucket, page, OptionalObjectAttributes)
    return Answer(
        {
            "Name": Bucket,
            "Prefix": Prefix,
            "Marker": Marker,
            "NextMarker": page.last if truncated and Delimiter else None,
            "MaxKeys": page_entries_max,
            "Delimiter": Delimiter or None,
            "EncodingType": EncodingType,
            "IsTruncated": truncated,
            "Contents": contents(
                page.keys,
                page.heads,
                encoding=EncodingType,
                owner_id=_owner_ids(call),
                also=also,
            ),
            "CommonPrefixes": common_prefixes(page.prefixes, encoding=EncodingType),
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
    OptionalObjectAttributes: Sequence[str] = (),
) -> Answer:
    _check_optional(OptionalObjectAttributes)
    if ContinuationToken is not None:
        position = position_of(ContinuationToken)
    else:
        position = after_key(StartAfter) if StartAfter else b""
    check_filters(Prefix, Delimiter)
    page_entries_max = entries_max(MaxKeys)
    page = await call.store.listings.objects(
        Bucket,
        prefix=Prefix,
        delimiter=Delimiter,
        position=position,
        entries_max=page_entries_max,
    )
    following = None
    if page.next_position is not None:
        following = continuation_token(page.next_position)
    also = await _statuses_of_objects(call, Bucket, page, OptionalObjectAttributes)
    return Answer(
        {
            "Name": Bucket,
            "Prefix": Prefix,
            "StartAfter": StartAfter or None,
            "ContinuationToken": ContinuationToken,
            "NextContinuationToken": following,
            "KeyCount": len(page.keys) + len(page.prefixes),
            "MaxKeys": page_entries_max,
            "Delimiter": Delimiter or None,
            "EncodingType": EncodingType,
            "IsTruncated": following is not None,
            "Contents": contents(
                page.keys,
                page.heads,
                encoding=EncodingType,
                owner_id=_owner_ids(call) if FetchOwner else None,
                also=also,
            ),
            "CommonPrefixes": common_prefixes(page.prefixes, encoding=EncodingType),
        }
    )


async def list_object_versions(
    call: Call,
    *,
    Bucket: str,
    Prefix: str = "",
    Delimiter: str = "",
    KeyMarker: str = "",
    VersionIdMarker: str | None = None,
    MaxKeys: int = LIST_ENTRIES_MAX,
    EncodingType: str | None = None,
    OptionalObjectAttributes: Sequence[str] = (),
) -> Answer:
    """Where AWS's page says that the next markers are the first of what is not returned, its
    server gives the last of what is, and takes markers so; after a common prefix, which is the
    key marker then, there is no version id marker."""
    _check_optional(OptionalObjectAttributes)
    check_filters(Prefix, Delimiter)
    if VersionIdMarker == "":
        raise invalid_argument("version-id-marker", "", "A version-id marker cannot be empty.")
    page_entries_max = entries_max(MaxKeys)
    page = await call.store.version_listings.page(
        Bucket,
        prefix=Prefix,
        delimiter=Delimiter,
        key_marker=KeyMarker,
        version_id_marker=VersionIdMarker or "",
        entries_max=page_entries_max,
    )
    next_key, next_version = page.next_markers
    also = NOTHING_MORE
    if OptionalObjectAttributes:
        restores = await call.store.restores.of_versions(Bucket, page.versions)
        also = _statuses(call, page.versions, restores)
    return Answer(
        {
            "Name": Bucket,
            "Prefix": Prefix,
            "KeyMarker": KeyMarker,
            "VersionIdMarker": VersionIdMarker or "",
            "NextKeyMarker": next_key or None,
            "NextVersionIdMarker": next_version or None,
            "MaxKeys": page_entries_max,
            "Delimiter": Delimiter or None,
            "EncodingType": EncodingType,
            "IsTruncated": page.more,
            "Versions": versions(
                page.versions, encoding=EncodingType, owner_id=_owner_ids(call), also=also
            ),
            "CommonPrefixes": common_prefixes(page.prefixes, encoding=EncodingType),
        }
    )


def check_filters(prefix: str, delimiter: str) -> None:
    """No key is longer, so nothing that is could be in one. Raises `KeyTooLong`."""
    for text in (prefix, delimiter):
        size_bytes = len(text.encode())
        if size_bytes > KEY_BYTES_MAX:
            raise KeyTooLong(size_bytes, KEY_BYTES_MAX)


def entries_max(asked: int) -> int:
    """How many entries a page may have: never more than 1,000, however many are asked for."""
    return min(asked, LIST_ENTRIES_MAX)


def _check_optional(attributes: Sequence[str]) -> None:
    """There is but `RestoreStatus`."""
    for attribute in attributes:
        if attribute != "RestoreStatus":
            raise invalid_argument(
                "x-amz-optional-object-attributes",
                attribute,
                "Invalid attribute name specified",
            )


async def _statuses_of_objects(
    call: Call, bucket: str, page: ObjectPage, attributes: Sequence[str]
) -> Mapping[int, str]:
    if not attributes:
        return NOTHING_MORE
    listed = page.objects
    return _statuses(call, listed, await call.store.restores.of_objects(bucket, listed))


def _statuses(call: Call, listed: Sequence[_L], restores: Mapping[_L, Restore]) -> dict[int, str]:
    """By their numbers in the listing."""
    return {
        number: restore_status(call.store, restores[each])
        for number, each in enumerate(listed)
        if each in restores
    }


def _owner_ids(call: Call) -> Callable[[int], str]:
    return lambda account: canonical_id(call.store, account)


def continuation_token(position: bytes) -> str:
    """A position in a form that tells a client nothing and that it cannot get wrong unnoticed:
    one that was cut or changed on its way would skip keys."""
    checksum = crc32(position).to_bytes(4, "big")
    return base64.urlsafe_b64encode(_TOKEN_VERSION + checksum + position).decode()


def position_of(token: str) -> bytes:
    """What `continuation_token` was made of. Raises `S3Error`."""
    try:
        position = base64.urlsafe_b64decode(token)[_TOKEN_HEAD_BYTES:]
    except ValueError:
        position = b""
    if token != continuation_token(position):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect")
    return position
