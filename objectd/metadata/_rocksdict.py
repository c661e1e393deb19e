"""The edge to rocksdict: options, column families, states, and what its errors mean.

Read against rocksdict 0.3.29. It reports everything but a closed database as a plain
`Exception` with RocksDB's message, so messages are compared here and nowhere else.

Payload rows (`p`, `q`, `A`) lie in a column family of their own, whose values go to blob files: a
compaction of records does not copy them. A value is revision (8 bytes, big-endian) ‖ value.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from objectd.errors import StoreBusy, StoreFailed, StoreFull
from objectd.metadata._rocksdict_rows import INCOMPLETE, PAYLOAD_FAMILIES, Live, Snapshot, spans
from objectd.metadata.decisions import Writes
from objectd.metadata.limits import FIRST_KEY

_PAYLOADS = "payload"
_PAYLOAD_TAGS = b"".join(PAYLOAD_FAMILIES)
_LOCKED = "While lock file"
OPEN_FILES_MAX = 256
"""Tables and logs that RocksDB keeps open: it ends for good when it gets no descriptor."""
FREE_BYTES_KNOWN_SECONDS = 0.02
"""How long the disk's free space is taken for the same: it takes a disk of 1 GB/s longer to
write the 32 MiB that are kept back at least."""
_U64 = struct.Struct(">Q")
_INDEX_RESTART_INTERVAL = 8
"""Of so many keys of an index block only the first is written whole. Were each, as RocksDB has it
by itself, the index would be twice as large, and a seek among 2 million rows take 0.4 µs longer,
for what is not in the processor's caches."""
_BLOB_BYTES_MIN = 1 << 10
"""Smaller payloads stay in the tables, whose blocks are cached and compressed."""


class Database:
    """One open RocksDB with its two column families; every call blocks."""

    def __init__(
        self,
        path: Path,
        *,
        block_cache_mib: int,
        write_buffer_mib: int,
        free_mib_min: int,
        seconds: Callable[[], float],
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._free_bytes_min = free_mib_min << 20
        cache = Cache(block_cache_mib << 20)
        records, payloads = _record_options(cache), _payload_options(cache)
        records.set_db_write_buffer_size(write_buffer_mib << 20)
        # The log is read at the start after a crash. A family that is seldom written to would
        # else hold on to all of it since its last row.
        records.set_max_total_wal_size(2 * write_buffer_mib << 20)
        try:
            self._records = Rdict(str(path), records, {_PAYLOADS: payloads})
        except Exception as error:
            if _LOCKED in str(error):
                raise StoreFailed(
                    f"{path} is in use by another server: stop that one, or give each its own "
                    f"directory"
                ) from error
            raise StoreFailed(f"RocksDB cannot open {path}: {error}") from error
        self._payloads = self._records.get_column_family(_PAYLOADS)
        self._payload_handle = self._records.get_column_family_handle(_PAYLOADS)
        self._unsynced = WriteOptions()
        self._unsynced.no_slowdown = True
        self.deleted_rows = 0
        """Since the last `flush_records`."""
        self._free_bytes_known = 0
        self._free_bytes_known_until = float("-inf")
        self.live = Live(self._records, self._payloads)

    def make_recovered_durable(self) -> None:
        """Write what recovery read from the log, perhaps never synced, to synced tables."""
        self._records.flush()
        self._payloads.flush()
        self.sync()

    def stage(self, writes: Writes) -> None:
        """Have `live` follow a step that is to be written next.

        Raises `StoreFull` while there is still room: once RocksDB itself meets a full disk, it
        takes no write until it is opened again, and for that it needs room, too.
        """
        free_bytes = self._free_bytes()
        if free_bytes < self._free_bytes_min and free_bytes < self._needed_bytes(writes):
            raise StoreFull(f"less than {self._free_bytes_min >> 20} MiB are free for metadata")
        self.live.follow(writes, ahead=True)

    def write(self, steps: Sequence[Writes]) -> None:
        """Apply one step after the other, all or none: those that were staged. They are durable
        after the next `sync`. With one call many take 13 µs each, alone 19.

        Raises `StoreBusy` instead of waiting out a write stall, and then it was none.
        """
        batch = WriteBatch(raw_mode=True)
        for writes in steps:
            self._add(batch, writes)
        try:
            self._records.write(batch, self._unsynced)
        except Exception as error:
            if str(error).startswith(INCOMPLETE):
                self.live.refused()
                raise StoreBusy("RocksDB is behind with its compactions") from error
            raise StoreFailed(f"RocksDB cannot write: {error}") from error
        self.live.written()
        self.deleted_rows += sum(len(writes.deletes) for writes in steps)

    def sync(self) -> None:
        """Make all that was written before the call durable. Releases the GIL."""
        self._records.flush_wal(True)

    def flush_records(self) -> None:
        """Write records to tables, in which deleted rows are noticed and taken out. Releases
        the GIL."""
        self.deleted_rows = 0
        self._records.flush()

    def snapshot(self) -> Snapshot:
        """The state of this moment."""
        return Snapshot(self._records.snapshot(), self._payloads.snapshot())

    def close(self) -> None:
        """Unlocks the directory once the snapshots taken are gone, too."""
        del self.live, self._payload_handle
        try:
            self._payloads.close()
        finally:
            self._records.close()

    def _free_bytes(self) -> int:
        now = self._seconds()
        if now >= self._free_bytes_known_until:
            space = os.statvfs(self._path)
            self._free_bytes_known = space.f_bavail * space.f_frsize
            self._free_bytes_known_until = now + FREE_BYTES_KNOWN_SECONDS
        return self._free_bytes_known

    def _needed_bytes(self, writes: Writes) -> int:
        """What takes rows away may go on when the rest may not: it is how room is made."""
        frees = writes.deleted_ranges or any(key >= FIRST_KEY for key in writes.deletes)
        return self._free_bytes_min // 2 if frees else self._free_bytes_min

    def _add(self, batch: WriteBatch, writes: Writes) -> None:
        payloads = self._payload_handle
        for start, stop in writes.deleted_ranges:
            for span in spans(start, stop):
                batch.delete_range(span.start, span.stop, payloads if span.is_payload else None)
        delete, put = batch.delete, batch.put
        for key in writes.deletes:
            delete(key, payloads if key[0] in _PAYLOAD_TAGS else None)
        revision = _U64.pack(writes.revision)
        for key, value in writes.puts.items():
            put(key, revision + value, payloads if key[0] in _PAYLOAD_TAGS else None)


def _record_options(cache: Cache) -> Options:
    options = _options(cache)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_compression_type(DBCompressionType.lz4())
    # Queues (candidates, trash, journal) are deleted from the front, and whole prefixes by
    # clients: without this a scan walks over their tombstones until something else happens
    # to compact them.
    options.add_compact_on_deletion_collector_factory(10_000, 5_000, 0.5)
    options.set_keep_log_file_num(4)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_stats_dump_period_sec(0)
    # Tables go to the disk as they are written, not all at once before someone's sync.
    options.set_bytes_per_sync(1 << 20)
    return options


def _payload_options(cache: Cache) -> Options:
    options = _options(cache)
    options.set_enable_blob_files(True)
    options.set_enable_blob_gc(True)
    options.set_min_blob_size(_BLOB_BYTES_MIN)
    options.set_blob_gc_force_threshold(0.5)
    return options


def _options(cache: Cache) -> Options:
    tables = BlockBasedOptions()
    tables.set_block_cache(cache)
    tables.set_bloom_filter(10, False)
    tables.set_index_block_restart_interval(_INDEX_RESTART_INTERVAL)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(tables)
    return options
