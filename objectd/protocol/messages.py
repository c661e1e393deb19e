"""HTTP requests and responses as plain values: all that the S3 layers know of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from objectd.streams import ByteStream

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


def _no_error() -> str:
    return ""


@attrs.frozen
class HttpRequest:
    """The head of a request, as it came over the wire.

    `target` is the request target exactly as received (never decoded or normalised);
    header names are lower case, values are stripped of surrounding white space, and both
    keep the order in which they came. `secure`: the connection was TLS.
    """

    method: str
    target: bytes
    headers: Headers
    request_id: str
    secure: bool = False
    peer: str = ""
    fields: Mapping[bytes, bytes] = attrs.field(init=False, eq=False, repr=False)
    """The values by name, several of one name joined with commas (RFC 9110, 5.3)."""

    @fields.default
    def _joined(self) -> Mapping[bytes, bytes]:
        fields = dict(self.headers)
        if len(fields) < len(self.headers):
            fields.clear()
            for name, value in self.headers:
                fields[name] = b"%b,%b" % (fields[name], value) if name in fields else value
        return fields

    @property
    def raw_path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def raw_query(self) -> bytes:
        return self.target.partition(b"?")[2]

    def header(self, name: bytes) -> bytes | None:
        """The value of a header, as in `fields`; None if absent."""
        return self.fields.get(name)


@attrs.frozen
class Response:
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
    content_length: int | None = attrs.field()
    error_code: str = ""
    late_error_code: Callable[[], str] = _no_error
    head: bytes = b""

    @content_length.default
    def _length_of_body(self) -> int | None:
        if isinstance(self.body, bytes):
            return len(self.body)
        raise TypeError("the length of a streamed body must be given")

    def close(self) -> None:
        """Release the body's stream, if it has one."""
        if not isinstance(self.body, bytes):
            self.body.close()
