"""The collector, the sweep and the abandoned uploads while the server runs."""

from __future__ import annotations

import struct

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel

from objectd.background.collection import Collection
from objectd.background.settings import CollectionSettings
from objectd.errors import StoreFailed
from objectd.model import keys
from objectd.model.codec import encode
from objectd.model.records import SweepHold
from objectd.objects import open_in_memory
from objectd.objects.aborting import DAY_US
from objectd.objects.ids import IdSource
from objectd.objects.store import assemble, wall_clock_us
from objectd.objects.writer import Batch
from objectd.test.background.logging_case import LoggingCase
from objectd.testing.s3 import result_of

LARGE = bytes(80_000)
SETTINGS = CollectionSettings()
INTERVAL_SECONDS = SETTINGS.interval_seconds


class CollectionTests(LoggingCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.age_us = 0
        opened = result_of(open_in_memory())
        core = attrs.evolve(opened.core, now_us=lambda: wall_clock_us() + self.age_us)
        self.store = assemble(core, opened.format)
        result_of(self.store.buckets.create("photos"))

    def started(self, settings: CollectionSettings = SETTINGS) -> Collection:
        collection = Collection(self.store, self.clock, settings)
        collection.start()
        self.pass_seconds(0)
        return collection

    def pass_seconds(self, seconds: float) -> None:
        """Time passes in steps, between which everything gets its turn."""
        for _ in range(round(seconds * 16)):
            self.clock.advance(1 / 16)
        self.clock.pump([0] * 20)

    def files(self) -> int:
        async def count() -> int:
            return len([file async for file in self.store.core.blobs.files(0)])

        return result_of(count())

    def put_and_delete(self, count: int = 1) -> None:
        for n in range(count):
            result_of(self.store.objects.put("photos", str(n), LARGE + b"%d" % n))
        result_of(self.store.objects.delete_many("photos", [str(n) for n in range(count)]))

    # The collector

    def test_collects(self) -> None:
        """What was deleted goes with the next pass, and so on for ever."""
        self.started()
        for _ in range(3):
            self.put_and_delete()
            self.assertEqual(self.files(), 1)
            self.pass_seconds(INTERVAL_SECONDS)
            self.assertEqual(self.files(), 0)

    def test_interval(self) -> None:
        """Passes are as far apart as the settings say."""
        self.started(attrs.evolve(SETTINGS, interval_seconds=30.0))
        self.put_and_delete()
        self.pass_seconds(29)
        self.assertEqual(self.files(), 1)
        self.pass_seconds(2)
        self.assertEqual(self.files(), 0)

    def test_report(self) -> None:
        """A pass that did something is told of, in numbers; one that did nothing is not."""
        self.started()
        self.pass_seconds(3 * INTERVAL_SECONDS)
        self.assertEqual(self.logged(), [])
        self.put_and_delete(3)
        self.pass_seconds(INTERVAL_SECONDS)
        self.assertEqual(
            self.logged(),
            [
                (
                    "collected 3 blobs and 0 parts, removed 3 files of 240003 bytes in 0.0 s; "
                    "0 rows wait"
                )
            ],
        )

    def test_files_per_second(self) -> None:
        """No more files go in a second than the settings say."""
        self.started(attrs.evolve(SETTINGS, files_per_second=4))
        self.put_and_delete(20)
        self.pass_seconds(INTERVAL_SECONDS)
        for _ in range(4):
            before = self.files()
            self.pass_seconds(1)
            self.assertEqual(before - self.files(), 4)

    def test_bytes_per_second(self) -> None:
        """No more bytes go in a second than the settings say."""
        self.started(attrs.evolve(SETTINGS, bytes_per_second=3 * len(LARGE)))
        self.put_and_delete(20)
        self.pass_seconds(INTERVAL_SECONDS)
        before = self.files()
        self.pass_seconds(5)
        self.assertIn(before - self.files(), (14, 15))

    def test_goes_on_at_once(self) -> None:
        """A pass that the limits cut short is followed by the next without a pause."""
        self.started(attrs.evolve(SETTINGS, interval_seconds=1000.0, files_per_second=7))
        self.put_and_delete(700)
        self.pass_seconds(1000 + 102)
        self.assertEqual(self.files(), 0)
        self.assertEqual(len(self.logged()), 2)

    def test_stops(self) -> None:
        """Nothing is left to do after the stop, not even a timer."""
        collection = self.started()
        result_of(collection.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        result_of(collection.stop())

    def test_stops_under_way(self) -> None:
        """A stop while files wait for their turn ends the wait, and leaves them."""
        collection = self.started(attrs.evolve(SETTINGS, files_per_second=1))
        self.put_and_delete(5)
        self.pass_seconds(INTERVAL_SECONDS + 1)
        result_of(collection.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIn(self.files(), (3, 4))

    def test_waits_for_readers(self) -> None:
        """A stop while a pass waits for a reader ends the wait."""
        result_of(self.store.objects.put("photos", "k", LARGE))
        opened = result_of(self.store.objects.get("photos", "k"))
        result_of(self.store.objects.delete("photos", "k"))
        collection = self.started()
        self.pass_seconds(INTERVAL_SECONDS)
        stopping = Deferred.fromCoroutine(collection.stop())
        self.successResultOf(stopping)
        self.assertEqual(result_of(opened.read()), LARGE)

    def test_failed_pass(self) -> None:
        """Work that fails is logged, and done again at its next time."""
        self.started()
        result_of(self.store.core.metadata.close())
        self.pass_seconds(INTERVAL_SECONDS)
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 3)
        self.pass_seconds(INTERVAL_SECONDS)
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_bug(self) -> None:
        """Work that fails for a reason that nobody thought of is done again all the same."""
        batch = Batch()
        batch.put(keys.BUCKET_CANDIDATES, b"has no such key")
        result_of(self.store.core.writer.commit(batch))
        self.started()
        for _ in range(2):
            self.pass_seconds(INTERVAL_SECONDS)
            self.assertEqual(len(self.flushLoggedErrors(struct.error)), 1)

    # The sweep

    def leave_stray_file(self) -> None:
        """As a process does that was killed."""
        uid = IdSource(0xFFFF).uid()
        result_of(self.store.core.blobs.create(uid, size_bytes=None))

    def test_sweeps(self) -> None:
        """Stray files go at the start, and so long after it as the settings say."""
        self.leave_stray_file()
        self.started(attrs.evolve(SETTINGS, sweep_interval_seconds=60.0))
        self.assertEqual((self.files(), self.logged()), (0, ["removed 1 stray files"]))
        self.leave_stray_file()
        self.pass_seconds(59)
        self.assertEqual(self.files(), 1)
        self.pass_seconds(2)
        self.assertEqual(self.files(), 0)

    def test_hold(self) -> None:
        """While an older backup holds the sweep, the log says how to lift the hold."""
        batch = Batch()
        batch.put(keys.SWEEP_HOLD, encode(SweepHold(1)))
        result_of(self.store.core.writer.commit(batch))
        self.leave_stray_file()
        self.started()
        [warning] = self.logged(LogLevel.warn)
        self.assertIn("objectd collect --lift-hold DATA_DIR", warning)
        self.assertEqual(self.files(), 1)
        result_of(self.store.sweep.lift_hold())
        self.clock.advance(SETTINGS.sweep_interval_seconds)
        self.pass_seconds(0)
        self.assertEqual(self.files(), 0)

    # Abandoned uploads

    def begin_upload(self) -> None:
        result_of(self.store.uploads.create("photos", "k"))

    def uploads(self) -> int:
        return len(result_of(self.store.uploads.list("photos")).uploads)

    def test_abandoned(self) -> None:
        """Uploads that are too old are aborted at the start, and at intervals from then on."""
        settings = attrs.evolve(
            SETTINGS, abandoned_upload_days=2.0, abandoned_interval_seconds=10.0
        )
        self.begin_upload()
        self.age_us = int(2.1 * DAY_US)
        self.begin_upload()
        self.started(settings)
        self.assertEqual(self.uploads(), 1)
        self.assertEqual(self.logged(), ["aborted 1 of 2 uploads, with which nobody goes on"])
        self.age_us *= 2
        self.pass_seconds(9)
        self.assertEqual(self.uploads(), 1)
        self.pass_seconds(2)
        self.assertEqual(self.uploads(), 0)

    def test_never_abandoned(self) -> None:
        """With 0 days no upload is aborted, however old."""
        self.begin_upload()
        self.age_us = 1000 * DAY_US
        self.started(attrs.evolve(SETTINGS, abandoned_upload_days=0.0))
        self.pass_seconds(20)
        self.assertEqual(self.uploads(), 1)
