"""The head of a request, taken from what a connection received."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from objectd.protocol.messages import HttpRequest
from objectd.web.application import RefusalCode
from objectd.web.limits import Limits
from objectd.web.parsing import HeaderParser, Malformed, body_length, parse_request_line

LINE_BYTES_MIN = 3
"""What a line that is not empty takes, with its end."""


class Head(msgspec.Struct, frozen=True):
    """A request, and what its head says of the connection.

    `size_bytes` is the head's own size, `length` its body's, None for chunks. `persistent`:
    the client may send another request.
    """

    request: HttpRequest
    size_bytes: int
    length: int | None
    http_1_1: bool
    persistent: bool
    expects_continue: bool


class Refused(Exception):
    """The connection is of no more use; the client is told why."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Heads:
    """Takes heads for all connections of a site; each is looked at anew until it is whole."""

    def __init__(self, limits: Limits, new_request_id: Callable[[], str]) -> None:
        self._limits = limits
        self._new_request_id = new_request_id
        self._parser = HeaderParser()
        self._within_limits_bytes = min(
            limits.request_line_bytes, limits.header_bytes, LINE_BYTES_MIN * limits.header_count
        )

    def take(self, data: bytes, *, secure: bool, peer: str) -> Head | None:
        """The head that `data` begins with, None if it is not whole. Raises `Refused`, also
        for a part of a head from which no good one can come."""
        line_end = data.find(b"\r\n")
        end = data.find(b"\r\n\r\n", line_end) if line_end >= 0 else -1
        if not 0 <= end <= self._within_limits_bytes:
            self._check_limits(data, line_end, end)
        if end < 0:
            return None
        try:
            method, target, http_1_1 = parse_request_line(data[:line_end])
            headers = self._parser.parse(data[line_end : end + 4])
            request = HttpRequest(method, target, headers, self._new_request_id(), secure, peer)
            fields = request.fields
            length = body_length(headers, fields, http_1_1=http_1_1)
        except Malformed as fault:
            raise Refused(RefusalCode.BAD_REQUEST, str(fault)) from fault
        wishes = fields.get(b"connection")
        expectation = fields.get(b"expect")
        return Head(
            request,
            end + 4,
            length,
            http_1_1,
            http_1_1 and (wishes is None or not _closes(wishes)),
            http_1_1 and expectation is not None and expectation.lower() == b"100-continue",
        )

    def _check_limits(self, data: bytes, line_end: int, end: int) -> None:
        """Also of a part of a head, of which up to three bytes of an end may be cut off."""
        limits = self._limits
        if end < 0:
            end = len(data) - 3
        if (line_end if line_end >= 0 else end) > limits.request_line_bytes:
            raise Refused(RefusalCode.URI_TOO_LONG, "The request line is too long.")
        if line_end >= 0 and (
            end - line_end > limits.header_bytes
            or data.count(b"\r\n", line_end, end) > limits.header_count
        ):
            raise Refused(
                RefusalCode.HEADERS_TOO_LARGE,
                "Your request header section exceeds the maximum allowed size.",
            )


def _closes(wishes: bytes) -> bool:
    return b"close" in {wish.strip().lower() for wish in wishes.split(b",")}
