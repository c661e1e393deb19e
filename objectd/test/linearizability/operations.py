"""What clients do to a few keys, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = ["Delete", "Get", "List", "Listed", "Operation", "Put", "keys_of"]


@attrs.frozen
class Put:
    """No two have the same value. With `only_if_absent` the result is whether it was done;
    otherwise True."""

    key: str
    value: str
    only_if_absent: bool = False


@attrs.frozen
class Delete:
    """The result is True, whether there was something or not."""

    key: str


@attrs.frozen
class Get:
    """The result is the value, None if there is none."""

    key: str


@attrs.frozen
class List:
    """The first `limit` keys after `after`, with their values."""

    after: str = ""
    limit: int = 1000


@attrs.frozen
class Listed:
    """`more`: there is at least one key after the last of these."""

    entries: tuple[tuple[str, str], ...]
    more: bool = False


Deed = Put | Delete | Get | List
Result = bool | str | Listed | None


@attrs.frozen
class Operation:
    """It took effect at some moment from `begun_ns` to `ended_ns`. If that is None nobody knows
    what came of it: it took effect at some moment after it had begun, or never will."""

    deed: Deed
    begun_ns: int
    ended_ns: int | None
    result: Result = None

    def __str__(self) -> str:
        begun = f"{self.begun_ns / 1e6:12.3f}"
        ended = "           ?" if self.ended_ns is None else f"{self.ended_ns / 1e6:12.3f}"
        return f"{begun} {ended}  {self.deed} -> {self.result}"


def keys_of(operation: Operation, keys: Sequence[str]) -> list[str]:
    """Which of these it is about."""
    if isinstance(operation.deed, List):
        return list(keys)
    return [operation.deed.key]
