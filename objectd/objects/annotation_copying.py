"""Copying the annotations of one version to another that is about to be put.

There may be a thousand of 1 MiB each, which is more than a commit may hold. So what does not fit
into the commit of the new version is put beneath its id in commits of their own before: nobody
looks there as long as there is no such version. A candidate that the first of them puts, and
that the last one takes away, has the collector delete what a copy that failed has left behind.

What is copied is of one moment: the commit expects the row of the version that carries it.
Where the two versions have not the same data keys, every piece is encrypted again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
from msgspec import structs

from objectd.errors import Conflict, OperationAborted
from objectd.interfaces import At, Entry, IMetadataStore, Scan
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import decode, decode_payload, encode, encode_payload
from objectd.model.records import Annotation
from objectd.objects.annotation_rows import PIECE_BYTES, Recoding
from objectd.objects.core import Core
from objectd.objects.settings import ANNOTATIONS_MAX
from objectd.objects.versions import Found
from objectd.objects.writer import Batch

PORTION_BYTES = 2 << 20
"""Of annotations in one commit, which may have as much to do besides."""


async def copy_annotations(
    core: Core,
    batch: Batch,
    carrier: Found,
    source: bytes,
    target: bytes,
    recoding: Recoding | None,
) -> int:
    """Have the batch give version `target` all annotations that version `source` has in the row
    `carrier`; return how many there are. They are as new as the copy. `target` must be an id
    that was not used before, for an earlier attempt neither. `recoding` is None where both versions
    have the same data keys, or none.

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
        if recoding is not None:
            record = recoding.record(record)
        await portions.put(_moved(entry.key, target), encode(record))
    rows_a_page = min(PORTION_BYTES // min(largest, PIECE_BYTES), ANNOTATIONS_MAX)
    _, end = keys.span(keys.version_annotations(source))
    async for entry in _rows(core.metadata, stop, end, rows_a_page):
        value = entry.value or b""
        if recoding is not None:
            value = encode_payload(recoding.piece(entry.key, decode_payload(value)))
        await portions.put(_moved(entry.key, target), value)
    portions.finish(batch)
    return count


@attrs.define
class _Portions:
    """Rows on their way to a version that is not there yet."""

    _core: Core
    _version: bytes
    _size_bytes: int = attrs.field(default=0, init=False)
    _rows: dict[bytes, bytes] = attrs.field(factory=dict, init=False)
    _candidate: At | None = attrs.field(default=None, init=False)

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
        if self._candidate is not None:
            batch.expect(self._candidate)
            batch.delete(self._candidate.key)

    async def _commit(self) -> None:
        batch = Batch()
        for key, value in self._rows.items():
            batch.put(key, value)
        key = keys.annotation_candidate(self._version)
        if self._candidate is None:
            batch.put(key, encode(Candidate(self._core.now_us())))
        else:
            batch.expect(self._candidate)
        try:
            revision = await self._core.writer.commit(batch)
        except Conflict as conflict:
            raise OperationAborted("copying the annotations took too long") from conflict
        self._candidate = self._candidate or At(key, revision)
        self._rows, self._size_bytes = {}, 0


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
