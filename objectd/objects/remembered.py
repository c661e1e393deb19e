"""What was made of something, kept for as long as the very same thing comes again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

_K = TypeVar("_K")
_T = TypeVar("_T")

ENTRIES_MAX = 2048
"""The row of an object, and what is made of it, seldom take more than 2 KiB."""


class Remembered(Generic[_K, _T]):
    """What was made of values, found again by the identity of each.

    A store that caches rows hands out the same `Row` until another one takes its place, so
    what was made of a row cannot be out of date; of a store that does not, this is of no use
    and no harm.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._made: OrderedDict[int, tuple[_K, _T]] = OrderedDict()

    def get(self, source: _K) -> _T | None:
        # While an entry holds its source, nothing else has that id.
        entry = self._made.get(id(source))
        return None if entry is None else entry[1]

    def keep(self, source: _K, made: _T) -> _T:
        """Returns `made`. The oldest entry goes when there are too many."""
        if len(self._made) >= self._entries_max:
            self._made.popitem(last=False)
        self._made[id(source)] = source, made
        return made
