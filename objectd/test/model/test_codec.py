"""Laws of the codec: what is written is read, and damage is never taken for data."""

from __future__ import annotations

import msgspec
from google_crc32c import value as crc32c
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import DamagedRecord
from objectd.model.codec import (
    OBJECT_HEAD_BYTES_MAX,
    VERSION,
    decode,
    decode_counter,
    decode_object,
    decode_object_head,
    decode_object_heads,
    decode_payload,
    encode,
    encode_counter,
    encode_object,
    encode_payload,
)
from objectd.model.records import (
    Checksum,
    Headers,
    InBlob,
    InManifest,
    InRow,
    Nothing,
    ObjectHead,
    ObjectTail,
    Part,
    Record,
)
from objectd.test.model import golden_rows

SIZES = st.integers(0, 5 << 40)
UIDS = st.binary(min_size=12, max_size=12)
TEXTS = st.text(max_size=12)
CHECKSUMS = st.lists(st.builds(Checksum, TEXTS, st.binary(max_size=32)), max_size=2).map(tuple)
SOURCES = st.one_of(
    st.builds(InRow),
    st.builds(InBlob, UIDS),
    st.builds(
        InManifest,
        UIDS,
        st.binary(max_size=20),
        st.lists(st.tuples(SIZES, st.integers(1, 10_000)), max_size=3).map(tuple),
    ),
    st.builds(Nothing),
)
HEADS = st.builds(
    ObjectHead,
    size_bytes=SIZES,
    modified_us=st.integers(0, 1 << 62),
    etag=TEXTS,
    version=UIDS,
    owner=st.integers(0, (1 << 64) - 1),
    storage_class=TEXTS,
    version_is_null=st.booleans(),
)
TAILS = st.builds(
    ObjectTail,
    source=SOURCES,
    headers=st.builds(Headers, content_type=TEXTS, expires=TEXTS),
    metadata=st.dictionaries(TEXTS, TEXTS, max_size=3),
    checksums=CHECKSUMS,
    tags=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
PARTS = st.builds(
    Part,
    size_bytes=SIZES,
    modified_us=SIZES,
    etag=TEXTS,
    blob=UIDS,
    attempt=UIDS,
    checksums=CHECKSUMS,
)


NO_TAIL = ObjectTail(Nothing(), Headers(), {}, ())


def framed(packed: bytes) -> bytes:
    """What an object's row begins with, around any head."""
    front = bytes((VERSION,)) + len(packed).to_bytes(2, "big") + packed
    return front + int(crc32c(front)).to_bytes(4, "big")


def flipped(data: bytes, at: int, bits: int) -> bytes:
    position = at % len(data)
    return data[:position] + bytes((data[position] ^ bits,)) + data[position + 1 :]


class CodecTests(SynchronousTestCase):
    @given(PARTS)
    def test_record(self, part: Part) -> None:
        """A record is read as it was written."""
        self.assertEqual(decode(Part, encode(part)), part)

    @given(HEADS, TAILS)
    def test_object(self, head: ObjectHead, tail: ObjectTail) -> None:
        """An object is read as it was written, its head also from its first bytes alone."""
        value = encode_object(head, tail)
        self.assertEqual(decode_object(value), (head, tail))
        self.assertEqual(decode_object_head(value[:OBJECT_HEAD_BYTES_MAX]), head)

    @given(st.lists(HEADS, max_size=20), st.integers(0), st.integers(1, 255))
    def test_many_heads(self, heads: list[ObjectHead], at: int, bits: int) -> None:
        """Many heads are read as each of them is, and refused if one is damaged."""
        values = [encode_object(head, NO_TAIL) for head in heads]
        self.assertEqual(decode_object_heads(values), heads)
        if values:
            chosen = at % len(values)
            in_front = at % (len(values[chosen]) - len(msgspec.msgpack.encode(NO_TAIL)) - 4)
            values[chosen] = flipped(values[chosen], in_front, bits)
            with self.assertRaises(DamagedRecord):
                decode_object_heads(values)

    def test_heads_of_later_versions(self) -> None:
        """Among many heads one with more fields is read, one that is no head is refused."""
        head = golden_rows.HEAD
        longer = msgspec.msgpack.encode([*msgspec.structs.astuple(head), "new"])
        self.assertEqual(decode_object_heads([framed(longer)] * 2), [head] * 2)
        for packed in (longer + longer, b"", msgspec.msgpack.encode({})):
            with self.assertRaises(DamagedRecord):
                decode_object_heads([framed(longer), framed(packed)])

    @given(st.binary(max_size=100))
    def test_payload(self, data: bytes) -> None:
        """A payload is read as it was written."""
        self.assertEqual(decode_payload(encode_payload(data)), data)

    @given(st.integers(-(1 << 63), (1 << 63) - 1))
    def test_counter(self, value: int) -> None:
        """A counter is read as it was written."""
        self.assertEqual(decode_counter(encode_counter(value)), value)

    @given(PARTS, st.integers(0), st.integers(1, 255))
    def test_damaged_record(self, part: Part, at: int, bits: int) -> None:
        """A record with a changed byte is refused."""
        with self.assertRaises(DamagedRecord):
            decode(Part, flipped(encode(part), at, bits))

    @given(HEADS, TAILS, st.integers(0), st.integers(1, 255))
    def test_damaged_object(self, head: ObjectHead, tail: ObjectTail, at: int, bits: int) -> None:
        """An object with a changed byte is refused; behind its head, the head stays readable."""
        whole = encode_object(head, tail)
        position = at % len(whole)
        value = flipped(whole, position, bits)
        with self.assertRaises(DamagedRecord):
            decode_object(value)
        if position < len(whole) - len(msgspec.msgpack.encode(tail)) - 4:
            with self.assertRaises(DamagedRecord):
                decode_object_head(value)
        else:
            self.assertEqual(decode_object_head(value), head)

    @given(st.binary(max_size=60))
    def test_noise(self, data: bytes) -> None:
        """Noise is refused as damaged and never breaks the decoder."""
        readers = (
            decode_object,
            decode_object_head,
            lambda data: decode_object_heads([data]),
            lambda data: decode(Part, data),
        )
        for read in readers:
            with self.assertRaises(DamagedRecord):
                read(data)

    @given(st.binary(max_size=40), st.integers(0), st.integers(1, 255))
    def test_damaged_payload(self, data: bytes, at: int, bits: int) -> None:
        """A payload with a changed byte is refused."""
        with self.assertRaises(DamagedRecord):
            decode_payload(flipped(encode_payload(data), at, bits))

    def test_counter_of_wrong_length(self) -> None:
        """A counter that is not 8 bytes long is refused."""
        for data in (b"", bytes(7), bytes(9)):
            with self.assertRaises(DamagedRecord):
                decode_counter(data)

    def test_newer_record_version(self) -> None:
        """A record version that is not known is refused by name."""
        value = encode(golden_rows.RECORDS["part"])
        with self.assertRaisesRegex(DamagedRecord, f"version {VERSION + 1} is unknown"):
            decode(Part, bytes((VERSION + 1,)) + value[1:])

    def test_wrong_type(self) -> None:
        """A whole record of another type is refused as damaged."""
        with self.assertRaises(DamagedRecord):
            decode(Part, encode(golden_rows.RECORDS["bucket-name"]))

    def test_appended_fields(self) -> None:
        """A reader skips fields that a newer version has appended, and fills in those that
        an older one did not write."""

        class Old(Record, frozen=True):
            a: int

        class New(Record, frozen=True):
            a: int
            b: str = "default"

        self.assertEqual(decode(Old, encode(New(1, "x"))), Old(1))
        self.assertEqual(decode(New, encode(Old(1))), New(1, "default"))

    def test_longest_head(self) -> None:
        """A head of just the limit is written, and one byte more is not."""
        head, tail = golden_rows.HEAD, ObjectTail(Nothing())
        tail_bytes = len(msgspec.msgpack.encode(tail)) + 4
        room = OBJECT_HEAD_BYTES_MAX - (len(encode_object(head, tail)) - tail_bytes)
        # msgpack writes the length of a string of more than 255 bytes in one byte more.
        longest = msgspec.structs.replace(head, etag=head.etag + "e" * (room - 1))
        value = encode_object(longest, tail)
        self.assertEqual(len(value) - tail_bytes, OBJECT_HEAD_BYTES_MAX)
        self.assertEqual(decode_object_head(value[:OBJECT_HEAD_BYTES_MAX]), longest)
        with self.assertRaises(ValueError):
            encode_object(msgspec.structs.replace(longest, etag=longest.etag + "e"), tail)
