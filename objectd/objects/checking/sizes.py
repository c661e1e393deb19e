"""How many bytes a blob holds, whatever was done to them on the way to the drive."""

from __future__ import annotations

from collections.abc import Iterable

from objectd.blobs.format import Damaged
from objectd.blobs.frames import Frames
from objectd.blobs.packets import sealed_bytes
from objectd.errors import DamagedRecord
from objectd.interfaces import Row
from objectd.model.blobs import Blob
from objectd.model.codec import decode


def holds(row: Row, plain_bytes: int, layers: Iterable[int]) -> bool:
    """Whether this row's blob is as long as one is that so many bytes were put into, under one of
    these numbers of keys, none included. True if that cannot be known: the check of blobs says
    why."""
    try:
        blob = decode(Blob, row.value)
        frames = Frames.decode(blob.frames) if blob.codec.is_compressed else None
    except (Damaged, DamagedRecord):
        return True
    if frames is not None and frames.plain_bytes != plain_bytes:
        return False
    inner_bytes = plain_bytes if frames is None else frames.stored_bytes
    return any(
        blob.size_bytes == sealed_bytes(inner_bytes, count)
        for count in layers
        if bool(count) is blob.codec.is_encrypted
    )
