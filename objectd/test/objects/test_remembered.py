"""What is remembered is that of the very same thing, and never too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import Row
from objectd.objects.remembered import Remembered


class RememberedTests(SynchronousTestCase):
    def test_identity(self) -> None:
        """An equal row that is another one is not known."""
        remembered: Remembered[Row, str] = Remembered()
        row = Row(b"value", 7)
        self.assertIsNone(remembered.get(row))
        self.assertEqual(remembered.keep(row, "made"), "made")
        self.assertEqual(remembered.get(row), "made")
        self.assertIsNone(remembered.get(Row(b"value", 7)))

    @given(st.lists(st.integers(0, 9), max_size=40))
    def test_bounds(self, asked: list[int]) -> None:
        """Whatever is asked for, the newest are known and nothing is mistaken for another."""
        remembered: Remembered[Row, int] = Remembered(entries_max=3)
        rows = [Row(b"", number) for number in range(10)]
        kept: list[int] = []
        for number in asked:
            known = remembered.get(rows[number])
            self.assertEqual(known, number if number in kept[-3:] else None)
            if known is None:
                remembered.keep(rows[number], number)
                kept.append(number)
