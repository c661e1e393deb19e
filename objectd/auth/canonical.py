"""The canonical request of Signature Version 4: one spelling for each request.

Clients spell paths and queries in many ways (`~` or `%7E`, `%2f` or `%2F`, `?acl` or
`?acl=`), so what came is decoded once and encoded again by the rules of
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. For S3 the
path is never normalised: `//`, `.` and `..` are parts of keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from string import ascii_letters, digits
from typing import TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from objectd.protocol.messages import Headers, HttpRequest

Query: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Decoded names and values in the order in which they came."""

_Values: TypeAlias = Callable[[Mapping[bytes, bytes]], tuple[bytes, ...]]

_is_unreserved = re.compile(rb"[A-Za-z0-9._~-]*").fullmatch
_IN_PLAIN_PATH = f"{ascii_letters}{digits}._~/-".encode()
_PLAIN_PATH = bytes(byte if byte in _IN_PLAIN_PATH else 255 - byte for byte in range(256))
"""Makes another byte of each that does not stay as it is in a path. It takes a third of the time
of a regular expression."""


def parse_query(raw_query: bytes) -> Query:
    """A name without `=` has the value b''; `+` is a space."""
    pairs = []
    for piece in raw_query.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return pairs


def canonical_query(query: Query) -> bytes:
    pairs = sorted((_encode(name), _encode(value)) for name, value in query)
    return b"&".join([b"%b=%b" % pair for pair in pairs])


def canonical_path(raw_path: bytes) -> bytes:
    """Each segment is decoded by itself, so `%2F` stays apart from `/`, as it was signed."""
    if raw_path.translate(_PLAIN_PATH) == raw_path:
        return raw_path or b"/"
    return b"/".join([_encode(unquote_to_bytes(segment)) for segment in raw_path.split(b"/")])


def canonical_headers(headers: Headers, signed_headers: Iterable[bytes]) -> bytes:
    """A line for each signed header: values of one name joined with commas, runs of spaces
    made one. A header that did not come has no value."""
    values: dict[bytes, list[bytes]] = {name: [] for name in signed_headers}
    for name, value in headers:
        if name in values:
            values[name].append(b" ".join(value.split()))
    return b"".join([b"%b:%b\n" % (name, b",".join(values[name])) for name in values])


def canonical_request(
    method: str,
    raw_path: bytes,
    query: Query,
    headers: Headers,
    signed_headers: Sequence[bytes],
    payload: str,
) -> bytes:
    """`payload` is the SHA-256 of the body in hexadecimal, or what stands for it."""
    return _joined(
        method,
        canonical_path(raw_path),
        canonical_query(query),
        canonical_headers(headers, signed_headers),
        signed_headers,
        payload,
    )


def quick_canonical_request(
    request: HttpRequest, query: bytes, signed_headers: tuple[bytes, ...], payload: str
) -> bytes:
    """The same of a request whose canonical `query` is known: where no value of a signed
    header holds a space, it is a form, kept for these names, with the values filled in."""
    fields = request.fields
    values_in, form = _form(signed_headers)
    try:
        values = values_in(fields)
    except KeyError:  # a header that did not come
        values = tuple([fields.get(name, b"") for name in dict.fromkeys(signed_headers)])
    joined = b"".join(values)
    path = canonical_path(request.raw_path)
    if not joined or joined.split(None, 1) == [joined]:
        return form % (request.method.encode(), path, query, *values, payload.encode())
    lines = canonical_headers(request.headers, signed_headers)
    return _joined(request.method, path, query, lines, signed_headers, payload)


def _joined(
    method: str,
    path: bytes,
    query: bytes,
    headers: bytes,
    signed_headers: Sequence[bytes],
    payload: str,
) -> bytes:
    names = b";".join(signed_headers)
    return b"\n".join((method.encode(), path, query, headers, names, payload.encode()))


@lru_cache(maxsize=256)
def _form(signed_headers: tuple[bytes, ...]) -> tuple[_Values, bytes]:
    """What takes the values of these headers, each once, and a canonical request with places for
    all that may differ."""
    names = tuple(dict.fromkeys(signed_headers))
    escaped = [name.replace(b"%", b"%%") for name in signed_headers]
    lines = b"".join([b"%b:%%b\n" % name for name in dict.fromkeys(escaped)])
    form = b"\n".join((b"%b", b"%b", b"%b", lines, b";".join(escaped), b"%b"))
    if len(names) < 2:  # of one name it takes a value instead of a tuple
        return lambda fields: tuple([fields[name] for name in names]), form
    return itemgetter(*names), form


def _decode(text: bytes) -> bytes:
    return text if _is_unreserved(text) else unquote_to_bytes(text.replace(b"+", b" "))


def _encode(data: bytes) -> bytes:
    return data if _is_unreserved(data) else quote_from_bytes(data, safe="").encode()
