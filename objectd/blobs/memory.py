"""Blobs in memory: for tests, for throw-away servers, and the oracle of the other providers.

Nothing here ever suspends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import attrs
import msgspec
from blake3 import blake3
from zope.interface import implementer

from objectd.errors import DamagedBlob, ForeignDrive, StoreFailed, StoreFull
from objectd.interfaces import (
    BlobFile,
    BlobLocation,
    Host,
    IBlobReader,
    IBlobStore,
    IBlobWriter,
    SealedBlob,
)

_PIECE_BYTES_MAX = 1 << 20


@attrs.frozen
class Settings:
    """`capacity_bytes` is what each drive may hold; without it, what memory there is."""

    capacity_bytes: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(0))
    )


async def open_store(settings: Settings, host: Host) -> IBlobStore:
    """An empty store with one drive."""
    return MemoryBlobs(capacity_bytes=settings.capacity_bytes)


@attrs.define
class _File:
    data: bytearray = attrs.Factory(bytearray)
    identity: bytes = b""


@attrs.define
class _Disks:
    """What is there after the process has gone."""

    used_bytes: dict[int, int]
    capacity_bytes: int | None
    store_uuid: bytes = b""
    incarnation: int = 0
    files: dict[BlobFile, _File] = attrs.Factory(dict)

    def require_room(self, drive: int, size_bytes: int) -> None:
        used_bytes = self.used_bytes[drive] + size_bytes
        if self.capacity_bytes is not None and used_bytes > self.capacity_bytes:
            raise StoreFull(f"drive {drive} holds at most {self.capacity_bytes} bytes")

    def remove(self, name: BlobFile) -> None:
        file = self.files.pop(name, None)
        if file is not None:
            self.used_bytes[name.drive] -= len(file.data)


@implementer(IBlobStore)
class MemoryBlobs:
    """Blobs on one or more drives that are dictionaries."""

    def __init__(self, drives: Sequence[int] = (0,), *, capacity_bytes: int | None = None) -> None:
        self.drives = tuple(sorted(drives))
        self._disks = _Disks(dict.fromkeys(self.drives, 0), capacity_bytes)
        self._digest_key: bytes | None = None

    def reopened(self) -> MemoryBlobs:
        """What another process finds on the same drives; to be begun before it is used."""
        other = MemoryBlobs(self.drives)
        other._disks = self._disks
        return other

    async def begin(self, store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        if self._disks.store_uuid not in (b"", store_uuid):
            belongs_to, wanted = self._disks.store_uuid.hex(), store_uuid.hex()
            raise ForeignDrive("a drive in memory", belongs_to=belongs_to, wanted=wanted)
        self._disks.store_uuid = store_uuid
        self._disks.incarnation = max(incarnation, self._disks.incarnation)
        self._digest_key = digest_key

    async def highest_incarnation(self) -> int:
        return self._disks.incarnation

    async def create(self, blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        digest_key = self._require_begun()
        drive = min(self.drives, key=self._disks.used_bytes.__getitem__)
        self._disks.require_room(drive, size_bytes or 0)
        incoming = BlobFile(drive, blob_id, None)
        if incoming in self._disks.files:
            raise StoreFailed(f"blob id {blob_id.hex()} was used before")
        self._disks.files[incoming] = _File()
        return _Writer(self._disks, incoming, digest_key)

    async def open(
        self, location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> IBlobReader:
        return _Reader(memoryview(self._find(location).data)[start:stop])

    async def identity(self, location: BlobLocation) -> Mapping[str, Any]:
        identity: dict[str, Any] = msgspec.msgpack.decode(self._find(location).identity)
        return identity

    async def unlink(self, files: Sequence[BlobFile]) -> None:
        self._require_begun()
        for file in files:
            self._disks.remove(file)

    async def files(self, drive: int) -> AsyncIterator[BlobFile]:
        self._require_begun()
        for file in list(self._disks.files):
            if file.drive == drive:
                yield file

    async def close(self) -> None:
        self._digest_key = None

    def _find(self, location: BlobLocation) -> _File:
        self._require_begun()
        name = BlobFile(location.drive, location.blob_id, location.digest)
        file = self._disks.files.get(name)
        if file is None:
            raise DamagedBlob(location.blob_id.hex(), "it is not there")
        if len(file.data) != location.size_bytes:
            why = f"it has {len(file.data)} bytes, not {location.size_bytes}"
            raise DamagedBlob(location.blob_id.hex(), why)
        return file

    def _require_begun(self) -> bytes:
        if self._digest_key is None:
            raise StoreFailed("the blob store is closed or was not begun")
        return self._digest_key


@implementer(IBlobWriter)
class _Writer:
    def __init__(self, disks: _Disks, incoming: BlobFile, digest_key: bytes) -> None:
        self.drive = incoming.drive
        self._disks = disks
        self._incoming = incoming
        self._file = disks.files[incoming]
        self._digest = blake3(key=digest_key)
        self._is_sealed = False

    async def write(self, data: bytes) -> None:
        self._disks.require_room(self.drive, len(data))
        self._disks.used_bytes[self.drive] += len(data)
        self._digest.update(data)
        self._file.data += data

    async def finish(self) -> SealedBlob:
        return SealedBlob(self.drive, self._digest.digest(), len(self._file.data))

    async def seal(self, identity: Mapping[str, Any]) -> None:
        if self._is_sealed:
            return
        if self._disks.files.pop(self._incoming, None) is None:
            raise StoreFailed(f"blob {self._incoming.blob_id.hex()} was removed while incoming")
        self._file.identity = msgspec.msgpack.encode(dict(identity))
        sealed = attrs.evolve(self._incoming, digest=self._digest.digest())
        self._disks.files[sealed] = self._file
        self._is_sealed = True

    async def abort(self) -> None:
        if not self._is_sealed:
            self._disks.remove(self._incoming)


@implementer(IBlobReader)
class _Reader:
    def __init__(self, left: memoryview) -> None:
        self._left = left

    async def read(self) -> bytes:
        piece = bytes(self._left[:_PIECE_BYTES_MAX])
        self._left = self._left[_PIECE_BYTES_MAX:]
        return piece

    def close(self) -> None:
        self._left = memoryview(b"")
