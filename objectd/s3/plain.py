"""Recognising requests in plain form, before anything else is known of them.

A form is plain if nothing in it changes what the operation does but what `Plain` holds: a
header that is not listed here, one that came twice, a parameter, an encoding that is wrong,
and the request is not plain. Being wrong about that in the one direction costs time; in the
other a header would be dropped, so the lists name what is taken, not what is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from objectd.digests import ALGORITHMS
from objectd.model.records import NO_HEADERS, Headers
from objectd.protocol import header_text
from objectd.protocol.errors import S3Error
from objectd.protocol.messages import HttpRequest
from objectd.protocol.targets import ESCAPE, bucket_in_host, decode, parse_query
from objectd.s3.attributes import kept_headers

WHOLE_BYTES_MAX = 64 << 10
"""Larger bodies come in pieces: what this saves is nothing beside what those cost."""

_REMEMBERED_BYTES_MAX = 1024
_META = b"x-amz-meta-"

_ALONG = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"amz-sdk-invocation-id",
        b"amz-sdk-request",
        b"authorization",
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"user-agent",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-user-agent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
"""Headers that belong to the connection, to the signature or to nothing."""

_KEPT = {
    b"cache-control": "CacheControl",
    b"content-disposition": "ContentDisposition",
    b"content-encoding": "ContentEncoding",
    b"content-language": "ContentLanguage",
    b"content-type": "ContentType",
}
_KEPT_NAMES = tuple(_KEPT)
_HEADERS = {
    "GET": _ALONG | {b"content-type", b"x-amz-checksum-mode"},
    "HEAD": _ALONG | {b"content-type", b"x-amz-checksum-mode"},
    "DELETE": _ALONG | {b"content-type"},
    "PUT": _ALONG
    | _KEPT.keys()
    | {f"x-amz-checksum-{name.lower()}".encode() for name in ALGORITHMS}
    | {
        b"content-md5",
        b"x-amz-decoded-content-length",
        b"x-amz-sdk-checksum-algorithm",
        b"x-amz-trailer",
    },
}
_OPERATIONS = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "DELETE": "DeleteObject",
    "PUT": "PutObject",
}
_OF_SIGNATURE = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    }
)
_OF_LISTING = frozenset(
    {
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "list-type",
        "max-keys",
        "prefix",
        "start-after",
    }
)
_NOTHING: Mapping[str, str] = {}


class Plain(msgspec.Struct, frozen=True):
    """A request in plain form. `kept` and `metadata` are what is to be kept with an object,
    `parameters` those of a listing, which has the key ''."""

    operation: str
    bucket: str
    key: str
    kept: Headers = NO_HEADERS
    metadata: Mapping[str, str] = _NOTHING
    parameters: Mapping[str, str] = _NOTHING


def recognised(request: HttpRequest, domains: tuple[str, ...]) -> Plain | None:
    """What a request asks for; None if its form is not plain. `domains` as in `parse_target`."""
    method, fields = request.method, request.fields
    known = _HEADERS.get(method)
    if known is None or len(fields) != len(request.headers):
        return None
    metadata = _NOTHING
    if not known.issuperset(fields):
        others = fields.keys() - known
        if method != "PUT" or not all(name.startswith(_META) for name in others):
            return None
        metadata = _metadata(request)
    query = request.signed_query
    parameters = _parameters_in(query) if query else _NOTHING
    if parameters is None or (domains and bucket_in_host(request, domains) is not None):
        return None
    try:
        bucket, key = _split(request.raw_path)
    except S3Error:
        return None
    if not bucket:
        return None
    if not key:
        is_listing = method == "GET" and parameters.get("list-type") == "2"
        return Plain("ListObjectsV2", bucket, "", parameters=parameters) if is_listing else None
    if parameters:
        return None
    if method == "PUT":
        length = fields.get(b"content-length", b"")
        if not (length.isdigit() and len(length) < 8 and int(length) <= WHOLE_BYTES_MAX):
            return None
        return Plain("PutObject", bucket, key, _kept(fields), metadata)
    return Plain(_OPERATIONS[method], bucket, key)


def _split(path: bytes) -> tuple[str, str]:
    """Bucket and key, '' where there is none. Raises `S3Error`."""
    if ESCAPE in path:
        before, _, rest = path.partition(b"/")
        bucket, _, key = rest.partition(b"/")
        return ("", "") if before else (decode(bucket), decode(key))
    start, _, names = decode(path).partition("/")
    name, _, plain_key = names.partition("/")
    return ("", "") if start else (name, plain_key)


def _kept(fields: Mapping[bytes, bytes]) -> Headers:
    values = tuple(map(fields.get, _KEPT_NAMES))
    remember = sum(map(len, filter(None, values))) <= _REMEMBERED_BYTES_MAX
    return (_read_kept if remember else _read_kept.__wrapped__)(values)


@lru_cache(maxsize=1024)
def _read_kept(values: tuple[bytes | None, ...]) -> Headers:
    given = zip(_KEPT.values(), values, strict=True)
    return kept_headers(
        {name: header_text.decode(value) for name, value in given if value is not None}
    )


def _metadata(request: HttpRequest) -> dict[str, str]:
    return {
        header_text.decode(name.removeprefix(_META)): header_text.decode_metadata(value)
        for name, value in request.headers
        if name.startswith(_META)
    }


def _parameters_in(query: bytes) -> Mapping[str, str] | None:
    """What a query says beside its signature; None if it says something that is not plain."""
    return _read_parameters(query) if len(query) <= _REMEMBERED_BYTES_MAX else None


@lru_cache(maxsize=1024)
def _read_parameters(query: bytes) -> Mapping[str, str] | None:
    try:
        pairs = parse_query(query)
    except S3Error:
        return None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in _OF_SIGNATURE or name == "x-id":
            continue
        if name not in _OF_LISTING or name in parameters or value is None:
            return None
        parameters[name] = value
    return parameters
