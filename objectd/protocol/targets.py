"""Request targets: which bucket and key a request names, and its query parameters.

Everything is percent-decoded exactly once, here, so that all later layers see one and the
same bucket and key. A path is never normalised: `//`, `.`, `..` and an encoded slash are
plain parts of a key, as on AWS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import attrs
from msgspec import structs

from objectd.protocol import header_text
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.protocol.messages import HttpRequest
from objectd.protocol.model import Scope

__all__ = [
    "ESCAPE",
    "Query",
    "Scope",
    "Target",
    "bucket_in_host",
    "decode",
    "origin_form",
    "parse_query",
    "parse_target",
    "with_hoisted_headers",
]

Query: TypeAlias = tuple[tuple[str, str | None], ...]

ESCAPE = ord("%")
"""What an escape in a path begins with: as a number, because to look for one takes Python a tenth
of the time that it takes to look for a byte as `bytes`."""

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HOISTED = re.compile(
    rb"&(?:[^=&]*%|x-amz-(?!(?:algorithm|credential|date|expires|signature|signedheaders)[=&]))",
    re.IGNORECASE,
)
"""A parameter that may be a header of S3, in a query after `&`. Those of the signature are
none: for them the query of every presigned URL would be taken apart once more, which takes a
twentieth of the time of a small GET."""

_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)


@attrs.frozen
class Target:
    """What a request is about. `query` keeps order, duplicates and, as None, the parameters
    that came without a value."""

    scope: Scope
    bucket: str | None
    key: str | None
    query: Query


def parse_target(request: HttpRequest, domains: Sequence[str]) -> Target:
    """The target of a request.

    `domains` are the names (lower case, no port) below which the first label of the Host is
    the bucket; with any other Host the first segment of the path is. Raises `S3Error`
    InvalidURI for what cannot be decoded or is not in origin-form, and InvalidBucketName for
    an empty bucket name.
    """
    path = request.raw_path
    if not path.startswith(b"/"):
        raise S3Error("InvalidURI")
    query = parse_query(request.raw_query) if request.raw_query else ()
    bucket = bucket_in_host(request, domains)
    raw_key = path[1:]
    if bucket is None:
        if path == b"/":
            return Target(Scope.SERVICE, None, None, query)
        raw_bucket, _, raw_key = raw_key.partition(b"/")
        bucket = decode(raw_bucket)
        if not bucket:
            raise S3Error("InvalidBucketName", extra={"BucketName": ""})
    if not raw_key:
        return Target(Scope.BUCKET, bucket, None, query)
    return Target(Scope.OBJECT, bucket, decode(raw_key), query)


def parse_query(raw: bytes) -> Query:
    """The parameters of a query string, decoded: `+` is a space here, `;` is itself."""
    return tuple(
        (_decode_plus(name), _decode_plus(value) if equals else None)
        for name, equals, value in (piece.partition(b"=") for piece in raw.split(b"&") if piece)
    )


def origin_form(request: HttpRequest) -> HttpRequest:
    """The request with a target that begins with a slash, which everything else is made for.

    The authority of an absolute-form must be that of the Host header: the latter is signed,
    and the former would replace it (RFC 9112, 3.2.2). Raises `S3Error` InvalidURI.
    """
    if request.target.startswith(b"/"):
        return request
    match = _ABSOLUTE_FORM.match(request.target)
    if match is None or match.group(1) != request.header(b"host"):
        raise S3Error("InvalidURI")
    rest = request.target[match.end() :]
    return structs.replace(request, target=rest if rest.startswith(b"/") else b"/" + rest)


def with_hoisted_headers(request: HttpRequest) -> HttpRequest:
    """The request with the headers of S3 that its query carries among its headers, as signers
    of URLs hoist them; not those that came as headers, too. Raises `S3Error` InvalidArgument.
    """
    if _HOISTED.search(b"&%b&" % request.raw_query) is None:
        return request
    names = {name for name, _ in request.headers}
    hoisted = []
    for name, text in parse_query(request.raw_query):
        field = name.lower().encode()
        if field.startswith(b"x-amz-") and field not in names:
            if not (header_text.is_name(name) and header_text.is_safe(text or "")):
                raise invalid_argument(name, text or "", f"{name} cannot be a header.")
            hoisted.append((field, (text or "").encode()))
    return structs.replace(request, headers=(*request.headers, *hoisted))


def bucket_in_host(request: HttpRequest, domains: Sequence[str]) -> str | None:
    """The bucket that the host names, below one of `domains`; None in path style."""
    if not domains:
        return None
    name = (request.header(b"host") or b"").decode("latin-1").lower()
    if not name.startswith("["):
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if name in domains:
        return None
    above = [domain for domain in domains if name.endswith("." + domain)]
    return name[: -len(max(above, key=len)) - 1] or None if above else None


def _decode_plus(raw: bytes) -> str:
    return decode(raw.replace(b"+", b" ") if b"+" in raw else raw)


def decode(raw: bytes) -> str:
    """A part of a path, percent-decoded. Raises `S3Error` InvalidURI."""
    if ESCAPE in raw:
        if _BAD_ESCAPE.search(raw):
            raise S3Error("InvalidURI")
        raw = unquote_to_bytes(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None
