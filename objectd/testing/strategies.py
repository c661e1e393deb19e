"""Named hypothesis strategies for the values of the contracts.

Keys are drawn from few and tricky parts, so that random commits meet each other: they share
prefixes, hold delimiters, NUL and FF bytes, and lie on both sides of the payload rows that a
store may keep apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from objectd.interfaces import (
    Absent,
    Add,
    Append,
    At,
    Change,
    Delete,
    DeleteRange,
    EmptyRange,
    Expectation,
    Present,
    Put,
)

__all__ = [
    "appends",
    "changes",
    "counter_keys",
    "delimiters",
    "expectations",
    "keys",
    "object_keys",
    "object_text",
    "ranges",
    "values",
]

JOURNAL = b"j"
_COUNTERS = b"a"

_REPRESENTABLE = (
    *("a", "b", "/", "//", "~", ".", " ", "+", "%", "%2F", "&", "<", ">", '"', "'", "?", "#"),
    *("\t", "\n", "\x7f", "\x80"),
    *("\u00e9", "e\u0301"),  # é in NFC and in NFD: two keys
    *("\ud7ff", "\ue000", "\ufffd", "\U0001f600"),  # UTF-8 orders these otherwise than UTF-16
)
_CONTROLS = ("\x00", "\x01", "\r", "\x1f", "\ufffe", "\uffff")
"""What XML 1.0 cannot carry, or not unchanged."""


def keys() -> st.SearchStrategy[bytes]:
    """Keys of rows: above those of counters, incarnations and the journal, so that no range
    between two of them deletes a writer."""
    first = st.sampled_from((b"k", b"o", b"p", b"pp", b"q", b"~", b"\xff"))
    rest = st.sampled_from((b"a", b"b", b"/", b"//", b"ab", b"\x00", b"\xff"))
    return st.builds(lambda head, tail: head + b"".join(tail), first, st.lists(rest, max_size=4))


def counter_keys() -> st.SearchStrategy[bytes]:
    return st.sampled_from((_COUNTERS, _COUNTERS + b"1", _COUNTERS + b"2"))


def values() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=20)


def delimiters() -> st.SearchStrategy[bytes]:
    return st.sampled_from((b"", b"/", b"//", b"a", b"ab", b"\x00", b"\xff"))


@st.composite
def ranges(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A start and a stop that is not before it."""
    one, other = draw(st.tuples(keys(), keys()))
    return min(one, other), max(one, other)


def appends() -> st.SearchStrategy[Append]:
    return st.builds(Append, st.just(JOURNAL), values())


@st.composite
def changes(draw: st.DrawFn) -> tuple[Change, ...]:
    """Changes that go together: no key twice, none in a deleted range."""
    deleted = draw(st.lists(st.builds(lambda span: DeleteRange(*span), ranges()), max_size=2))
    free = [
        key
        for key in draw(st.lists(keys(), max_size=5, unique=True))
        if not any(span.start <= key < span.stop for span in deleted)
    ]
    rows = [Put(key, draw(values())) if draw(st.integers(0, 3)) else Delete(key) for key in free]
    deltas = st.integers(-5, 5)
    limits = st.none() | st.integers(-3, 10)
    counters = [
        Add(key, draw(deltas), draw(limits))
        for key in draw(st.lists(counter_keys(), max_size=2, unique=True))
    ]
    journal = draw(st.lists(appends(), max_size=2))
    return tuple(draw(st.permutations([*deleted, *rows, *counters, *journal])))


@st.composite
def expectations(draw: st.DrawFn, seen: Sequence[tuple[bytes, int]]) -> tuple[Expectation, ...]:
    """Expectations of which many hold: `seen` are keys with revisions that they had."""
    kinds: list[st.SearchStrategy[Expectation]] = [
        st.builds(Present, keys()),
        st.builds(Absent, keys()),
        st.builds(lambda span: EmptyRange(*span), ranges()),
    ]
    if seen:
        kinds.append(st.sampled_from(seen).map(lambda row: At(*row)))
        kinds.append(st.sampled_from(seen).map(lambda row: Present(row[0])))
    return tuple(draw(st.lists(st.one_of(kinds), max_size=2)))


def object_keys(*, in_xml: bool = False) -> st.SearchStrategy[str]:
    """Names of objects; with `in_xml` only those that an XML document can show as they are."""
    return object_text(in_xml=in_xml).filter(bool)


def object_text(*, in_xml: bool = False) -> st.SearchStrategy[str]:
    """What object keys are made of: prefixes, delimiters and markers that meet them."""
    parts = _REPRESENTABLE if in_xml else _REPRESENTABLE + _CONTROLS
    few = st.sampled_from(("a", "b", "/"))
    return st.lists(few | st.sampled_from(parts), max_size=4).map("".join)
