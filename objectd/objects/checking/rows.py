"""The rows that stand for themselves: the queues, the journal, and what nobody knows."""

from __future__ import annotations

from collections.abc import AsyncIterator

from objectd.errors import DamagedRecord
from objectd.model import keys
from objectd.model.blobs import BlobTrash, Candidate, ManifestTrash
from objectd.model.codec import decode
from objectd.model.records import (
    ClientToken,
    ClockMark,
    Format,
    Incarnation,
    JournalEntry,
    Places,
    Record,
    SweepHold,
)
from objectd.objects.checking.findings import Finding, Problem
from objectd.objects.checking.subject import KEY_BYTES, Subject, decoded, row_name

_QUEUES: dict[bytes, type[Record]] = {
    keys.BLOB_CANDIDATES: Candidate,
    keys.MANIFEST_CANDIDATES: Candidate,
    keys.PARTS_CANDIDATES: Candidate,
    keys.BUCKET_CANDIDATES: Candidate,
    keys.ANNOTATION_CANDIDATES: Candidate,
    keys.BLOB_TRASH: BlobTrash,
    keys.MANIFEST_TRASH: ManifestTrash,
}
_OTHERS: dict[bytes, type[Record]] = {
    keys.JOURNAL: JournalEntry,
    keys.CLIENT_TOKENS: ClientToken,
    keys.INCARNATIONS: Incarnation,
    keys.FORMAT: Format,
    keys.CLOCK_MARK: ClockMark,
    keys.PLACES: Places,
}
_IN_USE = {keys.BLOB_TRASH: keys.BLOBS, keys.MANIFEST_TRASH: keys.MANIFESTS}
"""What must not be there any more when something is in the trash."""

_CHECKED_ELSEWHERE = {
    keys.SWEEP_HOLD,
    keys.BUCKET_NAMES,
    keys.BUCKETS,
    keys.LIVES,
    keys.USAGES,
    keys.OBJECTS,
    keys.PAYLOADS,
    keys.VERSIONS,
    keys.VERSION_PAYLOADS,
    keys.NULL_VERSIONS,
    keys.CONFIGURATIONS,
    keys.ANNOTATIONS,
    keys.UPLOADS,
    keys.PARTS,
    keys.MANIFESTS,
    keys.MANIFEST_REFS,
    keys.BLOBS,
    keys.CONTENTS,
    keys.REFS,
}
KNOWN = {*_QUEUES, *_OTHERS, *_CHECKED_ELSEWHERE}
"""What keys may begin with."""


async def queues(subject: Subject) -> AsyncIterator[Finding]:
    """What waits for the collector decodes, and what is in the trash is nowhere else."""
    for family, record_type in _QUEUES.items():
        async for entries in subject.family(family):
            subject.totals.waiting += len(entries)
            for finding in decoded(record_type, entries)[1]:
                yield finding
            if family in _IN_USE:
                used = {_IN_USE[family] + keys.queued_uid(entry.key) for entry in entries}
                for key in await subject.rows(used):
                    yield Finding(Problem.TRASH_IN_USE, row_name(key))


async def others(subject: Subject) -> AsyncIterator[Finding]:
    """The journal, what clients and processes left behind, the format, the hold of the sweep."""
    for family, record_type in _OTHERS.items():
        async for entries in subject.family(family):
            for finding in decoded(record_type, entries)[1]:
                yield finding
    [hold] = await subject.metadata.get([keys.SWEEP_HOLD])
    if hold is not None:
        try:
            decode(SweepHold, hold.value)
        except DamagedRecord as error:
            yield Finding(Problem.ROW_DAMAGED, row_name(keys.SWEEP_HOLD), str(error))
        else:
            yield Finding(Problem.SWEEP_HELD, "the drives")


async def unknown(subject: Subject) -> AsyncIterator[Finding]:
    """Rows of no family, and rows with keys of another length than their family has."""
    start = b"\x20"
    for family in (*sorted(KNOWN), b"\xff"):
        if start < family:
            async for entries in subject.pages(start, family, head_bytes=1):
                for entry in entries:
                    yield Finding(Problem.ROW_UNKNOWN, row_name(entry.key))
        start = keys.after(family) if family != b"\xff" else family
    for family, key_bytes in KEY_BYTES.items():
        async for entries in subject.pages(*keys.span(family), head_bytes=1):
            for entry in entries:
                if len(entry.key) not in key_bytes:
                    yield Finding(Problem.ROW_UNKNOWN, row_name(entry.key))
