"""Which names S3 allows for buckets and keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

from objectd.errors import InvalidArgument, InvalidBucketName, KeyTooLong, MetadataTooLarge
from objectd.objects.settings import KEY_BYTES_MAX, METADATA_BYTES_MAX

_ALLOWED = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_PREFIXES_RESERVED = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES_RESERVED = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    if not 3 <= len(name) <= 63:
        raise InvalidBucketName(name, "it must have 3 to 63 characters")
    if not _ALLOWED.fullmatch(name):
        raise InvalidBucketName(
            name, "only a-z, 0-9, '.' and '-' are allowed, with a letter or digit at each end"
        )
    if ".." in name:
        raise InvalidBucketName(name, "two periods must not be adjacent")
    if _ADDRESS.fullmatch(name):
        raise InvalidBucketName(name, "it must not look like an IP address")
    if name.startswith(_PREFIXES_RESERVED) or name.endswith(_SUFFIXES_RESERVED):
        raise InvalidBucketName(name, "AWS reserves its prefix or suffix")


def utf8(text: str, name: str) -> bytes:
    """Raises `InvalidArgument` for text that has no UTF-8 form (a lone surrogate)."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{name} is not valid Unicode", name=name) from error


def key_bytes(key: str) -> bytes:
    """A key as it is stored: UTF-8, 1 to 1,024 bytes, otherwise anything.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    """
    encoded = utf8(key, "Key")
    if not encoded:
        raise InvalidArgument("the key is empty", name="Key")
    if len(encoded) > KEY_BYTES_MAX:
        raise KeyTooLong(len(encoded), KEY_BYTES_MAX)
    return encoded


def check_metadata(metadata: Mapping[str, str]) -> None:
    """2 KB in UTF-8, names and values together.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """
    size_bytes = sum(
        len(utf8(name, "Metadata")) + len(utf8(value, "Metadata"))
        for name, value in metadata.items()
    )
    if size_bytes > METADATA_BYTES_MAX:
        raise MetadataTooLarge(size_bytes, METADATA_BYTES_MAX)
