"""The bytes of blob files and of what else lies on a drive."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs import layout
from objectd.blobs.format import (
    BLOCK_BYTES,
    CHECKSUM_BYTES,
    IDENTITY_BYTES_MAX,
    BlockChecksums,
    Damaged,
    Footer,
    Tail,
    blocks_in,
    encode_footer,
    read_tail,
    verify_blocks,
)
from objectd.errors import FormatUnsupported
from objectd.interfaces import BlobFile

GOLDEN = Path(__file__).parent / "golden"
UID = bytes.fromhex("0000000c00000000000000ab")
IDENTITY = msgspec.msgpack.encode({"bucket": 1, "key": b"a/b", "headers": {"etag": "x"}})


def checksums_of(data: bytes) -> bytes:
    checksums = BlockChecksums()
    checksums.update(data)
    return checksums.encoded()


def blob_file(data: bytes, identity: bytes = IDENTITY) -> bytes:
    footer = Footer(UID, blake3(data, key=bytes(range(32))).digest(), len(data), identity)
    return data + encode_footer(footer, checksums_of(data))


def tail_of(file: bytes) -> Tail:
    return read_tail(lambda size_bytes, offset: file[offset:][:size_bytes], len(file))


def golden_data() -> bytes:
    """A whole block and a short one, of bytes that anyone can write down."""
    return bytes(n * n >> 3 & 0xFF for n in range(BLOCK_BYTES + 100))


class GoldenTests(SynchronousTestCase):
    def test_blob_file(self) -> None:
        """Version 1 of a blob file is written as it was first written."""
        self.assertEqual(blob_file(golden_data()), (GOLDEN / "blob-v1").read_bytes())

    def test_reading_a_blob_file(self) -> None:
        """Version 1 of a blob file is read for ever."""
        file = (GOLDEN / "blob-v1").read_bytes()
        tail = tail_of(file)
        self.assertEqual(
            tail.footer,
            Footer(
                UID,
                bytes.fromhex("21f708e38c84b7f757f07877d8c22e75232c82b0484f0ee05d73f07df70ba7e3"),
                BLOCK_BYTES + 100,
                IDENTITY,
            ),
        )
        data = file[: tail.footer.size_bytes]
        self.assertEqual(data, golden_data())
        verify_blocks(data, file[len(data) :][: 2 * CHECKSUM_BYTES], first_block=0)

    def test_marker(self) -> None:
        """Version 1 of a drive's marker is written and read as it was first written."""
        golden = (GOLDEN / "drive-v1").read_bytes()
        marker = layout.Marker(store="00112233445566778899aabbccddeeff", drive=2, incarnation=12)
        self.assertEqual(layout.encode_marker(marker), golden)
        self.assertEqual(layout.decode_marker(golden, "/drive"), marker)


class MarkerTests(SynchronousTestCase):
    def test_newer(self) -> None:
        """A marker of a newer version is refused, unknown members are not."""
        newer = b'{"version":2,"store":"00","drive":0,"incarnation":1}'
        with self.assertRaisesRegex(FormatUnsupported, "/drive was written by a newer objectd"):
            layout.decode_marker(newer, "/drive")
        grown = b'{"version":1,"store":"00","drive":0,"incarnation":1,"colour":"blue"}'
        self.assertEqual(layout.decode_marker(grown, "/drive").incarnation, 1)

    def test_damaged(self) -> None:
        """A marker that cannot be read is refused."""
        for data in (b"", b"{", b"{}", b'{"version":1,"store":0,"drive":0,"incarnation":1}'):
            with self.assertRaisesRegex(FormatUnsupported, "/drive/objectd-drive is damaged"):
                layout.decode_marker(data, "/drive")


class LayoutTests(SynchronousTestCase):
    def test_paths(self) -> None:
        """Incoming files lie by incarnation, sealed ones by digest, and names lead back."""
        incoming = BlobFile(3, UID, None)
        sealed = BlobFile(3, UID, bytes(range(32)))
        self.assertEqual(layout.path_of(incoming), "incoming/0000000c/0000000c00000000000000ab")
        self.assertEqual(
            layout.path_of(sealed), f"00/01/{bytes(range(32)).hex()}.0000000c00000000000000ab"
        )
        for file, name_to_file in (
            (incoming, layout.incoming_file),
            (sealed, layout.sealed_file),
        ):
            name = layout.path_of(file).rpartition("/")[2]
            self.assertEqual(name_to_file(3, name), file)

    def test_foreign_names(self) -> None:
        """Names that are not exactly ours name no blob."""
        uid, digest = UID.hex(), bytes(32).hex()
        for name in ("", uid.upper(), uid + "0", uid[1:], uid + "\n", f"{digest}.{uid}"):
            self.assertIs(layout.incoming_file(0, name), None)
        for name in ("", uid, f"{digest}{uid}", f"{digest}.{uid}x", f"x{digest}.{uid}"):
            self.assertIs(layout.sealed_file(0, name), None)

    def test_no_path_for_other_ids(self) -> None:
        """What is not an id or a digest never becomes a path."""
        for file in (BlobFile(0, b"", None), BlobFile(0, UID, b""), BlobFile(0, UID, b"../..")):
            with self.assertRaises(ValueError):
                layout.path_of(file)


class FooterTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(cuts=st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6))
    def test_checksums_do_not_depend_on_cuts(self, cuts: list[int]) -> None:
        """Checksums are those of the blocks, in whatever pieces the bytes come."""
        data = golden_data() * 3
        checksums = BlockChecksums()
        edges = [0, *sorted(cuts), len(data)]
        for start, stop in itertools.pairwise(edges):
            checksums.update(data[start:stop])
        self.assertEqual(checksums.encoded(), checksums_of(data))
        self.assertEqual(len(checksums.encoded()), CHECKSUM_BYTES * blocks_in(len(data)))

    def test_identity_limit(self) -> None:
        """An identity may have 65,536 bytes and not one more."""
        file = blob_file(b"data", bytes(IDENTITY_BYTES_MAX))
        tail = tail_of(file)
        self.assertEqual(tail.footer.identity, bytes(IDENTITY_BYTES_MAX))
        with self.assertRaises(ValueError):
            blob_file(b"data", bytes(IDENTITY_BYTES_MAX + 1))

    @settings(deadline=None, max_examples=300)
    @given(data=st.data())
    def test_any_change_of_the_footer_is_noticed(self, data: st.DataObject) -> None:
        """No byte of identity or trailer can change, and no end go, without being noticed."""
        whole = blob_file(b"data")
        start = 4 + CHECKSUM_BYTES
        file = bytearray(whole)
        file[data.draw(st.integers(start, len(file) - 1))] ^= data.draw(st.integers(1, 255))
        short = whole[: data.draw(st.integers(0, len(whole) - 1))]
        for bad in (bytes(file), short, whole + b"\0"):
            with self.assertRaises(Damaged):
                tail_of(bad)

    def test_blocks(self) -> None:
        """Bytes that do not have their checksum are refused, the block is named."""
        data = golden_data()
        bad = bytearray(data)
        bad[BLOCK_BYTES] ^= 1
        with self.assertRaisesRegex(Damaged, "block 8 "):
            verify_blocks(bad, checksums_of(data), first_block=7)
        with self.assertRaisesRegex(Damaged, "block 8 "):
            verify_blocks(data, checksums_of(data)[:CHECKSUM_BYTES], first_block=7)
