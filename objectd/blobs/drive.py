"""One drive: a directory with blob files, and what makes them durable."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from twisted.internet.interfaces import IReactorTime

from objectd.blobs import layout
from objectd.blobs.files import Files
from objectd.errors import ForeignDrive, FormatUnsupported, StoreBusy, StoreFailed, StoreFull
from objectd.interfaces import BlobFile

_FREE_SPACE_AGE_SECONDS_MAX = 1.0
_CREATE_ATTEMPTS = 3
"""Another process may be about to remove a directory because it is empty."""

_ADVICE = {
    errno.EACCES: "give the server's user permission to read, write and search it",
    errno.EPERM: "give the server's user permission to read, write and search it",
    errno.ENOENT: "mount its disk, or make the directory if the drive is new",
    errno.EROFS: "the file system is read-only, perhaps after an error: see dmesg, then remount",
    errno.EIO: "the disk does not work: see dmesg, and replace it",
    errno.EMFILE: "raise the limit of open files (LimitNOFILE), or allow fewer transfers at once",
    errno.ENFILE: "raise the system's limit of open files (fs.file-max)",
}


def failure(path: str, error: OSError) -> StoreFull | StoreBusy | StoreFailed:
    """What the system says, as an error of the store that tells what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"drive {path} is full ({error.strerror}): free some space or add a drive")
    advice = _ADVICE.get(error.errno or 0, "see the system's log, then restart the server")
    kind = StoreBusy if error.errno in (errno.EMFILE, errno.ENFILE) else StoreFailed
    return kind(f"drive {path} failed ({error.strerror}): {advice}")


@contextmanager
def failures(path: str) -> Iterator[None]:
    """Raise `StoreFull` or `StoreFailed` where the system fails."""
    try:
        yield
    except OSError as error:
        raise failure(path, error) from error


class Drive:
    """All methods block, and may be called from several threads at once.

    Most raise `OSError`: what it means, `StoreFailed` or `DamagedBlob`, is for the caller.
    """

    def __init__(
        self,
        path: str,
        number: int,
        *,
        files: Files,
        clock: IReactorTime,
        reserve_bytes: int,
        joins: bool = False,
    ) -> None:
        """Open the directory, which must be empty or marked, and lock it, unless this process
        joins another that has. Raises `FormatUnsupported` before it touches anything,
        `StoreFailed`."""
        self.path = path
        self.number = number
        self.files = files
        self._clock = clock
        self._reserve_bytes = reserve_bytes
        self._free_bytes = 0
        self._free_bytes_until = float("-inf")
        self._synced_directories: set[str] = set()
        with failures(path):
            self.root = files.open_root(path)
            try:
                self._refuse_foreign()
                self._lock = None if joins else self._locked()
            except BaseException:
                files.close(self.root)
                raise
            try:
                self._marker = self._read_marker()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        if self._lock is not None:
            self.files.close(self._lock)
        self.files.close(self.root)

    # Whose drive it is

    @property
    def highest_incarnation(self) -> int:
        return self._marker.incarnation if self._marker else 0

    def check(self, store_uuid: bytes) -> None:
        """Raises `ForeignDrive` if it is another store's, `FormatUnsupported` if it is another
        drive of this one."""
        if self._marker is None:
            return
        if self._marker.store != store_uuid.hex():
            belongs_to, wanted = self._marker.store, store_uuid.hex()
            raise ForeignDrive(self.path, belongs_to=belongs_to, wanted=wanted)
        if self._marker.drive != self.number:
            raise FormatUnsupported(
                f"{self.path} is drive {self._marker.drive} of the store but is configured as "
                f"drive {self.number}: list the drives in their old order, new ones last"
            )

    def mark(self, store_uuid: bytes, incarnation: int) -> None:
        """Make it durable that the drive is this store's and that `incarnation` uses it."""
        if self.highest_incarnation < incarnation or self._marker is None:
            marker = layout.Marker(
                store=store_uuid.hex(), drive=self.number, incarnation=incarnation
            )
            self._write_marker(marker)
            self._marker = marker

    def _refuse_foreign(self) -> None:
        names = set(self.files.list(self.root))
        if layout.MARKER not in names and names - layout.IGNORED:
            raise FormatUnsupported(
                f"{self.path} is not empty and has no file {layout.MARKER}: it is not a drive of "
                f"a blob store. Name an empty directory"
            )

    def _locked(self) -> int:
        try:
            return self.files.lock(layout.LOCK, root=self.root)
        except BlockingIOError as error:
            raise StoreFailed(
                f"drive {self.path} is in use by another server, or listed twice: stop that "
                f"one, or give each its own directory"
            ) from error

    def _read_marker(self) -> layout.Marker | None:
        try:
            descriptor = self.files.open_to_read(layout.MARKER, root=self.root)
        except FileNotFoundError:
            return None
        try:
            data = self.files.read(descriptor, self.files.size_bytes(descriptor), 0)
        finally:
            self.files.close(descriptor)
        return layout.decode_marker(data, self.path)

    def _write_marker(self, marker: layout.Marker) -> None:
        with suppress(FileNotFoundError):
            self.files.unlink(layout.NEW_MARKER, root=self.root)
        descriptor = self.files.create(layout.NEW_MARKER, root=self.root)
        try:
            self.write(descriptor, layout.encode_marker(marker))
            self.files.sync(descriptor)
        finally:
            self.files.close(descriptor)
        self.files.rename(layout.NEW_MARKER, layout.MARKER, root=self.root)
        self.files.sync(self.root)

    # Space

    def free_bytes(self) -> int:
        """What may be written without touching the reserve, known to a second or so. Raises
        `StoreFailed`."""
        now = self._clock.seconds()
        if now >= self._free_bytes_until:
            with failures(self.path):
                self._free_bytes = self.files.free_bytes(self.root) - self._reserve_bytes
            self._free_bytes_until = now + _FREE_SPACE_AGE_SECONDS_MAX
        return self._free_bytes

    @property
    def knows_free_bytes(self) -> bool:
        """Whether `free_bytes` and `require_room` would not block now."""
        return self._clock.seconds() < self._free_bytes_until

    def require_room(self, size_bytes: int) -> None:
        """Raises `StoreFull` or `StoreFailed`."""
        if self.free_bytes() < size_bytes:
            raise StoreFull(
                f"drive {self.path} has no room for {size_bytes} bytes beside its reserve of "
                f"{self._reserve_bytes}: free some space or add a drive"
            )

    # Files

    def create(self, file: BlobFile) -> int:
        """Create an incoming file and open it for writing."""
        path = layout.path_of(file)
        for _ in range(_CREATE_ATTEMPTS):
            try:
                return self.files.create(path, root=self.root)
            except FileNotFoundError:
                self._make_directory(layout.INCOMING)
                self._make_directory(layout.directory_of(file))
        return self.files.create(path, root=self.root)

    def write(self, descriptor: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self.files.write(descriptor, left) :]
        self._free_bytes -= len(data)

    def publish(self, incoming: BlobFile, sealed: BlobFile) -> None:
        """Give a synced file its final name, durably."""
        directory = layout.directory_of(sealed)
        outer = directory[:2]
        self._make_directory_durable(outer, parent="")
        self._make_directory_durable(directory, parent=outer)
        self.files.rename(layout.path_of(incoming), layout.path_of(sealed), root=self.root)
        self._sync_directory(directory)

    def remove(self, file: BlobFile) -> None:
        """Remove a file, if it is there, without a sync."""
        with suppress(FileNotFoundError):
            self.files.unlink(layout.path_of(file), root=self.root)

    def unlink(self, files: Iterable[BlobFile]) -> None:
        """Remove files durably; also those that were removed before without a sync."""
        directories = set()
        for file in files:
            self.remove(file)
            directories.add(layout.directory_of(file))
        for directory in sorted(directories):
            with suppress(FileNotFoundError):
                self._sync_directory(directory)

    def remove_empty_incarnations(self) -> None:
        """Remove the incoming directories in which nothing is left."""
        for name in filter(layout.is_incarnation, self.list(layout.INCOMING)):
            with suppress(OSError):
                self.files.remove_directory(f"{layout.INCOMING}/{name}", root=self.root)

    def list(self, directory: str) -> list[str]:
        """The names in a directory of the drive; none if it is not there."""
        try:
            descriptor = self.files.open_directory(directory, root=self.root)
        except FileNotFoundError:
            return []
        try:
            return self.files.list(descriptor)
        finally:
            self.files.close(descriptor)

    def _make_directory_durable(self, path: str, *, parent: str) -> None:
        """Also one that is there may not be durable yet: whoever made it, in this process or
        one that was killed, may not have come to the sync of the parent."""
        if path not in self._synced_directories:
            self._make_directory(path)
            self._sync_directory(parent)
            self._synced_directories.add(path)

    def _make_directory(self, path: str) -> None:
        with suppress(FileExistsError):
            self.files.make_directory(path, root=self.root)

    def _sync_directory(self, path: str) -> None:
        if not path:
            self.files.sync(self.root)
            return
        descriptor = self.files.open_directory(path, root=self.root)
        try:
            self.files.sync(descriptor)
        finally:
            self.files.close(descriptor)
