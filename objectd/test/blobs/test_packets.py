"""Encrypted packets: every range comes back, and nothing that was tampered with does."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.format import Damaged
from objectd.blobs.packets import (
    PACKET_BYTES,
    Opener,
    Packets,
    Sealer,
    open_whole,
    packets_in,
    seal_whole,
    sealed_bytes,
)

ONE = Packets([b"a" * 32])
TWO = Packets([b"a" * 32, b"b" * 32])
DATA = Random("packets").randbytes(4 * PACKET_BYTES)

near_an_edge = st.builds(
    lambda packet, offset: max(0, packet * PACKET_BYTES + offset),
    st.integers(0, 3),
    st.integers(-2, 2),
)
sizes = near_an_edge | st.integers(0, 4 * PACKET_BYTES)
"""Bytes, mostly about whole packets."""


def pieces_of(data: bytes, borders: list[int]) -> list[bytes]:
    ends = sorted(min(border, len(data)) for border in borders)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


class PacketTests(SynchronousTestCase):
    @given(sizes, st.lists(sizes, max_size=5), st.sampled_from([ONE, TWO]))
    def test_sealing(self, size: int, borders: list[int], packets: Packets) -> None:
        """Data is the same packets in whatever pieces it comes, as long as they are said to be."""
        data = DATA[:size]
        sealer = Sealer(packets)
        sealed = b"".join([sealer.update(piece) for piece in pieces_of(data, borders)])
        sealed += sealer.finish()
        self.assertEqual(sealed, seal_whole(packets, data))
        self.assertEqual(len(sealed), packets.sealed_bytes(size))
        self.assertEqual(packets.plain_bytes(len(sealed)), size)
        self.assertEqual(open_whole(packets, sealed), data)

    @given(sizes, sizes, sizes, st.lists(sizes, max_size=5), st.sampled_from([ONE, TWO]))
    def test_ranges(
        self, size: int, start: int, length: int, borders: list[int], packets: Packets
    ) -> None:
        """Any range is the bytes of the range, of no more packets than hold it."""
        data = DATA[: max(size, 1)]
        start = min(start, len(data) - 1)
        stop = min(len(data), start + max(length, 1))
        sealed = seal_whole(packets, data)
        span = packets.span(start, stop, len(data))
        self.assertLessEqual(span.stop - span.start, sealed_bytes(stop - start, 2) + 2 * 65600)
        opener = Opener(packets, span)
        pieces = pieces_of(sealed[span.start : span.stop], borders)
        found = b"".join([opener.update(piece) for piece in pieces]) + opener.update(
            b"", ended=True
        )
        self.assertEqual(found, data[start:stop])

    def test_empty(self) -> None:
        """No data is one packet, which says that there is none."""
        sealed = seal_whole(ONE, b"")
        self.assertEqual((packets_in(0), len(sealed)), (1, 16))
        self.assertEqual(open_whole(ONE, sealed), b"")

    def test_no_data_makes_these(self) -> None:
        """A length that no data makes is damage."""
        for size in (0, 15, ONE.packet_bytes + 1, ONE.packet_bytes + 16):
            with self.assertRaises(Damaged):
                ONE.plain_bytes(size)

    def test_tampered(self) -> None:
        """Every flipped bit, cut, swap, repetition or other key is damage, never other bytes."""
        data = DATA[: 2 * PACKET_BYTES + 100]
        sealed = seal_whole(ONE, data)
        first, second = sealed[: ONE.packet_bytes], sealed[ONE.packet_bytes :][: ONE.packet_bytes]
        last = sealed[2 * ONE.packet_bytes :]
        random = Random("tampered")
        flipped = []
        for _ in range(50):
            position = random.randrange(len(sealed))
            bit = bytes([sealed[position] ^ 1 << random.randrange(8)])
            flipped.append(sealed[:position] + bit + sealed[position + 1 :])
        for tampered in (
            *flipped,
            second + first + last,
            first + first + last,
            first + last,
            first + second,
            first,
            last,
            first + second + second + last,
            sealed[:-1],
            sealed + last,
        ):
            with self.assertRaises(Damaged):
                open_whole(ONE, tampered)
        for packets in (Packets([b"b" * 32]), TWO, Packets([b"b" * 32, b"a" * 32])):
            with self.assertRaises(Damaged):
                open_whole(packets, sealed)

    def test_shortened_in_a_range(self) -> None:
        """Packets that are passed off as all there are do not decrypt as the last ones."""
        sealed = seal_whole(ONE, DATA[: 3 * PACKET_BYTES])
        cut = sealed[: 2 * ONE.packet_bytes]
        span = ONE.span(PACKET_BYTES, 2 * PACKET_BYTES, 2 * PACKET_BYTES)
        with self.assertRaises(Damaged):
            Opener(ONE, span).update(cut[span.start : span.stop], ended=True)
