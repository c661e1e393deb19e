"""Ids that are never used twice, because no two processes share an incarnation."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from objectd.errors import InvalidArgument
from objectd.model.records import ObjectHead


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


NULL = "null"
"""The id of a version that was put while versioning was not enabled: a key has one at most."""


class VersionId(NamedTuple):
    """What a client holds in its hand: enough to find the version's row by its key."""

    time_us: int
    uid: bytes

    def text(self) -> str:
        return f"{self.time_us:016x}{self.uid.hex()}"

    @classmethod
    def parse(cls, text: str) -> VersionId | None:
        """None for the null version. Raises `InvalidArgument` for what was never an id."""
        if text == NULL:
            return None
        if len(text) != 40 or not set(text) <= set("0123456789abcdef"):
            raise InvalidArgument("Invalid version id specified", name="versionId", value=text)
        return cls(int(text[:16], 16), bytes.fromhex(text[16:]))


def version_id(head: ObjectHead) -> str:
    """What clients call the version."""
    return NULL if head.version_is_null else VersionId(head.modified_us, head.version).text()
