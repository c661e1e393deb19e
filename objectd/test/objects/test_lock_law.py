"""The law of Object Lock, on a store in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.objects.lock_machine import LockMachine, try_law


class LockLawTests(SynchronousTestCase):
    def test_law(self) -> None:
        """Put, lock, extend, bypass, hold, copy and delete in any order, with clocks that are
        set and machines that restart: what was promised is kept, and nothing for no reason."""
        try_law(LockMachine)
