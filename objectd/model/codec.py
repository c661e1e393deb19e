"""The one binary codec of all records.

A record is version (1 byte) ‖ msgpack array ‖ CRC32C of all before it (4 bytes, big-endian).
An object is two of them: version (1) ‖ length of the head (2) ‖ head ‖ CRC32C of all before
it (4) ‖ tail ‖ CRC32C of the tail (4), so that a listing reads, checks and decodes the first
`OBJECT_HEAD_BYTES_MAX` bytes of a value and no more. Checksums are in the value because not
every metadata store has its own, and a damaged record must cost that record only.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from google_crc32c import value as crc32c

from objectd.errors import DamagedRecord
from objectd.model.records import ObjectHead, ObjectTail, Record

VERSION = 1
OBJECT_HEAD_BYTES_MAX = 512
"""A head is never longer than this, its frame included."""

_R = TypeVar("_R", bound=Record)
_CRC = struct.Struct(">I")
_HEAD = struct.Struct(">BH")
_HEAD_BYTES = _HEAD.size
_PACKED = slice(_HEAD_BYTES, None)
_ARRAY = struct.Struct(">BI")
_ARRAY_TAG = 0xDD

_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(ObjectHead).decode
_decode_tail = msgspec.msgpack.Decoder(ObjectTail).decode
_decode_heads = msgspec.msgpack.Decoder(list[ObjectHead]).decode
_decoders: dict[type[Record], msgspec.msgpack.Decoder[Record]] = {}


def encode(record: Record) -> bytes:
    """The value of a row that holds one record."""
    data = bytes((VERSION,)) + _encode(record)
    return data + _CRC.pack(crc32c(data))


def decode(record_type: type[_R], value: bytes) -> _R:
    """The record in a value. Raises `DamagedRecord`."""
    if len(value) < 6:
        raise DamagedRecord(record_type.__name__, f"{len(value)} bytes are too few")
    body = value[:-4]
    _check_version(record_type, body[0])
    _check_crc(record_type, body, value[-4:])
    return _unpack(record_type, body[1:])


def encode_object(head: ObjectHead, tail: ObjectTail) -> bytes:
    """The value of an object or version row."""
    packed = _encode(head)
    front = _HEAD.pack(VERSION, len(packed)) + packed
    back = _encode(tail)
    if len(front) + 4 > OBJECT_HEAD_BYTES_MAX:
        raise ValueError(f"a head of {len(front) + 4} bytes is over {OBJECT_HEAD_BYTES_MAX}")
    return b"".join((front, _CRC.pack(crc32c(front)), back, _CRC.pack(crc32c(back))))


def decode_object_head(value: bytes) -> ObjectHead:
    """The head of an object row, from the whole value or its first bytes. Raises
    `DamagedRecord`."""
    # A listing decodes a thousand: without calls of Python this takes 0.7 µs instead of 1.1.
    try:
        end = _HEAD_BYTES + (value[1] << 8 | value[2])
        front = value[:end]
        if value[0] == VERSION and crc32c(front) == _CRC.unpack_from(value, end)[0]:
            return _decode_head(front[_HEAD_BYTES:])
    except (IndexError, struct.error, msgspec.ValidationError, msgspec.DecodeError):
        pass
    return _decode_object_head_step_by_step(value)


def decode_object_heads(values: Sequence[bytes]) -> list[ObjectHead]:
    """The heads of many object rows. Raises `DamagedRecord` if any of them is damaged."""
    # Each is checked alone, and all are decoded as one array: 0.5 µs each instead of 0.6.
    packed = [_ARRAY.pack(_ARRAY_TAG, len(values))]
    add, checksum, stored = packed.append, crc32c, _CRC.unpack_from
    try:
        for value in values:
            end = _HEAD_BYTES + (value[1] << 8 | value[2])
            front = value[:end]
            if value[0] != VERSION or checksum(front) != stored(value, end)[0]:
                break
            add(front[_PACKED])
        else:
            return _decode_heads(b"".join(packed))
    except (IndexError, struct.error, msgspec.ValidationError, msgspec.DecodeError):
        pass
    return [decode_object_head(value) for value in values]


def decode_object(value: bytes) -> tuple[ObjectHead, ObjectTail]:
    """Head and tail of an object row. Raises `DamagedRecord`."""
    # As above: 1.3 µs instead of 1.8.
    try:
        end = _HEAD_BYTES + (value[1] << 8 | value[2])
        front, back = value[:end], value[end + 4 : -4]
        if (
            value[0] == VERSION
            and crc32c(front) == _CRC.unpack_from(value, end)[0]
            and crc32c(back) == _CRC.unpack_from(value, len(value) - 4)[0]
        ):
            return _decode_head(front[_PACKED]), _decode_tail(back)
    except (IndexError, struct.error, msgspec.ValidationError, msgspec.DecodeError):
        pass
    head = decode_object_head(value)
    back = value[_head_end(value) + 4 : -4]
    _check_crc(ObjectTail, back, value[-4:])
    return head, _unpack(ObjectTail, back)


def encode_payload(data: bytes) -> bytes:
    """The value of a payload row: CRC32C ‖ the bytes as they are."""
    return _CRC.pack(crc32c(data)) + data


def decode_payload(value: bytes) -> bytes:
    data = value[4:]
    if len(value) < 4 or crc32c(data) != _CRC.unpack_from(value)[0]:
        raise DamagedRecord("payload", "its checksum does not match")
    return data


def encode_counter(value: int) -> bytes:
    """Counters are what `Add` works on, so they have no frame."""
    return value.to_bytes(8, "big", signed=True)


def decode_counter(value: bytes) -> int:
    if len(value) != 8:
        raise DamagedRecord("counter", f"it has {len(value)} bytes, not 8")
    return int.from_bytes(value, "big", signed=True)


def _decode_object_head_step_by_step(value: bytes) -> ObjectHead:
    """The same, but it tells what is wrong."""
    end = _head_end(value)
    _check_crc(ObjectHead, value[:end], value[end : end + 4])
    return _unpack(ObjectHead, value[_HEAD.size : end])


def _head_end(value: bytes) -> int:
    if len(value) < _HEAD.size:
        raise DamagedRecord(ObjectHead.__name__, f"{len(value)} bytes are too few")
    version, length = _HEAD.unpack_from(value)
    _check_version(ObjectHead, version)
    return _HEAD.size + int(length)


def _check_version(record_type: type[Record], version: int) -> None:
    if version != VERSION:
        raise DamagedRecord(record_type.__name__, f"record version {version} is unknown")


def _check_crc(record_type: type[Record], data: bytes, crc: bytes) -> None:
    if crc != _CRC.pack(crc32c(data)):
        raise DamagedRecord(record_type.__name__, "its checksum does not match")


def _unpack(record_type: type[_R], data: bytes) -> _R:
    decoder = _decoders.get(record_type)
    if decoder is None:
        decoder = _decoders[record_type] = msgspec.msgpack.Decoder(record_type)
    try:
        return decoder.decode(data)  # type: ignore[return-value]  # the dict is keyed by type
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise DamagedRecord(record_type.__name__, str(error)) from error
