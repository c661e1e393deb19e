"""The versions of a key by their ids: finding one, deleting it for good, changing what is said
of it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import attrs
import msgspec

from objectd.errors import (
    DamagedRecord,
    DeleteMarkerFound,
    ObjectNotFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.interfaces import Absent, At, Present, Row
from objectd.model import keys
from objectd.model.codec import decode_object, decode_object_head, encode_object
from objectd.model.records import JournalKind, NullVersion, ObjectHead, ObjectTail
from objectd.objects.buckets import Buckets
from objectd.objects.conditions import Conditions
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.destroying import NO_PERMIT, Known, Permit, destroy
from objectd.objects.ids import VersionId, version_id
from objectd.objects.names import key_bytes
from objectd.objects.noncurrent import (
    Noncurrent,
    expect_newest,
    newest_version,
    noncurrent,
    promote,
    take_away,
)
from objectd.objects.shield import shield
from objectd.objects.writer import Batch


class Key(NamedTuple):
    """A key of a bucket, for the rows it has and for messages about it."""

    bucket: str
    bucket_id: int
    raw: bytes

    @property
    def row_key(self) -> bytes:
        return keys.object_(self.bucket_id, self.raw)

    @property
    def text(self) -> str:
        return self.raw.decode()


class Found(NamedTuple):
    """A version or marker where it lies now; `payload` is the row of its bytes, if any."""

    row_key: bytes
    row: Row
    payload: Row | None


async def find_version(core: Core, key: Key, version: str) -> Found | None:
    """The version or marker with this id, wherever it is now, with its payload from the same
    snapshot. Raises `InvalidArgument` for what is no id."""
    wanted = VersionId.parse(version)
    if wanted is None:
        return await _find_null(core, key)
    row_key = keys.version(key.bucket_id, key.raw, *wanted)
    current_row, current_payload, row, payload = await core.metadata.get(
        [
            key.row_key,
            keys.payload(key.bucket_id, key.raw),
            row_key,
            keys.version_payload(key.bucket_id, wanted.uid),
        ]
    )
    if row is not None:
        return Found(row_key, row, payload) if not _is_null(row) else None
    if current_row is not None:
        head = decode_object_head(current_row.value)
        if (head.modified_us, head.version, head.version_is_null) == (*wanted, False):
            return Found(key.row_key, current_row, current_payload)
    return None


def _is_null(row: Row) -> bool:
    """Of a damaged one nobody knows: it is found by its id, so that it can be deleted."""
    try:
        return decode_object_head(row.value).version_is_null
    except DamagedRecord:
        return False


async def _find_null(core: Core, key: Key) -> Found | None:
    """Of a current object that is damaged nobody knows whether it is the null version, unless
    that lies elsewhere. Raises `DamagedRecord`."""
    while True:
        row, payload, null = await core.metadata.get(
            [
                key.row_key,
                keys.payload(key.bucket_id, key.raw),
                keys.null_version(key.bucket_id, key.raw),
            ]
        )
        if null is None:
            is_here = row is not None and decode_object_head(row.value).version_is_null
            return Found(key.row_key, row, payload) if row is not None and is_here else None
        place = decoded(NullVersion, key.raw, null.value)
        if place is None:
            return None
        row_key = keys.version(key.bucket_id, key.raw, place.modified_us, place.version)
        row, payload, again = await core.metadata.get(
            [
                row_key,
                keys.version_payload(key.bucket_id, place.version),
                keys.null_version(key.bucket_id, key.raw),
            ]
        )
        if row is not None:
            return Found(row_key, row, payload)
        if again == null:
            return None  # it leads nowhere: `objectd check` tells of it


async def require_version(core: Core, key: Key, version: str, *, versioned: bool) -> Found:
    """The version with this id; the newest one for ''. Raises `ObjectNotFound` or, if the newest
    is a delete marker, `DeleteMarkerFound`; with an id `VersionNotFound`, or for a delete
    marker `VersionIsDeleteMarker`."""
    if not version:
        return await _require_newest(core, key, versioned=versioned)
    found = await find_version(core, key, version)
    if found is None:
        raise VersionNotFound(key.bucket, key.text, version)
    head = decode_object_head(found.row.value)
    if head.is_delete_marker:
        raise VersionIsDeleteMarker(key.text, version, head.modified_us)
    return found


async def _require_newest(core: Core, key: Key, *, versioned: bool) -> Found:
    seen: Noncurrent | None = None
    while True:
        row, payload = await core.metadata.get([key.row_key, keys.payload(key.bucket_id, key.raw)])
        if row is not None:
            return Found(key.row_key, row, payload)
        newest = None
        if versioned:
            newest = await newest_version(core.metadata, key.bucket_id, key.raw)
        if newest is None:
            raise ObjectNotFound(key.bucket, key.text)
        if newest.known is None or newest == seen:
            raise DamagedRecord(f"the newest version of {key.bucket}/{key.text}", "unreadable")
        if not newest.is_version:
            raise DeleteMarkerFound(key.bucket, key.text, version_id(newest.known[0]))
        seen = newest  # it has become noncurrent, or current, between the two looks


class Deleted(msgspec.Struct, frozen=True):
    """What a delete has done. Either the version `version_id` is gone for good, or it is the
    delete marker that was put; '' in a bucket that never had versions, if none was named."""

    version_id: str = ""
    is_delete_marker: bool = False


async def delete_version(
    core: Core,
    batch: Batch,
    key: Key,
    version: str,
    conditions: Conditions,
    permit: Permit = NO_PERMIT,
) -> Deleted:
    """Delete a version or marker for good; that there is none is no error. If it was the newest,
    the next one becomes the current object unless that is a delete marker.

    Raises `ObjectLocked` for what `permit`, given the trusted time, does not cover. Whatever it
    raises, the batch is of use for other keys.
    """
    found = await find_version(core, key, version)
    if found is None:
        conditions.check_write(key.bucket, key.text, None)
        return Deleted(version)
    if found.row_key == key.row_key:
        known = _known(found.row)
        _check(conditions, key, known)
        permit = await permit.timed(core, known)
        await _delete_current(core, batch, key, found, known, permit)
        return Deleted(version)
    old = noncurrent(found.row_key, found.row)
    _check(conditions, key, old.known)
    is_marker = old.known is not None and old.known[0].is_delete_marker
    permit = await permit.timed(core, old.known)
    take_away(core, batch, key.bucket_id, key.raw, old, permit)
    if not old.is_version:  # a damaged one may be a delete marker
        await _uncover(core, batch, key, old)
    _, _, uid = keys.version_fields(old.row_key)
    core.journal(batch, JournalKind.VERSION_DELETED, key.bucket_id, key=key.raw, version=uid)
    return Deleted(version, is_marker)


def _known(row: Row) -> Known:
    try:
        return decode_object(row.value)
    except DamagedRecord:
        return None


def _check(conditions: Conditions, key: Key, known: Known) -> None:
    if known is None:
        conditions.check_damaged()
    else:
        conditions.check_write(key.bucket, key.text, known[0])


async def _delete_current(
    core: Core, batch: Batch, key: Key, found: Found, known: Known, permit: Permit
) -> None:
    head = decode_object_head(found.row.value)  # which has told its id
    payload_key = keys.payload(key.bucket_id, key.raw)
    destroy(core, batch, key.bucket_id, payload_key, known, permit)
    batch.expect(At(key.row_key, found.row.revision))
    batch.delete(key.row_key)
    newest = await newest_version(core.metadata, key.bucket_id, key.raw)
    expect_newest(batch, key.bucket_id, key.raw, newest)
    if newest is not None and newest.is_version:
        await promote(core.metadata, batch, key.bucket_id, key.raw, newest)
    kind = JournalKind.VERSION_DELETED
    core.journal(batch, kind, key.bucket_id, key=key.raw, version=head.version)


async def _uncover(core: Core, batch: Batch, key: Key, old: Noncurrent) -> None:
    """What may be a delete marker is about to be deleted: if it is the newest, what lies
    beneath it may become current. A version that is noncurrent never is the newest, so none of
    this is asked for one."""
    newest = await newest_version(core.metadata, key.bucket_id, key.raw)
    [row] = await core.metadata.get([key.row_key])
    if row is not None:
        batch.expect(Present(key.row_key))
        return
    batch.expect(Absent(key.row_key))
    if newest is None or newest.row_key != old.row_key:
        # Something newer lies above; while it does, what lies beneath stays there.
        batch.expect(Present(newest.row_key if newest else old.row_key))
        return
    expect_newest(batch, key.bucket_id, key.raw, old)
    following = await newest_version(core.metadata, key.bucket_id, key.raw, below=old.row_key)
    expect_newest(batch, key.bucket_id, key.raw, following, below=old.row_key)
    if following is not None and following.is_version:
        await promote(core.metadata, batch, key.bucket_id, key.raw, following)


Amend = Callable[[ObjectHead, ObjectTail], tuple[ObjectHead, ObjectTail]]
"""What shall be said of a version, from what is. It stays the same version: id, time and bytes
do not change. May be called more than once, and may refuse by raising."""


@attrs.frozen
class Versions:
    """The versions of all objects."""

    _core: Core
    _buckets: Buckets

    async def find(self, bucket: str, key: str, version: str) -> tuple[ObjectHead, ObjectTail]:
        """What is said of a version, of the newest one for ''. Raises as `Objects.head`."""
        name = await self._buckets.named(bucket)
        named = Key(bucket, name.bucket_id, key_bytes(key))
        found = await require_version(self._core, named, version, versioned=name.versioned)
        return decode_object(found.row.value)

    async def amend(
        self, bucket: str, key: str, version: str, change: Amend, kind: JournalKind
    ) -> str:
        """Change what is said of a version, of the newest one for ''; return its id.

        Raises as `Objects.head`, `OperationAborted`, and what `change` raises.
        """
        core, raw_key = self._core, key_bytes(key)
        name = await self._buckets.named(bucket)
        named = Key(bucket, name.bucket_id, raw_key)

        async def decide(batch: Batch) -> str:
            found = await require_version(core, named, version, versioned=name.versioned)
            head, tail = change(*decode_object(found.row.value))
            batch.expect(At(found.row_key, found.row.revision))
            batch.put(found.row_key, encode_object(head, tail))
            core.journal(batch, kind, name.bucket_id, key=raw_key, version=head.version)
            return version_id(head) if name.versioned else ""

        async def locked() -> str:
            async with core.locks.holding(named.row_key):
                return await core.writer.transact(decide)

        return await shield(locked())
