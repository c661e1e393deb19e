"""Writing encrypted blobs: packets are made of the data on its way to the blob store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from objectd.blobs.packets import Packets, Sealer
from objectd.interfaces import IBlobWriter, RunInThread, SealedBlob

_THREAD_BYTES_MIN = 128 << 10
"""Encrypting less takes no longer than handing it to a thread and back."""


@implementer(IBlobWriter)
class EncryptingWriter:
    """Encrypts in a thread, so that MD5 and the next bytes go on meanwhile."""

    def __init__(self, inner: IBlobWriter, packets: Packets, run_in_thread: RunInThread) -> None:
        self.drive = inner.drive
        self._inner = inner
        self._sealer = Sealer(packets)
        self._run_in_thread = run_in_thread

    async def write(self, data: bytes) -> None:
        if len(data) < _THREAD_BYTES_MIN:
            sealed = self._sealer.update(data)
        else:
            sealed = await self._run_in_thread(self._sealer.update, data)
        if sealed:
            await self._inner.write(sealed)

    async def finish(self) -> SealedBlob:
        await self._inner.write(self._sealer.finish())
        return await self._inner.finish()

    async def seal(self, identity: Mapping[str, Any]) -> None:
        await self._inner.seal(identity)

    async def abort(self) -> None:
        await self._inner.abort()
