"""The current version of a key: how it is read, replaced and removed in a commit.

`docs/format.md` tells which rows a key has, and what holds of them. A commit that changes
what is newest expects all that it was decided on: the bucket's versioning, the current object,
or, where there is none, the newest of the versions beneath it.
"""

from __future__ import annotations

import msgspec
from msgspec import structs
from twisted.logger import Logger

from objectd.errors import BucketNotFound, DamagedRecord, InvalidOperation
from objectd.interfaces import Absent, At, Present, Row
from objectd.model import keys
from objectd.model.codec import (
    decode_object,
    decode_object_head,
    encode,
    encode_object,
    encode_payload,
)
from objectd.model.records import (
    Bucket,
    BucketName,
    JournalKind,
    NullVersion,
    ObjectHead,
    ObjectTail,
    Versioning,
)
from objectd.objects import usage
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.destroying import DAMAGED_TOO, NO_PERMIT, Permit, destroy
from objectd.objects.ids import version_id
from objectd.objects.noncurrent import (
    Noncurrent,
    expect_newest,
    newest_version,
    null_version,
    put_marker,
    take_away,
)
from objectd.objects.object import Object
from objectd.objects.retention import with_default
from objectd.objects.trusted_time import TrustedTime
from objectd.objects.writer import Batch

_log = Logger()


class Current(msgspec.Struct, frozen=True):
    """What a commit found at a key. `known` is None where there is no current object, or a row
    so damaged that nobody can tell what it referred to.

    The rest is read where versioning is or was on: `row` and `payload` as they are stored,
    `newest` where nothing is known of a current object, `trusted_us` where what is put is locked
    from then on, and the key's `null` version if that is
    noncurrent and its place is about to be taken.
    """

    bucket: Bucket
    key: bytes
    expectation: At | Absent
    known: tuple[ObjectHead, ObjectTail] | None
    row: Row | None = None
    payload: Row | None = None
    newest: Noncurrent | None = None
    trusted_us: int = 0
    null: Noncurrent | None = None
    null_expectation: At | Absent | None = None

    @property
    def bucket_id(self) -> int:
        return self.bucket.bucket_id

    @property
    def is_there(self) -> bool:
        """There is a row, readable or not."""
        return isinstance(self.expectation, At)

    @property
    def head(self) -> ObjectHead | None:
        """The head of what is there, which may be readable where the rest is not."""
        if self.known is not None or self.row is None:
            return self.known and self.known[0]
        try:
            return decode_object_head(self.row.value)
        except DamagedRecord:
            return None

    def is_kept(self, head: ObjectHead) -> bool:
        """Where versioning is or was on: what is there becomes noncurrent when something takes
        its place."""
        return self.bucket.versioning is Versioning.ENABLED or not head.version_is_null

    def time_after(self, now_us: int) -> int:
        """A time for the next version: later than those of all others, whatever the clock
        says."""
        if self.known is not None:
            return max(now_us, self.known[0].modified_us + 1)
        if (head := self.head) is not None:
            now_us = max(now_us, head.modified_us + 1)
        return max(now_us, self.newest.time_us + 1) if self.newest is not None else now_us

    def succeeded_by(self, head: ObjectHead) -> ObjectHead:
        """The head of the version that takes the place of this one."""
        modified_us = self.time_after(head.modified_us)
        is_null = self.bucket.versioning is not Versioning.ENABLED
        if (modified_us, is_null) == (head.modified_us, head.version_is_null):
            return head
        return structs.replace(head, modified_us=modified_us, version_is_null=is_null)

    def check(self, conditions: Conditions, bucket: str) -> None:
        """Raises `ObjectNotFound` or `PreconditionFailed` if a conditional write must not
        replace or remove this."""
        if conditions is NO_CONDITIONS:
            return
        if self.is_there and self.known is None:
            conditions.check_damaged()
        else:
            conditions.check_write(bucket, self.key.decode(), self.known and self.known[0])


def current(bucket: Bucket, key: bytes, row: Row | None) -> Current:
    """What is at a key of a bucket in which no version was ever kept."""
    row_key = keys.object_(bucket.bucket_id, key)
    if row is None:
        return Current(bucket, key, Absent(row_key), None)
    expectation = At(row_key, row.revision)
    try:
        return Current(bucket, key, expectation, decode_object(row.value))
    except DamagedRecord as error:
        _log.error(
            "a damaged object; if it is replaced, what it held stays: {key!r} ({error})",
            key=row_key,
            error=error,
        )
        return Current(bucket, key, expectation, None)


def current_bucket(core: Core, name: str, row: Row | None) -> Bucket:
    """The bucket as its row tells now. Raises `BucketNotFound` if it was deleted meanwhile."""
    if row is None:
        raise BucketNotFound(name)
    return core.bucket_in(row)


def require_unversioned(bucket: Bucket, what: str) -> None:
    """Raises `InvalidOperation` for a bucket in which versions are, or were, kept."""
    if bucket.versioning:
        raise InvalidOperation(
            f"Objects cannot be {what} in a bucket that has, or had, versioning enabled."
        )


async def read_current(core: Core, bucket: Bucket, key: bytes) -> Current:
    """What a change of a key's current object finds. Raises `BucketNotFound` if the bucket was
    deleted meanwhile."""
    name = BucketName(bucket.bucket_id, bucket.versioning is not Versioning.NEVER)
    return await read_named(core, bucket.name, name, key)


async def read_named(core: Core, bucket: str, name: BucketName, key: bytes) -> Current:
    """As `read_current`, of a bucket of which nothing was read but its name."""
    bucket_id = name.bucket_id
    if not name.versioned:
        bucket_row, row = await core.metadata.get(
            [keys.bucket(bucket_id), keys.object_(bucket_id, key)]
        )
        place = current_bucket(core, bucket, bucket_row)
        if not place.versioning:
            return current(place, key, row)
    return await _read_versioned(core, bucket, bucket_id, key)


async def _read_versioned(core: Core, name: str, bucket_id: int, key: bytes) -> Current:
    null_key = keys.null_version(bucket_id, key)
    bucket_row, row, payload, null_row = await core.metadata.get(
        [
            keys.bucket(bucket_id),
            keys.object_(bucket_id, key),
            keys.payload(bucket_id, key),
            null_key,
        ]
    )
    bucket = current_bucket(core, name, bucket_row)
    found = structs.replace(current(bucket, key, row), row=row, payload=payload)
    if found.known is None:
        found = structs.replace(found, newest=await newest_version(core.metadata, bucket_id, key))
    if bucket.versioning is Versioning.SUSPENDED:
        null = await null_version(core.metadata, bucket_id, key, null_row)
        expectation = At(null_key, null_row.revision) if null_row else Absent(null_key)
        found = structs.replace(found, null=null, null_expectation=expectation)
    if bucket.default_retention is not None:
        found = structs.replace(found, trusted_us=await TrustedTime(core).now_us())
    return found


def replace(
    core: Core,
    batch: Batch,
    old: Current,
    head: ObjectHead,
    tail: ObjectTail,
    *,
    payload: bytes = b"",
    kind: JournalKind = JournalKind.OBJECT_PUT,
) -> Object:
    """Put a version in the place of what was there, and return it as it will be: later than
    that, and the null version or not."""
    bucket, bucket_id = old.bucket, old.bucket.bucket_id
    head = old.succeeded_by(head)
    if bucket.default_retention is not None:
        tail = with_default(bucket, tail, max(head.modified_us, old.trusted_us))
    make_room(core, batch, old)
    batch.put(old.expectation.key, encode_object(head, tail))
    if payload:
        batch.put(keys.payload(bucket_id, old.key), encode_payload(payload))
    usage.add(batch, bucket_id, head)
    core.journal(batch, kind, bucket_id, key=old.key, version=head.version)
    version = version_id(head) if bucket.versioning else ""
    return Object(bucket.name, old.key.decode(), head, tail, version, bucket.lifecycle)


def remove(core: Core, batch: Batch, old: Current) -> ObjectHead | None:
    """Take away what is there. Where versioning is or was on a delete marker, which is
    returned, takes its place; that is so where nothing is there, too."""
    bucket, bucket_id = old.bucket, old.bucket.bucket_id
    if bucket.versioning is Versioning.NEVER:
        if old.is_there:
            make_room(core, batch, old)
            batch.delete(old.expectation.key)
            version = old.known[0].version if old.known else b""
            kind = JournalKind.OBJECT_DELETED
            core.journal(batch, kind, bucket_id, key=old.key, version=version)
        return None
    make_room(core, batch, old)
    if old.is_there:
        batch.delete(old.expectation.key)
    marker = old.succeeded_by(
        ObjectHead(0, core.now_us(), "", core.ids.uid(), bucket.owner, is_delete_marker=True)
    )
    put_marker(batch, bucket_id, old.key, marker)
    kind = JournalKind.DELETE_MARKER_PUT
    core.journal(batch, kind, bucket_id, key=old.key, version=marker.version)
    return marker


def make_room(core: Core, batch: Batch, old: Current) -> None:
    """What is there is about to be replaced: it becomes noncurrent, or lets its bytes go."""
    bucket = old.bucket
    batch.expect(Present(keys.live(bucket.bucket_id, bucket.versioning)), old.expectation)
    if bucket.versioning is Versioning.NEVER:
        _release(core, batch, old)
    else:
        _make_room_above(core, batch, old)


def _make_room_above(core: Core, batch: Batch, old: Current) -> None:
    """What is there, or beneath it, stays; but for the null version if the next one is it."""
    if old.known is None:
        expect_newest(batch, old.bucket_id, old.key, old.newest)
    head = old.head
    if head is not None and old.is_kept(head):
        _set_aside(batch, old, head)
    else:
        _release(core, batch, old)
    if old.null_expectation is not None:
        batch.expect(old.null_expectation)
        if isinstance(old.null_expectation, At):
            batch.delete(old.null_expectation.key)
    if old.null is not None:
        take_away(core, batch, old.bucket_id, old.key, old.null, _permit(old))


def move(core: Core, batch: Batch, source: Current, target: Current, payload: bytes) -> None:
    """Give what is at one key another one, in the place of what is there. It stays the same
    version, with its time, so no reference to its bytes changes."""
    if source.known is None:
        raise DamagedRecord(f"object {source.key!r}", "what cannot be read cannot be moved")
    head, tail = source.known
    bucket_id = source.bucket_id
    batch.expect(source.expectation)
    make_room(core, batch, target)
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


def _set_aside(batch: Batch, old: Current, head: ObjectHead) -> None:
    """Make the current version a noncurrent one, byte for byte, readable or not."""
    if old.row is None:
        raise TypeError("there is nothing to set aside")
    bucket_id, key = old.bucket_id, old.key
    batch.put(keys.version(bucket_id, key, head.modified_us, head.version), old.row.value)
    if old.payload is not None:
        batch.delete(keys.payload(bucket_id, key))
        batch.put(keys.version_payload(bucket_id, head.version), old.payload.value)
    if head.version_is_null:
        record = NullVersion(head.modified_us, head.version)
        batch.put(keys.null_version(bucket_id, key), encode(record))


def _release(core: Core, batch: Batch, old: Current) -> None:
    if old.is_there:
        bucket_id = old.bucket.bucket_id
        payload_key = keys.payload(bucket_id, old.key)
        destroy(core, batch, bucket_id, payload_key, old.known, _permit(old))


def _permit(old: Current) -> Permit:
    """What is replaced is destroyed only where no version is kept, and no lock can be."""
    return NO_PERMIT if old.bucket.object_lock_enabled else DAMAGED_TOO
