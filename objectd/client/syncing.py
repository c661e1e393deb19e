"""What two trees of objects or files differ in."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

import attrs

__all__ = ["Entry", "Filters", "differs_at_all", "differs_in_size", "is_outdated", "side_by_side"]

_SECOND_US = 1_000_000


class Entry(Protocol):
    """A file or an object, by its name below the directory or the prefix."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def modified_us(self) -> int: ...


_S = TypeVar("_S", bound=Entry)
_T = TypeVar("_T", bound=Entry)
Comparison: TypeAlias = Callable[[Entry, Entry], bool]


def is_outdated(source: Entry, target: Entry) -> bool:
    """The target has another size, or is older. Times of objects are whole seconds."""
    return differs_in_size(source, target) or _second(target) < _second(source)


def differs_in_size(source: Entry, target: Entry) -> bool:
    return source.size_bytes != target.size_bytes


def differs_at_all(source: Entry, target: Entry) -> bool:
    """The target has another size, or any other time."""
    return differs_in_size(source, target) or _second(target) != _second(source)


def _second(entry: Entry) -> int:
    return entry.modified_us // _SECOND_US


async def side_by_side(
    source: AsyncIterator[_S], target: AsyncIterator[_T]
) -> AsyncIterator[tuple[_S | None, _T | None]]:
    """The entries of both, those of one name together, None where a side has none. Both come
    in the byte order of their names, and neither is held in memory."""
    here, there = await anext(source, None), await anext(target, None)
    while here is not None or there is not None:
        if there is None or (here is not None and _order(here) < _order(there)):
            yield here, None
            here = await anext(source, None)
        elif here is None or _order(there) < _order(here):
            yield None, there
            there = await anext(target, None)
        else:
            yield here, there
            here, there = await anext(source, None), await anext(target, None)


def _order(entry: Entry) -> bytes:
    return entry.name.encode()


@attrs.frozen
class Filters:
    """Which names take part: of the rules that match a name the last one counts, as with
    aws-cli; without any it takes part. A rule is (takes part, pattern of the shell)."""

    rules: Sequence[tuple[bool, str]] = ()
    _compiled: Sequence[tuple[bool, re.Pattern[str]]] = attrs.field(init=False, eq=False)

    @_compiled.default
    def _compile(self) -> Sequence[tuple[bool, re.Pattern[str]]]:
        return [(takes, re.compile(fnmatch.translate(text))) for takes, text in self.rules]

    def take(self, name: str) -> bool:
        matching = (takes for takes, pattern in reversed(self._compiled) if pattern.match(name))
        return next(matching, True)
