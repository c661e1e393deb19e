"""The forms that the bytes of one blob have between a drive and whoever reads them.

What is stored is the first form; `objectd.objects.decrypting` and `objectd.objects.decompressing`
make others, each of the one before it.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from objectd.interfaces import BlobLocation, IBlobReader, IBlobStore


class Form(Protocol):
    """The bytes of a blob in one of their forms."""

    @property
    def blob_id(self) -> bytes: ...

    @property
    def size_bytes(self) -> int:
        """How many they are in this form."""

    async def open(self, start: int, stop: int) -> IBlobReader:
        """Open bytes start <= i < stop, of which there must be at least one. Raises
        `DamagedBlob`."""


@attrs.frozen
class Stored:
    """As they are stored."""

    _blobs: IBlobStore
    _location: BlobLocation

    @property
    def blob_id(self) -> bytes:
        return self._location.blob_id

    @property
    def size_bytes(self) -> int:
        return self._location.size_bytes

    async def open(self, start: int, stop: int) -> IBlobReader:
        return await self._blobs.open(self._location, start=start, stop=stop)
