"""Collecting annotations: of versions that are gone, and of copies that were never finished."""

from __future__ import annotations

from objectd.interfaces import At, Entry, Scan
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import encode
from objectd.objects.annotation_rows import CONDEMNED
from objectd.objects.collecting.queues import ROWS_A_STEP, commit_unless_changed
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.writer import Batch

UNFINISHED_US_MAX = 3600 * 1_000_000
"""After which a copy is taken for one that will never be finished. One that is so slow is not
harmed: it finds its candidate changed, and is told to try again."""


async def drop_annotations(core: Core, entry: Entry) -> None:
    """Delete the annotations that a candidate is about, and then the candidate. Nobody can
    give any to that version again: it is gone, or its copy cannot be finished any more."""
    candidate = decoded(Candidate, entry.key, entry.value)
    if candidate is not None and candidate.since_us != CONDEMNED.since_us:
        if core.now_us() - candidate.since_us <= UNFINISHED_US_MAX:
            return
        if not await _condemn(core, entry):
            return
    start, stop = keys.span(keys.version_annotations(keys.queued_uid(entry.key)))
    more = True
    while more:
        page = await core.metadata.scan(Scan(start, stop, limit=ROWS_A_STEP, head_bytes=1))
        batch = Batch()
        for row in page.entries:
            batch.delete(row.key)
            start = row.key + b"\0"
        more = page.more
        if not more:
            batch.delete(entry.key)
        await core.writer.commit(batch)


async def _condemn(core: Core, entry: Entry) -> bool:
    """Have the copy that put this candidate not be finished; False if it just was."""
    batch = Batch()
    batch.expect(At(entry.key, entry.revision))
    batch.put(entry.key, encode(CONDEMNED))
    return await commit_unless_changed(core.writer, batch)
