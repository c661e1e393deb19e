"""Byte streams, the one form in which bodies flow through objectd, both ways."""

from __future__ import annotations

from typing import Protocol

import attrs


class ByteStream(Protocol):
    """Bytes that are pulled piece by piece by one coroutine: the puller sets the pace."""

    async def read(self) -> bytes:
        """The next bytes, at least one, of any number; b'' at the end and ever after.

        Raises what makes the stream worthless (`IncompleteBody`, `BadDigest`,
        `DamagedBlob`, a lost connection): a stream that has ended with b'' was whole.
        """

    def close(self) -> None:
        """Release what the stream holds, whether or not it was read to its end.
        Idempotent; safe while a cancelled `read` is still ending."""


@attrs.define
class BytesStream:
    """A stream over bytes in memory."""

    _data: bytes

    async def read(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        self._data = b""


async def read_all(stream: ByteStream, size_bytes_max: int) -> bytes:
    """Everything in the stream; `ValueError` as soon as it passes `size_bytes_max`."""
    pieces: list[bytes] = []
    size_bytes = 0
    while piece := await stream.read():
        size_bytes += len(piece)
        if size_bytes > size_bytes_max:
            raise ValueError(f"more than {size_bytes_max} bytes")
        pieces.append(piece)
    return b"".join(pieces)
