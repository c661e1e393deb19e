"""Hostile conversations with a server in a process of its own: a short form of

python -m objectd.test.fuzz SEED --process --seconds 600
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.fuzz.process import fuzz_process

SECONDS = 12
CONVERSATIONS_MIN = 500


class ProcessFuzzTests(SynchronousTestCase):
    timeout = 300

    def test_process(self) -> None:
        """Several hostile clients at once see no failure, do not end or block the process, and
        leave no descriptor, no file and no trouble in the log."""
        tally = fuzz_process(Path(self.mktemp()), "process", seconds=SECONDS)
        self.assertGreater(tally.conversations, CONVERSATIONS_MIN, tally.report())
        statuses = tally.statuses()
        # It is some 21 %, and less where a busy machine has few conversations.
        self.assertGreater(statuses[2], tally.conversations // 10, tally.report())
        self.assertGreater(statuses[4], tally.conversations // 5, tally.report())
