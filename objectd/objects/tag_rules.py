"""What tags may be, of objects and of buckets.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from objectd.errors import InvalidTag, TooManyTags
from objectd.objects.settings import (
    BUCKET_TAGS_MAX,
    TAG_KEY_CHARS_MAX,
    TAG_VALUE_CHARS_MAX,
    TAGS_MAX,
)

_SIGNS = frozenset("_.:/=+-@")
_RESERVED = "aws:"


def check_tags(tags: Mapping[str, str]) -> None:
    """Of an object. Raises `InvalidTag`, `TooManyTags`."""
    _check(tags)
    if len(tags) > TAGS_MAX:
        raise TooManyTags(f"Object tags cannot be greater than {TAGS_MAX}")


def check_bucket_tags(tags: Mapping[str, str]) -> None:
    """Of a bucket. Raises `InvalidTag`, `TooManyTags`."""
    _check(tags)
    if len(tags) > BUCKET_TAGS_MAX:
        raise TooManyTags(f"Bucket tag count cannot be greater than {BUCKET_TAGS_MAX}")


def _check(tags: Mapping[str, str]) -> None:
    """Each by itself, which AWS does before it counts them."""
    for key, value in tags.items():
        if not 1 <= _length(key) <= TAG_KEY_CHARS_MAX or not _is_allowed(key):
            raise InvalidTag("The TagKey you have provided is invalid")
        if _length(value) > TAG_VALUE_CHARS_MAX or not _is_allowed(value):
            raise InvalidTag("The TagValue you have provided is invalid")
        if key.lower().startswith(_RESERVED):
            raise InvalidTag("System tags cannot be added/updated by requester")


def _length(text: str) -> int:
    """In the units of UTF-16, in which AWS keeps tags: what lies beyond the first 65,536
    characters of Unicode counts twice."""
    return len(text) + sum(char > "\uffff" for char in text)


def _is_allowed(text: str) -> bool:
    """Letters, digits and spaces of any script, and a few signs."""
    return all(char in _SIGNS or unicodedata.category(char)[0] in "LNZ" for char in text)
