"""GetObjectAttributes."""

from __future__ import annotations

from collections.abc import Sequence

from objectd.objects import Object, ObjectPart, OpenObject
from objectd.objects.settings import LIST_ENTRIES_MAX
from objectd.protocol.errors import S3Error
from objectd.s3.attributes import part_count, shown_checksums
from objectd.s3.call import Answer, Call
from objectd.s3.encryption import customer_key
from objectd.s3.listings import entries_max

_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


async def get_object_attributes(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ObjectAttributes: Sequence[str],
    MaxParts: int = LIST_ENTRIES_MAX,
    PartNumberMarker: int = 0,
    VersionId: str = "",
    **given: str,
) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html"""
    wanted = frozenset(ObjectAttributes)
    if wanted == {""}:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-object-attributes header specifying the attributes to be retrieved is "
            "either missing or empty",
        )
    if not wanted <= {*_ATTRIBUTES}:
        raise S3Error("InvalidArgument", "Invalid attribute name specified.")
    key = customer_key(call, given)
    opened = await call.store.objects.get(
        Bucket, Key, version_id=VersionId, customer_key=key, archived=True
    )
    try:
        found = opened.object
        shown = {
            "ETag": found.etag,  # here, and only here, without quotes
            "Checksum": _checksum(found),
            "ObjectParts": None,
            "StorageClass": found.head.storage_class,
            "ObjectSize": found.size_bytes,
        }
        if "ObjectParts" in wanted:
            shown["ObjectParts"] = await _parts(opened, PartNumberMarker, entries_max(MaxParts))
    finally:
        opened.close()
    result = {name: shown[name] for name in _ATTRIBUTES if name in wanted}
    version = found.version_id or None
    return Answer({"LastModified": found.head.modified_us, "VersionId": version, **result})


def _checksum(object_: Object) -> dict[str, object] | None:
    """Without the -N that other operations give a composite one: as AWS does it, see
    https://github.com/floci-io/floci/issues/3083."""
    return shown_checksums(object_.tail.checksums, 0) or None


async def _parts(opened: OpenObject, marker: int, parts_max: int) -> dict[str, object] | None:
    """None for an object that was put in one go. The parts themselves are listed only where
    each has a checksum that counts, which is that of a composite one."""
    count = part_count(opened.object)
    if not count:
        return None
    if opened.object.head.checksum_kind != "COMPOSITE":
        return {"TotalPartsCount": count}
    parts = await opened.parts(after_number=marker, parts_max=parts_max)
    last = parts[-1].number if parts else marker
    return {
        "TotalPartsCount": count,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": last,
        "MaxParts": parts_max,
        "IsTruncated": bool(parts) and last < count,
        "Parts": [_part(part) for part in parts],
    }


def _part(part: ObjectPart) -> dict[str, object]:
    checksum = shown_checksums(part.checksums[:1])
    checksum.pop("ChecksumType", None)
    return {"PartNumber": part.number, "Size": part.stop - part.start, **checksum}
