"""The digests by which uploads are checked by the server and downloads by us."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs
from awscrt.checksums import (
    combine_crc32,
    combine_crc32c,
    combine_crc64nvme,
    crc32,
    crc32c,
    crc64nvme,
)

__all__ = ["ALGORITHMS", "Expected", "Running", "combined", "expected_of", "new_digest"]

_MD5_ETAG = re.compile(r'"?([0-9a-f]{32})"?')


class Running(Protocol):
    """A digest of the bytes so far."""

    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, function: Callable[[bytes, int], int], width_bytes: int) -> None:
        self._function = function
        self._width_bytes = width_bytes
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width_bytes, "big")


_NEW: Mapping[str, Callable[[], Running]] = {
    "CRC64NVME": lambda: _Crc(crc64nvme, 8),
    "CRC32C": lambda: _Crc(crc32c, 4),
    "CRC32": lambda: _Crc(crc32, 4),
    "SHA256": hashlib.sha256,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}
_COMBINE = {"CRC64NVME": combine_crc64nvme, "CRC32C": combine_crc32c, "CRC32": combine_crc32}

ALGORITHMS = tuple(_COMBINE)
"""Those that uploads can carry: their values for parts give the value for the whole."""


def new_digest(algorithm: str) -> Running:
    return _NEW[algorithm]()


def combined(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The digest of all parts together, from that (in base64) and the size of each."""
    value = 0
    for text, size_bytes in parts:
        part = int.from_bytes(base64.b64decode(text), "big")
        value = _COMBINE[algorithm](value, part, size_bytes)
    width_bytes = 8 if algorithm == "CRC64NVME" else 4
    return base64.b64encode(value.to_bytes(width_bytes, "big")).decode()


@attrs.frozen
class Expected:
    """The digest that the bytes of an object have."""

    algorithm: str
    value: bytes

    def start(self) -> Running:
        return new_digest(self.algorithm)


def expected_of(result: Mapping[str, object]) -> Expected | None:
    """What HeadObject tells: a checksum of the full object, or an ETag that is the MD5 of its
    bytes; None where there is neither, as for most multipart uploads of older servers."""
    if result.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        for algorithm in _NEW:
            text = result.get(f"Checksum{algorithm}")
            if isinstance(text, str) and "-" not in text:
                return Expected(algorithm, base64.b64decode(text))
    encrypted = result.get("ServerSideEncryption", "AES256") != "AES256"
    if encrypted or "SSECustomerAlgorithm" in result:
        return None  # Then the ETag is something else.
    match = _MD5_ETAG.fullmatch(str(result.get("ETag", "")))
    return Expected("MD5", bytes.fromhex(match.group(1))) if match else None
