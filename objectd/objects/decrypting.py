"""Reading encrypted blobs: the packets that hold a range, decrypted as they come."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from objectd.blobs.format import Damaged
from objectd.blobs.packets import Opener
from objectd.errors import DamagedBlob
from objectd.interfaces import BlobLocation, IBlobReader, IBlobStore, RunInThread
from objectd.objects.sealing import Secret

_THREAD_BYTES_MIN = 128 << 10
"""Decrypting less takes no longer than handing it to a thread and back."""


@attrs.frozen
class Opening:
    """What it takes to read the blobs of an encrypted version."""

    secret: Secret
    run_in_thread: RunInThread

    async def open(
        self, blobs: IBlobStore, location: BlobLocation, salt: bytes, *, start: int, stop: int
    ) -> IBlobReader:
        """Bytes start <= i < stop of the plain data of a blob. Raises `DamagedBlob`."""
        packets = self.secret.blob(location.blob_id, salt)
        try:
            plain_bytes = packets.plain_bytes(location.size_bytes)
            if stop > plain_bytes:
                raise Damaged(f"it holds {plain_bytes} bytes, not {stop}")
        except Damaged as error:
            raise DamagedBlob(location.blob_id.hex(), str(error)) from error
        span = packets.span(start, stop, plain_bytes)
        reader = await blobs.open(location, start=span.start, stop=span.stop)
        return _DecryptingReader(
            reader, Opener(packets, span), self.run_in_thread, location.blob_id
        )


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
