"""Rows kept in a process, and known to be current without asking for them."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from objectd.interfaces import IMetadataStore, Row
from objectd.metadata.forwarding import ForwardingMetadata
from objectd.metadata.slots import GENERATION, Slots
from objectd.model.keys import group

BYTES_MAX = 64 << 20
VALUE_BYTES_MAX = 64 << 10
"""A larger value is not kept."""

ENTRY_BYTES = 500
ROW_BYTES = 250
"""What a group and a row take of memory beside the bytes of keys and values."""

_NO_GENERATION = 1
"""An odd number: nothing is kept under it."""


class _Entry:
    """The rows of a group that were read while its slot had one and the same number."""

    __slots__ = ("index", "number", "rows", "size_bytes", "used")

    def __init__(self, index: int, number: int) -> None:
        self.index = index
        self.number = number
        self.rows: dict[bytes, Row | None] = {}
        self.size_bytes = ENTRY_BYTES
        self.used = False


class CachedMetadata(ForwardingMetadata):
    """Another process's store (`objectd.metadata.announcing`), of which rows are kept.

    `get` is answered without suspending if every row is kept and current; then it returns the
    very `Row` objects that it returned before. All else goes to the store.

    **Why what is kept is current.** A row is kept only if the slot of its group was even when
    it was asked for and had the same number when it came. Its number grows with every commit
    that changes the group, and is odd from before the commit can be seen until after, so no
    such commit became visible between the two moments: the row was current at both. As long as
    the slot has that number the same holds of every later moment. A commit that was answered
    has raised the number before, so whoever begins to read afterwards finds what is kept
    outdated (and whoever has seen its effect earlier, while the number was odd, too).

    **Why several rows are of one moment.** All were current from when they came until their
    slots were looked at, one after the other, in the call that returns them: so all were at
    the moment when the first was looked at. That a row is absent is kept like any other row.

    **A new owner** starts all numbers anew. The generation is looked at after the slots: if it
    still is the one under which everything is kept, the slots had not been touched when they
    were looked at. While there is no owner nothing can become visible; what its end left
    undecided is odd.

    `bytes_max` bounds what is kept; the oldest goes first, unless it was used meanwhile.
    """

    def __init__(self, store: IMetadataStore, slots: Slots, *, bytes_max: int = BYTES_MAX) -> None:
        super().__init__(store)
        self._slots = slots
        self._words = slots.words
        self._bytes_max = bytes_max
        self._generation = _NO_GENERATION
        self._entries: dict[bytes, _Entry] = {}
        self._size_bytes = 0

    @override
    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        words, entries = self._words, self._entries
        rows = []
        try:
            for key in keys:
                entry = entries[key[1:]]  # the group, if the key's family is kept
                rows.append(entry.rows[key])
                if words[entry.index] != entry.number:
                    break
                entry.used = True
            else:
                if words[GENERATION] == self._generation:
                    return rows
        except KeyError:
            pass
        return await self._fetch(keys)

    async def _fetch(self, keys: Sequence[bytes]) -> list[Row | None]:
        """Ask for all of them, and keep those that stayed the same meanwhile."""
        words = self._words
        generation = words[GENERATION]
        slots: dict[bytes, tuple[int, int]] = {}
        for key in keys:
            named = group(key)
            if named is not None and named not in slots:
                index = self._slots.slot(named)
                slots[named] = index, words[index]
        rows = await super().get(keys)
        if generation % 2 or words[GENERATION] != generation:
            return rows
        if generation != self._generation:
            self._begin(generation)
        for key, row in zip(keys, rows, strict=True):
            named = group(key)
            if named is not None:
                index, number = slots[named]
                if not number % 2 and words[index] == number:
                    self._keep(named, index, number, key, row)
        return rows

    def _begin(self, generation: int) -> None:
        self._generation = generation
        self._entries.clear()
        self._size_bytes = 0

    def _keep(self, named: bytes, index: int, number: int, key: bytes, row: Row | None) -> None:
        size_bytes = ROW_BYTES + len(key)
        if row is not None:
            if len(row.value) > VALUE_BYTES_MAX:
                return
            size_bytes += len(row.value)
        entry = self._entries.get(named)
        if entry is None or entry.number != number:
            if entry is not None:
                self._drop(named, entry)
            entry = self._entries[named] = _Entry(index, number)
            self._size_bytes += ENTRY_BYTES
        if key in entry.rows:
            return  # another call has fetched the same row: it stays the one that is returned
        entry.rows[key] = row
        entry.size_bytes += size_bytes
        self._size_bytes += size_bytes
        while self._size_bytes > self._bytes_max:
            self._make_room()

    def _make_room(self) -> None:
        named = next(iter(self._entries))
        entry = self._entries[named]
        self._drop(named, entry)
        if entry.used:
            entry.used = False
            self._entries[named] = entry
            self._size_bytes += entry.size_bytes

    def _drop(self, named: bytes, entry: _Entry) -> None:
        del self._entries[named]
        self._size_bytes -= entry.size_bytes
