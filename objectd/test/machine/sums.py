"""ETags and checksums, computed with nothing that the server computes them with."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")
"""Those that Python alone can compute; the xxHashes are not among them."""

LINEAR = ("CRC32", "CRC32C", "CRC64NVME")
"""Those of which a multipart upload may have a checksum of the whole object."""


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def multipart_etag(parts: Sequence[bytes]) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html"""
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


def checksum(algorithm: str, data: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(_digest(algorithm, data)).decode()


def composite(algorithm: str, parts: Sequence[bytes]) -> str:
    """The checksum of the checksums, and of how many."""
    whole = _digest(algorithm, b"".join(_digest(algorithm, part) for part in parts))
    return f"{base64.b64encode(whole).decode()}-{len(parts)}"


@lru_cache(4096)
def _digest(algorithm: str, data: bytes) -> bytes:
    match algorithm:
        case "CRC32":
            return zlib.crc32(data).to_bytes(4, "big")
        case "CRC32C":
            return _crc(data, 0x82F63B78, 32).to_bytes(4, "big")
        case "CRC64NVME":
            return _crc(data, 0x9A6C9329AC4BC9B5, 64).to_bytes(8, "big")
        case _:
            return hashlib.new(algorithm, data).digest()


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    """A reflected CRC, begun and ended with ones."""
    table, ones = _crc_table(polynomial), (1 << bits) - 1
    crc = ones
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ ones


@cache
def _crc_table(polynomial: int) -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return table
