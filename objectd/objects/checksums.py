"""The digests that S3 keeps and verifies.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import attrs

from objectd.digests import ALGORITHMS, COMBINABLE, Hasher, combined, new_hasher
from objectd.errors import BadDigest, InvalidOperation
from objectd.model.records import Checksum

DEFAULT_ALGORITHM = "CRC64NVME"
"""What S3 computes where the client names no algorithm."""

WHOLE_ONLY_ALGORITHMS = ("CRC64NVME",)
"""Those that S3 keeps of whole objects only."""


def hasher(algorithm: str) -> Hasher:
    """A fresh hasher. Raises `InvalidOperation` for an algorithm that S3 does not have."""
    try:
        return new_hasher(algorithm)
    except KeyError:
        raise InvalidOperation(
            "Checksum algorithm provided is unsupported. Please try again with any of the "
            f"valid types: [{', '.join(ALGORITHMS)}]"
        ) from None


def multipart_checksum(algorithm: str, kind: str) -> tuple[str, str]:
    """The algorithm and kind of an upload's checksum, with AWS's defaults; of a kind that is
    not given, COMPOSITE wherever it can be. Raises `InvalidOperation`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    if not algorithm:
        if kind:
            raise InvalidOperation(
                "The x-amz-checksum-type header can only be used with the "
                "x-amz-checksum-algorithm header."
            )
        return "", ""
    hasher(algorithm)
    allowed = {
        "COMPOSITE": algorithm not in WHOLE_ONLY_ALGORITHMS,
        "FULL_OBJECT": algorithm in COMBINABLE,
    }
    if not kind:
        return algorithm, "COMPOSITE" if allowed["COMPOSITE"] else "FULL_OBJECT"
    if kind not in allowed:
        raise InvalidOperation("Value for x-amz-checksum-type header is invalid.")
    if not allowed[kind]:
        raise InvalidOperation(
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} "
            "checksum algorithm."
        )
    return algorithm, kind


def _nothing() -> None:
    return None


@attrs.frozen
class Declared:
    """What a client says of its bytes beforehand (or in a trailer, so `checksum` is asked
    for the value after the last byte).

    `kept` is the algorithm of the checksum that is wanted of the bytes whatever their sender
    chose; without it that is the sender's `algorithm`, and without that the default.
    """

    md5: bytes | None = None
    algorithm: str = ""
    checksum: Callable[[], bytes | None] = _nothing
    kept: str = ""


NOTHING_DECLARED = Declared()


class Digests:
    """MD5, for the ETag, and the checksums of the bytes that pass: the one to be kept first,
    then the one that was declared, where that is another one."""

    def __init__(self, declared: Declared) -> None:
        algorithm = declared.algorithm or declared.kept or DEFAULT_ALGORITHM
        self._declared = declared
        self._algorithm = algorithm
        self._md5 = hashlib.md5(usedforsecurity=False)
        names = dict.fromkeys((declared.kept or algorithm, algorithm))
        self._checksums = {name: hasher(name) for name in names}
        self.size_bytes = 0

    def update(self, data: bytes) -> None:
        """May run in a thread, one call at a time."""
        self._md5.update(data)
        for checksum in self._checksums.values():
            checksum.update(data)
        self.size_bytes += len(data)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def verified(self) -> tuple[Checksum, ...]:
        """The checksums. Raises `BadDigest` if the bytes are not those declared."""
        if self._declared.md5 is not None and self._declared.md5 != self.md5:
            raise BadDigest("Content-MD5", self._declared.md5.hex(), self.md5.hex())
        computed = {name: checksum.digest() for name, checksum in self._checksums.items()}
        declared = self._declared.checksum()
        if declared is not None and declared != computed[self._algorithm]:
            raise BadDigest(self._algorithm, declared.hex(), computed[self._algorithm].hex())
        return tuple(Checksum(name, value) for name, value in computed.items())


def checksum_mismatch(expected: str, actual: str) -> str:
    """What AWS says to a checksum of another algorithm than the upload's."""
    return (
        f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}, "
        f"actual checksum Type: {actual.lower()}"
    )


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
    return Checksum(algorithm, combined(algorithm, parts))
