"""The records of blobs, of who refers to them, and of what the collector has to do.

Digests and uids are raw bytes, sizes are bytes.
"""

from __future__ import annotations

import enum

from objectd.model.records import Record


class Codec(enum.IntEnum):
    """How the bytes of a blob were changed before they were stored."""

    PLAIN = 0
    PACKETS = 1
    """Encrypted (`objectd.blobs.packets`); the row's `envelope` is the salt of its key and, if it
    was moved as it is, the id of the blob that was encrypted."""

    FRAMES = 2
    """Compressed (`objectd.blobs.frames`); the row's `frames` tell where each one lies."""

    FRAMES_IN_PACKETS = 3
    """Compressed, and the frames encrypted."""

    @property
    def is_compressed(self) -> bool:
        return bool(self & Codec.FRAMES)

    @property
    def is_encrypted(self) -> bool:
        return bool(self & Codec.PACKETS)


class Blob(Record, frozen=True):
    """A sealed blob that is referred to, or was until a moment ago. Size and digest are those of
    the bytes as they are stored."""

    drive: int
    digest: bytes
    size_bytes: int
    account: int
    codec: Codec = Codec.PLAIN
    key_id: str = ""
    envelope: bytes = b""
    storage_class: str = "STANDARD"
    damaged: bool = False
    frames: bytes = b""


class Content(Record, frozen=True):
    blob: bytes


class Ref(Record, frozen=True):
    """Nothing: the key says who refers to what."""


# What the collector works through


class Candidate(Record, frozen=True):
    since_us: int


class BlobTrash(Record, frozen=True):
    """A blob that nothing can refer to any more and whose file may still be there."""

    drive: int
    digest: bytes
    size_bytes: int
    codec: Codec = Codec.PLAIN
    envelope: bytes = b""
    frames: bytes = b""


class ManifestTrash(Record, frozen=True):
    """A manifest that nothing can refer to any more and whose parts are being dropped."""

    since_us: int
