"""Header values as text and back.

HTTP header values are bytes. They are read as UTF-8 where they are that, else as Latin-1
(RFC 9110, 5.5), and written as UTF-8. User metadata outside printable US-ASCII is read and
written as an RFC 2047 encoded word, as S3 does
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
"""

from __future__ import annotations

import base64
import binascii
import re

from objectd.protocol.messages import Headers

_FORBIDDEN = re.compile("[\r\n\0]")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_PRINTABLE = re.compile("[\t -~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ENCODED_WORD = re.compile(r"=\?([^?= ]+)\?([bBqQ])\?([^? ]*)\?=")
_BETWEEN_ENCODED_WORDS = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
_CHARSETS = frozenset({"utf-8", "us-ascii", "iso-8859-1"})
"""Those of which any text that comes out can be kept: Python knows some that give lone
surrogates, and some that are no text at all."""


def decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encode(text: str) -> bytes:
    """Raises `ValueError` for what would end the header: CR, LF and NUL."""
    if _FORBIDDEN.search(text):
        raise ValueError(f"{text!r} cannot be a header value")
    return text.encode()


def lines(headers: Headers) -> bytes:
    """Headers in the form of the wire, each ended by CRLF. Raises `ValueError` if one would
    break out of its line."""
    text = b"".join([b"%b: %b\r\n" % header for header in headers])
    if text.count(b"\n") != len(headers) or text.count(b"\r") != len(headers) or 0 in text:
        raise ValueError("a response header holds a line break or NUL")
    return text


def is_safe(text: str) -> bool:
    """Whether it may be taken for a header value: without control characters but the tab
    (RFC 9110, 5.5)."""
    return _CONTROL.search(text) is None


def is_name(text: str) -> bool:
    """Whether a header can have this name (RFC 9110, 5.1)."""
    return _NAME.fullmatch(text) is not None


def decode_metadata(raw: bytes) -> str:
    """Text with an encoded word that cannot be decoded is kept as it is."""
    text = decode(raw)
    if "=?" not in text:
        return text
    try:
        # RFC 2047, 6.2: the space between two encoded words belongs to neither.
        return _ENCODED_WORD.sub(_decoded_word, _BETWEEN_ENCODED_WORDS.sub("", text))
    except ValueError:
        return text


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, encoded = match.groups()
    if charset.lower() not in _CHARSETS:
        raise ValueError(f"{charset} is not among {sorted(_CHARSETS)}")
    if encoding in "bB":
        return base64.b64decode(encoded, validate=True).decode(charset)
    return binascii.a2b_qp(encoded, header=True).decode(charset)


def encode_metadata(text: str) -> bytes:
    if _PRINTABLE.fullmatch(text):
        return text.encode()
    return b"=?UTF-8?B?" + base64.b64encode(text.encode()) + b"?="
