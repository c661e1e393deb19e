"""Simulated drives: what is not synced may be lost, in any order, when the power fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from random import Random
from typing import Any

import attrs
from blake3 import blake3
from zope.interface import implementer

from objectd.errors import DamagedBlob, StoreFailed, StoreFull
from objectd.interfaces import (
    BlobFile,
    BlobLocation,
    IBlobReader,
    IBlobStore,
    IBlobWriter,
    SealedBlob,
)
from objectd.testing.simulation.schedule import Process

READ_BYTES = 16


@attrs.define(eq=False)
class File:
    """`data` is what a reader sees, `synced` what survives the power; both hold the footer's
    digest once there is one."""

    data: bytes = b""
    synced: bytes = b""
    digest: bytes | None = None

    def seal(self, digest: bytes) -> None:
        """Write the footer, and sync all of it."""
        self.digest = digest
        self.synced = self.data


@attrs.frozen
class _Renaming:
    """A change of names that is not durable yet: creation, renaming or removal."""

    old: BlobFile | None
    new: BlobFile | None
    file: File

    def apply(self, names: dict[BlobFile, File]) -> None:
        if self.old is not None:
            names.pop(self.old, None)
        if self.new is not None:
            names[self.new] = self.file


class Drives:
    """The files of all processes, and what of them is durable."""

    def __init__(self, count: int) -> None:
        self.numbers = tuple(range(count))
        self.names: dict[BlobFile, File] = {}
        self._durable: dict[BlobFile, File] = {}
        self._unsynced: list[_Renaming] = []
        self.incarnation = 0
        self.digest_key = b""

    def rename(self, old: BlobFile | None, new: BlobFile | None, file: File) -> None:
        change = _Renaming(old, new, file)
        change.apply(self.names)
        self._unsynced.append(change)

    def sync_names(self, files: Sequence[BlobFile]) -> None:
        """Make what happened to the names of these blobs durable."""
        blobs = {file.blob_id for file in files}
        kept = []
        for change in self._unsynced:
            name = change.new or change.old
            if name is not None and name.blob_id in blobs:
                change.apply(self._durable)
            else:
                kept.append(change)
        self._unsynced = kept

    def fail_power(self, random: Random) -> None:
        """Of what was not synced any part may have reached the drive, in any order."""
        for change in self._unsynced:
            if random.random() < 0.5:
                change.apply(self._durable)
        self._unsynced = []
        for file in self._durable.values():
            if file.data != file.synced:
                lost = file.data[len(file.synced) :]
                written = bytes(len(lost)) if random.random() < 0.5 else b""
                file.data = file.synced = file.synced + written
        self.names = dict(self._durable)


@implementer(IBlobStore)
class DriveAccess:
    """What one process sees of the drives. `failure` is the probability that a write, a sync
    or a renaming fails."""

    def __init__(self, drives: Drives, process: Process, *, failure: float) -> None:
        self.drives = drives.numbers
        self._disk = drives
        self._process = process
        self.failure = failure

    async def begin(self, store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        def mark() -> None:
            self._disk.incarnation = max(self._disk.incarnation, incarnation)
            self._disk.digest_key = digest_key

        await self._process.wait("marks the drives", mark)

    async def highest_incarnation(self) -> int:
        return await self._process.wait("reads the marks", lambda: self._disk.incarnation)

    async def create(self, blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        name = BlobFile(self._process.schedule.random.choice(self.drives), blob_id, None)
        file = File()
        await self.step(f"creates {short(blob_id)}", lambda: self._disk.rename(None, name, file))
        return _Writer(self, self._disk, name, file)

    async def open(
        self, location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> IBlobReader:
        name = BlobFile(location.drive, location.blob_id, location.digest)

        def find() -> IBlobReader:
            file = self._disk.names.get(name)
            if file is None:
                raise DamagedBlob(location.blob_id.hex(), "its file is missing")
            if file.digest != location.digest or self.digest(file.data) != location.digest:
                raise DamagedBlob(location.blob_id.hex(), "it holds something else")
            return _Reader(self._process, file.data[start:stop])

        return await self._process.wait(f"opens {short(location.blob_id)}", find)

    async def identity(self, location: BlobLocation) -> Mapping[str, Any]:
        return {}

    async def unlink(self, files: Sequence[BlobFile]) -> None:
        def remove() -> None:
            for name in files:
                file = self._disk.names.get(name)
                if file is not None:
                    self._disk.rename(name, None, file)

        names = ", ".join(short(file.blob_id) for file in files)
        await self._process.wait(f"unlinks {names}", remove)
        await self._process.wait("syncs directories", lambda: self._disk.sync_names(files))

    async def files(self, drive: int) -> AsyncIterator[BlobFile]:
        names = await self._process.wait("lists files", lambda: list(self._disk.names))
        for name in names:
            if name.drive == drive:
                yield name

    async def close(self) -> None:
        return None

    def digest(self, data: bytes) -> bytes:
        return blake3(data, key=self._disk.digest_key).digest()

    async def step(self, label: str, action: Callable[[], None]) -> None:
        """A step that may fail instead."""
        if self._process.schedule.chance(self.failure):
            await self._process.wait(f"fails as it {label}", self._fail)
        await self._process.wait(label, action)

    def _fail(self) -> None:
        raise self._process.schedule.random.choice((StoreFull, StoreFailed))("a drive failed")


@implementer(IBlobWriter)
class _Writer:
    """Seals in three steps, as a drive does: sync of the file, renaming, sync of the name."""

    def __init__(self, access: DriveAccess, disk: Drives, incoming: BlobFile, file: File) -> None:
        self.drive = incoming.drive
        self._access = access
        self._disk = disk
        self._incoming = incoming
        self._file = file
        self._is_sealed = False

    async def write(self, data: bytes) -> None:
        half = len(data) // 2
        for piece in (data[:half], data[half:]):
            await self._access.step("writes", lambda piece=piece: self._append(piece))  # type: ignore[misc]  # mypy cannot infer a default argument

    async def finish(self) -> SealedBlob:
        return SealedBlob(self.drive, self._digest, len(self._file.data))

    async def seal(self, identity: Mapping[str, Any]) -> None:
        if self._is_sealed:
            return
        blob = short(self._incoming.blob_id)
        await self._access.step(f"syncs {blob}", self._sync)
        await self._access.step(f"renames {blob}", self._rename)
        await self._access.step(
            f"syncs the name of {blob}", lambda: self._disk.sync_names([self._incoming])
        )
        self._is_sealed = True

    async def abort(self) -> None:
        if not self._is_sealed:
            await self._access.unlink([self._incoming, self._sealed])

    @property
    def _digest(self) -> bytes:
        return self._access.digest(self._file.data)

    @property
    def _sealed(self) -> BlobFile:
        return attrs.evolve(self._incoming, digest=self._digest)

    def _append(self, piece: bytes) -> None:
        self._file.data += piece

    def _sync(self) -> None:
        self._file.seal(self._digest)

    def _rename(self) -> None:
        if self._incoming not in self._disk.names:
            raise StoreFailed("it was removed while incoming")
        self._disk.rename(self._incoming, self._sealed, self._file)


@implementer(IBlobReader)
class _Reader:
    def __init__(self, process: Process, left: bytes) -> None:
        self._process = process
        self._left = left

    async def read(self) -> bytes:
        return await self._process.wait("reads", self._take)

    def close(self) -> None:
        self._left = b""

    def _take(self) -> bytes:
        piece, self._left = self._left[:READ_BYTES], self._left[READ_BYTES:]
        return piece


def short(blob_id: bytes) -> str:
    """An id as a trace shows it: incarnation/counter."""
    return f"{int.from_bytes(blob_id[:4], 'big')}/{int.from_bytes(blob_id[4:], 'big')}"
