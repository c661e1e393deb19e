"""The trusted time while the server runs."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.logger import LogLevel

from objectd.background.timekeeping import INTERVAL_SECONDS, Timekeeping
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import ClockMark
from objectd.objects import open_in_memory
from objectd.objects.store import assemble, wall_clock_us
from objectd.objects.uptime import Uptime
from objectd.objects.writer import Batch
from objectd.test.background.logging_case import LoggingCase
from objectd.testing.s3 import result_of

DAY_US = 86_400_000_000


class TimekeepingTests(LoggingCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.wall_us = wall_clock_us()
        self.uptime_us = 0
        opened = result_of(open_in_memory())
        core = attrs.evolve(
            opened.core,
            now_us=lambda: self.wall_us,
            uptime=lambda: Uptime("boot", self.uptime_us),
        )
        self.store = assemble(core, opened.format)
        result_of(self.store.trusted_time.confirm())
        self.timekeeping = Timekeeping(self.store.trusted_time, self.clock)
        self.timekeeping.start()

    def tearDown(self) -> None:
        result_of(self.timekeeping.stop())
        result_of(self.timekeeping.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def pass_interval(self) -> None:
        self.wall_us += 60_000_000
        self.uptime_us += 60_000_000
        self.clock.advance(INTERVAL_SECONDS)

    def marked_us(self) -> int:
        [row] = result_of(self.store.core.metadata.get([keys.CLOCK_MARK]))
        assert row is not None
        return decode(ClockMark, row.value).trusted_us

    def test_moves_on(self) -> None:
        """The mark is where the clocks are, at the start and after each interval."""
        for _ in range(3):
            self.assertEqual(self.marked_us(), self.wall_us)
            self.pass_interval()
        self.assertEqual(self.logged(LogLevel.error), [])

    def test_jump(self) -> None:
        """Of a wall clock that has jumped it tells once, with what to do, and of its return."""
        before_us = self.wall_us
        self.wall_us += DAY_US
        for _ in range(3):
            self.pass_interval()
        [error] = self.logged(LogLevel.error)
        self.assertIn("86400 s ahead", error)
        self.assertIn("objectd clock confirm DATA_DIR", error)
        self.assertEqual(self.marked_us(), before_us + 180_000_000)
        self.wall_us -= DAY_US
        self.pass_interval()
        [told] = self.logged(LogLevel.info)
        self.assertIn("in step", told)

    def test_failure(self) -> None:
        """What fails is logged, and tried again at the next interval."""
        batch = Batch()
        batch.put(keys.CLOCK_MARK, b"nothing")
        result_of(self.store.core.writer.commit(batch))
        self.pass_interval()
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        result_of(self.store.trusted_time.confirm())
        self.pass_interval()
        self.assertEqual(self.marked_us(), self.wall_us)
