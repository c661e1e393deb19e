"""The current version of a key: how it is read, replaced and removed in a commit."""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from objectd.errors import BucketNotFound, DamagedRecord
from objectd.interfaces import Absent, At, Present, Row
from objectd.model import keys
from objectd.model.codec import decode_object, encode_object, encode_payload
from objectd.model.records import Bucket, JournalKind, ObjectHead, ObjectTail
from objectd.objects import references, usage
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.writer import Batch

_log = Logger()


@attrs.frozen
class Current:
    """What a commit found at a key. `known` is None where there is nothing, or a row so
    damaged that nobody can tell what it referred to."""

    bucket_id: int
    key: bytes
    expectation: At | Absent
    known: tuple[ObjectHead, ObjectTail] | None

    def time_after(self, now_us: int) -> int:
        """A time for the next version: later than this one's, whatever the clock says."""
        return max(now_us, self.known[0].modified_us + 1) if self.known else now_us

    @property
    def is_there(self) -> bool:
        """There is a row, readable or not."""
        return isinstance(self.expectation, At)

    def check(self, conditions: Conditions, bucket: str) -> None:
        """Raises `ObjectNotFound` or `PreconditionFailed` if a conditional write must not
        replace or remove this."""
        if conditions is NO_CONDITIONS:
            return
        if self.is_there and self.known is None:
            conditions.check_damaged()
        else:
            conditions.check_write(bucket, self.key.decode(), self.known and self.known[0])


def current(bucket_id: int, key: bytes, row: Row | None) -> Current:
    row_key = keys.object_(bucket_id, key)
    if row is None:
        return Current(bucket_id, key, Absent(row_key), None)
    expectation = At(row_key, row.revision)
    try:
        return Current(bucket_id, key, expectation, decode_object(row.value))
    except DamagedRecord as error:
        _log.error(
            "a damaged object; if it is replaced, what it held stays: {key!r} ({error})",
            key=row_key,
            error=error,
        )
        return Current(bucket_id, key, expectation, None)


async def read_current(core: Core, bucket: Bucket, key: bytes) -> Current:
    """What a version that is about to be put will replace. Raises `BucketNotFound` if the
    bucket was deleted meanwhile."""
    bucket_id = bucket.bucket_id
    live, row = await core.metadata.get([keys.live(bucket_id), keys.object_(bucket_id, key)])
    if live is None:
        raise BucketNotFound(bucket.name)
    return current(bucket_id, key, row)


def replace(
    core: Core,
    batch: Batch,
    old: Current,
    head: ObjectHead,
    tail: ObjectTail,
    *,
    payload: bytes = b"",
    kind: JournalKind = JournalKind.OBJECT_PUT,
) -> None:
    """Put a version in the place of what was there, in a bucket that is still live."""
    batch.expect(Present(keys.live(old.bucket_id)))
    _release(core, batch, old)
    batch.put(old.expectation.key, encode_object(head, tail))
    if payload:
        batch.put(keys.payload(old.bucket_id, old.key), encode_payload(payload))
    _count(core, batch, old, head)
    core.journal(batch, kind, old.bucket_id, key=old.key, version=head.version)


def remove(core: Core, batch: Batch, old: Current) -> None:
    """Take away what was there."""
    _release(core, batch, old)
    _count(core, batch, old, None)
    batch.delete(old.expectation.key)
    version = old.known[0].version if old.known else b""
    core.journal(batch, JournalKind.OBJECT_DELETED, old.bucket_id, key=old.key, version=version)


def move(core: Core, batch: Batch, source: Current, target: Current, payload: bytes) -> None:
    """Give what is at one key another one, in the place of what is there. It stays the same
    version, with its time, so no reference to its bytes changes."""
    if source.known is None:
        raise DamagedRecord(f"object {source.key!r}", "what cannot be read cannot be moved")
    head, tail = source.known
    bucket_id = source.bucket_id
    batch.expect(Present(keys.live(bucket_id)), source.expectation)
    _release(core, batch, target)
    _count(core, batch, target, None)
    batch.delete(source.expectation.key)
    batch.put(target.expectation.key, encode_object(head, tail))
    if payload:
        batch.delete(keys.payload(bucket_id, source.key))
        batch.put(keys.payload(bucket_id, target.key), encode_payload(payload))
    for kind, key in (
        (JournalKind.OBJECT_RENAMED_FROM, source.key),
        (JournalKind.OBJECT_RENAMED_TO, target.key),
    ):
        core.journal(batch, kind, bucket_id, key=key, version=head.version)


def _release(core: Core, batch: Batch, old: Current) -> None:
    batch.expect(old.expectation)
    if old.known is None:
        batch.delete(keys.payload(old.bucket_id, old.key))  # a damaged object may have had one
    else:
        head, tail = old.known
        references.release_source(
            batch, old.bucket_id, old.key, head.version, tail.source, core.now_us()
        )


def _count(core: Core, batch: Batch, old: Current, new: ObjectHead | None) -> None:
    """The bucket has `new`, if anything, in the place of what was there."""
    objects = size_bytes = 0
    if new is not None:
        objects, size_bytes = 1, new.size_bytes
    if old.known is not None:
        objects, size_bytes = objects - 1, size_bytes - old.known[0].size_bytes
    shard = core.writer.incarnation
    usage.count(batch, old.bucket_id, shard, objects=objects, size_bytes=size_bytes)
