"""Buckets: their names, what lies under the ids of buckets, and the usage counters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from objectd.errors import DamagedRecord
from objectd.model import keys
from objectd.model.codec import decode, decode_counter, encode
from objectd.model.records import Bucket, BucketName, Live, Versioning
from objectd.objects.checking.findings import Finding, Problem, putting
from objectd.objects.checking.subject import KEY_BYTES, Subject, damaged, decoded, row_name
from objectd.objects.configurations import configuration_kind
from objectd.objects.writer import Batch

_OF_BUCKETS = (
    keys.LIVES,
    keys.CONFIGURATIONS,
    keys.OBJECTS,
    keys.PAYLOADS,
    keys.VERSIONS,
    keys.VERSION_PAYLOADS,
    keys.NULL_VERSIONS,
    keys.UPLOADS,
    keys.USAGES,
)
_CLEARED_LATER = (
    keys.CONFIGURATIONS,
    keys.VERSION_PAYLOADS,
    keys.NULL_VERSIONS,
    keys.UPLOADS,
    keys.USAGES,
)
"""What the collector takes after a bucket was deleted."""


_KEYS_CHECKED = {*KEY_BYTES, keys.CONFIGURATIONS, keys.VERSIONS}


async def names(subject: Subject) -> AsyncIterator[Finding]:
    """Every name leads to the bucket of that name."""
    async for entries in subject.family(keys.BUCKET_NAMES):
        good, bad = decoded(BucketName, entries)
        for finding in bad:
            yield finding
        rows = await subject.rows(keys.bucket(record.bucket_id) for _, record in good)
        for entry, record in good:
            row = rows.get(keys.bucket(record.bucket_id))
            name = entry.key[1:].decode(errors="replace")
            if row is None:
                yield Finding(Problem.NAME_WITHOUT_BUCKET, f"bucket {name!r}")
                continue
            bucket = _bucket(row.value)
            if bucket is None:
                continue
            if bucket.name != name:
                yield Finding(Problem.NAME_WITHOUT_BUCKET, f"bucket {name!r}")
            elif (record.versioned, record.lifecycle) != (bucket.versioning > 0, bucket.lifecycle):
                right = BucketName(bucket.bucket_id, bucket.versioning > 0, bucket.lifecycle)
                mend = putting(entry.key, encode(right))
                yield Finding(Problem.NAME_OUTDATED, f"bucket {name!r}", "", mend)


def _bucket(value: bytes) -> Bucket | None:
    try:
        return decode(Bucket, value)
    except DamagedRecord:
        return None  # that row has a finding of its own


async def buckets(subject: Subject) -> AsyncIterator[Finding]:
    """Every bucket has its name and is live, as its versioning demands and no other way."""
    async for entries in subject.family(keys.BUCKETS):
        subject.totals.buckets += len(entries)
        good, bad = decoded(Bucket, entries)
        for finding in bad:
            yield finding
        rows = await subject.rows(
            key
            for _, bucket in good
            for key in (
                keys.bucket_name(bucket.name),
                *(keys.live(bucket.bucket_id, versioning) for versioning in Versioning),
            )
        )
        for _, bucket in good:
            row = rows.get(keys.bucket_name(bucket.name))
            if row is None or not _leads_to(row.value, bucket.bucket_id):
                yield Finding(Problem.BUCKET_WITHOUT_NAME, f"bucket {bucket.name!r}")
            if keys.live(bucket.bucket_id, bucket.versioning) not in rows:
                yield Finding(Problem.BUCKET_NOT_LIVE, f"bucket {bucket.name!r}")
            for other in set(Versioning) - {bucket.versioning}:
                if (live := keys.live(bucket.bucket_id, other)) in rows:
                    mend = partial(Batch.delete, key=live)
                    yield Finding(Problem.BUCKET_LIVE_TWICE, f"bucket {bucket.name!r}", "", mend)


def _leads_to(value: bytes, bucket_id: int) -> bool:
    try:
        return decode(BucketName, value).bucket_id == bucket_id
    except DamagedRecord:
        return True  # that row has a finding of its own


async def orphans(subject: Subject) -> AsyncIterator[Finding]:
    """What lies under the id of a bucket has that bucket, or one that is being cleared."""
    for family in _OF_BUCKETS:
        async for prefix in subject.first_of_each(family, keys.BUCKET_PREFIX_BYTES):
            if len(prefix) < keys.BUCKET_PREFIX_BYTES:
                if family not in _KEYS_CHECKED:  # else its key is found to be wrong anyway
                    yield Finding(Problem.ROW_UNKNOWN, row_name(prefix))
                continue
            bucket_id = int.from_bytes(prefix[1:], "big")
            bucket, candidate = await subject.metadata.get(
                [keys.bucket(bucket_id), keys.bucket_candidate(bucket_id)]
            )
            is_cleared_later = candidate is not None and family in _CLEARED_LATER
            if bucket is None and not is_cleared_later:
                what = f"family {family.decode()!r}"
                yield Finding(Problem.ROWS_WITHOUT_BUCKET, f"bucket {bucket_id:x}", what)
    async for entries in subject.family(keys.LIVES):
        for finding in decoded(Live, entries)[1]:
            yield finding


async def configurations(subject: Subject) -> AsyncIterator[Finding]:
    """What buckets are told about themselves decodes."""
    async for entries in subject.family(keys.CONFIGURATIONS):
        for entry in entries:
            kind = configuration_kind(entry.key[keys.BUCKET_PREFIX_BYTES :])
            if kind is None:
                yield Finding(Problem.ROW_UNKNOWN, row_name(entry.key))
            else:
                for finding in decoded(kind, [entry])[1]:
                    yield finding


async def kept_counters(subject: Subject, bucket_id: int) -> tuple[dict[bytes, int], list[Finding]]:
    """What the counters of a bucket say, by quantity, and the rows that say nothing."""
    kept: dict[bytes, int] = {}
    bad: list[Finding] = []
    async for entries in subject.family(keys.usages(bucket_id)):
        for entry in entries:
            try:
                _, quantity, _ = keys.usage_fields(entry.key)
                kept[quantity] = kept.get(quantity, 0) + decode_counter(entry.value or b"")
            except DamagedRecord as error:
                bad.append(damaged(entry, error))
    return kept, bad
