"""What the simulation takes for a violation, and what it does not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.testing.simulation.history import Register, Violated


class RegisterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.register = Register("key", "initial")

    def written(self, value: str, start: int, end: int) -> None:
        self.register.begin(value, start).acknowledge(end)

    def allowed(self, value: str, start: int, end: int) -> bool:
        try:
            self.register.observe(lambda found: found == value, start, end, "was read")
        except Violated:
            return False
        return True

    def test_initial(self) -> None:
        """What was there is read until something else was written."""
        self.assertTrue(self.allowed("initial", 0, 5))
        self.written("new", 10, 20)
        self.assertTrue(self.allowed("initial", 15, 18))
        self.assertFalse(self.allowed("initial", 21, 22))

    def test_never_written(self) -> None:
        """A value that nobody wrote is not read."""
        self.assertFalse(self.allowed("other", 0, 5))

    def test_lost(self) -> None:
        """A value that was acknowledged is read from then on."""
        self.written("new", 10, 20)
        self.written("newer", 30, 40)
        self.assertFalse(self.allowed("new", 41, 42))
        self.assertTrue(self.allowed("newer", 41, 42))

    def test_at_once(self) -> None:
        """Of two writes at once either may be the last."""
        self.written("one", 10, 20)
        self.written("other", 15, 25)
        for value in ("one", "other"):
            self.assertTrue(self.allowed(value, 30, 31))

    def test_backwards(self) -> None:
        """Once a value was read, one that it replaced is not read again."""
        self.written("old", 10, 20)
        self.register.begin("new", 30)
        self.assertTrue(self.allowed("old", 31, 32))
        self.assertTrue(self.allowed("new", 33, 34))
        self.assertFalse(self.allowed("old", 35, 36))

    def test_refused(self) -> None:
        """A value that was refused is never read."""
        self.register.begin("new", 10).refuse(20)
        self.assertFalse(self.allowed("new", 30, 31))

    def test_unanswered(self) -> None:
        """A write that nobody answered may happen until its process is over, or never."""
        for value in ("initial", "new"):
            self.setUp()
            write = self.register.begin("new", 10)
            write.give_up(20)
            self.assertTrue(self.allowed(value, 30, 31))
        self.written("newer", 40, 50)
        self.assertFalse(self.allowed("new", 60, 61))
