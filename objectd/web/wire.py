"""The head of a response as bytes."""

from __future__ import annotations

from http import HTTPStatus

from objectd.protocol.messages import Response

BODILESS = frozenset({204, 304})
"""Statuses without a body, whose head says nothing of a length (RFC 9110, 8.6)."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}


def response_head(response: Response, *, date: bytes, close: bool, chunked: bool = False) -> bytes:
    """Status line and headers up to the empty line; `ValueError` if a header would break
    out of its line. `chunked` is how a body of unknown length is sent (RFC 9112, 6.1)."""
    lines = [_STATUS_LINES[response.status], b"Date: ", date, b"\r\nServer: objectd\r\n"]
    for name, value in response.headers:
        lines += (name, b": ", value, b"\r\n")
    framing: list[bytes] = []
    if chunked:
        framing.append(b"Transfer-Encoding: chunked\r\n")
    elif response.status not in BODILESS and response.content_length is not None:
        framing.append(b"Content-Length: %d\r\n" % response.content_length)
    if close:
        framing.append(b"Connection: close\r\n")
    head = b"".join((*lines, *framing, b"\r\n"))
    breaks = len(response.headers) + 4 + len(framing)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise ValueError("a response header holds a line break or NUL")
    return head


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; of nothing, its end (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
