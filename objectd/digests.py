"""The digests of S3's model, which the server keeps and verifies and the client does, too.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

import xxhash
from awscrt.checksums import (
    combine_crc32,
    combine_crc32c,
    combine_crc64nvme,
    crc32,
    crc32c,
    crc64nvme,
)

__all__ = ["ALGORITHMS", "COMBINABLE", "Hasher", "combined", "digest_of", "new_hasher"]


class Hasher(Protocol):
    """What `hashlib` objects do, as far as we use it."""

    def update(self, data: bytes, /) -> None: ...

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


_CRCS: Mapping[str, tuple[Callable[..., int], int]] = {
    "CRC32": (crc32, 4),
    "CRC32C": (crc32c, 4),
    "CRC64NVME": (crc64nvme, 8),
}
_HASHERS: Mapping[str, Callable[[], Hasher]] = {
    **{name: partial(_Crc, *how) for name, how in _CRCS.items()},
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    # Not awscrt's: those hold the GIL.
    "XXHASH64": xxhash.xxh64,
    "XXHASH3": xxhash.xxh3_64,
    "XXHASH128": xxhash.xxh3_128,
}
_COMBINE = {"CRC32": combine_crc32, "CRC32C": combine_crc32c, "CRC64NVME": combine_crc64nvme}

ALGORITHMS = tuple(_HASHERS)

COMBINABLE = tuple(_COMBINE)
"""Those whose value for the whole follows from the values of its parts."""


def new_hasher(algorithm: str) -> Hasher:
    """Raises `KeyError` for an algorithm that S3 does not have."""
    return _HASHERS[algorithm]()


def digest_of(algorithm: str, data: bytes) -> bytes:
    """What a hasher makes of bytes that are all there. Raises `KeyError` likewise."""
    if (crc := _CRCS.get(algorithm)) is not None:
        function, width_bytes = crc
        return function(data).to_bytes(width_bytes, "big")
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return hasher.digest()


def combined(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The digest of all parts together, from that and the size of each, without reading."""
    value = 0
    for part, size_bytes in parts:
        value = _COMBINE[algorithm](value, int.from_bytes(part, "big"), size_bytes)
    return value.to_bytes(len(new_hasher(algorithm).digest()), "big")
