"""Memory for bodies, shared in turn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.web.sharing import BodyMemory

LIMIT_BYTES = 100
STEPS = st.sampled_from(["reserve", "give back", "cancel"])


class BodyMemoryTests(SynchronousTestCase):
    """Reservations."""

    @settings(deadline=None)
    @given(st.lists(st.tuples(STEPS, st.integers(1, 150))))
    def test_reservations(self, steps: list[tuple[str, int]]) -> None:
        """Never more than the limit is reserved, in the order asked; at the end everything
        has come back and nobody waits."""
        memory = BodyMemory(LIMIT_BYTES)
        asked: list[Deferred[int]] = []
        held: list[int] = []

        def hold(size_bytes: int) -> int:
            held.append(size_bytes)
            return size_bytes

        for step, number in steps:
            if step == "reserve":
                reservation = memory.reserve(number)
                reservation.addCallback(hold)
                asked.append(reservation)
            elif step == "give back" and held:
                memory.give_back(held.pop(number % len(held)))
            elif step == "cancel" and asked:
                cancelled = asked.pop(number % len(asked))
                cancelled.addErrback(lambda failure: failure.trap(CancelledError))
                cancelled.cancel()
            self.assertEqual(memory.held_bytes, sum(held))
            self.assertLessEqual(memory.held_bytes, LIMIT_BYTES)
            granted = [bool(reservation.called) for reservation in asked]
            self.assertEqual(granted, sorted(granted, reverse=True))
        while held:
            memory.give_back(held.pop())
        self.assertEqual((memory.held_bytes, memory.exhausted), (0, False))
        self.assertTrue(all(reservation.called for reservation in asked))

    def test_more_than_there_is(self) -> None:
        """Who asks for more than the limit is given all of it."""
        memory = BodyMemory(LIMIT_BYTES)
        self.assertEqual(self.successResultOf(memory.reserve(LIMIT_BYTES + 1)), LIMIT_BYTES)
        self.assertTrue(memory.exhausted)

    def test_small_wishes_do_not_overtake(self) -> None:
        """While someone waits, the memory counts as exhausted though some is left."""
        memory = BodyMemory(LIMIT_BYTES)
        self.successResultOf(memory.reserve(60))
        large, small = memory.reserve(50), memory.reserve(10)
        self.assertNoResult(large)
        self.assertNoResult(small)
        self.assertTrue(memory.exhausted)
        memory.give_back(60)
        self.assertEqual((self.successResultOf(large), self.successResultOf(small)), (50, 10))
