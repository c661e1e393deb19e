"""The checker, on histories made by hand and on all small ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.linearizability.checker import refusal
from objectd.test.linearizability.operations import (
    Deed,
    Delete,
    Get,
    List,
    Listed,
    Operation,
    Put,
    Result,
)


def did(begun: int, ended: int | None, deed: Deed, result: Result = True) -> Operation:
    return Operation(deed, begun, ended, result)


def put(begun: int, ended: int | None, value: str, key: str = "k") -> Operation:
    return did(begun, ended, Put(key, value))


def put_new(begun: int, ended: int | None, value: str, done: bool = True) -> Operation:
    return did(begun, ended, Put("k", value, only_if_absent=True), done)


def got(begun: int, ended: int, value: str | None, key: str = "k") -> Operation:
    return did(begun, ended, Get(key), value)


def deleted(begun: int, ended: int | None, key: str = "k") -> Operation:
    return did(begun, ended, Delete(key))


def listed(
    begun: int, ended: int, *entries: tuple[str, str], after: str = "", more: bool = False
) -> Operation:
    return did(begun, ended, List(after, max(1, len(entries))), Listed(entries, more))


class HandMadeTests(SynchronousTestCase):
    def accepts(self, *history: Operation) -> None:
        self.assertIsNone(refusal(history))

    def refuses(self, number: int, *history: Operation) -> None:
        """At the end of the operation with this number."""
        found = refusal(history)
        assert found is not None, "it was accepted"
        self.assertIs(found.operation, history[number])
        self.assertIn(str(history[number]), str(found))

    def test_one_after_the_other(self) -> None:
        """What was written last is what is read."""
        self.accepts(
            got(1, 2, None), put(3, 4, "a"), got(5, 6, "a"), deleted(7, 8), got(9, 10, None)
        )

    def test_stale(self) -> None:
        """A value that was overwritten before the read began is refused."""
        self.refuses(2, put(1, 2, "a"), put(3, 4, "b"), got(5, 6, "a"))

    def test_lost(self) -> None:
        """A put that was answered is there."""
        self.refuses(1, put(1, 2, "a"), got(3, 4, None))

    def test_never_written(self) -> None:
        """A value that nobody wrote is refused."""
        self.refuses(0, got(1, 2, "a"))

    def test_from_the_future(self) -> None:
        """A value is not read before its put has begun."""
        self.refuses(0, got(1, 2, "a"), put(3, 4, "a"))

    def test_at_once(self) -> None:
        """While a put is under way both values may be read."""
        self.accepts(put(1, 9, "a"), got(2, 3, None), got(4, 5, "a"))

    def test_backwards(self) -> None:
        """Once the new value was seen, the old one is not read any more."""
        self.refuses(2, put(1, 9, "a"), got(2, 3, "a"), got(4, 5, None))

    def test_backwards_at_two_readers(self) -> None:
        """Of two reads at once, either may see the old value, in the order that fits."""
        self.accepts(put(1, 9, "a"), got(2, 6, "a"), got(3, 5, None))

    def test_two_puts_seen_in_both_orders(self) -> None:
        """Two puts took effect in one order for everybody."""
        puts = [put(1, 20, "a"), put(1, 20, "b")]
        self.refuses(4, *puts, got(2, 3, "a"), got(4, 5, "b"), got(6, 7, "a"))

    def test_unknown(self) -> None:
        """What has no outcome may have been done late, or never."""
        self.accepts(put(1, 2, "a"), put(3, None, "b"), got(4, 5, "a"), got(6, 7, "b"))
        self.accepts(put(1, 2, "a"), put(3, None, "b"), got(4, 5, "a"), got(6, 7, "a"))

    def test_unknown_is_done_once(self) -> None:
        """What has no outcome does not take effect twice."""
        history = [put(1, None, "a"), got(2, 3, "a"), put(4, 5, "b"), got(6, 7, "b")]
        self.refuses(4, *history, got(8, 9, "a"))

    def test_unknown_deletion(self) -> None:
        """A deletion without outcome explains one absence, not two."""
        history = [put(1, 2, "a"), deleted(3, None), got(4, 5, None), put(6, 7, "b")]
        self.accepts(*history, got(8, 9, "b"))
        self.refuses(4, *history, got(8, 9, None))

    def test_only_if_absent(self) -> None:
        """Of two that may write only where nothing is, one does."""
        self.accepts(put_new(1, 5, "a"), put_new(2, 6, "b", done=False), got(7, 8, "a"))
        self.refuses(1, put_new(1, 5, "a"), put_new(2, 6, "b"))

    def test_needless_refusal(self) -> None:
        """A condition is not refused where nothing is."""
        self.refuses(0, put_new(1, 2, "a", done=False))

    def test_refusal_for_an_unknown_put(self) -> None:
        """What was perhaps written is a reason to refuse a condition."""
        self.accepts(put(1, None, "a"), put_new(2, 3, "b", done=False), got(4, 5, "a"))
        self.refuses(2, put(1, None, "a"), put_new(2, 3, "b", done=False), got(4, 5, None))

    def test_refused_is_not_done(self) -> None:
        """What a condition refused is never read."""
        history = [put(1, 2, "a"), put_new(3, 4, "b", done=False), deleted(5, 6)]
        self.refuses(3, *history, got(7, 8, "b"))

    def test_unknown_condition(self) -> None:
        """A conditional put without outcome takes effect only where nothing is, perhaps after
        a deletion without one."""
        late = put_new(3, None, "b")
        self.refuses(2, put(1, 2, "a"), late, got(5, 6, "b"))
        self.accepts(put(1, 2, "a"), late, got(5, 6, "b"), deleted(1, None))

    def test_list(self) -> None:
        """A page shows all keys of one moment."""
        puts = [put(1, 2, "a", "x"), put(3, 4, "b", "y")]
        self.accepts(*puts, listed(5, 6, ("x", "a"), ("y", "b")))
        self.refuses(2, *puts, listed(5, 6, ("y", "b")))

    def test_list_of_two_moments(self) -> None:
        """A page that shows the later of two puts shows the earlier one too."""
        puts = [put(1, 2, "a", "x"), put(3, 4, "b", "y")]
        self.accepts(*puts, listed(0, 9))
        self.accepts(*puts, listed(0, 9, ("x", "a")))
        self.refuses(2, *puts, listed(0, 9, ("y", "b")))

    def test_list_and_get_agree(self) -> None:
        """What a page has shown is not taken back by a read."""
        self.refuses(2, put(1, 20, "a"), listed(2, 3, ("k", "a")), got(4, 5, None))

    def test_truncated(self) -> None:
        """A page says whether there is more, and goes on where it should."""
        puts = [put(1, 2, "a", "x"), put(3, 4, "b", "y")]
        self.accepts(
            *puts, listed(5, 6, ("x", "a"), more=True), listed(7, 8, ("y", "b"), after="x")
        )
        self.refuses(2, *puts, listed(5, 6, ("x", "a")))
        self.refuses(2, *puts, listed(5, 6, ("y", "b"), more=True))
        self.refuses(2, *puts, listed(5, 6, ("x", "a"), after="x"))

    def test_unknown_in_a_list(self) -> None:
        """A page may show several puts without outcome."""
        puts = [put(1, None, "a", "x"), put(1, None, "b", "y")]
        page = listed(2, 3, ("x", "a"), ("y", "b"))
        self.accepts(*puts, page)
        self.refuses(3, *puts, page, got(4, 5, None, "y"))

    def test_many_without_outcome(self) -> None:
        """Dozens of puts without outcome do not make it slow."""
        unknown = [put(1, None, f"{number}") for number in range(60)]
        reads = [got(2 * n + 2, 2 * n + 3, f"{n}") for n in range(60)]
        self.accepts(*unknown, *reads)
        self.refuses(-1, *unknown, *reads, got(200, 201, "5"))


# Small histories, against all orders

_KEYS = ("x", "y", "z")
_VALUES = ("0", "1", "2", "3", "4")


@st.composite
def _histories(draw: st.DrawFn) -> list[Operation]:
    """Anything that a few clients may say, mostly at once."""
    history = []
    for number in range(draw(st.integers(1, 5))):
        key = draw(st.sampled_from(_KEYS))
        value = draw(st.sampled_from((None, *_VALUES)))
        said: list[tuple[Deed, Result]] = [
            (Put(key, str(number)), True),
            (Put(key, str(number), only_if_absent=True), draw(st.booleans())),
            (Delete(key), True),
            (Get(key), value),
            (List(limit=draw(st.integers(1, 3))), draw(_pages())),
        ]
        deed, result = draw(st.sampled_from(said))
        begun = draw(st.integers(0, 12))
        ended = begun + draw(st.integers(1, 8))
        history.append(Operation(deed, begun, draw(st.sampled_from((ended, ended, None))), result))
    return history


@st.composite
def _pages(draw: st.DrawFn) -> Listed:
    present = [key for key in _KEYS if draw(st.booleans())]
    entries = tuple((key, draw(st.sampled_from(_VALUES))) for key in present)
    return Listed(entries, draw(st.booleans()))


def _some_order_explains(history: Sequence[Operation]) -> bool:
    known = [each for each in history if each.ended_ns is not None]
    unknown = [each for each in history if each.ended_ns is None]
    for chosen in range(1 << len(unknown)):
        happened = known + [each for n, each in enumerate(unknown) if chosen >> n & 1]
        if any(_is_explained(order) for order in permutations(happened)):
            return True
    return False


def _is_explained(order: Sequence[Operation]) -> bool:
    for number, each in enumerate(order):
        if any(o.ended_ns is not None and o.ended_ns < each.begun_ns for o in order[number + 1 :]):
            return False
    state: dict[str, str] = {}
    return all(
        each.ended_ns is None or answer == each.result
        for each in order
        for answer in [_apply(state, each.deed)]
    )


def _apply(state: dict[str, str], deed: Deed) -> Result:
    if isinstance(deed, Get):
        return state.get(deed.key)
    if isinstance(deed, List):
        after = sorted(pair for pair in state.items() if pair[0] > deed.after)
        return Listed(tuple(after[: deed.limit]), len(after) > deed.limit)
    if isinstance(deed, Delete):
        state.pop(deed.key, None)
        return True
    if deed.only_if_absent and deed.key in state:
        return False
    state[deed.key] = deed.value
    return True


# Long histories that are in order, or have one fault

_deeds = st.tuples(
    st.sampled_from(("put", "put", "put_new", "delete", "get", "get", "list")),
    st.sampled_from(_KEYS),
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from((True, True, True, True, False)),
)


def _performed(steps: Sequence[tuple[str, str, int, int, bool]]) -> list[Operation]:
    """Each took effect at a moment of its own, 10 after the one before; it began earlier and
    ended later, or has no known outcome."""
    state: dict[str, str] = {}
    history = []
    for number, (kind, key, before, after, known) in enumerate(steps):
        deeds: dict[str, Deed] = {
            "put": Put(key, str(number)),
            "put_new": Put(key, str(number), only_if_absent=True),
            "delete": Delete(key),
            "get": Get(key),
            "list": List(limit=1 + number % 3),
        }
        deed = deeds[kind]
        moment = 100 + 10 * number
        ended = moment + after if known else None
        history.append(Operation(deed, moment - before, ended, _apply(state, deed)))
    return history


class LawTests(SynchronousTestCase):
    @given(_histories())
    def test_all_orders(self, history: list[Operation]) -> None:
        """A small history is accepted just if one of all orders explains it."""
        explained = _some_order_explains(history)
        self.assertEqual(refusal(history) is None, explained, [str(each) for each in history])

    @given(st.lists(_deeds, max_size=60))
    def test_what_happened(self, steps: list[tuple[str, str, int, int, bool]]) -> None:
        """What a plain dictionary did, one thing after the other, is accepted, whenever those
        who asked for it think that it began and ended."""
        found = refusal(_performed(steps))
        self.assertIsNone(found, found)

    @given(st.lists(_deeds, min_size=1, max_size=60), st.data())
    def test_a_fault(
        self, steps: list[tuple[str, str, int, int, bool]], data: st.DataObject
    ) -> None:
        """A read of what had been replaced when it began is refused, in the midst of anything."""
        history = _performed(steps)
        key = data.draw(st.sampled_from(_KEYS))
        at = data.draw(st.integers(0, len(history)))
        moment = 100 + 10 * at - 5
        fault = [
            Operation(Put(key, "old"), moment, moment + 1, True),
            Operation(Put(key, "new"), moment + 2, moment + 3, True),
            Operation(Get(key), moment + 4, moment + 4 + data.draw(st.integers(0, 99)), "old"),
        ]
        self.assertIsNotNone(refusal([*history, *fault]))
