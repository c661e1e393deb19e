"""Compressed frames: every range comes back, and nothing that was tampered with does."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from random import Random

import zstandard
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs import frames as format_
from objectd.blobs.format import Damaged
from objectd.blobs.frames import (
    FRAME_BYTES,
    Compressor,
    Decompressor,
    Frames,
    Span,
    frames_in,
    is_smaller,
    stored_bytes_max,
)
from objectd.test.blobs.test_packets import pieces_of

GOLDEN = Path(__file__).parent / "golden" / "frames-v1"
LITTLE_BYTES = 256
"""What a frame holds in most of these tests, so that there are many."""

MANY = 6
DATA = Random("frames").randbytes(2 * LITTLE_BYTES) + b"".join(
    b"%04d............" % n for n in range((MANY - 2) * LITTLE_BYTES // 16 - 5)
)
"""Two frames that get longer, and others; the last one is short."""

near_an_edge = st.builds(
    lambda frame, offset: max(0, frame * LITTLE_BYTES + offset),
    st.integers(0, MANY),
    st.integers(-2, 2),
)
sizes = near_an_edge | st.integers(0, MANY * LITTLE_BYTES)
"""Bytes, mostly about whole frames."""


def compressed(*pieces: bytes, level: int = 3) -> tuple[Frames, bytes]:
    compressor = Compressor(level)
    stored = [compressor.frame(plain) for piece in pieces for plain in compressor.cut(piece)]
    if rest := compressor.rest():
        stored.append(compressor.frame(rest))
    return compressor.frames(), b"".join(stored)


def decompressed(frames: Frames, span: Span, *pieces: bytes) -> bytes:
    decompressor = Decompressor(frames, span)
    plain = []
    for piece in pieces:
        decompressor.put(piece)
        while not decompressor.has_ended and decompressor.has_frame:
            plain.append(decompressor.next())
    return b"".join(plain) if decompressor.has_ended else b"cut short"


class GoldenTests(SynchronousTestCase):
    def test_frames(self) -> None:
        """Frames and an index as they were first written are read for ever."""
        data = bytes(n * n >> 3 & 0xFF for n in range(4096)) * 512 + b"the last frame"
        stored = GOLDEN.read_bytes()
        frames = Frames.decode(bytes.fromhex("000000000020000e0000046f0000046f0000001b"))
        self.assertEqual(frames.stored_bytes, len(stored))
        self.assertEqual(decompressed(frames, frames.whole(), stored), data)
        self.assertEqual(frames.encode()[:8], len(data).to_bytes(8, "big"))


class LittleFramesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(format_, "FRAME_BYTES", LITTLE_BYTES)

    @given(sizes, st.lists(sizes, max_size=5), st.lists(sizes, max_size=5))
    def test_all(self, size: int, borders: list[int], stored_borders: list[int]) -> None:
        """Data is the same frames in whatever pieces it comes, and they are the data."""
        data = DATA[:size]
        frames, stored = compressed(*pieces_of(data, borders))
        self.assertEqual((frames, stored), compressed(data))
        self.assertEqual(frames.plain_bytes, len(data))
        self.assertEqual(len(frames.sizes_bytes), frames_in(len(data)))
        self.assertEqual(frames.stored_bytes, len(stored))
        self.assertEqual(Frames.decode(frames.encode()), frames)
        pieces = pieces_of(stored, stored_borders)
        self.assertEqual(decompressed(frames, frames.whole(), *pieces), data)

    @given(sizes, sizes, sizes, st.lists(sizes, max_size=5))
    def test_ranges(self, size: int, start: int, length: int, borders: list[int]) -> None:
        """Any range is the bytes of the range, of no more frames than hold it."""
        data = DATA[: max(size, 1)]
        start = min(start, len(data) - 1)
        stop = min(len(data), start + max(length, 1))
        frames, stored = compressed(data)
        span = frames.span(start, stop)
        count = frames_in(stop) - start // LITTLE_BYTES
        self.assertEqual(span.stop - span.start, sum(frames.sizes_bytes[span.first :][:count]))
        pieces = pieces_of(stored[span.start : span.stop], borders)
        self.assertEqual(decompressed(frames, span, *pieces), data[start:stop])

    def test_zstd(self) -> None:
        """Whoever knows Zstandard reads it without the index."""
        for data in (DATA, DATA[:LITTLE_BYTES], b"x"):
            _, stored = compressed(data)
            reader = zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(stored), read_across_frames=True
            )
            self.assertEqual(reader.read(), data)

    def test_nothing(self) -> None:
        """No data is no frame."""
        self.assertEqual(compressed(b""), (Frames(0, ()), b""))
        self.assertEqual(Frames.decode(Frames(0, ()).encode()), Frames(0, ()))

    def test_longest(self) -> None:
        """No frame of any data is longer than the index may say."""
        random = Random("longest")
        for size in (1, 2, 100, LITTLE_BYTES):
            for level in (1, 3, 19):
                frames, _ = compressed(random.randbytes(size), level=level)
                self.assertLessEqual(max(frames.sizes_bytes), stored_bytes_max(size))

    def test_no_index(self) -> None:
        """Nonsense is no index."""
        good = compressed(DATA)[0].encode()
        longest = stored_bytes_max(LITTLE_BYTES)
        one = LITTLE_BYTES.to_bytes(8, "big")
        Frames.decode(one + longest.to_bytes(4, "big"))
        for index in (
            b"",
            good[:7],
            good[:-1],
            good + b"\0",
            good[:-4],
            good + good[-4:],
            b"\xff" + good[1:],
            one + bytes(4),
            one + (longest + 1).to_bytes(4, "big"),
            bytes(8) + good[-4:],
        ):
            with self.assertRaises(Damaged):
                Frames.decode(index)

    def test_tampered(self) -> None:
        """Every flipped bit, cut, swap, repetition or wrong index is damage, or makes no
        difference (a header has a bit without a meaning), but never other bytes."""
        frames, stored = compressed(DATA)
        for position in range(len(stored)):
            for bit in range(8):
                flipped = bytearray(stored)
                flipped[position] ^= 1 << bit
                self.assert_damaged(frames, bytes(flipped), or_the_same=bit == 4)
        ends = [sum(frames.sizes_bytes[:n]) for n in range(MANY + 1)]
        each = [stored[start:stop] for start, stop in pairwise(ends)]
        self.assert_damaged(frames, each[1] + each[0] + b"".join(each[3:]))
        self.assert_damaged(frames, stored[:-1])
        self.assert_damaged(frames, stored[1:])
        sizes = frames.sizes_bytes
        for wrong in (
            (sizes[0] + 1, sizes[1] - 1, *sizes[2:]),
            (sizes[0] - 1, sizes[1] + 1, *sizes[2:]),
            (sizes[0] + sizes[1], 1, *sizes[2:]),
        ):
            self.assert_damaged(Frames(len(DATA), wrong), stored)
        for plain_bytes in (len(DATA) - 1, len(DATA) + 1):
            self.assert_damaged(Frames(plain_bytes, sizes), stored)

    def assert_damaged(self, frames: Frames, stored: bytes, *, or_the_same: bool = False) -> None:
        try:
            found = decompressed(frames, frames.whole(), stored)
        except Damaged:
            return
        if not (or_the_same and found == DATA):
            self.assertEqual(found, b"cut short")

    def test_bomb(self) -> None:
        """A frame that says it holds more than one may is not decompressed."""
        bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
        frames = Frames(LITTLE_BYTES, (len(bomb),))
        with self.assertRaises(Damaged):
            decompressed(frames, frames.whole(), bomb)
        unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
        frames = Frames(LITTLE_BYTES, (len(unsized),))
        with self.assertRaises(Damaged):
            decompressed(frames, frames.whole(), unsized)


class FramesTests(SynchronousTestCase):
    def test_edges(self) -> None:
        """Frames of the real size have their edges where they should."""
        data = bytes(n * n >> 3 & 0xFF for n in range(4096)) * 520
        for size in (FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES):
            frames, stored = compressed(data[:size])
            self.assertEqual(len(frames.sizes_bytes), -(-size // FRAME_BYTES))
            for start in (0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1):
                for stop in (start + 1, FRAME_BYTES, FRAME_BYTES + 1, size):
                    if start < stop <= size:
                        span = frames.span(start, stop)
                        found = decompressed(frames, span, stored[span.start : span.stop])
                        self.assertEqual(found, data[start:stop])

    def test_is_smaller(self) -> None:
        """At least a twentieth must be saved."""
        self.assertTrue(is_smaller(100, 95))
        self.assertFalse(is_smaller(100, 96))
        self.assertFalse(is_smaller(0, 13))
