"""An object as its bucket shows it, and one that is being read."""

from __future__ import annotations

import attrs
import msgspec

from objectd.errors import PartNotFound
from objectd.model.records import InBlob, InManifest, InRow, Nothing, ObjectHead, ObjectTail
from objectd.objects.core import Core
from objectd.objects.located import Opening
from objectd.objects.reading import (
    BlobStream,
    ManifestStream,
    ObjectPart,
    Piece,
    object_parts,
    parts_count,
)
from objectd.objects.sealing import Secret
from objectd.objects.settings import LIST_ENTRIES_MAX
from objectd.streams import BytesStream, ByteStream, read_all


class Object(msgspec.Struct, frozen=True):
    """An object as its bucket shows it."""

    bucket: str
    key: str
    head: ObjectHead
    tail: ObjectTail
    version_id: str = ""
    """'' in a bucket that never had versions."""
    lifecycle: bytes = b""
    """Which configuration says when it expires (`Bucket.lifecycle`); that of no version but the
    current one is ever asked for."""

    @property
    def size_bytes(self) -> int:
        return self.head.size_bytes

    @property
    def etag(self) -> str:
        """Without quotes."""
        return self.head.etag


class OpenObject:
    """An object that is being read: its bytes stay readable until it is closed, also when
    it is overwritten or deleted meanwhile."""

    def __init__(
        self,
        core: Core,
        object_: Object,
        payload: bytes,
        ticket: int,
        secret: Secret | None = None,
    ) -> None:
        self.object = object_
        self.secret = secret
        """The data keys, of an object that is encrypted."""
        self._core = core
        self._payload = payload
        self._ticket = ticket

    @property
    def payload(self) -> bytes | None:
        """All bytes, if they came with the record; None if they must be streamed."""
        in_memory = isinstance(self.object.tail.source, (InRow, Nothing))
        return self._payload if in_memory else None

    def stream(self, start: int = 0, stop: int | None = None) -> ByteStream:
        """Bytes start <= i < stop. Closing the stream closes the object."""
        end = self.object.size_bytes if stop is None else min(stop, self.object.size_bytes)
        return _ClosingStream(self._stream(start, max(start, end)), self)

    async def part(self, number: int) -> ObjectPart:
        """One of the parts of which the object was made; an object that was put in one go is
        its own part 1. Raises `PartNotFound`."""
        count = parts_count(self.object.tail.source)
        if not 1 <= number <= (count or 1):
            raise PartNotFound(number, count or 1)
        if not count:
            return ObjectPart(1, 0, self.object.size_bytes, self.object.tail.checksums)
        [part] = await self.parts(after_number=number - 1, parts_max=1)
        return part

    async def parts(
        self, *, after_number: int = 0, parts_max: int = LIST_ENTRIES_MAX
    ) -> list[ObjectPart]:
        """The parts of which the object was made, from the one after `after_number` on; none
        if it was put in one go."""
        source = self.object.tail.source
        if not isinstance(source, InManifest):
            return []
        return await object_parts(
            self._core.metadata, source, after_number=after_number, parts_max=parts_max
        )

    async def read(self) -> bytes:
        """All bytes at once, and close."""
        stream = self.stream()
        try:
            return await read_all(stream, self.object.size_bytes)
        finally:
            stream.close()

    def close(self) -> None:
        """Idempotent."""
        self._core.reads.end(self._ticket)

    def _stream(self, start: int, stop: int) -> ByteStream:
        core = self._core
        opening = Opening(core.blobs, core.run_in_thread, self.secret)
        match self.object.tail.source:
            case InBlob(blob):
                return BlobStream(core.metadata, opening, [Piece(blob, start, stop)])
            case InManifest() as manifest:
                return ManifestStream(core.metadata, opening, manifest, start, stop)
            case _:
                return BytesStream(self._payload[start:stop])


@attrs.frozen
class _ClosingStream:
    """Ends the read of an object with its stream."""

    _inner: ByteStream
    _owner: OpenObject

    async def read(self) -> bytes:
        return await self._inner.read()

    def close(self) -> None:
        self._inner.close()
        self._owner.close()
