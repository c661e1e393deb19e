"""The noncurrent versions of a key, and its delete markers: the rows beneath the current object.

They lie newest first. Each function adds what it changes, and what that relies on, to a batch.
"""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from objectd.errors import DamagedRecord
from objectd.interfaces import At, EmptyRange, IMetadataStore, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode_object, encode, encode_object
from objectd.model.records import (
    InRow,
    Nothing,
    NullVersion,
    ObjectHead,
    ObjectTail,
)
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.destroying import NO_PERMIT, Permit, destroy
from objectd.objects.writer import Batch

_log = Logger()
_MARKER_TAIL = ObjectTail(Nothing())


@attrs.frozen
class Noncurrent:
    """A row beneath the current object; `known` is None if it is damaged."""

    row_key: bytes
    row: Row
    time_us: int
    known: tuple[ObjectHead, ObjectTail] | None

    @property
    def is_version(self) -> bool:
        """It may become the current object."""
        return self.known is not None and not self.known[0].is_delete_marker


def noncurrent(row_key: bytes, row: Row) -> Noncurrent:
    _, time_us, _ = keys.version_fields(row_key)
    try:
        return Noncurrent(row_key, row, time_us, decode_object(row.value))
    except DamagedRecord as error:
        _log.error("a damaged version: {key!r} ({error})", key=row_key, error=error)
        return Noncurrent(row_key, row, time_us, None)


async def newest_version(
    metadata: IMetadataStore, bucket_id: int, key: bytes, *, below: bytes = b""
) -> Noncurrent | None:
    """The newest of a key's versions and markers, or of those below a row of them."""
    start, stop = keys.span(keys.key_versions(bucket_id, key))
    page = await metadata.scan(Scan(below + b"\0" if below else start, stop, limit=1))
    for entry in page.entries:
        return noncurrent(entry.key, Row(entry.value or b"", entry.revision))
    return None


async def null_version(
    metadata: IMetadataStore, bucket_id: int, key: bytes, row: Row | None
) -> Noncurrent | None:
    """The version or marker that the row of the key's null version leads to."""
    place = decoded(NullVersion, keys.null_version(bucket_id, key), row.value) if row else None
    if place is None:
        return None
    row_key = keys.version(bucket_id, key, place.modified_us, place.version)
    [found] = await metadata.get([row_key])
    return noncurrent(row_key, found) if found is not None else None


def expect_newest(
    batch: Batch, bucket_id: int, key: bytes, newest: Noncurrent | None, *, below: bytes = b""
) -> None:
    """Rely on what `newest_version` has found: nothing lies above it."""
    start, stop = keys.span(keys.key_versions(bucket_id, key))
    start = below + b"\0" if below else start
    if newest is None:
        batch.expect(EmptyRange(start, stop))
        return
    batch.expect(At(newest.row_key, newest.row.revision))
    if start < newest.row_key:
        batch.expect(EmptyRange(start, newest.row_key))


def put_marker(batch: Batch, bucket_id: int, key: bytes, head: ObjectHead) -> None:
    """Put a delete marker above all that is there."""
    row_key = keys.version(bucket_id, key, head.modified_us, head.version)
    batch.put(row_key, encode_object(head, _MARKER_TAIL))
    if head.version_is_null:
        record = NullVersion(head.modified_us, head.version)
        batch.put(keys.null_version(bucket_id, key), encode(record))


def take_away(
    core: Core,
    batch: Batch,
    bucket_id: int,
    key: bytes,
    old: Noncurrent,
    permit: Permit = NO_PERMIT,
) -> None:
    """Delete a version or marker for good. Raises `ObjectLocked`, before anything is changed."""
    _, _, version = keys.version_fields(old.row_key)
    payload_key = keys.version_payload(bucket_id, version)
    destroy(core, batch, bucket_id, payload_key, old.known, permit)
    batch.expect(At(old.row_key, old.row.revision))
    batch.delete(old.row_key)
    if old.known is not None and old.known[0].version_is_null:
        batch.delete(keys.null_version(bucket_id, key))


async def promote(
    metadata: IMetadataStore, batch: Batch, bucket_id: int, key: bytes, old: Noncurrent
) -> None:
    """Make a noncurrent version the current one again, as it is."""
    if old.known is None:
        raise TypeError("a damaged version cannot become current")
    head, tail = old.known
    batch.expect(At(old.row_key, old.row.revision))
    batch.delete(old.row_key)
    batch.put(keys.object_(bucket_id, key), old.row.value)
    if head.version_is_null:
        batch.delete(keys.null_version(bucket_id, key))
    if isinstance(tail.source, InRow):
        payload_key = keys.version_payload(bucket_id, head.version)
        [payload] = await metadata.get([payload_key])
        if payload is not None:  # else it has moved with its record, and the commit conflicts
            batch.delete(payload_key)
            batch.put(keys.payload(bucket_id, key), payload.value)
