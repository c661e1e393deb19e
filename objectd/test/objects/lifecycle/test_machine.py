"""Histories of versions and lifecycles, in memory."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects.lifecycle import carrying_out
from objectd.test.machine.homes import MemoryHome
from objectd.test.objects.lifecycle.machine import LifecycleMachine


class HistoryTests(SynchronousTestCase):
    def test_histories(self) -> None:
        """Whatever is put and deleted, and however time passes, a pass leaves what AWS's rules
        leave."""
        # What a pass takes away, it takes away at once, so that the model needs no commits.
        self.patch(carrying_out, "VERSIONED_A_COMMIT", 1000)
        run_state_machine_as_test(
            lambda: LifecycleMachine(MemoryHome()),
            settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
        )
