"""How many objects and bytes a bucket holds: counters kept in the commits themselves.

Each incarnation adds to a shard of its own, so that processes do not contend. The shards of
incarnations that are over are folded into shard 0.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.logger import Logger

from objectd.errors import Conflict, DamagedRecord
from objectd.interfaces import SCAN_ROWS_MAX, At, IMetadataStore, Scan
from objectd.model import keys
from objectd.model.codec import decode_counter
from objectd.model.records import ObjectHead
from objectd.objects.writer import Batch, Writer

_log = Logger()

BASE = 0
"""The shard into which others are folded."""


@attrs.frozen
class Usage:
    objects: int
    size_bytes: int


def add(batch: Batch, bucket_id: int, head: ObjectHead) -> None:
    """Count a version that is put."""
    batch.count(bucket_id, objects=1, size_bytes=head.size_bytes)


def subtract(batch: Batch, bucket_id: int, head: ObjectHead) -> None:
    """Count a version that is gone for good."""
    batch.count(bucket_id, objects=-1, size_bytes=-head.size_bytes)


async def bucket_usage(metadata: IMetadataStore, bucket_id: int) -> Usage:
    """The sum of all shards."""
    totals = {keys.USAGE_OBJECTS: 0, keys.USAGE_BYTES: 0}
    start, stop = keys.span(keys.usages(bucket_id))
    while True:
        page = await metadata.scan(Scan(start, stop, limit=SCAN_ROWS_MAX))
        for entry in page.entries:
            _, quantity, _ = keys.usage_fields(entry.key)
            totals[quantity] += decode_counter(entry.value or b"")
        if not page.more:
            return Usage(totals[keys.USAGE_OBJECTS], totals[keys.USAGE_BYTES])
        start = page.entries[-1].key + b"\0"


async def fold(metadata: IMetadataStore, writer: Writer, is_over: Callable[[int], bool]) -> int:
    """Fold the shards of incarnations that are fenced into the base; return how many there were.

    `is_over` tells of an incarnation whether it is. Others may count, and fold, meanwhile: each
    page is one commit that expects the shards as they were read, so that none counts twice.
    """
    folded = 0
    start, stop = keys.span(keys.USAGES)
    while True:
        page = await metadata.scan(Scan(start, stop, limit=1000))
        batch = Batch()
        shards = 0
        for entry in page.entries:
            bucket_id, quantity, shard = keys.usage_fields(entry.key)
            counted = _counted(entry.key, entry.value)
            if shard == BASE and counted is None:
                await _remove(writer, entry.key)  # or nothing could be added to it any more
            if shard == BASE or not is_over(shard):
                continue
            batch.expect(At(entry.key, entry.revision))
            batch.delete(entry.key)
            batch.add(keys.usage(bucket_id, BASE, quantity), counted or 0)
            shards += 1
        try:
            if shards:
                await writer.commit(batch)
        except Conflict:
            continue  # somebody else folds them, or their bucket is cleared: look again
        folded += shards
        if not page.more:
            return folded
        start = page.entries[-1].key + b"\0"


def _counted(key: bytes, value: bytes | None) -> int | None:
    """What a counter says; None if it is damaged."""
    try:
        return decode_counter(value or b"")
    except DamagedRecord as error:
        _log.error("a usage counter is lost: {key!r}: {error}", key=key, error=error)
        return None


async def _remove(writer: Writer, key: bytes) -> None:
    batch = Batch()
    batch.delete(key)
    await writer.commit(batch)
