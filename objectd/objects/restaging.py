"""The bytes of a blob, once more: staged as another storage class keeps them.

Encrypted bytes stay what they are, so nobody needs their key for it. Others are read as any
client would, and what comes is compared with the checksum that was kept of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import attrs
from msgspec import structs

from objectd.errors import DamagedBlob
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode
from objectd.model.records import Checksum
from objectd.objects.checksums import Declared
from objectd.objects.classes import StorageClass
from objectd.objects.core import Core
from objectd.objects.ingest import Ingested
from objectd.objects.located import Opening, located
from objectd.objects.reading import BlobStream, Piece
from objectd.objects.sealing import SALT_BYTES
from objectd.objects.staging import StagedBlob
from objectd.streams import ByteStream

Pace: TypeAlias = Callable[[int], Awaitable[object]]
"""Awaited for so many bytes that were read: others may go first."""


@attrs.frozen
class Content:
    """The bytes of a blob as an object, or a part, knows them."""

    blob: bytes
    size_bytes: int
    etag: str
    checksums: Sequence[Checksum]

    @property
    def whole_checksum(self) -> Checksum | None:
        return next((c for c in self.checksums if c.kind == "FULL_OBJECT"), None)


async def restaged(core: Core, content: Content, kept: StorageClass, pace: Pace) -> Ingested:
    """Stage them for this class. Who calls holds a read (`Core.reads`) from before it learned
    of the blob. Raises `DamagedBlob`, and what the blob stores raise; then nothing is left."""
    [row] = await core.metadata.get([keys.blob(content.blob)])
    if row is None:
        raise DamagedBlob(content.blob.hex(), "its row is missing")
    blob = decode(Blob, row.value)
    if blob.damaged:
        raise DamagedBlob(content.blob.hex(), "its row marks it as damaged")
    if blob.codec.is_encrypted:
        staged = await _as_stored(core, content.blob, blob, kept, pace)
        return Ingested(content.size_bytes, content.etag, (), b"", staged)
    return await _as_it_came(core, content, kept, pace)


async def _as_it_came(core: Core, content: Content, kept: StorageClass, pace: Pace) -> Ingested:
    expected = content.whole_checksum
    pieces = [Piece(content.blob, 0, content.size_bytes)]
    stream = BlobStream(core.metadata, Opening(core.blobs, core.run_in_thread), pieces)
    ingested = await core.intake.take(
        _PacedStream(stream, pace),
        Declared(kept=expected.algorithm if expected is not None else ""),
        size_bytes=content.size_bytes,
        size_bytes_max=content.size_bytes,
        inline_bytes_max=-1,
        kept=kept,
    )
    if expected is not None and expected not in ingested.checksums:
        await ingested.drop()
        raise DamagedBlob(content.blob.hex(), f"its {expected.algorithm} is another one")
    return structs.replace(ingested, etag=content.etag)


async def _as_stored(
    core: Core, uid: bytes, blob: Blob, kept: StorageClass, pace: Pace
) -> StagedBlob:
    moved, blobs = core.ids.uid(), core.blobs.at(kept.place)
    salt = blob.envelope
    if len(salt) == SALT_BYTES:
        # The key of its packets is made of the salt and of the id under which it was encrypted.
        salt += uid
    reader = await core.blobs.open(located(uid, blob).location)
    try:
        writer = await blobs.create(moved, size_bytes=blob.size_bytes)
        try:
            while piece := await reader.read():
                await pace(len(piece))
                await writer.write(piece)
            finished = await writer.finish()
            if (finished.digest, finished.size_bytes) != (blob.digest, blob.size_bytes):
                raise DamagedBlob(uid.hex(), "its bytes are not those that it had")
        except BaseException:
            await writer.abort()
            raise
    finally:
        reader.close()
    return StagedBlob(
        moved,
        finished,
        writer,
        blobs,
        codec=blob.codec,
        salt=salt,
        storage_class=kept.name,
        frames=blob.frames,
    )


@attrs.frozen
class _PacedStream:
    _inner: ByteStream
    _pace: Pace

    async def read(self) -> bytes:
        piece = await self._inner.read()
        await self._pace(len(piece))
        return piece

    def close(self) -> None:
        self._inner.close()
