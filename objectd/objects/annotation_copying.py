"""Copying the annotations of one version to another that is about to be put.

There may be a thousand of 1 MiB each, which is more than a commit may hold. So what does not fit
into the commit of the new version is put beneath its id in commits of their own before: nobody
looks there as long as there is no such version. A candidate that the first of them puts, and
that the last one takes away, has the collector clear what a copy that failed has left behind.

What is copied is of one moment: the commit expects the row of the version that carries it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
from msgspec import structs

from objectd.errors import Conflict, OperationAborted
from objectd.interfaces import At, Entry, IMetadataStore, Present, Scan
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Annotation, Candidate
from objectd.objects.annotation_rows import PIECE_BYTES
from objectd.objects.collecting.queues import commit_for_each, pages
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.settings import ANNOTATIONS_MAX
from objectd.objects.versions import Found
from objectd.objects.writer import Batch

PORTION_BYTES = 2 << 20
"""Of annotations in one commit, which may have as much to do besides."""

UNFINISHED_US_MAX = 3600 * 1_000_000
"""After which the collector takes a copy for one that will never be finished. One that is so
slow is not harmed: it finds its candidate gone, and begins again."""


async def copy_annotations(
    core: Core, batch: Batch, carrier: Found, source: bytes, target: bytes
) -> int:
    """Have the batch give version `target` all annotations that version `source` has in the row
    `carrier`; return how many there are. They are as new as the copy. `target` must be an id
    that was not used before, for an earlier attempt neither.

    Raises `DamagedRecord`, and `OperationAborted` if this took too long.
    """
    batch.expect(At(carrier.row_key, carrier.row.revision))
    portions = _Portions(core, target)
    count, largest = 0, 1
    start, stop = keys.span(keys.annotation(source, b""))
    async for entry in _rows(core.metadata, start, stop, ANNOTATIONS_MAX):
        record = decode(Annotation, entry.value or b"")
        count, largest = count + 1, max(largest, record.size_bytes)
        record = structs.replace(record, modified_us=core.now_us())
        await portions.put(_moved(entry.key, target), encode(record))
    rows_a_page = min(PORTION_BYTES // min(largest, PIECE_BYTES), ANNOTATIONS_MAX)
    _, end = keys.span(keys.version_annotations(source))
    async for entry in _rows(core.metadata, stop, end, rows_a_page):
        await portions.put(_moved(entry.key, target), entry.value or b"")
    portions.finish(batch)
    return count


async def drop_unfinished(core: Core) -> None:
    """Clear what copies have left that failed or whose process died."""
    async for entries in pages(core.metadata, keys.ANNOTATION_CANDIDATES):
        due = [entry for entry in entries if _is_due(core, entry)]
        await commit_for_each(core.writer, due, _clear)


def _is_due(core: Core, entry: Entry) -> bool:
    candidate = decoded(Candidate, entry.key, entry.value)
    return candidate is None or core.now_us() - candidate.since_us > UNFINISHED_US_MAX


def _clear(batch: Batch, entry: Entry) -> None:
    batch.delete(entry.key)
    batch.delete_range(*keys.span(keys.version_annotations(keys.queued_uid(entry.key))))


@attrs.define
class _Portions:
    """Rows on their way to a version that is not there yet."""

    _core: Core
    _version: bytes
    _size_bytes: int = attrs.field(default=0, init=False)
    _rows: dict[bytes, bytes] = attrs.field(factory=dict, init=False)
    _begun: bool = attrs.field(default=False, init=False)

    async def put(self, key: bytes, value: bytes) -> None:
        size_bytes = len(key) + len(value)
        if self._size_bytes + size_bytes > PORTION_BYTES:
            await self._commit()
        self._rows[key] = value
        self._size_bytes += size_bytes

    def finish(self, batch: Batch) -> None:
        """The rest, and that this was all of it."""
        for key, value in self._rows.items():
            batch.put(key, value)
        if self._begun:
            batch.expect(Present(self._candidate))
            batch.delete(self._candidate)

    @property
    def _candidate(self) -> bytes:
        return keys.annotation_candidate(self._version)

    async def _commit(self) -> None:
        batch = Batch()
        for key, value in self._rows.items():
            batch.put(key, value)
        if self._begun:
            batch.expect(Present(self._candidate))
        else:
            batch.put(self._candidate, encode(Candidate(self._core.now_us())))
        try:
            await self._core.writer.commit(batch)
        except Conflict as conflict:
            raise OperationAborted("copying the annotations took too long") from conflict
        self._rows, self._size_bytes, self._begun = {}, 0, True


async def _rows(
    metadata: IMetadataStore, start: bytes, stop: bytes, rows_a_page: int
) -> AsyncIterator[Entry]:
    more = True
    while more:
        page = await metadata.scan(Scan(start, stop, limit=rows_a_page))
        for entry in page.entries:
            yield entry
            start = entry.key + b"\0"
        more = page.more


def _moved(row_key: bytes, version: bytes) -> bytes:
    """The key of the same row of another version."""
    return keys.version_annotations(version) + row_key[len(keys.version_annotations(version)) :]
