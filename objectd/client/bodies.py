"""Bodies of uploads: bytes, slices of files, and streams that can be read once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from objectd.errors import IncompleteBody
from objectd.streams import BytesStream, ByteStream

__all__ = ["PIECE_BYTES", "Body", "BytesBody", "FileSlice", "RunInThread", "StreamBody"]

PIECE_BYTES = 1 << 20

_T = TypeVar("_T")


class RunInThread(Protocol):
    """Calls a function in a thread."""

    def __call__(self, function: Callable[[], _T], /) -> Awaitable[_T]: ...


class Body(Protocol):
    """What a request sends. `repeatable`: it can be opened again, for another attempt."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def repeatable(self) -> bool: ...

    def open(self) -> ByteStream: ...


@attrs.frozen
class BytesBody:
    data: bytes = attrs.field(repr=False)
    repeatable: bool = attrs.field(default=True, init=False)

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def open(self) -> ByteStream:
        return BytesStream(self.data)


@attrs.frozen
class StreamBody:
    """A stream whose size is known, to be sent once."""

    stream: ByteStream
    size_bytes: int
    repeatable: bool = attrs.field(default=False, init=False)

    def open(self) -> ByteStream:
        return self.stream


@attrs.frozen
class FileSlice:
    """The bytes start <= i < stop of a file, which is read in threads."""

    path: Path
    start: int
    stop: int
    run_in_thread: RunInThread
    repeatable: bool = attrs.field(default=True, init=False)

    @property
    def size_bytes(self) -> int:
        return self.stop - self.start

    def open(self) -> ByteStream:
        return _FileStream(self)

    def feed(self, *updates: Callable[[bytes], object]) -> None:
        """Give every byte to digests. Blocks; `IncompleteBody` if the file is shorter now."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for position in range(self.start, self.stop, PIECE_BYTES):
                piece = _piece_at(descriptor, position, self)
                for update in updates:
                    update(piece)
        finally:
            os.close(descriptor)


class _FileStream:
    def __init__(self, source: FileSlice) -> None:
        self._source = source
        self._position = source.start
        self._closed = False

    async def read(self) -> bytes:
        if self._position == self._source.stop or self._closed:
            return b""
        piece = await self._source.run_in_thread(self._read)
        self._position += len(piece)
        return piece

    def _read(self) -> bytes:
        # Opened for each piece: a cancelled read leaves nothing behind that must be closed.
        descriptor = os.open(self._source.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _piece_at(descriptor, self._position, self._source)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        self._closed = True


def _piece_at(descriptor: int, position: int, source: FileSlice) -> bytes:
    piece = os.pread(descriptor, min(PIECE_BYTES, source.stop - position), position)
    if len(piece) < min(PIECE_BYTES, source.stop - position):
        raise IncompleteBody(f"{source.path} is shorter than it was")
    return piece
