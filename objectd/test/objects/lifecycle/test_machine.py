"""Histories of versions and lifecycles, in memory."""

from __future__ import annotations

from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects.lifecycle import carrying_out, rules
from objectd.test.machine.homes import MemoryHome
from objectd.test.objects.lifecycle.machine import try_histories


class HistoryTests(SynchronousTestCase):
    def test_histories(self) -> None:
        """Whatever is put and deleted, and however time passes, a pass leaves what AWS's rules
        leave."""
        # What a pass takes away, it takes away at once, so that the model needs no commits.
        self.patch(carrying_out, "VERSIONED_A_COMMIT", 1000)
        self.patch(rules, "MOVED_BYTES_MIN", 5)
        # 3,000 steps elsewhere, and in CI many more.
        examples = 300 if settings.get_current_profile_name() == "ci" else 60
        budget = settings(max_examples=examples, stateful_step_count=50, deadline=None)
        try_histories(MemoryHome, budget)
