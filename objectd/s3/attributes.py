"""What an object carries besides its bytes, between boto3's names and our records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import structs

from objectd.auth.encodings import without_aws_chunked
from objectd.model.records import Checksum, Headers, ObjectHead
from objectd.objects import Object
from objectd.objects.classes import STANDARD
from objectd.objects.reading import parts_count
from objectd.s3.body import encoded

DEFAULT_CONTENT_TYPE = "binary/octet-stream"


KEPT_HEADERS = {
    "CacheControl": "cache_control",
    "ContentDisposition": "content_disposition",
    "ContentEncoding": "content_encoding",
    "ContentLanguage": "content_language",
    "ContentType": "content_type",
    "Expires": "expires",
    "WebsiteRedirectLocation": "website_redirect_location",
}
"""The standard headers that are kept with an object, and their fields in our record."""


def kept_headers(given: Mapping[str, str]) -> Headers:
    """The headers as they are kept. `aws-chunked` describes the transfer, not the object,
    and is never among them."""
    headers = Headers(
        **{KEPT_HEADERS[name]: text for name, text in given.items() if name in KEPT_HEADERS}
    )
    return structs.replace(
        headers,
        content_type=headers.content_type or DEFAULT_CONTENT_TYPE,
        content_encoding=without_aws_chunked(headers.content_encoding),
    )


def shown_headers(headers: Headers) -> dict[str, object]:
    return {name: getattr(headers, field) or None for name, field in KEPT_HEADERS.items()}


def shown_checksums(checksums: Iterable[Checksum], parts: int = 0) -> dict[str, object]:
    """`ChecksumCRC32` and the like, with `ChecksumType`; a composite one tells of how many
    parts it was made, if that is given."""
    shown: dict[str, object] = {}
    for checksum in checksums:
        suffix = f"-{parts}" if parts and checksum.kind == "COMPOSITE" else ""
        shown[f"Checksum{checksum.algorithm}"] = encoded(checksum.value) + suffix
        shown["ChecksumType"] = checksum.kind
    return shown


def part_count(object_: Object) -> int:
    """How many parts an object was made of; 0 if it was put in one go."""
    return parts_count(object_.tail.source)


def shown_class(head: ObjectHead) -> str | None:
    """AWS tells of every class but STANDARD.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    return head.storage_class if head.storage_class != STANDARD else None
