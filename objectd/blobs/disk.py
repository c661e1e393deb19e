"""Blobs as files on one or more drives."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import attrs
import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from objectd.blobs import layout
from objectd.blobs.disk_reader import DiskReader, ReadMemory, read_identity
from objectd.blobs.disk_writer import DiskWriter
from objectd.blobs.drive import Drive, failures
from objectd.blobs.files import Files, SystemFiles, UnsyncedFiles
from objectd.blobs.lane import Gate, Lane
from objectd.errors import DamagedBlob, StoreFailed
from objectd.interfaces import (
    BlobFile,
    BlobLocation,
    Host,
    IBlobReader,
    IBlobStore,
    IBlobWriter,
    RunInThread,
)

READ_MEMORY_BYTES = 32 << 20
"""For blobs that are being read, of all together. 100 downloads at once took the process from
80 to 150 MiB with it, to 330 MiB when each read 1 MiB at a time."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@attrs.frozen
class Settings:
    """`drives` are directories, each best on a disk of its own; their order is fixed, new ones
    come last. One with a relative path lies in the data directory and is created. One with an
    absolute path must be there already: name a directory *below* the mount point, and a disk
    that is not mounted stops the start instead of taking blobs on the disk below it.

    `reserve_bytes` stay free on each drive, so that deletions and metadata still have room
    when uploads have none. `sync_bytes` is how much of a blob is written between syncs.

    **`fsync = false` turns off all syncs: a loss of power then loses uploads that were
    acknowledged long before, or leaves them damaged.** For data that can be made again.
    """

    drives: tuple[str, ...] = attrs.field(default=("blobs",), validator=attrs.validators.min_len(1))
    reserve_bytes: int = attrs.field(default=256 << 20, validator=attrs.validators.ge(0))
    sync_bytes: int = attrs.field(default=4 << 20, validator=attrs.validators.ge(64 << 10))
    fsync: bool = True


async def open_store(settings: Settings, host: Host) -> IBlobStore:
    """Open all drives; lock them, unless the host joins. Raises `FormatUnsupported`,
    `StoreFailed`."""
    files = SystemFiles() if settings.fsync else UnsyncedFiles()
    for path in settings.drives:
        if not os.path.isabs(path):
            _make_durable(host.data_directory / path, host.data_directory, files)
    return DiskBlobs.opened(
        [str(host.data_directory / path) for path in settings.drives],
        files=files,
        clock=host.clock,
        run_in_thread=host.run_in_thread,
        reserve_bytes=settings.reserve_bytes,
        sync_bytes=settings.sync_bytes,
        joins=host.joins,
    )


def _make_durable(directory: Path, data_directory: Path, files: Files) -> None:
    """Make a directory, and sync all above it that may be as new as it is."""
    with failures(str(directory)):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in directory.parents:
            descriptor = files.open_root(str(parent))
            try:
                files.sync(descriptor)
            finally:
                files.close(descriptor)
            if parent == data_directory.parent:
                break


@implementer(IBlobStore)
class DiskBlobs:
    """One file a blob; the drive with the most free space takes the next one."""

    def __init__(
        self,
        drives: Sequence[Drive],
        *,
        run_in_thread: RunInThread,
        sync_bytes: int,
        joins: bool = False,
    ) -> None:
        self.drives = tuple(range(len(drives)))
        self._drives = tuple(drives)
        self._gate = Gate(run_in_thread)
        self._memory = ReadMemory(READ_MEMORY_BYTES)
        self._sync_bytes = sync_bytes
        self._joins = joins
        self._digest_key: bytes | None = None
        self._closing: Deferred[None] | None = None

    @classmethod
    def opened(
        cls,
        paths: Sequence[str],
        *,
        files: Files,
        clock: IReactorTime,
        run_in_thread: RunInThread,
        reserve_bytes: int,
        sync_bytes: int,
        joins: bool = False,
    ) -> DiskBlobs:
        """Open the drives at `paths`; all or none. Blocks."""
        drives: list[Drive] = []
        try:
            for number, path in enumerate(paths):
                drives.append(
                    Drive(
                        path,
                        number,
                        files=files,
                        clock=clock,
                        reserve_bytes=reserve_bytes,
                        joins=joins,
                    )
                )
        except BaseException:
            for drive in drives:
                drive.close()
            raise
        return cls(drives, run_in_thread=run_in_thread, sync_bytes=sync_bytes, joins=joins)

    async def begin(self, store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        await self._call(self._begin, store_uuid, incarnation)
        self._digest_key = digest_key

    async def highest_incarnation(self) -> int:
        return max(drive.highest_incarnation for drive in self._drives)

    async def create(self, blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        if self._digest_key is None:
            raise StoreFailed("the blob store was not begun")
        self._gate.require_open()
        writer = DiskWriter(
            blob_id,
            Lane(self._gate),
            Lane(self._gate),
            digest_key=self._digest_key,
            sync_bytes=self._sync_bytes,
        )
        await writer.start(self._drives, size_bytes)
        return writer

    async def open(
        self, location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> IBlobReader:
        drive = self._drive_of(location)
        lane = Lane(self._gate)
        reader = DiskReader(drive, location, lane, self._memory, start=start, stop=stop)
        await reader.start()
        return reader

    async def identity(self, location: BlobLocation) -> Mapping[str, Any]:
        encoded = await self._call(read_identity, self._drive_of(location), location)
        identity: dict[str, Any] = msgspec.msgpack.decode(encoded)
        return identity

    async def unlink(self, files: Sequence[BlobFile]) -> None:
        for drive in self._drives:
            here = [file for file in files if file.drive == drive.number]
            if here:
                await self._call(_unlink, drive, here)

    async def files(self, drive: int) -> AsyncIterator[BlobFile]:
        listed = self._drives[drive]
        for incarnation in await self._call(_list, listed, layout.INCOMING):
            if layout.is_incarnation(incarnation):
                for name in await self._call(_list, listed, f"{layout.INCOMING}/{incarnation}"):
                    if file := layout.incoming_file(drive, name):
                        yield file
        for outer in await self._call(_list, listed, "."):
            if layout.is_outer_directory(outer):
                for file in await self._call(_list_sealed, listed, outer):
                    yield file

    async def close(self) -> None:
        if self._closing is None:
            self._closing = self._gate.close()
            await self._closing
            for drive in self._drives:
                drive.close()

    def _call(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        return Lane(self._gate).call(function, *args, **kwargs)

    def _drive_of(self, location: BlobLocation) -> Drive:
        if location.drive not in self.drives:
            raise DamagedBlob(
                location.blob_id.hex(),
                f"it lies on drive {location.drive}, which is not configured",
            )
        return self._drives[location.drive]

    def _begin(self, store_uuid: bytes, incarnation: int) -> None:
        for drive in self._drives:
            drive.check(store_uuid)
        if self._joins:
            return
        for drive in self._drives:
            with failures(drive.path):
                drive.mark(store_uuid, incarnation)
                drive.remove_empty_incarnations()


def _unlink(drive: Drive, files: Sequence[BlobFile]) -> None:
    with failures(drive.path):
        drive.unlink(files)


def _list(drive: Drive, directory: str) -> list[str]:
    with failures(drive.path):
        return drive.list(directory)


def _list_sealed(drive: Drive, outer: str) -> list[BlobFile]:
    """The sealed files of one of the 256 outer directories."""
    names = (
        name
        for inner in filter(layout.is_outer_directory, _list(drive, outer))
        for name in _list(drive, f"{outer}/{inner}")
    )
    return [file for name in names if (file := layout.sealed_file(drive.number, name))]
