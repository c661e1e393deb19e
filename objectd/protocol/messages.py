"""HTTP requests and responses as plain values: all that the S3 layers know of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from objectd.protocol.presigned import without_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from objectd.streams import ByteStream

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


_OF_BODY = -1
"""A length that is left to be that of the body."""


class HttpRequest(msgspec.Struct, frozen=True):
    """The head of a request, as it came over the wire.

    `target` is the request target exactly as received (never decoded or normalised);
    header names are lower case, values are stripped of surrounding white space, and both
    keep the order in which they came. `secure`: the connection was TLS. What comes after
    `peer` follows from the rest, whatever it is given: `fields` are the values by name, several
    of one name joined with commas (RFC 9110, 5.3); `raw_path` and `raw_query` are the target's;
    `signed_query` is the latter without the value of `signature`, that of a presigned URL.
    """

    method: str
    target: bytes
    headers: Headers
    request_id: str
    secure: bool = False
    peer: str = ""
    fields: Mapping[bytes, bytes] = {}
    raw_path: bytes = b""
    raw_query: bytes = b""
    signed_query: bytes = b""
    signature: str = ""

    def __post_init__(self) -> None:
        headers = self.headers
        fields = dict(headers)
        if len(fields) < len(headers):
            fields = _joined(headers)
        path, _, query = self.target.partition(b"?")
        force_setattr(self, "fields", fields)
        force_setattr(self, "raw_path", path)
        force_setattr(self, "raw_query", query)
        signed_query, signature = without_signature(query) if query else (query, "")
        force_setattr(self, "signed_query", signed_query)
        force_setattr(self, "signature", signature)

    def header(self, name: bytes) -> bytes | None:
        """The value of a header, as in `fields`; None if absent."""
        return self.fields.get(name)


def _joined(headers: Headers) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = b"%b,%b" % (fields[name], value) if name in fields else value
    return fields


class Response(msgspec.Struct, frozen=True):
    """What the application answers, complete but for what belongs to the connection.

    The web layer adds `Date`, `Server`, `Connection` and `Content-Length`; every other
    header is the application's: `headers`, and after them `head`, header lines that are in
    the form of the wire already, each ended by CRLF and made of nothing that could hold a line
    break. `content_length` is what the body holds; for HEAD it is what
    GET would send, and the body is not read. It is None for a stream that is still being made
    while it is sent: its pieces are small and go out as they come. Whoever is handed a
    response must close its stream. The error codes are for the access log only: `error_code`,
    or what `late_error_code` says once the body was sent.
    """

    status: int
    headers: Headers = ()
    body: bytes | ByteStream = b""
    content_length: int | None = _OF_BODY
    error_code: str = ""
    late_error_code: Callable[[], str] | None = None
    head: bytes = b""

    def __post_init__(self) -> None:
        if self.content_length == _OF_BODY:
            if not isinstance(self.body, bytes):
                raise TypeError("the length of a streamed body must be given")
            force_setattr(self, "content_length", len(self.body))

    def close(self) -> None:
        """Release the body's stream, if it has one."""
        if not isinstance(self.body, bytes):
            self.body.close()
