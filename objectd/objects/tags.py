"""Tags of objects: what they may be, and changing them where no new version is made.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import attrs
from msgspec import structs

from objectd.errors import InvalidTag, ObjectNotFound, TooManyTags
from objectd.interfaces import At
from objectd.model import keys
from objectd.model.codec import decode_object, encode_object
from objectd.model.records import JournalKind
from objectd.objects.buckets import Buckets
from objectd.objects.core import Core
from objectd.objects.names import key_bytes
from objectd.objects.settings import TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX
from objectd.objects.shield import shield
from objectd.objects.writer import Batch

_SIGNS = frozenset("_.:/=+-@")
_RESERVED = "aws:"


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises `TooManyTags`, `InvalidTag`."""
    if len(tags) > TAGS_MAX:
        raise TooManyTags(f"Object tags cannot be greater than {TAGS_MAX}")
    for key, value in tags.items():
        if not 1 <= len(key) <= TAG_KEY_CHARS_MAX or not _is_allowed(key):
            raise InvalidTag("The TagKey you have provided is invalid")
        if len(value) > TAG_VALUE_CHARS_MAX or not _is_allowed(value):
            raise InvalidTag("The TagValue you have provided is invalid")
        if key.lower().startswith(_RESERVED):
            raise InvalidTag("System tags cannot be added/updated by requester")


def _is_allowed(text: str) -> bool:
    """Letters, digits and spaces of any script, and a few signs."""
    return all(char in _SIGNS or unicodedata.category(char)[0] in "LNZ" for char in text)


@attrs.frozen
class Tags:
    """The tags of all objects."""

    _core: Core
    _buckets: Buckets

    async def put(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Give an object these tags and no others. It stays the same version: its ETag and
        time do not change, and no byte moves.

        Raises `BucketNotFound`, `ObjectNotFound`, `InvalidTag`, `TooManyTags`,
        `OperationAborted`.
        """
        check_tags(tags)
        raw_key = key_bytes(key)
        bucket_id = await self._buckets.id_of(bucket)
        row_key = keys.object_(bucket_id, raw_key)
        core = self._core

        async def decide(batch: Batch) -> None:
            [row] = await core.metadata.get([row_key])
            if row is None:
                raise ObjectNotFound(bucket, key)
            head, tail = decode_object(row.value)
            batch.expect(At(row_key, row.revision))
            batch.put(row_key, encode_object(head, structs.replace(tail, tags=dict(tags))))
            kind = JournalKind.OBJECT_TAGGED
            core.journal(batch, kind, bucket_id, key=raw_key, version=head.version)

        async def locked() -> None:
            async with core.locks.holding(row_key):
                await core.writer.transact(decide)

        await shield(locked())
