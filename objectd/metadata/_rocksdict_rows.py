"""How rows are read from RocksDB: the live state, snapshots, scans."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from rocksdict import Rdict, ReadOptions

from objectd.errors import StoreFailed
from objectd.interfaces import Entry, Row, Scan
from objectd.metadata.decisions import Writes
from objectd.metadata.limits import FIRST_KEY
from objectd.metadata.scanning import WorkBounded, rolled_up
from objectd.model import keys

INCOMPLETE = "Result incomplete"
"""What RocksDB's message begins with where it did not do all that it was asked for."""

_KEY_NOT_FOUND = "key not found"
PAYLOAD_FAMILIES = frozenset((keys.ANNOTATIONS, keys.PAYLOADS, keys.VERSION_PAYLOADS))
"""What lies in a column family of its own."""
_BORDERS = (
    (False, keys.ANNOTATIONS),
    (True, keys.after(keys.ANNOTATIONS)),
    (False, keys.PAYLOADS),
    (True, keys.after(keys.VERSION_PAYLOADS)),
)
"""Where what lies in one column family ends, and whether that is the one of the payloads."""
_U64 = struct.Struct(">Q")
_WHOLE_FAMILIES = b"\x00\x01\x02\x03" + keys.INCARNATIONS
"""Kept in memory as they are: the store's own rows and the incarnations. They are few."""
_RECENT_FAMILIES = keys.LIVES + keys.BUCKETS + keys.USAGES
"""Of these, what was asked for lately: the buckets that are being written to."""
RECENT_ROWS_MAX = 4096
PREFIXES_AT_ONCE = 4
"""Common prefixes between two looks at the clock: very many rows may be deleted before each."""
FIRST_ROWS_AT_ONCE = 8
ROWS_AT_ONCE = 128
"""Read before the first of them is handed on, and twice as many each time up to this: some are too
large for a whole page of them, and before each very many may be deleted."""


class Span(NamedTuple):
    """A part of the key space that one column family holds."""

    is_payload: bool
    start: bytes
    stop: bytes


class Live:
    """Everything written, synced or not.

    What commits ask for again and again is kept in memory: there is no other writer, so what
    was written last is what is there.
    """

    def __init__(self, records: Rdict, payloads: Rdict) -> None:
        self._records = records
        self._payloads = payloads
        self._whole: dict[bytes, Row] = {}
        self._recent: dict[bytes, Row | None] = {}
        self._ahead: dict[bytes, Writes] = {}
        """Of keys that are not kept for good: the last step, not written yet, that changes each."""
        self._read_whole()

    def _read_whole(self) -> None:
        for tag in _WHOLE_FAMILIES:
            self._whole.update(self.rows(*keys.span(bytes((tag,)))))

    def row(self, key: bytes) -> Row | None:
        tag = key[0]
        if tag in _WHOLE_FAMILIES:
            return self._whole.get(key)
        if tag not in _RECENT_FAMILIES:
            return self._read(key)
        recent = self._recent
        if key not in recent:
            if len(recent) >= RECENT_ROWS_MAX:
                recent.clear()
            recent[key] = self._read(key)
        return recent[key]

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        for span in spans(start, stop, reverse=reverse):
            family = self._payloads if span.is_payload else self._records
            yield from _walk(family, span, ReadOptions(), reverse=reverse)

    def follow(self, writes: Writes, *, ahead: bool = False) -> None:
        """Keep up with a step that was written; or `ahead` of that, and then `row` alone knows
        of it, and what it deletes are no ranges, until `written` or `refused` is called."""
        whole, recent = self._whole, self._recent
        for start, stop in writes.deleted_ranges:
            for kept in whole, recent:
                for key in [key for key in kept if start <= key < stop]:
                    del kept[key]
        for key in writes.deletes:
            whole.pop(key, None)
            recent.pop(key, None)
            if ahead:
                self._ahead[key] = writes
        revision = writes.revision
        for key, value in writes.puts.items():
            if key[0] in _WHOLE_FAMILIES:
                whole[key] = Row(value, revision)
                continue
            if key in recent:
                recent[key] = Row(value, revision)
            if ahead:
                self._ahead[key] = writes

    def written(self) -> None:
        """All that was followed ahead is written."""
        self._ahead.clear()

    def refused(self) -> None:
        """Nothing of it is."""
        self._ahead.clear()
        self._recent.clear()
        self._whole.clear()
        self._read_whole()

    def _read(self, key: bytes) -> Row | None:
        if key in self._ahead:
            step = self._ahead[key]
            value = step.puts.get(key)
            return None if value is None else Row(value, step.revision)
        family = self._payloads if key[:1] in PAYLOAD_FAMILIES else self._records
        try:
            stored = family.get(key)
        except Exception as error:
            raise _read_error(error) from error
        return None if stored is None else _row(stored)


class Snapshot:
    """The rows of both families at one moment: nothing is written between the two. Only `row`
    knows that moment: iterators of rocksdict 0.3.29 read what is live when they are made, also
    those of a snapshot.

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
        family = self._payloads if key[:1] in PAYLOAD_FAMILIES else self._records
        try:
            return _row(family[key])
        except Exception as error:
            if error.args == (_KEY_NOT_FOUND,):
                return None
            raise _read_error(error) from error

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        for span in spans(start, stop, reverse=reverse):
            family = self._payloads if span.is_payload else self._records
            yield from _walk(family, span, self._options(), reverse=reverse)

    def entries(self, scan: Scan, is_late: Callable[[], bool]) -> Iterator[Entry]:
        """All of a scan that is not `reverse`. Raises `WorkBounded`, too, when some were found
        and it `is_late`."""
        reading = _Reading(scan, is_late)
        batches = []
        for span in spans(max(scan.start, FIRST_KEY), scan.stop):
            options = self._options()
            options.set_iterate_upper_bound(span.stop)
            family = self._payloads if span.is_payload else self._records
            batches.append(reading.batches(span, family, options))
        return chain.from_iterable(chain.from_iterable(batches))

    def _options(self) -> ReadOptions:
        options = ReadOptions()
        options.set_max_skippable_internal_keys(self._skipped_keys_max)
        return options


class _Reading:
    """Reads a page with the few calls that it takes: 0.4 µs a row, where `rows` and entries made
    of them take 1.6."""

    def __init__(self, scan: Scan, is_late: Callable[[], bool]) -> None:
        self._scan = scan
        self._is_late = is_late
        # Made once: making a slice takes longer than cutting with it.
        stop = None if scan.head_bytes is None else _U64.size + scan.head_bytes
        self._value = slice(_U64.size, stop)

    def batches(self, span: Span, family: Any, options: ReadOptions) -> Iterator[Sequence[Entry]]:
        """What lies in one column family."""
        if self._scan.delimiter:
            return self._rolled_up(span, family, options)
        return self._rows(span, family, options, FIRST_ROWS_AT_ONCE)

    def _rolled_up(
        self, span: Span, family: Any, options: ReadOptions
    ) -> Iterator[Sequence[Entry]]:
        # What can seek takes twice as long, so it begins with the first row that needs it. That
        # may well be the very first, behind which very many of the same prefix are deleted.
        delimiter, prefix_bytes = self._scan.delimiter, len(self._scan.prefix)
        for some in self._rows(span, family, options, 1):
            for number, entry in enumerate(some):
                if entry.key.find(delimiter, prefix_bytes) >= 0:
                    yield some[:number]
                    yield from self._sought(entry.key, family, options)
                    return
            yield some

    def _sought(self, start: bytes, family: Any, options: ReadOptions) -> Iterator[Sequence[Entry]]:
        # Sought as often as prefixes are rolled up: a new iterator would take another µs.
        rows = family.iter(options)
        rows.seek(start)
        found = rolled_up(rows, lambda key: self._entry(key, rows.value()), self._scan)
        while some := list(islice(found, PREFIXES_AT_ONCE)):
            yield some
            if self._is_late() and next(found, None):
                raise WorkBounded
        _check_status(rows)

    def _rows(
        self, span: Span, family: Any, options: ReadOptions, at_once: int
    ) -> Iterator[Sequence[Entry]]:
        value, unpack, is_late = self._value, _U64.unpack_from, self._is_late
        position = span.start
        # One call a row instead of four, but it does not tell why there are no more.
        items = family.items(from_key=position, read_opt=options)
        rows_left = islice(items, self._scan.limit + 1)
        while some := [
            Entry(key, stored[value], unpack(stored)[0])
            for key, stored in islice(rows_left, at_once)
        ]:
            yield some
            position = some[-1].key + b"\0"
            if is_late():
                break  # what follows knows whether there are more
            at_once = min(2 * at_once, ROWS_AT_ONCE)
        rows = family.iter(options)
        rows.seek(position)
        while rows.valid():
            yield (self._entry(rows.key(), rows.value()),)
            rows.next()
            if rows.valid() and is_late():
                raise WorkBounded
        _check_status(rows)

    def _entry(self, key: bytes, stored: bytes) -> Entry:
        return Entry(key, stored[self._value], _U64.unpack_from(stored)[0])


def _walk(
    family: Any, span: Span, options: ReadOptions, *, reverse: bool
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
    _check_status(rows)


def _check_status(rows: Any) -> None:
    """An iterator that can go no further may have come to the end, or not."""
    try:
        rows.status()
    except Exception as error:
        raise _read_error(error) from error


def spans(start: bytes, stop: bytes, *, reverse: bool = False) -> list[Span]:
    """The range cut at the borders of the payload rows, without its empty pieces."""
    spans: list[Span] = []
    for is_payload, end in _BORDERS:
        if start < end:
            if start >= stop:
                break
            spans.append(Span(is_payload, start, min(stop, end)))
            start = end
    if start < stop:
        spans.append(Span(False, start, stop))
    if reverse:
        spans.reverse()
    return spans


def scanned(deleted: Sequence[bytes]) -> list[bytes]:
    """Of these keys, those whose rows would be in the way of scans: payloads are not scanned."""
    return [key for key in deleted if key >= FIRST_KEY and key[:1] not in PAYLOAD_FAMILIES]


def _row(stored: bytes) -> Row:
    return Row(stored[8:], _U64.unpack_from(stored)[0])


def _read_error(error: Exception) -> Exception:
    if str(error).startswith(INCOMPLETE):
        return WorkBounded()
    return StoreFailed(f"RocksDB cannot read: {error}")
