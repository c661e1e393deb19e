"""Several blob stores as one: that of [blobs], and those of the sections [stores.NAME].

Each has a number, its place: 0 is that of [blobs]. What is outside sees one store whose drives
are numbered place << 8 | number of the drive in its own store, so the drives of the first keep
their numbers. Each further store has a UUID of its own, made of the store's and its name: its
drives are no other's, and one that is plugged in at another place is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any

import attrs
from blake3 import blake3
from zope.interface import implementer

from objectd.errors import DamagedBlob, ForeignDrive, FormatUnsupported, StoreFailed
from objectd.interfaces import (
    BlobFile,
    BlobLocation,
    IBlobReader,
    IBlobStore,
    IBlobWriter,
    SealedBlob,
)

__all__ = ["DRIVES_MAX", "BlobStores", "section", "uuid_at"]

_DRIVE_BITS = 8
DRIVES_MAX = 1 << _DRIVE_BITS
"""Of one store."""

_UUID_BYTES = 16


def section(name: str) -> str:
    """Where the store of this name is configured; '' is the first one."""
    return f"[stores.{name}]" if name else "[blobs]"


def uuid_at(store_uuid: bytes, name: str) -> bytes:
    """What the drives of a store are marked with; '' is the name of the first one."""
    return blake3(store_uuid + name.encode()).digest(_UUID_BYTES) if name else store_uuid


@implementer(IBlobStore)
class BlobStores:
    """`further` has the further stores in the order of their numbers, which must be the same for
    ever (`objectd.objects.places`). Raises `StoreFailed` for one with too many drives."""

    def __init__(
        self, first: IBlobStore, further: Mapping[str, IBlobStore] = MappingProxyType({})
    ) -> None:
        self._names = ("", *further)
        for name, store in zip(self._names, (first, *further.values()), strict=True):
            _refuse_too_many(name, store.drives)
        numbered = (_Numbered(name, n, each) for n, (name, each) in enumerate(further.items(), 1))
        self._stores: tuple[IBlobStore, ...] = (first, *numbered)
        self.drives = tuple(drive for store in self._stores for drive in store.drives)

    @property
    def places(self) -> dict[str, int]:
        """The number of each store by its name; '' is that of [blobs]."""
        return {name: place for place, name in enumerate(self._names)}

    def at(self, place: int) -> IBlobStore:
        """The store to create blobs in, whose drives have the numbers that they have here."""
        return self._stores[place]

    async def begin(self, store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        for name, store in zip(self._names, self._stores, strict=True):
            try:
                await store.begin(store_uuid, digest_key, incarnation)
            except ForeignDrive as error:
                raise FormatUnsupported(self._mistaken(error, name, store_uuid)) from error

    async def highest_incarnation(self) -> int:
        return max([await store.highest_incarnation() for store in self._stores])

    async def create(self, blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        return await self._stores[0].create(blob_id, size_bytes=size_bytes)

    def open(
        self, location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> Coroutine[Any, Any, IBlobReader]:
        """What is awaited is the store's own: for the first one this costs nothing."""
        return self._with(location).open(location, start=start, stop=stop)

    def identity(self, location: BlobLocation) -> Coroutine[Any, Any, Mapping[str, Any]]:
        return self._with(location).identity(location)

    async def unlink(self, files: Sequence[BlobFile]) -> None:
        for place, store in enumerate(self._stores):
            here = [file for file in files if file.drive >> _DRIVE_BITS == place]
            if here:
                await store.unlink(here)

    def files(self, drive: int) -> AsyncIterator[BlobFile]:
        return self._stores[drive >> _DRIVE_BITS].files(drive)

    async def close(self) -> None:
        """All, even if one fails."""
        async with AsyncExitStack() as closing:
            for store in self._stores:
                closing.push_async_callback(store.close)

    def _with(self, location: BlobLocation) -> IBlobStore:
        place = location.drive >> _DRIVE_BITS
        if place >= len(self._stores):
            why = f"it lies in store {place}, which is not there"
            raise DamagedBlob(location.blob_id.hex(), why)
        return self._stores[place]

    def _mistaken(self, error: ForeignDrive, name: str, store_uuid: bytes) -> str:
        """What is wrong with a drive that was found where `name` is configured."""
        for other in self._names:
            if uuid_at(store_uuid, other).hex() == error.belongs_to:
                return (
                    f"{error.drive} is a drive of {section(other)}, but is listed in "
                    f"{section(name)}: list each drive where it belongs"
                )
        return f"{section(name)}: {error}" if name else str(error)


def _refuse_too_many(name: str, drives: Sequence[int]) -> None:
    if max(drives) >= DRIVES_MAX:
        raise StoreFailed(
            f"{section(name)} has {max(drives) + 1} drives, of which there can be {DRIVES_MAX}: "
            f"put the others into a store of their own, [stores.NAME]"
        )


@implementer(IBlobStore)
class _Numbered:
    """A further store, whose drives have the numbers that they have among those of all."""

    def __init__(self, name: str, place: int, store: IBlobStore) -> None:
        self._name = name
        self._store = store
        self._base = place << _DRIVE_BITS
        self.drives = tuple(self._base + drive for drive in store.drives)

    async def begin(self, store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        await self._store.begin(uuid_at(store_uuid, self._name), digest_key, incarnation)

    async def highest_incarnation(self) -> int:
        return await self._store.highest_incarnation()

    async def create(self, blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        return _NumberedWriter(await self._store.create(blob_id, size_bytes=size_bytes), self._base)

    async def open(
        self, location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> IBlobReader:
        return await self._store.open(self._own(location), start=start, stop=stop)

    async def identity(self, location: BlobLocation) -> Mapping[str, Any]:
        return await self._store.identity(self._own(location))

    async def unlink(self, files: Sequence[BlobFile]) -> None:
        await self._store.unlink([self._numbered(file, -self._base) for file in files])

    async def files(self, drive: int) -> AsyncIterator[BlobFile]:
        async for file in self._store.files(drive - self._base):
            yield self._numbered(file, self._base)

    async def close(self) -> None:
        await self._store.close()

    def _own(self, location: BlobLocation) -> BlobLocation:
        if location.drive not in self.drives:
            number = location.drive - self._base
            why = f"it lies on drive {number} of {section(self._name)}, which is not configured"
            raise DamagedBlob(location.blob_id.hex(), why)
        return attrs.evolve(location, drive=location.drive - self._base)

    def _numbered(self, file: BlobFile, by: int) -> BlobFile:
        return BlobFile(file.drive + by, file.blob_id, file.digest)


@implementer(IBlobWriter)
class _NumberedWriter:
    def __init__(self, inner: IBlobWriter, base: int) -> None:
        self._inner = inner
        self._base = base

    @property
    def drive(self) -> int:
        return self._base + self._inner.drive

    async def write(self, data: bytes) -> None:
        await self._inner.write(data)

    async def finish(self) -> SealedBlob:
        finished = await self._inner.finish()
        return attrs.evolve(finished, drive=self._base + finished.drive)

    async def seal(self, identity: Mapping[str, Any]) -> None:
        await self._inner.seal(identity)

    async def abort(self) -> None:
        await self._inner.abort()
