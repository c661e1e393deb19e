"""The collector's queues: rows that say what there may be to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import attrs

from objectd.errors import Conflict
from objectd.interfaces import At, Entry, IMetadataStore
from objectd.model import keys
from objectd.objects.writer import Batch, Writer

ROWS_A_STEP = 500
"""Rows handled by one commit: far below what a commit may hold."""


@attrs.define
class Report:
    """What a pass of the collector did; true if that was anything."""

    blobs_collected: int = 0
    files_unlinked: int = 0
    bytes_freed: int = 0
    manifests_dismantled: int = 0
    parts_dropped: int = 0
    buckets_cleared: int = 0

    def __bool__(self) -> bool:
        return any(attrs.astuple(self))

    def add(self, other: Report) -> None:
        for name, value in attrs.asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


async def pages(metadata: IMetadataStore, prefix: bytes) -> AsyncIterator[list[Entry]]:
    """The rows with this prefix as they are when their pages are read, once each: a row
    that is put anew behind the reader waits for the next pass."""
    start, stop = keys.span(prefix)
    more = True
    while more:
        page = await metadata.scan(start, stop, limit=ROWS_A_STEP)
        more = page.more
        if page.entries:
            yield page.entries
            start = page.entries[-1].key + b"\0"


async def commit_unless_changed(writer: Writer, batch: Batch) -> bool:
    try:
        await writer.commit(batch)
    except Conflict:
        return False
    return True


async def forget(writer: Writer, candidates: Sequence[Entry]) -> None:
    """Forget candidates that are in use: but only these very rows, since their users may
    have let go again meanwhile."""
    left = list(candidates)
    while left:
        batch = Batch()
        for entry in left:
            batch.expect(At(entry.key, entry.revision))
            batch.delete(entry.key)
        try:
            await writer.commit(batch)
        except Conflict as conflict:
            changed = {expected.key for expected, *_ in conflict.rows if isinstance(expected, At)}
            left = [entry for entry in left if entry.key not in changed]
        else:
            return
