"""Histories of requests over the wire, to the store in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.machine.histories import try_histories, try_version_histories
from objectd.test.machine.homes import MemoryHome


class HistoryTests(SynchronousTestCase):
    def test_histories(self) -> None:
        """Whatever is asked in whatever order, the server answers as the model does, counts
        what it holds, and keeps nothing of what was deleted."""
        try_histories(MemoryHome)

    def test_versions(self) -> None:
        """Whatever is done to versions in whatever order, those that remain are those of plain
        lists, and nothing is kept of the others."""
        try_version_histories(MemoryHome)
