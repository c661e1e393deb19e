"""What all parts of the object store work with, in one value."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from objectd.blobs.stores import BlobStores
from objectd.interfaces import IMetadataStore, Row, RunInThread
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Bucket, Incompatible, JournalEntry, JournalKind
from objectd.objects.classes import Classes
from objectd.objects.encryption import Encryptions
from objectd.objects.ids import IdSource
from objectd.objects.ingest import Intake
from objectd.objects.locks import KeyLocks
from objectd.objects.reads import Reads
from objectd.objects.remembered import Remembered
from objectd.objects.settings import ObjectSettings
from objectd.objects.uptime import Uptime, machine_uptime
from objectd.objects.writer import Batch, Writer


@attrs.frozen
class Core:
    """`now_us` is the wall clock: microseconds since 1970 UTC, and may step back. `uptime` is
    the clock of the machine, which does not (`objectd.objects.trusted_time`)."""

    metadata: IMetadataStore
    blobs: BlobStores
    writer: Writer
    intake: Intake
    ids: IdSource
    reads: Reads
    locks: KeyLocks
    now_us: Callable[[], int]
    settings: ObjectSettings
    encryptions: Encryptions
    classes: Classes
    run_in_thread: RunInThread
    uptime: Callable[[], Uptime] = machine_uptime
    features: set[Incompatible] = attrs.field(factory=set, init=False)
    """Those that this process knows to be in the store's format."""
    _buckets: Remembered[Row, Bucket] = attrs.field(factory=Remembered, init=False)

    def bucket_in(self, row: Row) -> Bucket:
        """The same value for the same row. Raises `DamagedRecord`."""
        known = self._buckets.get(row)
        return self._buckets.keep(row, decode(Bucket, row.value)) if known is None else known

    def journal(
        self,
        batch: Batch,
        kind: JournalKind,
        bucket_id: int,
        *,
        key: bytes = b"",
        version: bytes = b"",
    ) -> None:
        """Tell the readers of the journal what the batch changes."""
        entry = JournalEntry(kind, self.now_us(), bucket_id, key, version)
        batch.append(keys.JOURNAL, encode(entry))
