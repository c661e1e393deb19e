"""The digest by which a download is verified."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

import attrs

from objectd.digests import ALGORITHMS, Hasher, new_hasher

__all__ = ["Expected", "expected_of"]

_MD5_ETAG = re.compile(r'"?([0-9a-f]{32})"?')


@attrs.frozen
class Expected:
    """The digest that the bytes of an object have."""

    algorithm: str
    value: bytes

    def start(self) -> Hasher:
        return new_hasher(self.algorithm)


def expected_of(result: Mapping[str, object]) -> Expected | None:
    """What HeadObject tells: a checksum of the full object, or an ETag that is the MD5 of its
    bytes; None where there is neither, as for most multipart uploads of older servers."""
    if result.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        for algorithm in ALGORITHMS:
            text = result.get(f"Checksum{algorithm}")
            if isinstance(text, str) and "-" not in text:
                return Expected(algorithm, base64.b64decode(text))
    encrypted = result.get("ServerSideEncryption", "AES256") != "AES256"
    if encrypted or "SSECustomerAlgorithm" in result:
        return None  # Then the ETag is something else.
    match = _MD5_ETAG.fullmatch(str(result.get("ETag", "")))
    return Expected("MD5", bytes.fromhex(match.group(1))) if match else None
