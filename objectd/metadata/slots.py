"""Shared memory that tells every process which rows may have changed since they were read.

A table of 64-bit words: word 0 is the generation of the owner, the others are slots, to which
groups of rows (`objectd.model.keys.group`) are hashed. A word is odd while what it stands for
may be changing, and has been raised by two for each commit when that is over, so that the same
even number at two moments says that nothing changed in between, and one that is greater by two
that one commit did. Numbers that something changed under are never used again within a
generation, and no generation is.

The owner alone writes, from one thread. A word is eight aligned bytes, which the processors
that we run on load and store in one piece; the owner stores in the order that its code says,
and everything that a reader concludes comes to it over a socket, after the store.
"""

from __future__ import annotations

import mmap

from xxhash import xxh3_64_intdigest

WORDS = 1 << 20
TABLE_BYTES = 8 * WORDS
GENERATION = 0
"""The word that stands for all groups at once."""


class Slots:
    """The table, on `memory` of `TABLE_BYTES` (or, for tests, of fewer words)."""

    def __init__(self, memory: mmap.mmap | bytearray) -> None:
        self.words = memoryview(memory).cast("Q")
        self._slots = len(self.words) - 1

    @classmethod
    def mapped(cls, descriptor: int) -> Slots:
        """The table in a file of `TABLE_BYTES`, whose descriptor may be closed afterwards."""
        return cls(mmap.mmap(descriptor, TABLE_BYTES))

    def slot(self, group: bytes) -> int:
        """The index of the word that tells of this group."""
        return 1 + xxh3_64_intdigest(group) % self._slots

    def renew(self) -> None:
        """Begin a new generation: whatever anybody keeps from before is worth nothing.

        For a new owner, when all that its predecessor may have left behind is durable and can
        be read, and before it accepts a commit. The generation is odd until all is in order, so
        that this too may be cut short and begun again.
        """
        words = self.words
        words[GENERATION] |= 1
        words[1:] = memoryview(bytes(8 * self._slots)).cast("Q")
        words[GENERATION] += 1

    def mark(self, index: int) -> None:
        """From here on it may be changing."""
        self.words[index] |= 1

    def clear(self, index: int, commits: int = 1) -> None:
        """It is at rest again; so many commits since `mark` have changed it, or may have."""
        self.words[index] += 2 * commits - 1

    def unmark(self, index: int) -> None:
        """It is at rest again, and certainly has not changed since `mark`."""
        self.words[index] &= ~1
