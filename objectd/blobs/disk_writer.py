"""Writing one blob to a drive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

import msgspec
from blake3 import blake3
from twisted.internet.defer import Deferred
from zope.interface import implementer

from objectd.blobs.drive import Drive, failures
from objectd.blobs.format import BlockChecksums, Footer, encode_footer
from objectd.blobs.lane import Lane
from objectd.errors import StoreFailed
from objectd.interfaces import BlobFile, IBlobWriter, SealedBlob

HELD_BYTES_MAX = 64 << 10
"""A blob that is known to be no larger stays in memory until it is sealed, and what is done to
the drive is done in one call. All uploads at once (512) hold so no more than 32 MiB."""


class _State(Enum):
    NEW = "has no file yet"
    ABSENT = "has no file"
    WRITING = "is being written"
    BROKEN = "could not be written"
    SEALED = "is sealed"


@implementer(IBlobWriter)
class DiskWriter:
    """A blob on its way from memory over `incoming/` to its final name.

    What changes it runs in threads, one call at a time; syncs on the way run beside that.
    After a failure it can only be aborted: a sync that is tried again may succeed without what
    the first one lost.
    """

    def __init__(
        self, blob_id: bytes, lane: Lane, syncs: Lane, *, digest_key: bytes, sync_bytes: int
    ) -> None:
        self._blob_id = blob_id
        self._lane = lane
        self._syncs = syncs
        self._syncing: Deferred[None] | None = None
        self._sync_bytes = sync_bytes
        self._digest = blake3(key=digest_key)
        self._checksums = BlockChecksums()
        self._size_bytes = 0
        self._unsynced_bytes = 0
        self._state = _State.ABSENT
        self._held = b""
        self._drive: Drive
        self._descriptor: int | None = None

    @property
    def drive(self) -> int:
        return self._drive.number

    async def start(self, drives: Sequence[Drive], size_bytes: int | None) -> None:
        """Choose the drive with the most free space, and create the file there unless it will
        be held; if that raises, nothing is left. Raises `StoreFull` if even there is no room
        for so many bytes."""
        is_held = size_bytes is not None and size_bytes <= HELD_BYTES_MAX
        if is_held and all(drive.knows_free_bytes for drive in drives):
            self._choose(drives, size_bytes)
            return
        try:
            await self._lane.call(self._create, drives, size_bytes)
        except BaseException:
            # A call whose wait was cancelled goes on, and may yet create the file.
            Deferred.fromCoroutine(self.abort())
            raise

    async def write(self, data: bytes) -> None:
        if self._state is _State.NEW and not self._held and len(data) <= HELD_BYTES_MAX:
            self._held = data
            self._count(data)
        else:
            await self._lane.call(self._append, data)
            if self._unsynced_bytes >= self._sync_bytes:
                await self._begin_sync()

    async def finish(self) -> SealedBlob:
        return SealedBlob(self.drive, self._digest.digest(), self._size_bytes)

    async def seal(self, identity: Mapping[str, Any]) -> None:
        await self._synced()
        await self._lane.call(self._publish, msgspec.msgpack.encode(dict(identity)))

    async def abort(self) -> None:
        if self._syncing is not None:
            self._syncing.addErrback(lambda _: None)
        dropped = self._lane.call(self._drop)
        self._lane.finally_(self._close_apart)  # also if nobody waits any more
        with suppress(StoreFailed):  # the sweep takes the file
            await dropped

    def _choose(self, drives: Sequence[Drive], size_bytes: int | None) -> None:
        self._drive = max(drives, key=Drive.free_bytes)
        self._drive.require_room(size_bytes or 0)
        self._state = _State.NEW

    def _create(self, drives: Sequence[Drive], size_bytes: int | None) -> None:
        self._choose(drives, size_bytes)
        try:
            self._create_file()
        except BaseException:
            self._state = _State.ABSENT
            raise

    def _create_file(self) -> None:
        with failures(self._drive.path):
            self._descriptor = self._drive.create(BlobFile(self.drive, self._blob_id, None))
        self._state = _State.WRITING

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self._checksums.update(data)
        self._size_bytes += len(data)

    def _append(self, data: bytes) -> None:
        with self._writing() as descriptor:
            self._drive.require_room(len(data))
            self._count(data)
            self._drive.write(descriptor, self._with_held(data))
            self._unsynced_bytes += len(data)

    async def _begin_sync(self) -> None:
        """Sync what is written so far while more is written, up to as much again."""
        await self._synced()
        self._unsynced_bytes = 0
        self._syncing = self._syncs.call(self._sync)

    async def _synced(self) -> None:
        """Wait for the sync that is under way; raises what it raised."""
        if self._syncing is not None:
            try:
                await self._syncing
            except BaseException:
                self._state = _State.BROKEN
                raise
            self._syncing = None

    def _sync(self) -> None:
        with failures(self._drive.path):
            if self._descriptor is not None:
                self._drive.files.sync(self._descriptor)

    def _with_held(self, data: bytes) -> bytes:
        held, self._held = self._held, b""
        return held + data if held else data

    def _publish(self, identity: bytes) -> None:
        if self._state is _State.SEALED:
            return
        with self._writing() as descriptor:
            footer = Footer(self._blob_id, self._digest.digest(), self._size_bytes, identity)
            encoded = encode_footer(footer, self._checksums.encoded())
            self._drive.write(descriptor, self._with_held(encoded))
            self._drive.files.sync(descriptor)
            self._drive.publish(*self._names())
            self._state = _State.SEALED
        self._close()

    def _drop(self) -> None:
        if self._state in (_State.WRITING, _State.BROKEN):
            with failures(self._drive.path):
                for name in self._names():
                    self._drive.remove(name)
        if self._state is not _State.SEALED:
            self._state = _State.ABSENT

    @contextmanager
    def _writing(self) -> Iterator[int]:
        if self._state is _State.NEW:
            self._create_file()
        if self._state is not _State.WRITING or self._descriptor is None:
            raise StoreFailed(f"blob {self._blob_id.hex()} {self._state.value}")
        try:
            with failures(self._drive.path):
                yield self._descriptor
        except BaseException:
            self._state = _State.BROKEN
            raise

    def _names(self) -> tuple[BlobFile, BlobFile]:
        """The name while it is incoming, and the final one."""
        incoming = BlobFile(self.drive, self._blob_id, None)
        return incoming, BlobFile(self.drive, self._blob_id, self._digest.digest())

    def _close_apart(self) -> None:
        """Close the file whose name is gone already, for which nobody should wait: it gives
        256 MiB back to the drive in 50 ms. In a thread, unless the store is closed by now."""
        if self._descriptor is not None:
            self._syncs.call(self._close).addErrback(lambda _: self._close())

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._drive.files.close(descriptor)
