"""Reading compressed blobs: the frames that hold a range, decompressed one after the other."""

from __future__ import annotations

from zope.interface import implementer

from objectd.blobs.format import Damaged
from objectd.blobs.frames import Decompressor, Frames
from objectd.errors import DamagedBlob
from objectd.interfaces import IBlobReader, RunInThread
from objectd.objects.forms import Form

_THREAD_BYTES_MIN = 32 << 10
"""Decompressing less, some 40 microseconds, takes no longer than handing it to a thread."""


class Decompressed:
    """What is in the frames that another form of a blob is. Raises `DamagedBlob` if the index does
    not fit them."""

    def __init__(self, inner: Form, index: bytes, run_in_thread: RunInThread) -> None:
        self.blob_id = inner.blob_id
        try:
            self._frames = Frames.decode(index)
            self._frames.require(inner.size_bytes)
        except Damaged as error:
            raise DamagedBlob(self.blob_id.hex(), str(error)) from error
        self.size_bytes = self._frames.plain_bytes
        self._inner = inner
        self._run_in_thread = run_in_thread

    async def open(self, start: int, stop: int) -> IBlobReader:
        span = self._frames.span(start, stop)
        reader = await self._inner.open(span.start, span.stop)
        decompressor = Decompressor(self._frames, span)
        return _DecompressingReader(reader, decompressor, self._run_in_thread, self.blob_id)


@implementer(IBlobReader)
class _DecompressingReader:
    """Returns one frame's data at a time, however many frames come at once."""

    def __init__(
        self,
        inner: IBlobReader,
        decompressor: Decompressor,
        run_in_thread: RunInThread,
        blob: bytes,
    ) -> None:
        self._inner = inner
        self._decompressor = decompressor
        self._run_in_thread = run_in_thread
        self._blob = blob

    async def read(self) -> bytes:
        decompressor = self._decompressor
        if decompressor.has_ended:
            return b""
        while not decompressor.has_frame:
            data = await self._inner.read()
            if not data:
                raise DamagedBlob(self._blob.hex(), "it ends within a frame")
            decompressor.put(data)
        try:
            if decompressor.next_bytes < _THREAD_BYTES_MIN:
                return decompressor.next()
            return await self._run_in_thread(decompressor.next)
        except Damaged as error:
            raise DamagedBlob(self._blob.hex(), str(error)) from error

    def close(self) -> None:
        self._inner.close()
