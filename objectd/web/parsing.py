"""From bytes to requests: the one place that knows the syntax of HTTP/1.1.

A head is parsed when all of it is there, so it has exactly one end, and nothing that follows it
can be taken for a part of it. llhttp reads the header fields and is a second opinion on the
framing. What it lets pass though RFC 9112 has it refused, or does not know, is decided here
(`objectd.test.web.test_parsing` shows each): the request line, of which llhttp would take other
protocols, versions and several spaces, and refuse methods that it has never heard of; blanks at
the end of values; Host; and all of the framing of bodies, so that a body never goes through
llhttp: neither can `Upgrade` turn it into another request, nor a trailer into a header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from objectd.protocol.messages import Headers

CONTENT_LENGTH_DIGITS_MAX = 18
"""Beyond it no length is meant seriously."""

CHUNK_LINE_BYTES_MAX = 256
"""The size of a chunk with its extensions, of which nobody here knows one."""

TRAILER_BYTES_MAX = 8 << 10

_NOT_HTTP = "The request is not valid HTTP."
_BAD_CHUNKS = "The request's body is not framed as HTTP prescribes."
_FIRST_LINE = b"GET / HTTP/1.1"
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")}
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = bytes(
    byte if 0x21 <= byte < 0x7F or 0x80 <= byte < 0xB1 else 255 - byte for byte in range(256)
)
"""Makes another byte of each that a target may not hold. It may hold visible ASCII, and beyond it
what Twisted's channel lets pass, for the application to refuse."""

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[^\x00-\x08\x0a-\x1f\\\x7f]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class Malformed(Exception):
    """What a client sent is not HTTP/1.1, or no server should guess what it means."""


def parse_request_line(line: bytes) -> tuple[str, bytes, bool]:
    """Method, target, and whether it is HTTP/1.1 rather than 1.0 (RFC 9112, 3)."""
    raw_method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    method = _METHODS.get(raw_method)
    if method is None:
        if _TOKEN.fullmatch(raw_method) is None:
            raise Malformed(_NOT_HTTP)
        method = raw_method.decode("ascii")
    if not target or target.translate(_TARGET) != target:
        raise Malformed(_NOT_HTTP)
    if version != b"HTTP/1.1" and version != b"HTTP/1.0":
        raise Malformed(_NOT_HTTP)
    return method, target, version == b"HTTP/1.1"


class HeaderParser:
    """Header fields by llhttp, of any number of connections in turn."""

    def __init__(self) -> None:
        self._fields: list[tuple[bytes, bytes]] = []
        self._reusable = False
        self._parser = HttpRequestParser(self)

    def parse(self, section: bytes) -> Headers:
        """The fields of a header section: from the CRLF that ends the request line to the
        empty line. Names are lower case, values stripped. Raises `Malformed`."""
        fields: list[tuple[bytes, bytes]] = []
        self._fields = fields
        self._reusable = False
        try:
            self._parser.feed_data(_FIRST_LINE + section)
        except HttpParserUpgrade:
            self._reusable = False
        except HttpParserError as error:
            self._parser = HttpRequestParser(self)
            raise Malformed(_NOT_HTTP) from error
        if not self._reusable:
            # It waits for a body, or for the end of the connection.
            self._parser = HttpRequestParser(self)
        return tuple(fields)

    # Called by llhttp

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value.rstrip(b" \t")))

    def on_message_complete(self) -> None:
        self._reusable = self._parser.should_keep_alive()


def body_length(headers: Headers, fields: Mapping[bytes, bytes], *, http_1_1: bool) -> int | None:
    """How long a request's body is, None if it comes in chunks; `fields` is the headers by
    name. Raises `Malformed` where two parsers could see different bodies or hosts."""
    host = fields.get(b"host")
    if host is None:
        if http_1_1:
            raise Malformed("There must be exactly one Host header.")
    elif len(fields) < len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise Malformed("There must be exactly one Host header.")  # RFC 9112, 3.2
    length = fields.get(b"content-length")
    encoding = fields.get(b"transfer-encoding")
    if encoding is not None:
        # RFC 9112, 6.1: HTTP/1.0 knows no transfer encodings, and a message that has one all
        # the same is framed faultily.
        if encoding.lower() != b"chunked" or length is not None or not http_1_1:
            raise Malformed("The transfer encoding is not understood.")
        size_bytes = None
    elif length is not None:
        if not length.isdigit() or len(length) > CONTENT_LENGTH_DIGITS_MAX:
            raise Malformed("The content length is not a sensible one.")
        size_bytes = int(length)
    else:
        return 0
    if size_bytes != 0 and b"upgrade" in fields:
        raise Malformed("A request that asks for another protocol may not have a body.")
    return size_bytes


class Measured:
    """A body of so many bytes. `complete` once all of them were received."""

    __slots__ = ("_remaining_bytes", "complete")

    def __init__(self, length: int) -> None:
        self._remaining_bytes = length
        self.complete = length == 0

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """What of the body is in `data`, and what comes after it; no byte is copied without
        need."""
        remaining_bytes = self._remaining_bytes
        if len(data) < remaining_bytes:
            self._remaining_bytes = remaining_bytes - len(data)
            return [data], b""
        self.complete = True
        return [data[:remaining_bytes]], data[remaining_bytes:]


class Chunks:
    """A body in chunks (RFC 9112, 7.1), whose extensions and trailers are dropped.

    `complete` once the last chunk, its trailers and the empty line were received.
    """

    __slots__ = ("_expected", "_line", "_remaining_bytes", "_trailer_bytes", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._expected = self._size
        self._line = b""
        self._remaining_bytes = 0
        self._trailer_bytes = 0

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """What of the body is in `data`, and what comes after it. Raises `Malformed`; what
        came before the fault is then of no use either."""
        pieces: list[bytes] = []
        start = 0
        while start < len(data) and not self.complete:
            if self._remaining_bytes:
                piece = data[start : start + self._remaining_bytes]
                self._remaining_bytes -= len(piece)
                start += len(piece)
                pieces.append(piece)
            else:
                start = self._receive_line(data, start)
        return pieces, data[start:]

    def _receive_line(self, data: bytes, start: int) -> int:
        end = data.find(b"\n", start) + 1
        self._line += data[start : end or len(data)]
        if len(self._line) > self._line_bytes_max():
            raise Malformed(_BAD_CHUNKS)
        if end == 0:
            return len(data)
        line, self._line = self._line, b""
        if line[-2:-1] != b"\r":
            raise Malformed(_BAD_CHUNKS)
        self._expected(line[:-2])
        return end

    def _line_bytes_max(self) -> int:
        if self._expected == self._trailer:
            return TRAILER_BYTES_MAX - self._trailer_bytes
        return CHUNK_LINE_BYTES_MAX

    # What may come next

    def _size(self, line: bytes) -> None:
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise Malformed(_BAD_CHUNKS)
        self._remaining_bytes = int(found[1], 16)
        self._expected = self._end_of_data if self._remaining_bytes else self._trailer

    def _end_of_data(self, line: bytes) -> None:
        if line:
            raise Malformed(_BAD_CHUNKS)
        self._expected = self._size

    def _trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line) + 2
        if not line:
            self.complete = True
        elif _TRAILER.fullmatch(line) is None:
            raise Malformed(_BAD_CHUNKS)
