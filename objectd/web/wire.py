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
    parts = [opening]
    if response.headers:
        parts.append(_lines(response))
    parts.append(response.head)
    if chunked:
        parts.append(_CHUNKED)
    elif response.status not in BODILESS and response.content_length is not None:
        parts.append(b"Content-Length: %d\r\n" % response.content_length)
    if close:
        parts.append(_CLOSE)
    parts.append(b"\r\n")
    return b"".join(parts)


def _lines(response: Response) -> bytes:
    parts: list[bytes] = []
    for name, value in response.headers:
        parts += (name, b": ", value, b"\r\n")
    lines = b"".join(parts)
    breaks = len(response.headers)
    if lines.count(b"\n") != breaks or lines.count(b"\r") != breaks or b"\0" in lines:
        raise ValueError("a response header holds a line break or NUL")
    return lines


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; of nothing, its end (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
