"""The rows of annotations: a record for each, and its payload in pieces.

They lie beneath the id of their version, so they stay where they are when it becomes noncurrent
or current, and they go with it. The version's own row counts them, and is put again with every
change of them: a commit that expects it `At` a revision has seen all of its annotations.

Where the version is encrypted each piece is, too, with the version's data keys: salt ‖ packets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from msgspec import structs

from objectd.blobs.packets import sealed_bytes
from objectd.errors import DamagedRecord
from objectd.interfaces import Row
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import decode, decode_payload, encode, encode_payload
from objectd.model.records import Annotation, ObjectTail
from objectd.objects.sealing import SALT_BYTES, Sealed, Secret
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


def put_rows(
    batch: Batch,
    version: bytes,
    name: bytes,
    record: Annotation,
    payload: bytes,
    recoding: Recoding,
) -> None:
    """In the place of the annotation of this name, if there is one."""
    record_key, *piece_keys = row_keys(version, name)
    batch.put(record_key, encode(recoding.record(record)))
    for key, piece in zip(piece_keys, _pieces(payload), strict=True):
        if piece:
            batch.put(key, encode_payload(recoding.piece(key, piece)))
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


def read_rows(
    name: str, row_keys: Sequence[bytes], rows: Sequence[Row | None], secret: Secret | None
) -> tuple[Annotation, bytes]:
    """What the rows of `row_keys`, of which the record's is there, hold. Raises
    `DamagedRecord`."""
    record_row, *piece_rows = rows
    if record_row is None:
        raise TypeError("there is no annotation to read")
    record = decode(Annotation, record_row.value)
    if record.layers != (len(secret.keys) if secret is not None else 0):
        raise DamagedRecord(f"annotation {name!r}", "it is not encrypted as its version is")
    opening = Recoding(secret)
    payload = b"".join(
        opening.piece(key, decode_payload(row.value))
        for key, row in zip(row_keys[1:], piece_rows, strict=True)
        if row is not None
    )
    if len(payload) != record.size_bytes:
        raise DamagedRecord(f"annotation {name!r}", f"{len(payload)} bytes are there")
    return record, payload


def stored_bytes(record: Annotation) -> int:
    """How long all pieces are together where they are stored."""
    if not record.layers:
        return record.size_bytes
    sizes = [PIECE_BYTES] * (record.size_bytes // PIECE_BYTES)
    if rest := record.size_bytes % PIECE_BYTES:
        sizes.append(rest)
    return sum(SALT_BYTES + sealed_bytes(size, record.layers) for size in sizes)


@attrs.frozen
class Recoding:
    """Takes annotations that were encrypted with `old` keys, or were not, and has them encrypted
    with `new` ones, or not."""

    old: Secret | None = None
    new: Sealed | None = None

    def record(self, record: Annotation) -> Annotation:
        layers = len(self.new.secret.keys) if self.new is not None else 0
        return record if record.layers == layers else structs.replace(record, layers=layers)

    def piece(self, row_key: bytes, data: bytes) -> bytes:
        """`row_key` is that of the piece, whosever it is. Raises `DamagedRecord`."""
        where = keys.annotation_place(row_key)
        if self.old is not None:
            data = self.old.open_piece(where, data[:SALT_BYTES], data[SALT_BYTES:])
        if self.new is None:
            return data
        salt = self.new.random_salt()
        return salt + self.new.secret.seal_piece(where, salt, data)


def _pieces(payload: bytes) -> Iterator[bytes]:
    for number in range(PIECES_MAX):
        yield payload[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
