"""The head of a response as bytes."""

from __future__ import annotations

from http import HTTPStatus

from objectd.protocol.messages import Response

BODILESS = frozenset({204, 304})
"""Statuses without a body, whose head says nothing of a length (RFC 9110, 8.6)."""

_CLOSE = b"Connection: close\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}


def opening(status: int, date: bytes) -> bytes:
    """The status line and the headers that are the same for a second."""
    return b"%bDate: %b\r\nServer: objectd\r\n" % (_STATUS_LINES[status], date)


def response_head(
    response: Response, opening: bytes, *, close: bool, chunked: bool = False
) -> bytes:
    """Everything up to the empty line; `ValueError` if a header would break out of its line.
    `chunked` is how a body of unknown length is sent (RFC 9112, 6.1)."""
    return b"".join(
        (
            opening,
            _lines(response) if response.headers else b"",
            response.head,
            _CHUNKED if chunked else _length(response),
            _CLOSE if close else b"",
            b"\r\n",
        )
    )


def _length(response: Response) -> bytes:
    if response.content_length is None or response.status in BODILESS:
        return b""
    return b"Content-Length: %d\r\n" % response.content_length


def _lines(response: Response) -> bytes:
    parts: list[bytes] = []
    for name, value in response.headers:
        parts += (name, b": ", value, b"\r\n")
    lines = b"".join(parts)
    breaks = len(response.headers)
    if lines.count(b"\n") != breaks or lines.count(b"\r") != breaks or 0 in lines:
        raise ValueError("a response header holds a line break or NUL")
    return lines


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; of nothing, its end (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
