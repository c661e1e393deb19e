"""The versions of a key: that each lies where its head says, in the right order, and that the
null version is found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import attrs

from objectd.errors import DamagedRecord
from objectd.interfaces import Entry, Row
from objectd.model import keys
from objectd.model.codec import (
    OBJECT_HEAD_BYTES_MAX,
    decode,
    decode_object_head,
    encode,
)
from objectd.model.records import Bucket, NullVersion, ObjectHead, Versioning
from objectd.objects.checking.findings import Finding, Mend, Problem, putting
from objectd.objects.checking.objects import version_name
from objectd.objects.checking.subject import (
    Subject,
    VersionFields,
    decoded,
    row_name,
    version_fields,
)

_FAMILIES = (keys.VERSIONS, keys.VERSION_PAYLOADS, keys.NULL_VERSIONS)


async def versions(subject: Subject) -> AsyncIterator[Finding]:
    """Every version is in the row of its key, time and uid, and older than what lies above it.
    Above the newest there is a current object, unless the newest is a delete marker."""
    above: _Place | None = None
    async for entries in subject.family(keys.VERSIONS, head_bytes=OBJECT_HEAD_BYTES_MAX):
        places = [_Place.of(entry) for entry in entries]
        rows = await subject.rows(key for place in places for key in place.beside)
        for entry, place in zip(entries, places, strict=True):
            if place.fields is None:
                yield Finding(Problem.ROW_UNKNOWN, row_name(entry.key))
                continue
            problems = [*_order(place, above, rows), *_null(place, rows)]
            above = place
            if problems:
                name = await _name(subject, entry.key)
                for problem, mend in problems:
                    yield Finding(problem, name, mend=mend)


@attrs.frozen
class _Place:
    """What is known of a version's row; `head` is None if that is damaged."""

    fields: VersionFields | None
    head: ObjectHead | None
    beside: list[bytes]
    """Where the key's current object is, and what leads to its null version."""

    @classmethod
    def of(cls, entry: Entry) -> _Place:
        fields = version_fields(entry.key)
        bucket = entry.key[1 : keys.BUCKET_PREFIX_BYTES]
        tags = (keys.OBJECTS, keys.NULL_VERSIONS) if fields is not None else ()
        beside = [tag + bucket + fields.key for tag in tags if fields is not None]
        return cls(fields, _head(entry.value), beside)


_Problems = Iterator[tuple[Problem, Mend | None]]


def _order(place: _Place, above: _Place | None, rows: dict[bytes, Row]) -> _Problems:
    if place.fields is None:
        return
    if above is not None and above.fields is not None and above.beside == place.beside:
        if above.fields.id.time_us == place.fields.id.time_us:
            yield Problem.VERSION_ORDER, None
        return
    current = rows.get(place.beside[0])
    if current is None:
        if place.head is not None and not place.head.is_delete_marker:
            yield Problem.VERSION_HIDDEN, None
        return
    newest = _head(current.value)
    if newest is not None and newest.modified_us <= place.fields.id.time_us:
        yield Problem.VERSION_ORDER, None


def _null(place: _Place, rows: dict[bytes, Row]) -> _Problems:
    head, fields = place.head, place.fields
    if head is None or fields is None:
        return  # that row has a finding of its own
    if (head.modified_us, head.version) != fields.id:
        yield Problem.VERSION_MISPLACED, None
    elif head.version_is_null:
        null = rows.get(place.beside[1])
        if null is None:
            record = NullVersion(head.modified_us, head.version)
            yield Problem.NULL_VERSION_MISSING, putting(place.beside[1], encode(record))
        elif _leads_elsewhere(null, head):
            yield Problem.NULL_VERSION_MISSING, None


def _leads_elsewhere(null: Row, head: ObjectHead) -> bool:
    try:
        record = decode(NullVersion, null.value)
    except DamagedRecord:
        return False  # that row has a finding of its own
    return (record.modified_us, record.version) != (head.modified_us, head.version)


async def null_versions(subject: Subject) -> AsyncIterator[Finding]:
    """What leads to a null version leads to one, and the current object is not another."""
    async for entries in subject.family(keys.NULL_VERSIONS):
        good, bad = decoded(NullVersion, entries)
        for finding in bad:
            yield finding
        places = {entry.key: _place(entry, record) for entry, record in good}
        currents = {entry.key: keys.OBJECTS + entry.key[1:] for entry, _ in good}
        rows = await subject.rows([*places.values(), *currents.values()])
        for row_key, place in places.items():
            null, current = rows.get(place), rows.get(currents[row_key])
            head = _head(null.value) if null is not None else None
            newest = _head(current.value) if current is not None else None
            is_wrong = null is None or (head is not None and not head.version_is_null)
            if is_wrong or (newest is not None and newest.version_is_null):
                bucket = await _bucket_name(subject, row_key)
                yield Finding(Problem.NULL_VERSION_WRONG, version_name(bucket, row_key))


def _place(entry: Entry, record: NullVersion) -> bytes:
    bucket_id = int.from_bytes(entry.key[1 : keys.BUCKET_PREFIX_BYTES], "big")
    key = entry.key[keys.BUCKET_PREFIX_BYTES :]
    return keys.version(bucket_id, key, record.modified_us, record.version)


async def buckets_without(subject: Subject) -> AsyncIterator[Finding]:
    """A bucket in which versioning never was on has current objects only: nobody would look
    for anything else."""
    async for entries in subject.family(keys.BUCKETS):
        for _, bucket in decoded(Bucket, entries)[0]:
            if bucket.versioning is Versioning.NEVER:
                for family in _FAMILIES:
                    if await subject.has_rows(family + keys.bucket(bucket.bucket_id)[1:]):
                        what = f"family {family.decode()!r}"
                        yield Finding(Problem.VERSION_UNEXPECTED, f"bucket {bucket.name!r}", what)


async def _name(subject: Subject, row_key: bytes) -> str:
    return version_name(await _bucket_name(subject, row_key), row_key)


async def _bucket_name(subject: Subject, row_key: bytes) -> str:
    return await subject.bucket_name(int.from_bytes(row_key[1 : keys.BUCKET_PREFIX_BYTES], "big"))


def _head(value: bytes | None) -> ObjectHead | None:
    try:
        return decode_object_head(value or b"")
    except DamagedRecord:
        return None
