"""Ids that are never used twice, because no two processes share an incarnation."""

from __future__ import annotations

import itertools


class IdSource:
    """Gives the ids of one process."""

    def __init__(self, incarnation: int) -> None:
        self._prefix = incarnation.to_bytes(4, "big")
        self._uids = itertools.count(1)
        self._buckets = itertools.count(1)

    def uid(self) -> bytes:
        """A blob, a version, an upload or an attempt at a part: 12 bytes."""
        return self._prefix + next(self._uids).to_bytes(8, "big")

    def bucket(self) -> int:
        """A bucket: 64 bits."""
        return int.from_bytes(self._prefix + next(self._buckets).to_bytes(4, "big"), "big")


def incarnation_of(uid: bytes) -> int:
    """The incarnation that made this id."""
    return int.from_bytes(uid[:4], "big")
