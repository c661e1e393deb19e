"""What was written and read, and whether what was read may have been there.

Each key is a register. A write is known to have happened between its start and its end, an
unanswered one any time before its process was over, or never. A read must return the value of
a write that no other write is known to have replaced before the read began.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

_V = TypeVar("_V")


class Violated(AssertionError):
    """An invariant of the store does not hold."""


@attrs.define(eq=False)
class Write(Generic[_V]):
    """`applied_by`: from this moment on it is known to have happened; `latest`: it happened
    before this one, or never."""

    value: _V
    start: int
    applied_by: float = math.inf
    latest: float = math.inf
    is_refused: bool = False

    def acknowledge(self, now: int) -> None:
        self.applied_by = min(self.applied_by, now)
        self.latest = min(self.latest, now)

    def refuse(self, now: int) -> None:
        """It has not happened, nor will it."""
        self.is_refused = True

    def begin_again(self) -> None:
        """Another attempt at the same write."""
        self.is_refused = False
        if self.applied_by == math.inf:
            self.latest = math.inf

    def give_up(self, now: int) -> None:
        """Its process is over: if it has not happened by now, it never will."""
        self.latest = min(self.latest, now)

    def is_before(self, other: Write[_V]) -> bool:
        return self.latest < other.start


class Register(Generic[_V]):
    def __init__(self, name: str, initial: _V) -> None:
        self.name = name
        self._writes = [Write(initial, -1, -1, -1)]

    def begin(self, value: _V, now: int) -> Write[_V]:
        write = Write(value, now)
        self._writes.append(write)
        return write

    def observe(self, accepts: Callable[[_V], bool], start: int, now: int, what: str) -> None:
        """A read between `start` and `now` returned a value that `accepts` recognises."""
        possible = [
            w
            for w in self._writes
            if accepts(w.value) and not w.is_refused and not self._is_replaced(w, start)
        ]
        if not possible:
            lines = "\n".join(f"    {write}" for write in self._writes)
            raise Violated(f"{self.name}: {what} between {start} and {now}, but:\n{lines}")
        if len(possible) == 1:
            possible[0].acknowledge(now)

    def _is_replaced(self, write: Write[_V], moment: int) -> bool:
        return any(
            other.applied_by < moment and write.is_before(other)
            for other in self._writes
            if not other.is_refused
        )

    def may_have_become(self, value: _V, since: int) -> bool:
        """Whether a write of `value` may have happened after that moment."""
        return any(
            w.value == value and w.latest >= since and not w.is_refused for w in self._writes
        )

    def acknowledged(self) -> list[_V]:
        """The values of writes that are known to have happened, oldest start first."""
        return [w.value for w in self._writes if w.applied_by < math.inf and not w.is_refused]
