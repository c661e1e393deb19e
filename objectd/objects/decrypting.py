"""Reading encrypted blobs: the packets that hold a range, decrypted as they come."""

from __future__ import annotations

from zope.interface import implementer

from objectd.blobs.format import Damaged
from objectd.blobs.packets import Opener, Packets
from objectd.errors import DamagedBlob
from objectd.interfaces import IBlobReader, RunInThread
from objectd.objects.forms import Form

_THREAD_BYTES_MIN = 128 << 10
"""Decrypting less takes no longer than handing it to a thread and back."""


class Decrypted:
    """What is in the packets that another form of a blob is. Raises `DamagedBlob` if that cannot
    be packets."""

    def __init__(self, inner: Form, packets: Packets, run_in_thread: RunInThread) -> None:
        self.blob_id = inner.blob_id
        try:
            self.size_bytes = packets.plain_bytes(inner.size_bytes)
        except Damaged as error:
            raise DamagedBlob(self.blob_id.hex(), str(error)) from error
        self._inner = inner
        self._packets = packets
        self._run_in_thread = run_in_thread

    async def open(self, start: int, stop: int) -> IBlobReader:
        span = self._packets.span(start, stop, self.size_bytes)
        reader = await self._inner.open(span.start, span.stop)
        opener = Opener(self._packets, span)
        return _DecryptingReader(reader, opener, self._run_in_thread, self.blob_id)


@implementer(IBlobReader)
class _DecryptingReader:
    def __init__(
        self, inner: IBlobReader, opener: Opener, run_in_thread: RunInThread, blob: bytes
    ) -> None:
        self._inner = inner
        self._opener = opener
        self._run_in_thread = run_in_thread
        self._blob = blob
        self._ended = False

    async def read(self) -> bytes:
        while not self._ended:
            data = await self._inner.read()
            self._ended = not data
            try:
                if len(data) < _THREAD_BYTES_MIN:
                    plain = self._opener.update(data, ended=self._ended)
                else:
                    plain = await self._run_in_thread(self._opener.update, data)
            except Damaged as error:
                raise DamagedBlob(self._blob.hex(), str(error)) from error
            if plain:
                return plain
        return b""

    def close(self) -> None:
        self._inner.close()
