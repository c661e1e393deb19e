"""Rows kept in a process, and known to be current without asking for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from typing_extensions import override

from objectd.errors import Conflict
from objectd.interfaces import Absent, At, Commit, IMetadataStore, Put, Row, Token
from objectd.metadata.forwarding import ForwardingMetadata
from objectd.metadata.slots import GENERATION, Slots
from objectd.model.keys import group

BYTES_MAX = 64 << 20
VALUE_BYTES_MAX = 64 << 10
"""A larger value is not kept."""

WRITTEN_CHANGES_MAX = 16
"""Of a commit with more changes nothing is kept: it is not about one object."""

ENTRY_BYTES = 600
ROW_BYTES = 250
"""What a group and a row take of memory beside the bytes of keys and values."""

_NO_GENERATION = 1
"""An odd number: nothing is kept under it."""

_ONE_COMMIT = 2
"""By how much one commit raises a slot."""


class _Seen(NamedTuple):
    """The generation, and the index and number of each group's slot, at one moment."""

    generation: int
    slots: dict[bytes, tuple[int, int]]


class _Entry:
    """The rows of a group that were read while its slot had one and the same number, by their
    keys."""

    __slots__ = ("index", "keys", "number", "size_bytes", "used")

    def __init__(self, index: int, number: int) -> None:
        self.index = index
        self.number = number
        self.keys: list[bytes] = []
        self.size_bytes = ENTRY_BYTES
        self.used = False


class CachedMetadata(ForwardingMetadata):
    """Another process's store (`objectd.metadata.announcing`), of which rows are kept.

    `known` tells rows that are kept and current, and `get` is answered from them without
    suspending if all are; both return the very `Row` objects that were returned before. All else
    goes to the store.

    **Why what is kept is current.** A row is kept only if the slot of its group was even when
    it was asked for and had the same number when it came. Its number grows with every commit
    that changes the group, and is odd from before the commit can be seen until after, so no
    such commit became visible between the two moments: the row was current at both. As long as
    the slot has that number the same holds of every later moment. A commit that was answered
    has raised the number before, so whoever begins to read afterwards finds what is kept
    outdated (and whoever has seen its effect earlier, while the number was odd, too).

    **What a commit tells.** A row that it expected `At` a revision or `Absent`, and has put, is
    kept if its slot has grown by what one commit adds to it: that was this commit, so nobody else
    has changed the row since it was put. This holds of a commit that was sent once, and so of
    tokens in ascending order only. The rows that a `Conflict` tells are kept as if they had been
    asked for.

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
        # Of a plain dict finding the oldest takes up to 10 µs: what was taken out before it lies
        # in the way.
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._kept: dict[bytes, tuple[Row | None, _Entry]] = {}
        self._size_bytes = 0
        self._last_token = Token(0, 0)

    @override
    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        rows = self.known(keys)
        return await self._fetch(keys) if rows is None else rows

    @override
    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        words, kept = self._words, self._kept
        rows = []
        try:
            for key in keys:
                row, entry = kept[key]
                rows.append(row)
                if words[entry.index] != entry.number:
                    break
                entry.used = True
            else:
                if words[GENERATION] == self._generation:
                    return rows
        except KeyError:
            pass
        return None

    @override
    async def commit(self, commit: Commit) -> int:
        written: dict[bytes, bytes] = {}
        if commit.token > self._last_token:
            self._last_token = commit.token
            written = _written(commit)
        seen = self._see(written)
        try:
            revision = await self._store.commit(commit)
        except Conflict as conflict:
            self._keep_all(seen, [told for told in conflict.rows.items() if told[0] in written])
            raise
        rows = [(key, Row(value, revision)) for key, value in written.items()]
        self._keep_all(seen, rows, raised=_ONE_COMMIT)
        return revision

    async def _fetch(self, keys: Sequence[bytes]) -> list[Row | None]:
        """Ask for all of them, and keep those that stayed the same meanwhile."""
        seen = self._see(keys)
        rows = await self._store.get(keys)
        return self._keep_all(seen, list(zip(keys, rows, strict=True)))

    def _see(self, keys: Collection[bytes]) -> _Seen:
        words = self._words
        generation = words[GENERATION]
        slots: dict[bytes, tuple[int, int]] = {}
        for key in keys:
            named = group(key)
            if named is not None and named not in slots:
                index = self._slots.slot(named)
                slots[named] = index, words[index]
        return _Seen(generation, slots)

    def _keep_all(
        self, seen: _Seen, rows: Sequence[tuple[bytes, Row | None]], *, raised: int = 0
    ) -> list[Row | None]:
        """Keep those whose slots have been raised by so much since they were seen, and no more.
        Returns all, and of what is kept the `Row` that was kept first."""
        words, generation = self._words, seen.generation
        if generation % 2 or words[GENERATION] != generation:
            return [row for _, row in rows]
        if generation != self._generation:
            self._begin(generation)
        found = []
        for key, row in rows:
            named = group(key)
            kept = row
            if named is not None:
                index, number = seen.slots[named]
                number += raised
                if not number % 2 and words[index] == number:
                    kept = self._keep(named, index, number, key, row)
            found.append(kept)
        return found

    def _begin(self, generation: int) -> None:
        self._generation = generation
        self._entries.clear()
        self._kept.clear()
        self._size_bytes = 0

    def _keep(
        self, named: bytes, index: int, number: int, key: bytes, row: Row | None
    ) -> Row | None:
        size_bytes = ROW_BYTES + len(key)
        if row is not None:
            if len(row.value) > VALUE_BYTES_MAX:
                return row
            size_bytes += len(row.value)
        entry = self._entries.get(named)
        if entry is None or entry.number != number:
            if entry is not None:
                self._drop(named, entry)
            entry = self._entries[named] = _Entry(index, number)
            self._size_bytes += ENTRY_BYTES
        known = self._kept.get(key)
        if known is not None:
            return known[0]  # it was put here, or fetched by another call
        entry.keys.append(key)
        self._kept[key] = row, entry
        entry.size_bytes += size_bytes
        self._size_bytes += size_bytes
        while self._size_bytes > self._bytes_max:
            self._make_room()
        return row

    def _make_room(self) -> None:
        named, entry = next(iter(self._entries.items()))
        if entry.used:
            entry.used = False
            self._entries.move_to_end(named)
        else:
            self._drop(named, entry)

    def _drop(self, named: bytes, entry: _Entry) -> None:
        del self._entries[named]
        for key in entry.keys:
            del self._kept[key]
        self._size_bytes -= entry.size_bytes


def _written(commit: Commit) -> dict[bytes, bytes]:
    """What a commit puts in place of what it knows to be there."""
    if len(commit.changes) > WRITTEN_CHANGES_MAX:
        return {}
    replaced = {e.key for e in commit.expect if type(e) is At or type(e) is Absent}
    return {c.key: c.value for c in commit.changes if type(c) is Put and c.key in replaced}
