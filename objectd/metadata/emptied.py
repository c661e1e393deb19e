"""Which parts of the key space were found to be empty lately.

RocksDB has to pass every deleted row that lies before the next one. Who knows that a part is
empty need not look there: a scan goes on behind it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import structs

from objectd.interfaces import Scan

PARTS_MAX = 64
"""Of more, those are forgotten that were found first: they are in tables, and nearly always
compacted."""

DELETIONS_A_BORDER = 4001
"""Deleted rows of two families may come in turn, hence a prime; each leaves two to pass, itself
and what it deletes. So fewer lie between two borders than a scan passes in one go."""

BORDERS_MAX = 32
"""What was deleted before these is in tables, too."""


class Emptied:
    """Parts, none of which touches another. Its owner notes whatever is put."""

    def __init__(self) -> None:
        self._starts: list[bytes] = []
        self._ends: dict[bytes, bytes] = {}

    def add(self, start: bytes, end: bytes) -> None:
        """Nothing lies there now."""
        if start >= end:
            return
        starts = self._starts
        first = bisect_left(starts, start)
        if first and self._ends[starts[first - 1]] >= start:
            first -= 1
        touched = starts[first : bisect_right(starts, end)]
        ends = [self._ends.pop(other) for other in touched]
        starts[first : first + len(touched)] = [min([start, *touched])]
        self._ends[starts[first]] = max([end, *ends])
        if len(starts) > PARTS_MAX:
            found_first = next(iter(self._ends))
            starts.remove(found_first)
            del self._ends[found_first]

    def note(self, keys: Iterable[bytes]) -> None:
        """These were put."""
        starts = self._starts
        if not starts:
            return
        for key in keys:
            start = starts[bisect_right(starts, key) - 1]
            if start <= key < self._ends[start]:
                starts.remove(start)
                end = self._ends.pop(start)
                self.add(start, key)
                self.add(key + b"\0", end)
                if not starts:
                    return

    def past(self, scan: Scan) -> Scan:
        """The scan from behind the part that it begins in."""
        at = bisect_right(self._starts, scan.start)
        if not at or scan.reverse:
            return scan
        end = self._ends[self._starts[at - 1]]
        return structs.replace(scan, start=min(end, scan.stop)) if scan.start < end else scan

    def before(self, scan: Scan) -> Scan:
        """The scan up to where the next part begins."""
        at = bisect_right(self._starts, scan.start)
        if at == len(self._starts) or scan.reverse or self._starts[at] >= scan.stop:
            return scan
        return structs.replace(scan, stop=self._starts[at])

    def cut(self, start: bytes, stop: bytes, borders: Iterable[bytes]) -> list[bytes]:
        """Where to cut this range: at borders that lie outside of all parts, and before each."""
        starts = self._starts
        outside = [key for key in borders if not self._holds(key)]
        inside = starts[bisect_right(starts, start) : bisect_left(starts, stop)]
        return sorted({key for key in (*outside, *inside) if start < key < stop})

    def _holds(self, key: bytes) -> bool:
        at = bisect_right(self._starts, key)
        return at > 0 and key < self._ends[self._starts[at - 1]]


class Deleted:
    """Some of the keys that were deleted lately: borders, between which about as many deleted
    rows lie each."""

    def __init__(self) -> None:
        self.borders: deque[bytes] = deque(maxlen=BORDERS_MAX)
        self._count = 0

    def note(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Returns those that are borders."""
        borders = keys[-self._count % DELETIONS_A_BORDER :: DELETIONS_A_BORDER]
        self._count += len(keys)
        self.borders.extend(borders)
        return borders

    def beside(self, border: bytes) -> list[tuple[bytes, bytes]]:
        """The ranges from the last border before this one, and to the next, of its family."""
        family = [key for key in self.borders if key[0] == border[0]]
        below = max((key for key in family if key < border), default=border)
        above = min((key for key in family if key > border), default=border)
        return [(below, border), (border, above)]
