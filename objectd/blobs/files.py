"""The system calls that a drive is made of, as one replaceable object.

They are those of `os`, without its many options. Our tests put a file system in their place
that loses power between any two of them.
"""

from __future__ import annotations

import fcntl
import os
from typing import Protocol


class Files(Protocol):
    """Every method raises `OSError`. Paths are relative to an open directory; the last
    component of a path is never followed if it is a symbolic link."""

    def open_root(self, path: str) -> int:
        """Open a directory by its path in the whole file system."""

    def open_directory(self, path: str, *, root: int) -> int: ...

    def open_to_read(self, path: str, *, root: int) -> int: ...

    def create(self, path: str, *, root: int) -> int:
        """Create a file, which must not exist, and open it for writing."""

    def lock(self, path: str, *, root: int) -> int:
        """Create a file if need be and lock it for as long as it is open. Raises
        `BlockingIOError` if somebody else has it locked."""

    def read(self, descriptor: int, size_bytes: int, offset: int) -> bytes: ...

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Append; return how many of the bytes were written."""

    def size_bytes(self, descriptor: int) -> int: ...

    def free_bytes(self, descriptor: int) -> int:
        """What this process may still write to the file system."""

    def sync(self, descriptor: int) -> None:
        """Make all that was written to a file, or done in a directory, survive a loss of
        power. The name of a file is its directory's, and is not synced with the file."""

    def close(self, descriptor: int) -> None: ...

    def list(self, descriptor: int) -> list[str]:
        """The names in an open directory."""

    def make_directory(self, path: str, *, root: int) -> None: ...

    def remove_directory(self, path: str, *, root: int) -> None: ...

    def rename(self, path: str, new_path: str, *, root: int) -> None:
        """Replaces what is at `new_path`."""

    def unlink(self, path: str, *, root: int) -> None: ...


_SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


class SystemFiles:
    """The files of the operating system."""

    def open_root(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open_directory(self, path: str, *, root: int) -> int:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | _SAFELY, dir_fd=root)

    def open_to_read(self, path: str, *, root: int) -> int:
        return os.open(path, os.O_RDONLY | _SAFELY, dir_fd=root)

    def create(self, path: str, *, root: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY
        return os.open(path, flags, _FILE_MODE, dir_fd=root)

    def lock(self, path: str, *, root: int) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _SAFELY, _FILE_MODE, dir_fd=root)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, descriptor: int, size_bytes: int, offset: int) -> bytes:
        return os.pread(descriptor, size_bytes, offset)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def size_bytes(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def free_bytes(self, descriptor: int) -> int:
        status = os.statvfs(descriptor)
        return status.f_bavail * status.f_frsize

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def list(self, descriptor: int) -> list[str]:
        return os.listdir(descriptor)

    def make_directory(self, path: str, *, root: int) -> None:
        os.mkdir(path, _DIRECTORY_MODE, dir_fd=root)

    def remove_directory(self, path: str, *, root: int) -> None:
        os.rmdir(path, dir_fd=root)

    def rename(self, path: str, new_path: str, *, root: int) -> None:
        os.rename(path, new_path, src_dir_fd=root, dst_dir_fd=root)

    def unlink(self, path: str, *, root: int) -> None:
        os.unlink(path, dir_fd=root)


class UnsyncedFiles(SystemFiles):
    """The same without the durability: for data that one can afford to lose."""

    def sync(self, descriptor: int) -> None:
        pass
