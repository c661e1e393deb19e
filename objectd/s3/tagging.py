"""The tags of objects and of buckets, in documents and in a header."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl

from objectd.errors import InvalidTag
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.call import Answer, Call

_FIELDS_MAX = 100
"""Far more than the tags that an object may have, so that those are what is counted."""


def tags_in_header(header: str) -> dict[str, str]:
    """The tags that `x-amz-tagging` gives as the query of an URL. Raises `S3Error`.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """
    if not header:
        return {}
    try:
        header.encode("ascii")
        pairs = parse_qsl(
            header, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX
        )
        return _unique(pairs)
    except (ValueError, InvalidTag):
        raise invalid_argument(
            "x-amz-tagging",
            header,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name duplicates.",
        ) from None


async def put_object_tagging(
    call: Call, *, Bucket: str, Key: str, Tagging: Mapping[str, object], VersionId: str = ""
) -> Answer:
    tags = tags_in_document(Tagging["TagSet"])
    version = await call.store.tags.put(Bucket, Key, tags, version_id=VersionId)
    return Answer({"VersionId": version or None})


async def get_object_tagging(call: Call, *, Bucket: str, Key: str, VersionId: str = "") -> Answer:
    found = await call.store.objects.head(Bucket, Key, version_id=VersionId)
    return Answer({"VersionId": found.version_id or None, **_tag_set(found.tail.tags)})


async def delete_object_tagging(
    call: Call, *, Bucket: str, Key: str, VersionId: str = ""
) -> Answer:
    version = await call.store.tags.put(Bucket, Key, {}, version_id=VersionId)
    return Answer({"VersionId": version or None})


async def put_bucket_tagging(call: Call, *, Bucket: str, Tagging: Mapping[str, object]) -> Answer:
    """204, as AWS answers it, whatever its model says."""
    await call.store.tags.put_of_bucket(Bucket, tags_in_document(Tagging["TagSet"]))
    return Answer(status=HTTPStatus.NO_CONTENT)


async def get_bucket_tagging(call: Call, *, Bucket: str) -> Answer:
    tags = await call.store.tags.of_bucket(Bucket)
    if not tags:
        raise S3Error("NoSuchTagSet", extra={"BucketName": Bucket})
    return Answer(_tag_set(tags))


async def delete_bucket_tagging(call: Call, *, Bucket: str) -> Answer:
    await call.store.tags.put_of_bucket(Bucket, {})
    return Answer()


def tags_in_document(tag_set: object) -> dict[str, str]:
    """Raises `InvalidTag` for two of the same key."""
    lines = cast("Sequence[Mapping[str, str]]", tag_set)
    return _unique((line["Key"], line["Value"]) for line in lines)


def _tag_set(tags: Mapping[str, str]) -> Mapping[str, object]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise InvalidTag("Cannot provide multiple Tags with the same key")
        tags[key] = value
    return tags
