"""What the processes of the server do to themselves."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from objectd.process.running import spare_collections


class CollectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())

    def test_full_collections_are_rare(self) -> None:
        """What was there is not looked at again, and what stays seldom; what was just made is
        looked at as often as ever."""
        young, middle, full = gc.get_threshold()
        spare_collections()
        self.assertGreater(gc.get_freeze_count(), 10_000)
        self.assertEqual(gc.get_threshold()[:2], (young, middle))
        self.assertGreater(gc.get_threshold()[2], full)
