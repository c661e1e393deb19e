"""Histories of requests over the wire, to a store on RocksDB and files."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.machine.histories import try_histories, try_version_histories
from objectd.test.machine.homes import DiskHome


class HistoryTests(SynchronousTestCase):
    def test_histories(self) -> None:
        """Also on disks, closed and opened again at any time, the server answers as the
        model does, counts what it holds, and keeps nothing of what was deleted."""
        try_histories(DiskHome)

    def test_versions(self) -> None:
        """So it is with versions."""
        try_version_histories(DiskHome)
