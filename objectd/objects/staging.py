"""A blob in the making: from the bytes of a body to those that are stored."""

from __future__ import annotations

import attrs

from objectd.interfaces import BlobFile, IBlobStore, IBlobWriter, RunInThread, SealedBlob
from objectd.model.blobs import Blob, Codec
from objectd.objects.classes import STANDARD, StorageClass
from objectd.objects.compressing import CompressingWriter
from objectd.objects.encrypting import EncryptingWriter
from objectd.objects.sealing import Sealed


@attrs.define
class StagedBlob:
    """A blob that holds all bytes of a body and that nothing refers to yet. `salt` and `frames` as
    in its record to be."""

    uid: bytes
    finished: SealedBlob
    _writer: IBlobWriter
    _blobs: IBlobStore
    codec: Codec = attrs.field(default=Codec.PLAIN, kw_only=True)
    salt: bytes = attrs.field(default=b"", kw_only=True)
    storage_class: str = attrs.field(default=STANDARD, kw_only=True)
    frames: bytes = attrs.field(default=b"", kw_only=True)
    sealed: bool = attrs.field(default=False, init=False)

    async def seal(self, identity: dict[str, object]) -> None:
        """Make it durable. Idempotent."""
        if self.codec.is_compressed:
            identity = {**identity, "codec": int(self.codec)}
        await self._writer.seal(identity)
        self.sealed = True

    async def drop(self) -> None:
        """Remove it. Only for one who knows that no commit refers to it."""
        if self.sealed:
            file = BlobFile(self.finished.drive, self.uid, self.finished.digest)
            await self._blobs.unlink([file])
        else:
            await self._writer.abort()

    def record(self, account: int) -> Blob:
        return Blob(
            drive=self.finished.drive,
            digest=self.finished.digest,
            size_bytes=self.finished.size_bytes,
            account=account,
            codec=self.codec,
            envelope=self.salt,
            storage_class=self.storage_class,
            frames=self.frames,
        )


@attrs.define
class Staging:
    """Makes one blob of what is written to it: compressed, if its class says so and it gets
    smaller, then encrypted, if `sealed` says how."""

    _blobs: IBlobStore
    _uid: bytes
    _kept: StorageClass
    _sealed: Sealed | None
    _run_in_thread: RunInThread
    _salt: bytes = attrs.field(default=b"", init=False)
    _compressing: CompressingWriter | None = attrs.field(default=None, init=False)

    async def begin(self, size_bytes: int | None) -> IBlobWriter:
        """A writer for a body of so many bytes. Raises what `IBlobStore.create` raises."""
        if not self._kept.zstd_level:
            return await self._create(size_bytes)
        self._compressing = CompressingWriter(
            self._create, size_bytes, self._kept.zstd_level, self._run_in_thread
        )
        return self._compressing

    async def finish(self, writer: IBlobWriter) -> StagedBlob:
        """The blob, once all was written to the writer that `begin` returned."""
        finished = await writer.finish()
        frames = self._compressing.frames() if self._compressing is not None else None
        return StagedBlob(
            self._uid,
            finished,
            writer,
            self._blobs,
            codec=_codec(is_encrypted=self._sealed is not None, is_compressed=frames is not None),
            salt=self._salt,
            storage_class=self._kept.name,
            frames=frames.encode() if frames is not None else b"",
        )

    async def _create(self, size_bytes: int | None) -> IBlobWriter:
        if self._sealed is None:
            return await self._blobs.create(self._uid, size_bytes=size_bytes)
        self._salt = self._sealed.random_salt()
        packets = self._sealed.secret.blob(self._uid, self._salt)
        stored_bytes = None if size_bytes is None else packets.sealed_bytes(size_bytes)
        inner = await self._blobs.create(self._uid, size_bytes=stored_bytes)
        return EncryptingWriter(inner, packets, self._run_in_thread)


def _codec(*, is_encrypted: bool, is_compressed: bool) -> Codec:
    return Codec(Codec.PACKETS * is_encrypted | Codec.FRAMES * is_compressed)
