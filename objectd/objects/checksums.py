"""The digests that S3 keeps and verifies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
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

from objectd.errors import BadDigest, InvalidArgument
from objectd.model.records import Checksum

DEFAULT_ALGORITHM = "CRC64NVME"
"""What S3 computes where the client names no algorithm."""

FULL_OBJECT_ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME")
"""Those whose value for a whole multipart object follows from its parts' values."""


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


_HASHERS: dict[str, Callable[[], Hasher]] = {
    "CRC32": lambda: _Crc(crc32, 4),
    "CRC32C": lambda: _Crc(crc32c, 4),
    "CRC64NVME": lambda: _Crc(crc64nvme, 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}

ALGORITHMS = tuple(_HASHERS)


def hasher(algorithm: str) -> Hasher:
    """A fresh hasher. Raises `InvalidArgument` for an algorithm that is not built."""
    try:
        return _HASHERS[algorithm]()
    except KeyError:
        raise InvalidArgument(
            f"checksum algorithm {algorithm!r} is not one of {', '.join(ALGORITHMS)}",
            name="ChecksumAlgorithm",
            value=algorithm,
        ) from None


def _nothing() -> None:
    return None


@attrs.frozen
class Declared:
    """What a client says of its bytes beforehand (or in a trailer, so `checksum` is asked
    for the value after the last byte). Without an `algorithm` the default is computed."""

    md5: bytes | None = None
    algorithm: str = ""
    checksum: Callable[[], bytes | None] = _nothing


NOTHING_DECLARED = Declared()


class Digests:
    """MD5, for the ETag, and one checksum of the bytes that pass."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._algorithm = declared.algorithm or DEFAULT_ALGORITHM
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._checksum = hasher(self._algorithm)
        self.size_bytes = 0

    def update(self, data: bytes) -> None:
        """May run in a thread, one call at a time."""
        self._md5.update(data)
        self._checksum.update(data)
        self.size_bytes += len(data)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def verified(self) -> Checksum:
        """The checksum to keep. Raises `BadDigest` if the bytes are not those declared."""
        if self._declared.md5 is not None and self._declared.md5 != self.md5:
            raise BadDigest("Content-MD5", self._declared.md5.hex(), self.md5.hex())
        computed = self._checksum.digest()
        declared = self._declared.checksum()
        if declared is not None and declared != computed:
            raise BadDigest(self._algorithm, declared.hex(), computed.hex())
        return Checksum(self._algorithm, computed)


def composite(algorithm: str, parts: list[bytes]) -> Checksum:
    """The checksum of the parts' checksums, which S3 writes with -<number of parts>."""
    whole = hasher(algorithm)
    for value in parts:
        whole.update(value)
    return Checksum(algorithm, whole.digest(), "COMPOSITE")


def multipart_etag(md5s: list[bytes]) -> str:
    """The ETag of a multipart object: MD5 of the parts' MD5s, and their number."""
    whole = hashlib.md5(b"".join(md5s), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(md5s)}"


def full_object(algorithm: str, parts: list[tuple[bytes, int]]) -> Checksum:
    """The CRC of all parts together, combined from (CRC, size) of each without reading."""
    combine = {"CRC32": combine_crc32, "CRC32C": combine_crc32c, "CRC64NVME": combine_crc64nvme}
    value = 0
    for crc, size_bytes in parts:
        value = combine[algorithm](value, int.from_bytes(crc, "big"), size_bytes)
    return Checksum(algorithm, value.to_bytes(8 if algorithm == "CRC64NVME" else 4, "big"))
