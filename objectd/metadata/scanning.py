"""Pages of rows with delimiter roll-up, over any `State`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from objectd.interfaces import KEY_BYTES_MAX, SCANS_MAX, Entry, Row, Scan, ScanPage
from objectd.metadata.decisions import State
from objectd.metadata.limits import FIRST_KEY
from objectd.model import keys

PAGE_BYTES_MAX = 8 << 20
"""A page ends early once its keys and values have this many bytes: a page of 1,000 heads of
objects never has."""

_BEHIND_THE_LAST = (None, Row(b"", 0))


class WorkBounded(Exception):
    """Raised by a state while its rows are read: so much in one go, the rest another time."""


class Cursor(Protocol):
    """Stands at a row of a scan, or behind the last."""

    def key(self) -> bytes | None:
        """None behind the last row."""

    def next(self) -> None: ...

    def seek(self, key: bytes, /) -> None:
        """Go on from this key, which lies ahead."""


def scan_page(state: State, scan: Scan) -> ScanPage:
    """The page that `IMetadataStore.scan` describes."""
    return read_page(_entries(state, scan), scan)


def scan_pages(state: State, scans: Sequence[Scan]) -> list[ScanPage]:
    """The pages that `IMetadataStore.scans` describes."""
    check_scans(scans)
    return [scan_page(state, scan) for scan in scans]


def check_scans(scans: Sequence[Scan]) -> None:
    """Raises `ValueError`."""
    if len(scans) > SCANS_MAX:
        raise ValueError(f"{len(scans)} scans at once")


def read_page(found: Iterable[Entry], scan: Scan) -> ScanPage:
    """The same, of all entries of a scan, which are read no further than the page goes."""
    found = iter(found)
    entries: list[Entry] = []
    try:
        if _is_small(scan):
            # What was found before an error is kept: `extend` appends one by one.
            entries.extend(islice(found, scan.limit + 1))
            if len(entries) > scan.limit:
                del entries[-1]
                return ScanPage(entries, True)
        else:
            size_bytes = 0
            for entry in found:
                if len(entries) == scan.limit or size_bytes >= PAGE_BYTES_MAX:
                    return ScanPage(entries, True)
                entries.append(entry)
                size_bytes += len(entry.key) + len(entry.value or b"")
    except WorkBounded:
        return ScanPage(entries, True)
    return ScanPage(entries, False)


def _is_small(scan: Scan) -> bool:
    """Whether the size of its page need not be watched."""
    head_bytes = scan.head_bytes
    return head_bytes is not None and scan.limit * (KEY_BYTES_MAX + head_bytes) <= PAGE_BYTES_MAX


def rolled_up(rows: Cursor, entry: Callable[[bytes], Entry], scan: Scan) -> Iterator[Entry]:
    """Rows, of which `entry` makes one where `rows` stands at this key, and common prefixes: a
    common prefix is what its keys share, the delimiter's first occurrence after the scan's prefix
    included. Past it the next row is sought, not read to."""
    prefix, delimiter = scan.prefix, scan.delimiter
    # What follows a common prefix is the same but for this. Nothing has it if all is FF.
    after_delimiter = keys.after(delimiter) if delimiter.strip(b"\xff") else b""
    while (key := rows.key()) is not None:
        found = key.find(delimiter, len(prefix)) if key.startswith(prefix) else -1
        if found < 0:
            yield entry(key)
            rows.next()
            continue
        common = key[: found + len(delimiter)]
        yield Entry(common, None, 0)
        if after_delimiter:
            rows.seek(key[:found] + after_delimiter)
        elif common.strip(b"\xff"):
            rows.seek(keys.after(common))
        else:
            return


def _entries(state: State, scan: Scan) -> Iterator[Entry]:
    """All of a scan, of any state."""
    start, head_bytes = max(scan.start, FIRST_KEY), scan.head_bytes
    if scan.delimiter:
        rows = _PlainCursor(state, start, scan.stop)
        yield from rolled_up(rows, lambda key: _entry(key, rows.row, head_bytes), scan)
        return
    for key, row in state.rows(start, scan.stop, reverse=scan.reverse):
        yield _entry(key, row, head_bytes)


def _entry(key: bytes, row: Row, head_bytes: int | None) -> Entry:
    return Entry(key, row.value[:head_bytes], row.revision)


class _PlainCursor:
    """Over any state."""

    row: Row
    _key: bytes | None

    def __init__(self, state: State, start: bytes, stop: bytes) -> None:
        self._state = state
        self._stop = stop
        self.seek(start)

    def key(self) -> bytes | None:
        return self._key

    def next(self) -> None:
        self._key, self.row = next(self._rows, _BEHIND_THE_LAST)

    def seek(self, key: bytes, /) -> None:
        self._rows = self._state.rows(key, self._stop)
        self.next()
