"""Looks for an order of effects that explains a history: linearizability, after Wing & Gong,
with the improvements of Lowe ("Testing for linearizability", 2017).

The history is walked through in time. What may be the case at a moment is a set of *worlds*:
the value of each key, and which of the operations under way have taken effect. An operation
that ends must have taken effect in each world that goes on; where it has not, the others under
way are let take effect before it in every order. When no world is left, nothing explains what
was seen.

Four observations keep the worlds few, and lose none that matters:

- What only looks (a read, a refused condition) takes effect as soon as the state fits.
- Before an operation only those on the same key take effect, and those on others that a page
  of a listing needs that has seen this key and is under way.
- What nobody knows the outcome of matters only if somebody sees its effect. So it takes effect
  just before an operation that needs it to be explained, or never.
- Of two worlds that differ only in that one has used up more of those, the other can do
  whatever that one can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import attrs

from objectd.test.linearizability.operations import (
    Delete,
    Get,
    List,
    Listed,
    Operation,
    Put,
    keys_of,
)

__all__ = ["WORLDS_MAX", "Refusal", "TooManyWorlds", "refusal"]

WORLDS_MAX = 200_000
"""With more at a moment a history is too concurrent to be decided."""

_CONTEXT = 30


class _Wanted(Enum):
    PRESENT = "any value"


_Value = str | None
_State = tuple[_Value, ...]
_Needs = Mapping[int, _Value | _Wanted]
"""What an operation needs to find: the number of a key → its value."""


class TooManyWorlds(Exception):
    """The history cannot be decided in reasonable time: it has too many operations at once."""


@attrs.frozen
class Refusal:
    """No order explains how this operation ended, given all that had ended before."""

    operation: Operation
    possible: Sequence[Mapping[str, str | None]]
    history: Sequence[Operation]

    def __str__(self) -> str:
        """With what there was before and beside it."""
        keys = sorted({key for state in self.possible for key in state})
        mine = set(keys_of(self.operation, keys))
        related = [each for each in self.history if mine & set(keys_of(each, keys))]
        related.sort(key=lambda each: each.begun_ns)
        ended = self.operation.ended_ns
        assert ended is not None, "what has no end needs no explanation"
        before = [each for each in related if each.begun_ns <= ended][-_CONTEXT:]
        lines = [f"nothing explains {self.operation}", "when the keys may have been"]
        lines += [f"    {dict(state)}" for state in self.possible[:10]]
        lines += ["begun, ended, and what it was, up to then:", *map(str, before)]
        return "\n".join(lines)


def refusal(history: Sequence[Operation]) -> Refusal | None:
    """None if the history is linearizable, beginning without any key. Raises
    `TooManyWorlds`."""
    return _Walk(history).refusal()


class _World(NamedTuple):
    """`done` are the bits of operations under way that have taken effect, `used` those of
    operations without an outcome."""

    state: _State
    done: int
    used: int


class _Doubtful(NamedTuple):
    """An operation without an outcome, as what it would make of its key."""

    bit: int
    value: _Value
    only_if_absent: bool


@attrs.frozen
class _UnderWay:
    """`needs`: one of these must hold for it to have had its result. `key` and `value`: what it
    makes of which key then; an operation that only looks has no key. `about`: all keys that
    matter to it."""

    bit: int
    needs: Sequence[_Needs]
    key: int | None
    value: _Value
    about: frozenset[int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        about = {key for needs in self.needs for key in needs}
        object.__setattr__(self, "about", frozenset(about if self.key is None else {self.key}))


class _Walk:
    def __init__(self, history: Sequence[Operation]) -> None:
        self._history = history
        self._keys = sorted({key for each in history for key in _named(each)})
        self._numbers = {key: number for number, key in enumerate(self._keys)}
        self._under_way: dict[int, _UnderWay] = {}
        self._doubtful: list[list[_Doubtful]] = [[] for _ in self._keys]
        self._doubts = 0
        self._worlds = {_World((None,) * len(self._keys), 0, 0)}

    def refusal(self) -> Refusal | None:
        events = [(each.begun_ns, 0, number) for number, each in enumerate(self._history)]
        events += [
            (each.ended_ns, 1, number)
            for number, each in enumerate(self._history)
            if each.ended_ns is not None
        ]
        for _, is_end, number in sorted(events):
            if not is_end:
                self._begin(number)
            elif not self._end(number):
                return Refusal(self._history[number], self._possible(), self._history)
        return None

    def _begin(self, number: int) -> None:
        operation = self._history[number]
        if operation.ended_ns is None:
            self._doubt(operation)
            return
        taken = sum(each.bit for each in self._under_way.values())
        bit = ~taken & (taken + 1)
        self._under_way[number] = begun = _begun(operation, bit, self._numbers, self._keys)
        if begun.key is None:
            self._worlds = {self._settled(world) for world in self._worlds}

    def _doubt(self, operation: Operation) -> None:
        deed = operation.deed
        if isinstance(deed, Put):
            new = _Doubtful(1 << self._doubts, deed.value, deed.only_if_absent)
        elif isinstance(deed, Delete):
            new = _Doubtful(1 << self._doubts, None, False)
        else:
            return
        self._doubts += 1
        self._doubtful[self._numbers[deed.key]].append(new)

    def _end(self, number: int) -> bool:
        """Keep the worlds in which it has taken effect; False if there are none."""
        ending = self._under_way[number]
        bit = ending.bit
        reached: set[_World] = set()
        seen = set(self._worlds)
        ahead = list(self._worlds)
        while ahead:
            world = ahead.pop()
            if world.done & bit:
                reached.add(world._replace(done=world.done & ~bit))
                continue
            for after in self._steps(world, self._relevant(world, ending)):
                if after not in seen:
                    seen.add(after)
                    ahead.append(after)
            if len(seen) > WORLDS_MAX:
                raise TooManyWorlds(f"more than {WORLDS_MAX} at {self._history[number]}")
        if not reached:
            return False
        del self._under_way[number]
        self._worlds = _without_needless(reached)
        return True

    def _relevant(self, world: _World, ending: _UnderWay) -> set[int]:
        """The keys of what may have to take effect before this. Other keys matter only to
        those who look at several, and only while these do not find what they have seen."""
        keys = set() if ending.key is None else {ending.key}
        looking = [
            each
            for each in self._under_way.values()
            if each.key is None and not world.done & each.bit
        ]
        grows = True
        while grows:
            grows = False
            for each in looking:
                if each is ending or not keys.isdisjoint(each.about):
                    missed = _missed(each.needs, world.state)
                    grows = grows or not missed <= keys
                    keys |= missed
        return keys

    def _steps(self, world: _World, keys: set[int]) -> Iterator[_World]:
        """The worlds after one more operation on one of these keys has taken effect."""
        for each in self._under_way.values():
            if world.done & each.bit or keys.isdisjoint(each.about):
                continue
            for needs in each.needs:
                for found, used in self._ways(world, needs):
                    state = found
                    if each.key is not None:
                        state = _replaced(found, each.key, each.value)
                    yield self._settled(_World(state, world.done | each.bit, used))

    def _ways(self, world: _World, needs: _Needs) -> list[tuple[_State, int]]:
        """How what is needed comes about by operations without an outcome, if need be."""
        ways = [(world.state, world.used)]
        for key, wanted in needs.items():
            ways = [
                (_replaced(state, key, value), used | more)
                for state, used in ways
                for value, more in self._makers(key, state[key], wanted, used)
            ]
        return ways

    def _makers(
        self, key: int, value: _Value, wanted: _Value | _Wanted, used: int
    ) -> Iterator[tuple[_Value, int]]:
        """What the key then holds, and the bits of what made it so."""
        if _fits(value, wanted):
            yield value, 0
            return
        free = [each for each in self._doubtful[key] if not used & each.bit]
        deletion = next((each.bit for each in free if each.value is None), None)
        if wanted is None:
            if deletion is not None:
                yield None, deletion
            return
        for each in free:
            if not _fits(each.value, wanted):
                continue
            if value is None or not each.only_if_absent:
                yield each.value, each.bit
            elif deletion is not None:
                yield each.value, each.bit | deletion

    def _settled(self, world: _World) -> _World:
        """With all that only looks, and may have seen this."""
        done = world.done
        for each in self._under_way.values():
            if each.key is None and not done & each.bit and _any_holds(each.needs, world.state):
                done |= each.bit
        return world._replace(done=done)

    def _possible(self) -> list[Mapping[str, str | None]]:
        states = sorted({world.state for world in self._worlds}, key=repr)
        return [dict(zip(self._keys, state, strict=True)) for state in states]


def _named(operation: Operation) -> list[str]:
    if isinstance(operation.result, Listed):
        return [key for key, _ in operation.result.entries]
    return [] if isinstance(operation.deed, List) else [operation.deed.key]


def _begun(
    operation: Operation, bit: int, numbers: Mapping[str, int], keys: Sequence[str]
) -> _UnderWay:
    deed, result = operation.deed, operation.result
    if isinstance(deed, List):
        assert isinstance(result, Listed), operation
        return _UnderWay(bit, _needs_of_page(deed, result, keys), None, None)
    key = numbers[deed.key]
    if isinstance(deed, Get):
        assert result is None or isinstance(result, str), operation
        return _UnderWay(bit, [{key: result}], None, None)
    if isinstance(deed, Delete):
        return _UnderWay(bit, [{}], key, None)
    if result is not True:
        return _UnderWay(bit, [{key: _Wanted.PRESENT}] if deed.only_if_absent else [], None, None)
    return _UnderWay(bit, [{key: None} if deed.only_if_absent else {}], key, deed.value)


def _needs_of_page(deed: List, page: Listed, keys: Sequence[str]) -> Sequence[_Needs]:
    listed = dict(page.entries)
    names = [name for name, _ in page.entries]
    orderly = names == sorted(set(names)) and all(name > deed.after for name in names)
    if not orderly or len(names) > deed.limit or (page.more and len(names) < deed.limit):
        return []
    last = names[-1] if names else deed.after
    covered = [key for key in keys if deed.after < key and (key <= last or not page.more)]
    needs: dict[int, _Value | _Wanted] = {keys.index(key): listed.get(key) for key in covered}
    if not page.more:
        return [needs]
    return [{**needs, keys.index(key): _Wanted.PRESENT} for key in keys if key > last]


def _any_holds(alternatives: Sequence[_Needs], state: _State) -> bool:
    for needs in alternatives:
        for key, wanted in needs.items():
            if not _fits(state[key], wanted):
                break
        else:
            return True
    return False


def _missed(alternatives: Sequence[_Needs], state: _State) -> set[int]:
    """The keys that are not as somebody has seen them."""
    return {
        key
        for needs in alternatives
        for key, wanted in needs.items()
        if not _fits(state[key], wanted)
    }


def _fits(value: _Value, wanted: _Value | _Wanted) -> bool:
    return value is not None if wanted is _Wanted.PRESENT else value == wanted


def _replaced(state: _State, key: int, value: _Value) -> _State:
    return (*state[:key], value, *state[key + 1 :])


def _without_needless(worlds: set[_World]) -> set[_World]:
    """Without those that have used up more than another that is otherwise the same."""
    least: dict[tuple[_State, int], list[int]] = {}
    for state, done, used in sorted(worlds, key=lambda world: world.used.bit_count()):
        kept = least.setdefault((state, done), [])
        if not any(fewer & used == fewer for fewer in kept):
            kept.append(used)
    return {_World(*key, used) for key, kept in least.items() for used in kept}
