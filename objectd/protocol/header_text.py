"""Header values as text and back.

HTTP header values are bytes. They are read as UTF-8 where they are that, else as Latin-1
(RFC 9110, 5.5), and written as UTF-8. User metadata outside printable US-ASCII is read and
written as an RFC 2047 encoded word, as S3 does
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
"""

from __future__ import annotations

import base64
import re
from email.errors import HeaderParseError
from email.header import decode_header

_FORBIDDEN = re.compile("[\r\n\0]")
_PRINTABLE = re.compile("[\t -~]*")


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


def is_safe(text: str) -> bool:
    return _FORBIDDEN.search(text) is None


def decode_metadata(raw: bytes) -> str:
    text = decode(raw)
    if "=?" not in text:
        return text
    try:
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "ascii")
            for part, charset in decode_header(text)
        )
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return text


def encode_metadata(text: str) -> bytes:
    if _PRINTABLE.fullmatch(text):
        return text.encode()
    return b"=?UTF-8?B?" + base64.b64encode(text.encode()) + b"?="
