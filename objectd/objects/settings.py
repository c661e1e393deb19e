"""The limits of the object store, each with AWS's value where AWS has one.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

from enum import Enum

import attrs

KEY_BYTES_MAX = 1024
PART_NUMBER_MAX = 10_000
PART_BYTES_MAX = 5 << 30
"""As many of the largest parts as there may be make the largest object: 48.8 TiB."""
OBJECT_PUT_BYTES_MAX = 5 << 30
COPY_SOURCE_BYTES_MAX = 5 << 30
METADATA_BYTES_MAX = 2048
LIST_ENTRIES_MAX = 1000
LIST_BUCKETS_MAX = 10_000
DELETE_KEYS_MAX = 1000
RETENTION_DAYS_MAX = 36_500
RETENTION_YEARS_MAX = 100
RESTORE_DAYS_MAX = 36_500
TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
ANNOTATIONS_MAX = 1000
ANNOTATION_NAME_BYTES_MAX = 512
ANNOTATION_BYTES_MAX = 1 << 20
TAG_KEY_CHARS_MAX = 128
TAG_VALUE_CHARS_MAX = 256


class ETagKind(Enum):
    """What the ETag is made of that bytes have which are put in one go."""

    MD5 = "md5"
    BLAKE3 = "blake3"
    """Nine times as fast. The ETag ends in `-1`, as if of one part: clients that take an ETag
    for an MD5 leave alone those with a dash."""


@attrs.frozen
class ObjectSettings:
    """What an operator may set; `etc/objectd.toml` says what for."""

    inline_bytes_max: int = attrs.field(
        default=64 << 10, validator=[attrs.validators.ge(0), attrs.validators.le(512 << 10)]
    )
    part_bytes_min: int = attrs.field(default=5 << 20, validator=attrs.validators.ge(1))
    commit_attempts_max: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    etag: ETagKind = ETagKind.MD5
    lifecycle_day_seconds: float = attrs.field(
        default=86_400.0, validator=[attrs.validators.ge(0.001), attrs.validators.le(86_400)]
    )

    @property
    def lifecycle_day_us(self) -> int:
        return round(self.lifecycle_day_seconds * 1_000_000)
