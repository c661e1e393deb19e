"""Bytes from a server read as answers, strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import attrs

from objectd.protocol.xml_text import XML_DECLARATION

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z' -]+")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00\r\n]*)")
_REFERENCE = re.compile(rb"&#x[0-9a-f]+;")
_WITHOUT_BODY = (204, 304)


class NotAnswers(Exception):
    """The bytes are not whole answers, one after the other."""


@attrs.frozen
class Answer:
    """`bodiless`: as to a HEAD, whatever its Content-Length."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    bodiless: bool = False

    def field(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def interim(self) -> bool:
        return self.status < 200

    @property
    def last(self) -> bool:
        """The server says that it closes the connection."""
        return self.field(b"connection") == b"close"

    def document(self) -> ElementTree.Element | None:
        """The XML that it holds, if it says so; references to characters that XML cannot
        carry, which S3 sends all the same, are left out. Raises `NotAnswers`."""
        if not self.body.startswith(XML_DECLARATION.encode()):
            return None
        try:
            return ElementTree.fromstring(_REFERENCE.sub(b"", self.body))
        except ElementTree.ParseError as error:
            raise NotAnswers(f"not well-formed ({error}): {self.body[:2000]!r}") from error

    @property
    def code(self) -> str:
        """The S3 error code, or ''."""
        found = re.search(rb"<Error><Code>(\w+)</Code>", self.body[:200])
        return found[1].decode() if found else ""


def read_answers(data: bytes, *, heads_max: int, whole: bool = True) -> list[Answer]:
    """The answers in `data`, of which up to `heads_max` may be to HEAD requests. With `whole`
    the last one may not be cut off. Raises `NotAnswers`.

    A Content-Length without its bytes is an answer to HEAD: which one that is follows from
    where the next answer begins.
    """
    readings = _readings(data, heads_max, whole)
    try:
        return next(readings)
    except StopIteration:
        raise NotAnswers(f"no whole answers: {data[:600]!r} … {data[-300:]!r}") from None


def _readings(data: bytes, heads_left: int, whole: bool) -> Iterator[list[Answer]]:
    if not data:
        yield []
        return
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        if not whole:
            yield []
        return
    lines = head.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(lines[0])
    matches = [_FIELD.fullmatch(line) for line in lines[1:]]
    if status_line is None or None in matches:
        return
    status = int(status_line[1])
    fields = tuple((m[1].lower(), m[2]) for m in matches if m is not None)
    lengths = [int(value) for name, value in fields if name == b"content-length"]
    if status < 200 or status in _WITHOUT_BODY:
        if not lengths:
            for others in _readings(rest, heads_left, whole):
                yield [Answer(status, fields, b""), *others]
        return
    if len(lengths) != 1:
        return
    length = lengths[0]
    if len(rest) >= length:
        for others in _readings(rest[length:], heads_left, whole):
            yield [Answer(status, fields, rest[:length]), *others]
    elif not whole:
        yield [Answer(status, fields, rest)]
    if heads_left and length:
        for others in _readings(rest, heads_left - 1, whole):
            yield [Answer(status, fields, b"", bodiless=True), *others]
