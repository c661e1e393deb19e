"""Rules that are broken on purpose, and whether any seed notices."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import EmptyRange, Expectation
from objectd.objects.writer import Batch
from objectd.testing.simulation import Violated, simulate

SEEDS_MAX = 3000


class BrokenRuleCase(SynchronousTestCase):
    def assert_noticed(self, first: int = 0, seeds_max: int = SEEDS_MAX) -> None:
        """Some seed finds what `patch` has broken. Where few do, the search begins at the `first`
        that did; every step that anything takes more or less makes it another one."""
        for seed in range(first, first + seeds_max):
            try:
                simulate(seed)
            except Violated:
                break
            finally:
                self.flushLoggedErrors()
        else:
            self.fail(f"none of {seeds_max} seeds notices it")

    def ignore(self, is_ignored: Callable[[Expectation], bool]) -> None:
        """Have commits not expect what they should."""
        expect = Batch.expect

        def forgetful(batch: Batch, *expectations: Expectation) -> None:
            expect(batch, *(e for e in expectations if not is_ignored(e)))

        self.patch(Batch, "expect", forgetful)

    def ignore_key(self, prefix: bytes) -> None:
        self.ignore(lambda e: not isinstance(e, EmptyRange) and e.key.startswith(prefix))

    def lose(self, prefix: bytes) -> None:
        """Have commits not put rows with this prefix."""
        put = Batch.put

        def forgetful(batch: Batch, key: bytes, value: bytes) -> None:
            if not key.startswith(prefix):
                put(batch, key, value)

        self.patch(Batch, "put", forgetful)
