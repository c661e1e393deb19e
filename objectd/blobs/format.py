"""The bytes of a blob's file, as section 5 of `docs/format.md` fixes them.

    data ‖ CRC32C of each block of the data ‖ identity ‖ trailer

The data begins at 0, so a range of the blob is the same range of the file. What describes
it comes last, because it is known last.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

import attrs
from awscrt.checksums import crc32c

BLOCK_BYTES = 64 << 10
CHECKSUM_BYTES = 4
IDENTITY_BYTES_MAX = 64 << 10
VERSION = 1

_MAGIC = b"objectdB"
_FIELDS = struct.Struct(">8sHIQI32s12s")
_CRC = struct.Struct(">I")
TRAILER_BYTES = _FIELDS.size + _CRC.size

_TAIL_BYTES = 4096
"""Read at once from the end: holds the trailer, most identities, and all checksums of a blob
of some tens of MiB."""

Data: TypeAlias = bytes | bytearray | memoryview

Read: TypeAlias = Callable[[int, int], bytes]
"""read(size_bytes, offset) → so many bytes of a file, fewer only at its end."""


class Damaged(Exception):
    """The bytes are not those of the blob that was asked for; the message says why."""


def blocks_in(size_bytes: int) -> int:
    """How many blocks so many bytes have, of which the last may be short."""
    return -(-size_bytes // BLOCK_BYTES)


class BlockChecksums:
    """CRC32C of each block of bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._finished = bytearray()
        self._crc = 0
        self._crc_bytes = 0

    def update(self, data: Data) -> None:
        view = memoryview(data)
        while view:
            piece = view[: BLOCK_BYTES - self._crc_bytes]
            self._crc = crc32c(piece, self._crc)
            self._crc_bytes += len(piece)
            if self._crc_bytes == BLOCK_BYTES:
                self._finished += _CRC.pack(self._crc)
                self._crc = self._crc_bytes = 0
            view = view[len(piece) :]

    def encoded(self) -> bytes:
        """The checksums of all blocks so far."""
        last = _CRC.pack(self._crc) if self._crc_bytes else b""
        return bytes(self._finished) + last


def verify_blocks(data: Data, checksums: bytes, *, first_block: int) -> None:
    """Check whole blocks against their checksums. Raises `Damaged`."""
    view = memoryview(data)
    for n, start in enumerate(range(0, len(view), BLOCK_BYTES)):
        found = _CRC.pack(crc32c(view[start : start + BLOCK_BYTES]))
        if found != checksums[n * CHECKSUM_BYTES : (n + 1) * CHECKSUM_BYTES]:
            raise Damaged(f"block {first_block + n} does not have its checksum")


@attrs.frozen
class Footer:
    """What a file says of the blob that it holds. `identity` is encoded."""

    blob_id: bytes
    digest: bytes
    size_bytes: int
    identity: bytes

    @property
    def file_bytes(self) -> int:
        """How long the whole file is."""
        checksums_bytes = blocks_in(self.size_bytes) * CHECKSUM_BYTES
        return self.size_bytes + checksums_bytes + len(self.identity) + TRAILER_BYTES


def encode_footer(footer: Footer, checksums: bytes) -> bytes:
    """All that follows the data in the file. `ValueError` if the identity is too long."""
    if len(footer.identity) > IDENTITY_BYTES_MAX:
        raise ValueError(f"an identity of {len(footer.identity)} bytes is too long")
    fields = _FIELDS.pack(
        _MAGIC,
        VERSION,
        BLOCK_BYTES,
        footer.size_bytes,
        len(footer.identity),
        footer.digest,
        footer.blob_id,
    )
    described = footer.identity + fields
    return checksums + described + _CRC.pack(crc32c(described))


@attrs.frozen
class Tail:
    """The last bytes of a file, from `offset` on, and the footer that they hold."""

    footer: Footer
    offset: int
    data: bytes


def read_tail(read: Read, file_bytes: int) -> Tail:
    """Read and check the footer of a file. Raises `Damaged`, and what `read` raises."""
    offset = max(0, file_bytes - _TAIL_BYTES)
    data = read(file_bytes - offset, offset)
    if len(data) < TRAILER_BYTES:
        raise Damaged(f"{file_bytes} bytes are too few for a blob")
    magic, version, block_bytes, size_bytes, identity_bytes, digest, blob_id = _FIELDS.unpack_from(
        data, len(data) - TRAILER_BYTES
    )
    if magic != _MAGIC:
        raise Damaged("its end is not that of a blob: it was cut off or overwritten")
    if (version, block_bytes) != (VERSION, BLOCK_BYTES):
        raise Damaged(f"format {version} with blocks of {block_bytes} bytes is unknown")
    described_bytes = identity_bytes + TRAILER_BYTES
    if identity_bytes > IDENTITY_BYTES_MAX or described_bytes > file_bytes:
        raise Damaged("its trailer does not have its checksum")
    if described_bytes > len(data):
        offset = file_bytes - described_bytes
        data = read(described_bytes, offset)
    described = data[-described_bytes:]
    if _CRC.pack(crc32c(described[: -_CRC.size])) != described[-_CRC.size :]:
        raise Damaged("its trailer does not have its checksum")
    footer = Footer(blob_id, digest, size_bytes, described[:identity_bytes])
    if footer.file_bytes != file_bytes:
        raise Damaged(f"the file has {file_bytes} bytes, not {footer.file_bytes}")
    return Tail(footer, offset, data)
