"""Taking bytes in: from a stream to a payload in memory or a blob that is ready to seal.

Hashing and writing run in threads beside each other, and the next bytes are read meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import msgspec
from twisted.internet.defer import Deferred

from objectd.blobs.lane import in_line
from objectd.blobs.stores import BlobStores
from objectd.errors import EntityTooLarge, IncompleteBody
from objectd.interfaces import IBlobWriter, RunInThread
from objectd.model.records import Checksum
from objectd.objects.checksums import Declared, Digests, digested, hasher
from objectd.objects.classes import StorageClass
from objectd.objects.compressing import HELD_BYTES
from objectd.objects.ids import IdSource
from objectd.objects.sealing import Sealed
from objectd.objects.settings import ETagKind
from objectd.objects.staging import StagedBlob, Staging
from objectd.objects.tee import Consumer, Tee
from objectd.streams import ByteStream

PIECE_BYTES = 1 << 20
"""Smaller pieces are joined to this size, where that much is there."""

PIECE_BYTES_MIN = 64 << 10
STREAM_BYTES_MAX = 2 << 20
"""What of one body may wait to be hashed and written. All bodies share half the budget; where
that is less than two pieces for each, a body's next piece is read only when the last one is
done with, and then it is the connection that accounts for it. What compressing holds comes
off first."""

COMPRESSED_STREAMS_MIN = 4
"""So many bodies are compressed at once where even the least budget is shared by many processes.
More are only if that leaves room in the half that all bodies share: others are stored as they come,
for to have them wait would let slow clients keep out quick ones."""

_THREAD_BYTES_MIN = 64 << 10
"""Hashing a body up to this size costs no more than handing it to a thread does."""


class Ingested(msgspec.Struct, frozen=True):
    """A whole, verified body, as it is to be stored: in `payload` if it is small, else in `staged`.
    `etag` and `checksums` are as `Digests` gives them, of the body as it came; where an ETag must
    tell nothing of encrypted bytes, it is random."""

    size_bytes: int
    etag: str
    checksums: tuple[Checksum, ...]
    payload: bytes
    staged: StagedBlob | None

    @property
    def checksum(self) -> Checksum:
        """The one to keep."""
        return self.checksums[0]

    @property
    def salt(self) -> bytes:
        """What the key of its packets was made with; b'' if it is not a blob, or not encrypted."""
        return self.staged.salt if self.staged is not None else b""

    async def drop(self) -> None:
        if self.staged is not None:
            await self.staged.drop()


class Intake:
    """Takes bodies in, sharing one budget of memory between those under way."""

    def __init__(
        self,
        blobs: BlobStores,
        ids: IdSource,
        *,
        run_in_thread: RunInThread,
        memory_bytes: int,
        etag: ETagKind = ETagKind.MD5,
        standard: StorageClass = StorageClass(),  # noqa: B008 - frozen
    ) -> None:
        self._blobs = blobs
        self._ids = ids
        self._run_in_thread = run_in_thread
        self._memory_bytes = memory_bytes
        self._etag = etag
        self._standard = standard
        self._streams = 0
        self._compressed_streams = 0

    async def take(
        self,
        stream: ByteStream,
        declared: Declared,
        *,
        size_bytes: int | None,
        size_bytes_max: int,
        inline_bytes_max: int,
        prefix: bytes = b"",
        sealed: Sealed | None = None,
        kept: StorageClass | None = None,
    ) -> Ingested:
        """Read the stream to its end. On any error, cancellation included, nothing is left.
        Up to `inline_bytes_max` bytes (-1: not even none) are kept in memory. `prefix` goes
        before the stream's bytes if they become a blob; size and digests are without it. What is
        stored is encrypted if `sealed` says how; `kept` is the storage class it gets, if not
        STANDARD.

        Raises `BadDigest`, `EntityTooLarge`, `IncompleteBody` if the stream is not
        `size_bytes` long, and what the stream or the blob store raises.
        """
        if size_bytes is not None and size_bytes > size_bytes_max:
            raise EntityTooLarge(size_bytes, size_bytes_max)
        pieces = _Pieces(stream, size_bytes_max if size_bytes is None else size_bytes)
        kept = self._standard if kept is None else kept
        self._streams += 1
        try:
            first = await pieces.read(inline_bytes_max + 1)
            if len(first) <= inline_bytes_max and pieces.ended:
                ingested = _inline(first, declared, self._etag, sealed)
            else:
                pieces.put_back(first)
                del first  # else every upload would hold it to its end
                ingested = await self._write(pieces, declared, size_bytes, prefix, sealed, kept)
        finally:
            self._streams -= 1
            stream.close()
        if size_bytes is not None and ingested.size_bytes != size_bytes:
            await ingested.drop()
            raise IncompleteBody(f"{ingested.size_bytes} bytes came, {size_bytes} were declared")
        return ingested

    def take_whole(
        self,
        data: bytes,
        declared: Declared,
        *,
        size_bytes: int | None,
        sealed: Sealed | None = None,
    ) -> Ingested:
        """As `take`, of a body to be kept in memory that is there already."""
        ingested = _inline(data, declared, self._etag, sealed)
        if size_bytes not in (None, len(data)):
            raise IncompleteBody(f"{len(data)} bytes came, {size_bytes} were declared")
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
        self,
        pieces: _Pieces,
        declared: Declared,
        size_bytes: int | None,
        prefix: bytes,
        sealed: Sealed | None,
        kept: StorageClass,
    ) -> Ingested:
        digests = Digests(declared, self._etag if sealed is None or sealed.etag_is_digest else None)
        if kept.zstd_level and not self._may_compress():
            kept = attrs.evolve(kept, zstd_level=0)
        blobs = self._blobs.at(kept.place)
        staging = Staging(blobs, self._ids.uid(), kept, sealed, self._run_in_thread)
        writer = await staging.begin(None if size_bytes is None else len(prefix) + size_bytes)
        self._compressed_streams += kept.zstd_level > 0
        try:
            if prefix:
                await writer.write(prefix)
            first = await pieces.read(self._piece_bytes())
            if pieces.ended and len(first) <= _THREAD_BYTES_MIN:
                digests.update(first)
                if first:
                    await writer.write(first)
            else:
                pieces.put_back(first)
                del first
                await self._spread(pieces, writer, digests)
            staged = await staging.finish(writer)
            checksums = digests.verified()
        except BaseException:
            await writer.abort()
            raise
        finally:
            self._compressed_streams -= kept.zstd_level > 0
        etag = sealed.random_etag() if sealed and not sealed.etag_is_digest else digests.etag
        return Ingested(pieces.size_bytes, etag, checksums, b"", staged)

    async def _spread(self, pieces: _Pieces, writer: IBlobWriter, digests: Digests) -> None:
        """Hash and write all that is left of a body, side by side."""
        tee = Tee(_writing(writer), *map(self._hashing, digests.slow()))
        try:
            while piece := await pieces.read(self._piece_bytes()):
                digests.update_quick(piece)
                await tee.put(piece, held_bytes_max=self._held_bytes_max())
                del piece  # it is stored long before a slow client has sent the next
            await tee.drain()
        finally:
            tee.stop()

    def _hashing(self, update: Callable[[Sequence[bytes]], None]) -> Consumer:
        run_in_thread = in_line(self._run_in_thread)
        return Consumer(lambda pieces: run_in_thread(update, pieces), calls_max=2)

    def _may_compress(self) -> bool:
        count = self._compressed_streams + 1
        return count <= max(COMPRESSED_STREAMS_MIN, self._memory_bytes // 2 // HELD_BYTES)

    def _share(self) -> int:
        held_bytes = self._compressed_streams * HELD_BYTES
        return max(0, self._memory_bytes // 2 - held_bytes) // self._streams

    def _piece_bytes(self) -> int:
        return max(PIECE_BYTES_MIN, min(PIECE_BYTES, self._share()))

    def _held_bytes_max(self) -> int:
        return max(0, min(STREAM_BYTES_MAX, self._share()) - PIECE_BYTES)


def _writing(writer: IBlobWriter) -> Consumer:
    async def write(pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            await writer.write(piece)

    return Consumer(lambda pieces: Deferred.fromCoroutine(write(pieces)))


class _Pieces:
    """Regroups a stream's bytes into pieces of the size asked for."""

    def __init__(self, stream: ByteStream, size_bytes_max: int) -> None:
        self._stream = stream
        self._size_bytes_max = size_bytes_max
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self.size_bytes = 0
        self.ended = False

    async def read(self, size_bytes: int) -> bytes:
        """`size_bytes` or a little more; less only at the end."""
        while self._buffered_bytes < size_bytes and not self.ended:
            data = await self._stream.read()
            if not data:
                self.ended = True
                break
            self.size_bytes += len(data)
            if self.size_bytes > self._size_bytes_max:
                raise EntityTooLarge(self.size_bytes, self._size_bytes_max)
            self._buffer.append(data)
            self._buffered_bytes += len(data)
        pieces, self._buffer, self._buffered_bytes = self._buffer, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def put_back(self, data: bytes) -> None:
        """Have the next `read` begin with what the last one returned."""
        self._buffer, self._buffered_bytes = [data], len(data)


def _inline(
    data: bytes, declared: Declared, etag_kind: ETagKind, sealed: Sealed | None
) -> Ingested:
    etag, checksums = digested(data, declared, etag_kind)
    payload = data
    if sealed is not None:
        payload = sealed.secret.seal_payload(data) if data else b""
        etag = etag if sealed.etag_is_digest else sealed.random_etag()
    return Ingested(len(data), etag, checksums, payload, None)
