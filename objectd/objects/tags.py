"""Tags of objects: what they may be, and changing them where no new version is made.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import attrs
from msgspec import structs

from objectd.errors import InvalidTag, TooManyTags
from objectd.model.records import JournalKind
from objectd.objects.settings import TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX
from objectd.objects.versions import Versions

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

    _versions: Versions

    async def put(
        self, bucket: str, key: str, tags: Mapping[str, str], *, version_id: str = ""
    ) -> str:
        """Give an object, or a version of it, these tags and no others. It stays the same
        version: its ETag and time do not change, and no byte moves. Returns the version's id.

        Raises `InvalidTag`, `TooManyTags`, `OperationAborted`, and as `Objects.head`.
        """
        check_tags(tags)
        return await self._versions.amend(
            bucket,
            key,
            version_id,
            lambda head, tail: (head, structs.replace(tail, tags=dict(tags))),
            JournalKind.OBJECT_TAGGED,
        )
