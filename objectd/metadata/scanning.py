"""Pages of rows with delimiter roll-up, over any `State`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from objectd.interfaces import SCAN_ROWS_MAX, Entry, ScanPage
from objectd.metadata.decisions import State
from objectd.metadata.limits import FIRST_KEY
from objectd.model import keys

PAGE_BYTES_MAX = 4 << 20
"""A page ends early once its keys and values have this many bytes."""


class WorkBounded(Exception):
    """Raised by a state while its rows are read: so much in one go, the rest another time."""


class Scan(msgspec.Struct, frozen=True, array_like=True, tag_field="type", tag="scan"):
    """The arguments of `IMetadataStore.scan`; ValueError where they break its rules."""

    start: bytes
    stop: bytes
    limit: int
    reverse: bool = False
    prefix: bytes = b""
    delimiter: bytes = b""
    head_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= SCAN_ROWS_MAX:
            raise ValueError(f"a scan of {self.limit} rows")
        if self.reverse and self.delimiter:
            raise ValueError("a reverse scan cannot roll up")


def scan_page(state: State, scan: Scan) -> ScanPage:
    """The page that `IMetadataStore.scan` describes."""
    entries: list[Entry] = []
    size_bytes = 0
    try:
        for entry in _entries(state, scan):
            if len(entries) == scan.limit or size_bytes >= PAGE_BYTES_MAX:
                return ScanPage(entries, True)
            entries.append(entry)
            size_bytes += len(entry.key) + len(entry.value or b"")
    except WorkBounded:
        return ScanPage(entries, True)
    return ScanPage(entries, False)


def _entries(state: State, scan: Scan) -> Iterator[Entry]:
    start = max(scan.start, FIRST_KEY)
    if scan.delimiter:
        return _rolled_up(state, start, scan)
    head_bytes = scan.head_bytes
    return (
        Entry(key, row.value[:head_bytes], row.revision)
        for key, row in state.rows(start, scan.stop, reverse=scan.reverse)
    )


def _rolled_up(state: State, start: bytes, scan: Scan) -> Iterator[Entry]:
    """Rows and common prefixes; past each common prefix the next row is sought, not read to."""
    seek: bytes | None = start
    while seek is not None:
        rows = state.rows(seek, scan.stop)
        seek = None
        for key, row in rows:
            common = _common_prefix(key, scan.prefix, scan.delimiter)
            if common is not None:
                yield Entry(common, None, 0)
                seek = keys.after(common) if common.strip(b"\xff") else None
                break
            yield Entry(key, row.value[: scan.head_bytes], row.revision)


def _common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """What the key is rolled up to, or None if it stands for itself."""
    if not key.startswith(prefix):
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]
