"""The Range header, as far as S3 takes it: one range of bytes."""

from __future__ import annotations

import re

from objectd.errors import InvalidRange

_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})")
"""Of more digits no number is meant seriously, and `int` raises for thousands of them."""


def resolve_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """The bytes start <= i < stop that a header asks for, or None for the whole object.

    What is not one well-formed range of bytes is ignored (RFC 9110, 14.2; S3 returns the
    whole object for several ranges). Raises `InvalidRange` if none of it is in the object.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size_bytes - int(last)), size_bytes
    elif last == "":
        start, stop = int(first), size_bytes
    elif int(last) < int(first):
        return None
    else:
        start, stop = int(first), min(int(last) + 1, size_bytes)
    if start >= stop:
        raise InvalidRange(header, size_bytes)
    return start, stop
