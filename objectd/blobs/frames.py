"""Compressed bytes in frames, so that a range is decompressed without what is far from it.

    frame 0 ‖ frame 1 ‖ … ‖ the last frame

A frame is a frame of Zstandard (RFC 8878) that holds 1 MiB of plain data, says so in its header
and ends with a checksum of that data; only the last one may hold less. No data is no frame. Any
program that knows Zstandard decompresses them all; where each one lies the index tells, which is
kept apart from them:

    plain bytes of all (8) ‖ stored bytes of frame 0 (4) ‖ of frame 1 (4) ‖ …
"""

from __future__ import annotations

import struct

import attrs
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, frame_content_size

from objectd.blobs.format import Damaged, Data

FRAME_BYTES = 1 << 20
"""Of plain data."""

_PLAIN = struct.Struct(">Q")
_STORED_BYTES = 4


def frames_in(plain_bytes: int) -> int:
    return -(-plain_bytes // FRAME_BYTES)


def stored_bytes_max(plain_bytes: int) -> int:
    """How long one frame may become that holds so much data, whatever it is. ZSTD_COMPRESSBOUND
    is no more, checksum included."""
    return plain_bytes + (plain_bytes >> 8) + 64


def is_smaller(plain_bytes: int, stored_bytes: int) -> bool:
    """Whether that is worth the work of decompressing it: 5 % at least."""
    return stored_bytes * 100 <= plain_bytes * 95


@attrs.frozen
class Span:
    """Bytes start <= i < stop of the frames, which begin with frame `first`; of their data, `skip`
    bytes come before the `size_bytes` that are wanted."""

    first: int
    start: int
    stop: int
    skip: int
    size_bytes: int


@attrs.frozen
class Frames:
    """Where the frames lie that hold `plain_bytes`: how long each one is, in their order."""

    plain_bytes: int
    sizes_bytes: tuple[int, ...]

    @property
    def stored_bytes(self) -> int:
        """Of all frames."""
        return sum(self.sizes_bytes)

    def encode(self) -> bytes:
        sizes = struct.pack(f">{len(self.sizes_bytes)}I", *self.sizes_bytes)
        return _PLAIN.pack(self.plain_bytes) + sizes

    @classmethod
    def decode(cls, index: bytes) -> Frames:
        """The inverse of `encode`. Raises `Damaged` for what is no index of any frames."""
        if len(index) < _PLAIN.size or (len(index) - _PLAIN.size) % _STORED_BYTES:
            raise Damaged(f"{len(index)} bytes are no index of frames")
        [plain_bytes] = _PLAIN.unpack_from(index)
        count = (len(index) - _PLAIN.size) // _STORED_BYTES
        if count != frames_in(plain_bytes):
            raise Damaged(f"its index has {count} frames for {plain_bytes} bytes")
        sizes = struct.unpack_from(f">{count}I", index, _PLAIN.size)
        if sizes and not 0 < min(sizes) <= max(sizes) <= stored_bytes_max(FRAME_BYTES):
            raise Damaged("its index has a frame of a size that none can have")
        return cls(plain_bytes, sizes)

    def require(self, stored_bytes: int) -> None:
        """Raises `Damaged` unless these frames take up so many bytes."""
        if self.stored_bytes != stored_bytes:
            raise Damaged(f"its index tells of {self.stored_bytes} bytes, not {stored_bytes}")

    def plain_bytes_of(self, number: int) -> int:
        """How much data one of the frames holds."""
        return min(FRAME_BYTES, self.plain_bytes - number * FRAME_BYTES)

    def span(self, start: int, stop: int) -> Span:
        """Where the frames lie that hold bytes start <= i < stop of the data. There must be at
        least one such byte."""
        first, end = start // FRAME_BYTES, frames_in(stop)
        before_bytes = sum(self.sizes_bytes[:first])
        return Span(
            first=first,
            start=before_bytes,
            stop=before_bytes + sum(self.sizes_bytes[first:end]),
            skip=start - first * FRAME_BYTES,
            size_bytes=stop - start,
        )

    def whole(self) -> Span:
        """That of all the data."""
        return Span(0, 0, self.stored_bytes, 0, self.plain_bytes)


class Compressor:
    """Makes frames of data that comes in pieces of any size.

    What libzstd works with it has only while it makes a frame: 3 MB at level 3, 20 MB at level 19.
    To get them anew each time takes no time that can be measured.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._rest = bytearray()
        self._plain_bytes = 0
        self._sizes_bytes: list[int] = []

    def cut(self, data: Data) -> list[Data]:
        """The data of the frames that are full with this, which nobody may change until they are
        made. What is left of it waits for more."""
        view = memoryview(data)
        full: list[Data] = []
        if self._rest:
            missing = FRAME_BYTES - len(self._rest)
            self._rest += view[:missing]
            view = view[missing:]
            if len(self._rest) == FRAME_BYTES:
                full.append(self.rest())
        while len(view) >= FRAME_BYTES:
            full.append(view[:FRAME_BYTES])
            view = view[FRAME_BYTES:]
        self._rest += view
        return full

    def rest(self) -> Data:
        """What waits for more, which is no longer waited for."""
        rest, self._rest = self._rest, bytearray()
        return rest

    def frame(self, plain: Data) -> bytes:
        """The next frame, with what `cut` or, at last, `rest` gave for it."""
        frame = ZstdCompressor(level=self._level, write_checksum=True).compress(plain)
        self._plain_bytes += len(plain)
        self._sizes_bytes.append(len(frame))
        return frame

    def frames(self) -> Frames:
        """The index of all frames so far."""
        return Frames(self._plain_bytes, tuple(self._sizes_bytes))


class Decompressor:
    """Gives the data of a span of frames, which come in pieces of any size.

    One frame's data at a time, for a piece may hold very many frames: a frame of zeros takes 60
    bytes.
    """

    def __init__(self, frames: Frames, span: Span) -> None:
        self._frames = frames
        self._number = span.first
        self._skip = span.skip
        self._wanted_bytes = span.size_bytes
        self._held = bytearray()

    @property
    def has_ended(self) -> bool:
        """All that was wanted is given."""
        return not self._wanted_bytes

    @property
    def has_frame(self) -> bool:
        """The next frame is there as a whole."""
        return len(self._held) >= self._frames.sizes_bytes[self._number]

    @property
    def next_bytes(self) -> int:
        """How much data the next frame holds."""
        return self._frames.plain_bytes_of(self._number)

    def put(self, data: Data) -> None:
        """Take the next bytes of the frames."""
        self._held += data

    def next(self) -> bytes:
        """The wanted data of the next frame, which must be there. Raises `Damaged`."""
        stored_bytes = self._frames.sizes_bytes[self._number]
        frame = bytes(memoryview(self._held)[:stored_bytes])
        try:
            plain = _decompressed(frame, self.next_bytes)
        except (Damaged, ZstdError) as error:
            raise Damaged(f"frame {self._number}: {error}") from error
        del self._held[:stored_bytes]  # at the start of a bytearray that moves nothing
        self._number += 1
        wanted = plain[self._skip : self._skip + self._wanted_bytes]
        self._skip = 0
        self._wanted_bytes -= len(wanted)
        return wanted


def _decompressed(frame: bytes, plain_bytes: int) -> bytes:
    """Raises `Damaged`, `ZstdError`. libzstd takes as much memory as the header says there will
    be data, so that is looked at first."""
    content_bytes = frame_content_size(frame)
    if content_bytes != plain_bytes:
        raise Damaged(f"it says it holds {content_bytes} bytes, not {plain_bytes}")
    plain = ZstdDecompressor().decompress(
        frame, max_output_size=plain_bytes, allow_extra_data=False
    )
    if len(plain) != plain_bytes:
        raise Damaged(f"it holds {len(plain)} bytes, not {plain_bytes}")
    return plain
