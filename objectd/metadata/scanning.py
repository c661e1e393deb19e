"""Pages of rows with delimiter roll-up, over any `State`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from objectd.interfaces import KEY_BYTES_MAX, SCANS_MAX, Entry, Scan, ScanPage
from objectd.metadata.decisions import State
from objectd.metadata.limits import FIRST_KEY
from objectd.model import keys

PAGE_BYTES_MAX = 8 << 20
"""A page ends early once its keys and values have this many bytes: a page of 1,000 heads of
objects never has."""


class WorkBounded(Exception):
    """Raised by a state while its rows are read: so much in one go, the rest another time."""


class Reading(Protocol):
    """Reads the rows of a scan, as entries with as much of each value as the scan asks for."""

    def __iter__(self) -> Iterator[Entry]: ...

    def seek(self, key: bytes, /) -> None:
        """Go on from this key, which lies ahead."""


def scan_page(state: State, scan: Scan) -> ScanPage:
    """The page that `IMetadataStore.scan` describes."""
    return read_page(_PlainReading(state, scan), scan)


def scan_pages(state: State, scans: Sequence[Scan]) -> list[ScanPage]:
    """The pages that `IMetadataStore.scans` describes."""
    check_scans(scans)
    return [scan_page(state, scan) for scan in scans]


def check_scans(scans: Sequence[Scan]) -> None:
    """Raises `ValueError`."""
    if len(scans) > SCANS_MAX:
        raise ValueError(f"{len(scans)} scans at once")


def read_page(reading: Reading, scan: Scan) -> ScanPage:
    """The same, for a state that has a better way to read entries."""
    found = _rolled_up(reading, scan) if scan.delimiter else iter(reading)
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


class _PlainReading:
    """Of any state."""

    def __init__(self, state: State, scan: Scan) -> None:
        self._state = state
        self._scan = scan
        start = max(scan.start, FIRST_KEY)
        self._rows = state.rows(start, scan.stop, reverse=scan.reverse)

    def __iter__(self) -> Iterator[Entry]:
        head_bytes = self._scan.head_bytes
        while found := next(self._rows, None):
            key, row = found
            yield Entry(key, row.value[:head_bytes], row.revision)

    def seek(self, key: bytes) -> None:
        self._rows = self._state.rows(key, self._scan.stop)


def _rolled_up(reading: Reading, scan: Scan) -> Iterator[Entry]:
    """Rows and common prefixes: a common prefix is what its keys share, the delimiter's first
    occurrence after the scan's prefix included. Past it the next row is sought, not read to."""
    prefix, delimiter = scan.prefix, scan.delimiter
    for entry in reading:
        key = entry.key
        found = key.find(delimiter, len(prefix)) if key.startswith(prefix) else -1
        if found < 0:
            yield entry
            continue
        common = key[: found + len(delimiter)]
        yield Entry(common, None, 0)
        if not common.strip(b"\xff"):
            return
        reading.seek(keys.after(common))
