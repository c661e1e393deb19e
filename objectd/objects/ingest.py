"""Taking bytes in: from a stream to a payload in memory or a blob that is ready to seal.

Hashing and writing run in threads beside each other, and the next bytes are read meanwhile.
"""

from __future__ import annotations

from typing import cast

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from objectd.errors import EntityTooLarge, IncompleteBody
from objectd.interfaces import BlobFile, IBlobStore, IBlobWriter, RunInThread, SealedBlob
from objectd.model.records import Blob, Checksum
from objectd.objects.checksums import Declared, Digests, hasher
from objectd.objects.ids import IdSource
from objectd.streams import ByteStream

PIECE_BYTES_MAX = 1 << 20
PIECE_BYTES_MIN = 64 << 10
_BUFFERS_A_STREAM = 3
"""One being written, one being filled, one in the transport."""


@attrs.define
class StagedBlob:
    """A blob that holds all bytes of a body and that nothing refers to yet."""

    uid: bytes
    finished: SealedBlob
    _writer: IBlobWriter
    _blobs: IBlobStore
    sealed: bool = False

    async def seal(self, identity: dict[str, object]) -> None:
        """Make it durable. Idempotent."""
        await self._writer.seal(identity)
        self.sealed = True

    async def drop(self) -> None:
        """Remove it. Only for one who knows that no commit refers to it."""
        if self.sealed:
            file = BlobFile(self.finished.drive, self.uid, self.finished.digest)
            await self._blobs.unlink([file])
        else:
            await self._writer.abort()

    def record(self, account: int, storage_class: str) -> Blob:
        return Blob(
            drive=self.finished.drive,
            digest=self.finished.digest,
            size_bytes=self.finished.size_bytes,
            account=account,
            storage_class=storage_class,
        )


@attrs.frozen
class Ingested:
    """A whole, verified body: in `payload` if it is small, else in `staged`. `checksums` are
    as `Digests` gives them."""

    size_bytes: int
    md5: bytes
    checksums: tuple[Checksum, ...]
    payload: bytes
    staged: StagedBlob | None

    @property
    def checksum(self) -> Checksum:
        """The one to keep."""
        return self.checksums[0]

    async def drop(self) -> None:
        if self.staged is not None:
            await self.staged.drop()


class Intake:
    """Takes bodies in, sharing one budget of memory between those under way."""

    def __init__(
        self, blobs: IBlobStore, ids: IdSource, *, run_in_thread: RunInThread, memory_bytes: int
    ) -> None:
        self._blobs = blobs
        self._ids = ids
        self._run_in_thread = run_in_thread
        self._memory_bytes = memory_bytes
        self._streams = 0

    async def take(
        self,
        stream: ByteStream,
        declared: Declared,
        *,
        size_bytes: int | None,
        size_bytes_max: int,
        inline_bytes_max: int,
        prefix: bytes = b"",
    ) -> Ingested:
        """Read the stream to its end. On any error, cancellation included, nothing is left.
        Up to `inline_bytes_max` bytes (-1: not even none) are kept in memory. `prefix` goes
        before the stream's bytes if they become a blob; size and digests are without it.

        Raises `BadDigest`, `EntityTooLarge`, `IncompleteBody` if the stream is not
        `size_bytes` long, and what the stream or the blob store raises.
        """
        if size_bytes is not None and size_bytes > size_bytes_max:
            raise EntityTooLarge(size_bytes, size_bytes_max)
        pieces = _Pieces(stream, size_bytes_max if size_bytes is None else size_bytes)
        self._streams += 1
        try:
            first = await pieces.read(min(inline_bytes_max + 1, PIECE_BYTES_MAX))
            if len(first) <= inline_bytes_max and pieces.ended:
                ingested = _inline(first, declared)
            else:
                pieces.put_back(first)
                del first  # else every upload would hold it to its end
                ingested = await self._write(pieces, declared, size_bytes, prefix)
        finally:
            self._streams -= 1
            stream.close()
        if size_bytes is not None and ingested.size_bytes != size_bytes:
            await ingested.drop()
            raise IncompleteBody(f"{ingested.size_bytes} bytes came, {size_bytes} were declared")
        return ingested

    async def checksum(self, stream: ByteStream, algorithm: str) -> Checksum:
        """The checksum of all bytes of a stream, which are kept nowhere."""
        hashing = hasher(algorithm)
        try:
            while piece := await stream.read():
                await self._run_in_thread(hashing.update, piece)
        finally:
            stream.close()
        return Checksum(algorithm, hashing.digest())

    async def _write(
        self, pieces: _Pieces, declared: Declared, size_bytes: int | None, prefix: bytes
    ) -> Ingested:
        uid = self._ids.uid()
        digests = Digests(declared)
        whole_bytes = None if size_bytes is None else len(prefix) + size_bytes
        writer = await self._blobs.create(uid, size_bytes=whole_bytes)
        under_way: Deferred[None] | None = None
        try:
            if prefix:
                await writer.write(prefix)
            piece = await pieces.read(1)
            while piece or not pieces.ended:
                under_way = Deferred.fromCoroutine(self._store(piece, digests, writer))
                del piece  # it is stored long before a slow client has sent the next
                piece = await pieces.read(self._piece_bytes())
                await under_way
            finished = await writer.finish()
            checksums = digests.verified()
        except BaseException:
            if under_way is not None:
                under_way.addErrback(lambda _: None)
            await writer.abort()
            raise
        staged = StagedBlob(uid, finished, writer, self._blobs)
        return Ingested(digests.size_bytes, digests.md5, checksums, b"", staged)

    async def _store(self, piece: bytes, digests: Digests, writer: IBlobWriter) -> None:
        """Hash and write one piece, both at once; ends when neither touches it any more."""
        hashing = self._run_in_thread(digests.update, piece)
        writing = Deferred.fromCoroutine(writer.write(piece))
        for succeeded, result in await DeferredList([hashing, writing], consumeErrors=True):
            if not succeeded:
                cast(Failure, result).raiseException()

    def _piece_bytes(self) -> int:
        share = self._memory_bytes // (self._streams * _BUFFERS_A_STREAM)
        return max(PIECE_BYTES_MIN, min(PIECE_BYTES_MAX, share))


class _Pieces:
    """Regroups a stream's bytes into pieces of the size asked for."""

    def __init__(self, stream: ByteStream, size_bytes_max: int) -> None:
        self._stream = stream
        self._left_bytes = size_bytes_max
        self._size_bytes_max = size_bytes_max
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self.ended = False

    async def read(self, size_bytes: int) -> bytes:
        """`size_bytes` or a little more; less only at the end."""
        while self._buffered_bytes < size_bytes and not self.ended:
            data = await self._stream.read()
            if not data:
                self.ended = True
            self._left_bytes -= len(data)
            if self._left_bytes < 0:
                raise EntityTooLarge(self._size_bytes_max - self._left_bytes, self._size_bytes_max)
            self._buffer.append(data)
            self._buffered_bytes += len(data)
        pieces, self._buffer, self._buffered_bytes = self._buffer, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def put_back(self, data: bytes) -> None:
        """Have the next `read` begin with what the last one returned."""
        self._buffer, self._buffered_bytes = [data], len(data)


def _inline(data: bytes, declared: Declared) -> Ingested:
    digests = Digests(declared)
    digests.update(data)
    return Ingested(len(data), digests.md5, digests.verified(), data, None)
