"""The rows of annotations: a record for each, and its payload in pieces.

They lie beneath the id of their version, so they stay where they are when it becomes noncurrent
or current, and they go with it. The version's own row counts them, and is put again with every
change of them: a commit that expects it `At` a revision has seen all of its annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from objectd.errors import DamagedRecord
from objectd.interfaces import Row
from objectd.model import keys
from objectd.model.codec import decode, decode_payload, encode, encode_payload
from objectd.model.records import Annotation, Candidate, ObjectTail
from objectd.objects.settings import ANNOTATION_BYTES_MAX
from objectd.objects.writer import Batch

PIECE_BYTES = 512 << 10
"""A value of the metadata holds 1 MiB with its checksum; so an annotation takes two."""

CONDEMNED = Candidate(0)
"""What is queued with it can be deleted at once: its version is gone."""

PIECES_MAX = -(-ANNOTATION_BYTES_MAX // PIECE_BYTES)


def row_keys(version: bytes, name: bytes) -> list[bytes]:
    """The record's, and those of all pieces that there may be."""
    pieces = [keys.annotation_piece(version, name, number) for number in range(1, PIECES_MAX + 1)]
    return [keys.annotation(version, name), *pieces]


def put_rows(batch: Batch, version: bytes, name: bytes, record: Annotation, payload: bytes) -> None:
    """In the place of the annotation of this name, if there is one."""
    record_key, *piece_keys = row_keys(version, name)
    batch.put(record_key, encode(record))
    for key, piece in zip(piece_keys, _pieces(payload), strict=True):
        if piece:
            batch.put(key, encode_payload(piece))
        else:
            batch.delete(key)


def delete_rows(batch: Batch, version: bytes, name: bytes) -> None:
    for key in row_keys(version, name):
        batch.delete(key)


def release(batch: Batch, version: bytes, tail: ObjectTail) -> None:
    """A version goes for good; the collector deletes its annotations, which nobody finds any
    more. (Many small ranges that are deleted make all reads slow in some stores.)"""
    if tail.annotations:
        batch.put(keys.annotation_candidate(version), encode(CONDEMNED))


def read_rows(name: str, rows: Sequence[Row | None]) -> tuple[Annotation, bytes] | None:
    """What the rows of `row_keys` hold. Raises `DamagedRecord`."""
    record_row, *piece_rows = rows
    if record_row is None:
        return None
    record = decode(Annotation, record_row.value)
    payload = b"".join(decode_payload(row.value) for row in piece_rows if row is not None)
    if len(payload) != record.size_bytes:
        raise DamagedRecord(f"annotation {name!r}", f"{len(payload)} bytes are there")
    return record, payload


def _pieces(payload: bytes) -> Iterator[bytes]:
    for number in range(PIECES_MAX):
        yield payload[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
