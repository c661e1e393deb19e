"""What is remembered of parts of the key space that are empty."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import Scan
from objectd.metadata.emptied import (
    BORDERS_MAX,
    DELETIONS_A_BORDER,
    PARTS_MAX,
    Deleted,
    Emptied,
)

KEYS = st.binary(min_size=1, max_size=2)
FOUND_EMPTY = st.tuples(KEYS, KEYS)
STEPS = st.lists(FOUND_EMPTY | st.lists(KEYS, max_size=3), max_size=20)


def scan_of(start: bytes, stop: bytes) -> Scan:
    return Scan(start, stop, 1)


class EmptiedTests(SynchronousTestCase):
    @given(STEPS, KEYS, KEYS, st.lists(KEYS, max_size=4))
    def test_no_row_is_lost(
        self,
        steps: list[tuple[bytes, bytes] | list[bytes]],
        start: bytes,
        stop: bytes,
        borders: list[bytes],
    ) -> None:
        """Whatever was found empty and put since, a scan is not taken past a row, and what it
        is cut into has all rows."""
        emptied = Emptied()
        live: list[bytes] = []
        for step in steps:
            if isinstance(step, tuple):
                live = [key for key in live if not step[0] <= key < step[1]]
                emptied.add(*step)
            else:
                emptied.note(step)
                live = sorted({*live, *step})
        scan = scan_of(start, stop)
        there = [key for key in live if start <= key < stop]
        past = emptied.past(scan)
        self.assertEqual([key for key in live if past.start <= key < past.stop], there)
        before = emptied.before(past)
        self.assertEqual(before.start, past.start)
        self.assertLessEqual(before.stop, past.stop)
        cuts = emptied.cut(start, stop, borders)
        self.assertEqual(cuts, sorted(set(cuts)))
        self.assertEqual([cut for cut in cuts if not start < cut < stop], [])

    @given(st.lists(FOUND_EMPTY, max_size=20), KEYS)
    def test_what_was_found_is_known(self, found: list[tuple[bytes, bytes]], start: bytes) -> None:
        """A scan that begins in what was found empty goes on where that ends, also where several
        parts touch or overlap."""
        emptied = Emptied()
        for part in found:
            emptied.add(*part)
        end, seen = start, b""
        while end != seen:
            seen = end
            end = max([end, *(last for first, last in found if first <= end < last)])
        reached = emptied.past(scan_of(start, b"\xff" * 3)).start
        touching = max([end, *(last for first, last in found if first <= end <= last)])
        self.assertIn(reached, (end, touching))

    def test_put_into(self) -> None:
        """What is put cuts a part in two."""
        emptied = Emptied()
        emptied.add(b"b", b"f")
        emptied.note([b"a", b"d", b"f"])
        ends = [emptied.past(scan_of(key, b"z")).start for key in (b"a", b"b", b"d", b"da", b"f")]
        self.assertEqual(ends, [b"a", b"d", b"d", b"f", b"f"])

    def test_around(self) -> None:
        """A scan is cut before each part, and at borders outside of them."""
        emptied = Emptied()
        emptied.add(b"c", b"f")
        scan = scan_of(b"a", b"h")
        self.assertEqual(emptied.before(scan), scan_of(b"a", b"c"))
        self.assertIs(emptied.before(scan_of(b"d", b"h")).stop, b"h")
        self.assertEqual(emptied.cut(b"a", b"h", [b"g", b"d", b"a", b"b"]), [b"b", b"c", b"g"])
        downwards = structs.replace(scan, reverse=True)
        self.assertIs(emptied.before(downwards), downwards)
        self.assertIs(emptied.past(downwards), downwards)

    def test_limit(self) -> None:
        """Of very many parts those are forgotten that were found first."""
        emptied = Emptied()
        starts = [b"%03d" % n for n in range(PARTS_MAX + 1)]
        for start in reversed(starts):
            emptied.add(start, start + b"5")
        known = [s for s in starts if emptied.past(scan_of(s, b"z")).start != s]
        self.assertEqual(known, starts[:-1])


class DeletedTests(SynchronousTestCase):
    @given(st.lists(st.integers(0, 3 * DELETIONS_A_BORDER), max_size=4))
    def test_every_so_many(self, sizes: list[int]) -> None:
        """However deletions come, one of so many is a border."""
        keys = [b"%08d" % n for n in range(sum(sizes))]
        deleted = Deleted()
        start = 0
        borders: list[bytes] = []
        for size in sizes:
            borders += deleted.note(keys[start : start + size])
            start += size
        self.assertEqual(borders, keys[::DELETIONS_A_BORDER])
        self.assertEqual(list(deleted.borders), borders[-BORDERS_MAX:])

    def test_beside(self) -> None:
        """A border has one of the same family on each side, or none."""
        deleted = Deleted()
        for border in (b"o5", b"o1", b"p", b"o7"):
            self.assertEqual(deleted.note([border] * DELETIONS_A_BORDER), [border])
        self.assertEqual(deleted.beside(b"o5"), [(b"o1", b"o5"), (b"o5", b"o7")])
        self.assertEqual(deleted.beside(b"o1"), [(b"o1", b"o1"), (b"o1", b"o5")])
        self.assertEqual(deleted.beside(b"p"), [(b"p", b"p"), (b"p", b"p")])
