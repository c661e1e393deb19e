"""What two trees differ in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.client.syncing import (
    Filters,
    differs_at_all,
    differs_in_size,
    is_outdated,
    side_by_side,
)
from objectd.testing.s3 import result_of

SECOND = 1_000_000
NAMES = st.sets(st.text(min_size=1, max_size=3))


@attrs.frozen
class File:
    name: str
    size_bytes: int = 1
    modified_us: int = 0


async def tree(names: Iterable[str]) -> AsyncIterator[File]:
    for name in sorted(names, key=str.encode):
        yield File(name)


async def joined(source: set[str], target: set[str]) -> list[tuple[str | None, str | None]]:
    return [
        (here.name if here else None, there.name if there else None)
        async for here, there in side_by_side(tree(source), tree(target))
    ]


class SideBySideTests(SynchronousTestCase):
    @given(NAMES, NAMES)
    def test_all(self, source: set[str], target: set[str]) -> None:
        """Every name of either side comes once, with None where a side lacks it."""
        pairs = result_of(joined(source, target))
        self.assertEqual({here for here, _ in pairs if here}, source)
        self.assertEqual({there for _, there in pairs if there}, target)
        self.assertEqual(len(pairs), len(source | target))
        for here, there in pairs:
            self.assertTrue(here == there or None in (here, there))


class ComparisonTests(SynchronousTestCase):
    def test_times(self) -> None:
        """Older by a second counts, older within it does not: objects have whole seconds."""
        new, old = File("a", 1, 5 * SECOND), File("a", 1, 4 * SECOND)
        within = File("a", 1, 5 * SECOND + 1)
        self.assertTrue(is_outdated(new, old))
        self.assertFalse(is_outdated(old, new))
        self.assertFalse(is_outdated(within, new))
        self.assertTrue(differs_at_all(old, new))
        self.assertFalse(differs_at_all(within, new))
        self.assertFalse(differs_in_size(new, old))

    def test_sizes(self) -> None:
        """Another size is a difference in each way."""
        for differs in (is_outdated, differs_at_all, differs_in_size):
            self.assertTrue(differs(File("a", 1), File("a", 2, SECOND)))


class FilterTests(SynchronousTestCase):
    def test_last_match_counts(self) -> None:
        """Of the rules that match the last one counts, and without one everything takes part."""
        only_text = Filters(((False, "*"), (True, "*.txt")))
        self.assertEqual([only_text.take(name) for name in ("a.txt", "d/a.txt", "a")], [1, 1, 0])
        nothing = Filters(((True, "*.txt"), (False, "*")))
        self.assertFalse(nothing.take("a.txt"))
        self.assertTrue(Filters().take("a"))
