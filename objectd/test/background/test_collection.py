"""The sweep and the collector while the server runs."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from objectd.background.collection import Collection
from objectd.errors import StoreFailed
from objectd.model import keys
from objectd.model.codec import encode
from objectd.model.records import SweepHold
from objectd.objects import open_in_memory
from objectd.objects.writer import Batch
from objectd.testing.s3 import result_of

LARGE = bytes(20_000)
INTERVAL_SECONDS = 5.0


class CollectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.store = result_of(open_in_memory())
        result_of(self.store.buckets.create("photos"))
        self.collection = Collection(self.store, self.clock, INTERVAL_SECONDS)

    async def files(self) -> int:
        return len([file async for file in self.store.core.blobs.files(0)])

    def test_collects(self) -> None:
        """What was deleted goes with the next pass, and so on for ever."""
        self.collection.start()
        for _ in range(3):
            result_of(self.store.objects.put("photos", "k", LARGE))
            result_of(self.store.objects.delete("photos", "k"))
            self.assertEqual(result_of(self.files()), 1)
            self.clock.advance(INTERVAL_SECONDS)
            self.assertEqual(result_of(self.files()), 0)

    def test_stops(self) -> None:
        """Nothing is left to do after the stop, not even a timer."""
        self.collection.start()
        result_of(self.collection.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        result_of(self.collection.stop())

    def test_waits_for_readers(self) -> None:
        """A stop while a pass waits for a reader ends the wait."""
        result_of(self.store.objects.put("photos", "k", LARGE))
        opened = result_of(self.store.objects.get("photos", "k"))
        result_of(self.store.objects.delete("photos", "k"))
        self.collection.start()
        self.clock.advance(INTERVAL_SECONDS)
        stopping = Deferred.fromCoroutine(self.collection.stop())
        self.successResultOf(stopping)
        self.assertEqual(result_of(opened.read()), LARGE)

    def test_failed_pass(self) -> None:
        """A pass that fails is logged, and there is a next one."""
        self.collection.start()
        result_of(self.store.core.metadata.close())
        self.clock.advance(INTERVAL_SECONDS)
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_hold(self) -> None:
        """While an older backup holds the sweep, the log says how to lift the hold."""
        batch = Batch()
        batch.put(keys.SWEEP_HOLD, encode(SweepHold(1)))
        result_of(self.store.core.writer.commit(batch))
        seen = EventLoggingObserver()
        globalLogPublisher.addObserver(seen)
        self.addCleanup(globalLogPublisher.removeObserver, seen)
        self.collection.start()
        self.assertIn("lift_hold", str([event["log_format"] for event in seen]))
        result_of(self.store.sweep.lift_hold())
        self.assertFalse(result_of(self.store.sweep.run()).held)
