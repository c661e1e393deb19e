"""The edge to rocksdict: options, column families, states, and what its errors mean.

Read against rocksdict 0.3.29. It reports everything but a closed database as a plain
`Exception` with RocksDB's message, so messages are compared here and nowhere else.

Payload rows (`p`) lie in a column family of their own, whose values go to blob files: a
compaction of records does not copy them. A value is revision (8 bytes, big-endian) ‖ value.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from objectd.errors import StoreBusy, StoreFailed, StoreFull
from objectd.interfaces import Row
from objectd.metadata.decisions import State, Writes
from objectd.metadata.limits import FIRST_KEY
from objectd.metadata.scanning import WorkBounded

_PAYLOADS = "payload"
_FIRST_PAYLOAD, _AFTER_PAYLOADS = b"p", b"q"
_KEY_NOT_FOUND = "key not found"
_INCOMPLETE = "Result incomplete"
_LOCKED = "While lock file"
OPEN_FILES_MAX = 256
"""Tables and logs that RocksDB keeps open: it ends for good when it gets no descriptor."""
_U64 = struct.Struct(">Q")


class _Span(NamedTuple):
    """A part of the key space that one column family holds."""

    is_payload: bool
    start: bytes
    stop: bytes


class Database:
    """One open RocksDB with its two column families; every call blocks."""

    def __init__(
        self, path: Path, *, block_cache_mib: int, write_buffer_mib: int, free_mib_min: int
    ) -> None:
        self._path = path
        self._free_bytes_min = free_mib_min << 20
        cache = Cache(block_cache_mib << 20)
        records, payloads = _record_options(cache), _payload_options(cache)
        records.set_db_write_buffer_size(write_buffer_mib << 20)
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
        self.live: State = _Live(self._records, self._payloads)

    def make_recovered_durable(self) -> None:
        """Write what recovery read from the log, perhaps never synced, to synced tables."""
        self._records.flush()
        self._payloads.flush()
        self.sync()

    def write(self, writes: Writes) -> None:
        """Apply one step; it is durable after the next `sync`.

        Raises `StoreBusy` instead of waiting out a write stall, and `StoreFull` while there
        is still room: once RocksDB itself meets a full disk, it takes no write until it is
        opened again, and for that it needs room, too.
        """
        space = os.statvfs(self._path)
        if space.f_bavail * space.f_frsize < self._needed_bytes(writes):
            raise StoreFull(f"less than {self._free_bytes_min >> 20} MiB are free for metadata")
        try:
            self._records.write(self._batch(writes), self._unsynced)
        except Exception as error:
            if str(error).startswith(_INCOMPLETE):
                raise StoreBusy("RocksDB is behind with its compactions") from error
            raise StoreFailed(f"RocksDB cannot write: {error}") from error

    def sync(self) -> None:
        """Make all that was written before the call durable. Releases the GIL."""
        self._records.flush_wal(True)

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

    def _needed_bytes(self, writes: Writes) -> int:
        """What takes rows away may go on when the rest may not: it is how room is made."""
        frees = writes.deleted_ranges or any(key >= FIRST_KEY for key in writes.deletes)
        return self._free_bytes_min // 2 if frees else self._free_bytes_min

    def _batch(self, writes: Writes) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        for start, stop in writes.deleted_ranges:
            for span in _spans(start, stop):
                batch.delete_range(span.start, span.stop, self._family(span.is_payload))
        for key in writes.deletes:
            batch.delete(key, self._family(_is_payload(key)))
        revision = _U64.pack(writes.revision)
        for key, value in writes.puts.items():
            batch.put(key, revision + value, self._family(_is_payload(key)))
        return batch

    def _family(self, is_payload: bool) -> Any:
        return self._payload_handle if is_payload else None


class _Live:
    """Everything written, synced or not."""

    def __init__(self, records: Rdict, payloads: Rdict) -> None:
        self._records = records
        self._payloads = payloads

    def row(self, key: bytes) -> Row | None:
        family = self._payloads if _is_payload(key) else self._records
        try:
            stored = family.get(key)
        except Exception as error:
            raise _read_error(error) from error
        return None if stored is None else _row(stored)

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        for span in _spans(start, stop, reverse=reverse):
            family = self._payloads if span.is_payload else self._records
            yield from _walk(family, span, ReadOptions(), reverse=reverse)


class Snapshot:
    """The rows of both families at one moment: nothing is written between the two.

    Reading rows raises `WorkBounded` where more than `skipped_keys_max` deleted ones lie
    before the next.
    """

    def __init__(self, records: Any, payloads: Any, skipped_keys_max: int = 0) -> None:
        self._records = records
        self._payloads = payloads
        self._skipped_keys_max = skipped_keys_max

    def skipping(self, skipped_keys_max: int) -> Snapshot:
        """The same moment with another bound; 0 is none."""
        return Snapshot(self._records, self._payloads, skipped_keys_max)

    def row(self, key: bytes) -> Row | None:
        family = self._payloads if _is_payload(key) else self._records
        try:
            return _row(family[key])
        except Exception as error:
            if error.args == (_KEY_NOT_FOUND,):
                return None
            raise _read_error(error) from error

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        for span in _spans(start, stop, reverse=reverse):
            family = self._payloads if span.is_payload else self._records
            options = ReadOptions()
            options.set_max_skippable_internal_keys(self._skipped_keys_max)
            yield from _walk(family, span, options, reverse=reverse)


def _walk(
    family: Any, span: _Span, options: ReadOptions, *, reverse: bool
) -> Iterator[tuple[bytes, Row]]:
    # A lower bound would be welcome here, but rocksdict 0.3.29 takes one and does not obey.
    options.set_iterate_upper_bound(span.stop)
    rows = family.iter(options)
    if reverse:
        rows.seek_to_last()
        step = rows.prev
    else:
        rows.seek(span.start)
        step = rows.next
    while rows.valid():
        key = rows.key()
        if key < span.start:
            return
        yield key, _row(rows.value())
        step()
    try:
        rows.status()
    except Exception as error:
        raise _read_error(error) from error


def _spans(start: bytes, stop: bytes, *, reverse: bool = False) -> list[_Span]:
    """The range cut at the borders of the payload rows, without its empty pieces."""
    spans = [
        _Span(False, start, min(stop, _FIRST_PAYLOAD)),
        _Span(True, max(start, _FIRST_PAYLOAD), min(stop, _AFTER_PAYLOADS)),
        _Span(False, max(start, _AFTER_PAYLOADS), stop),
    ]
    if reverse:
        spans.reverse()
    return [span for span in spans if span.start < span.stop]


def _is_payload(key: bytes) -> bool:
    return key.startswith(_FIRST_PAYLOAD)


def _row(stored: bytes) -> Row:
    return Row(stored[8:], _U64.unpack_from(stored)[0])


def _record_options(cache: Cache) -> Options:
    options = _options(cache)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_compression_type(DBCompressionType.lz4())
    # Queues (candidates, trash, journal) are deleted from the front: without this a scan
    # walks over their tombstones until something else happens to compact them.
    options.add_compact_on_deletion_collector_factory(10_000, 5_000, 0.5)
    options.set_keep_log_file_num(4)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_stats_dump_period_sec(0)
    return options


def _payload_options(cache: Cache) -> Options:
    options = _options(cache)
    options.set_enable_blob_files(True)
    options.set_enable_blob_gc(True)
    return options


def _options(cache: Cache) -> Options:
    tables = BlockBasedOptions()
    tables.set_block_cache(cache)
    tables.set_bloom_filter(10, False)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(tables)
    return options


def _read_error(error: Exception) -> Exception:
    if str(error).startswith(_INCOMPLETE):
        return WorkBounded()
    return StoreFailed(f"RocksDB cannot read: {error}")
