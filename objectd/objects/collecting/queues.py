"""The collector's queues: rows that say what there may be to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import attrs

from objectd.errors import Conflict
from objectd.interfaces import At, Entry, IMetadataStore, Scan
from objectd.model import keys
from objectd.objects.collecting.pace import Pace
from objectd.objects.writer import Batch, Writer

ROWS_A_STEP = 100
"""Rows handled by one commit, between two turns of the reactor. With RocksDB on a busy host of
two cores 100 blobs kept requests waiting for 20 ms, 500 for 70 to 100 ms; all 6,000 took as
long either way."""


QUEUES = (keys.CANDIDATES, keys.TRASH)
BACKLOG_COUNTED_MAX = 10_000


@attrs.define
class Report:
    """What a pass of the collector did; true if that was anything.

    `backlog` is what waits in the queues when it ends, counted to `BACKLOG_COUNTED_MAX`, and
    `is_cut_short` says that it waits because the pass has lasted long enough.
    """

    blobs_collected: int = 0
    files_unlinked: int = 0
    bytes_freed: int = 0
    manifests_dismantled: int = 0
    parts_dropped: int = 0
    buckets_cleared: int = 0
    seconds: float = 0.0
    backlog: int = 0
    is_cut_short: bool = False

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in _COUNTS)

    def add(self, later: Report) -> None:
        """Make this the report of both passes."""
        for name in (*_COUNTS, "seconds"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.backlog, self.is_cut_short = later.backlog, later.is_cut_short


_COUNTS = (
    "blobs_collected",
    "files_unlinked",
    "bytes_freed",
    "manifests_dismantled",
    "parts_dropped",
    "buckets_cleared",
)


async def pages(metadata: IMetadataStore, prefix: bytes) -> AsyncIterator[list[Entry]]:
    """The rows with this prefix as they are when their pages are read, once each: a row
    that is put anew behind the reader waits for the next pass."""
    start, stop = keys.span(prefix)
    more = True
    while more:
        page = await metadata.scan(Scan(start, stop, limit=ROWS_A_STEP))
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


async def commit_for_each(
    writer: Writer, entries: Sequence[Entry], change: Callable[[Batch, Entry], object]
) -> list[Entry]:
    """Commit what `change` puts in the batch for each row, expecting that very row, and return
    the rows for which that was done. Those that change meanwhile are left as they are."""
    left = list(entries)
    while left:
        batch = Batch()
        for entry in left:
            batch.expect(At(entry.key, entry.revision))
            change(batch, entry)
        try:
            await writer.commit(batch)
        except Conflict as conflict:
            changed = {expected.key for expected, *_ in conflict.failed if isinstance(expected, At)}
            left = [entry for entry in left if entry.key not in changed]
        else:
            break
    return left


async def forget(writer: Writer, candidates: Sequence[Entry]) -> None:
    """Forget candidates that are in use: but only these very rows, since their users may
    have let go again meanwhile."""
    await commit_for_each(writer, candidates, lambda batch, entry: batch.delete(entry.key))


async def backlog(metadata: IMetadataStore, pace: Pace) -> int:
    """How many rows wait in all queues, counted to `BACKLOG_COUNTED_MAX`."""
    count = 0
    for queue in QUEUES:
        async for entries in pages(metadata, queue):
            count += len(entries)
            if count >= BACKLOG_COUNTED_MAX:
                return BACKLOG_COUNTED_MAX
            await pace.step()
    return count
