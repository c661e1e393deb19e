"""Lifecycles while the server runs: when passes are made, and at what rate."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from objectd.background.lifecycle import LifecycleWork, Rate
from objectd.background.settings import LifecycleSettings
from objectd.errors import StoreFailed
from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.objects import open_in_memory
from objectd.objects.aborting import DAY_US
from objectd.objects.store import assemble
from objectd.objects.trusted_time import Reading
from objectd.test.background.logging_case import LoggingCase
from objectd.test.objects.cases import NOON_US
from objectd.testing.s3 import result_of

SETTINGS = LifecycleSettings()
RULE = LifecycleRule("old", True, LifecycleFilter(), expire_days=1)


@attrs.define
class FakeTime:
    us: int = NOON_US
    trusted: bool = True

    def now_us(self) -> int:
        return self.us

    async def reading(self) -> Reading:
        return Reading(self.us, self.us, jumped=not self.trusted)


class WorkTests(LoggingCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.time = FakeTime()
        opened = result_of(open_in_memory())
        core = attrs.evolve(opened.core, now_us=self.time.now_us)
        self.store = assemble(core, opened.format)
        result_of(self.store.buckets.create("photos"))
        result_of(self.store.lifecycles.put("photos", [RULE]))

    def started(self) -> LifecycleWork:
        work = LifecycleWork(self.store, self.clock, SETTINGS, self.time)
        work.start()
        return work

    def look(self) -> None:
        """The interval passes, and then what there is to do is done."""
        self.clock.advance(SETTINGS.interval_seconds)
        self.clock.pump([1 / 16] * 200)

    def put(self, *names: str) -> None:
        for name in names:
            result_of(self.store.objects.put("photos", name, b"x"))

    def left(self) -> list[str]:
        return [o.key for o in result_of(self.store.listings.objects("photos")).objects]

    def test_expires(self) -> None:
        """What is due goes, and each deed is logged with its rule, its key and its version."""
        self.put("a", "b")
        self.time.us += 3 * DAY_US
        work = self.started()
        self.assertEqual(self.left(), ["a", "b"])
        self.look()
        self.assertEqual(self.left(), [])
        summary = "lifecycle: 1 buckets, 2 rows, 0 kept though due, 0 bytes moved;"
        self.assertEqual(
            self.logged(),
            [
                "lifecycle: the current version expires, by rule 'old': photos/a, version null",
                "lifecycle: the current version expires, by rule 'old': photos/b, version null",
                f"{summary} 2 times: the current version expires",
            ],
        )
        result_of(work.stop())

    def test_mistrusted(self) -> None:
        """While the clock is not trusted nothing goes, which is said once; then it goes on."""
        self.put("a")
        self.time.us += 3 * DAY_US
        self.time.trusted = False
        self.started()
        self.look()
        self.look()
        self.assertEqual(self.left(), ["a"])
        self.assertEqual(len(self.logged(LogLevel.warn)), 1)
        self.time.trusted = True
        self.look()
        self.assertEqual(self.left(), [])

    def test_fails(self) -> None:
        """A pass that fails is logged, and the next one is made."""
        self.put("a")
        self.time.us += 3 * DAY_US

        async def fail(*_: object) -> int:
            raise StoreFailed("no")

        patched = self.patch(self.store.core.metadata, "commit", fail)
        self.started()
        self.look()
        self.assertEqual(self.left(), ["a"])
        patched.restore()
        self.look()
        self.assertEqual(self.left(), [])
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_stopped(self) -> None:
        """A stop ends it between two steps, and the next start goes on."""
        self.put("a")
        self.time.us += 3 * DAY_US
        work = self.started()
        result_of(work.stop())
        result_of(work.stop())
        self.look()
        self.assertEqual(self.left(), ["a"])
        self.started()
        self.look()
        self.assertEqual(self.left(), [])

    def test_short_day(self) -> None:
        """Where days are short, looks are as often in each of them."""
        settings = attrs.evolve(self.store.core.settings, lifecycle_day_seconds=24.0)
        core = attrs.evolve(self.store.core, settings=settings)
        self.store = assemble(core, self.store.format)
        self.put("a")
        self.time.us += 48_000_000
        self.started()
        self.clock.advance(0.9)
        self.assertEqual(self.left(), ["a"])
        self.clock.pump([0.1] * 5)
        self.assertEqual(self.left(), [])


class RateTests(SynchronousTestCase):
    def test_rate(self) -> None:
        """So many rows a second on average, whatever the steps; no time is saved up."""
        clock = Clock()
        rate = Rate(clock, 64)
        times: list[float] = []

        async def work() -> None:
            for rows in (8, 32, 24):
                await rate.spend(rows)
                times.append(clock.seconds())

        for start in (0, 100):
            clock.advance(start - clock.seconds())
            Deferred.fromCoroutine(work())
            clock.pump([1 / 64] * 64)
            self.assertEqual([each - start for each in times], [1 / 8, 5 / 8, 1.0])
            times.clear()

    def test_no_limit(self) -> None:
        """Without a limit the reactor has its turn all the same."""
        clock = Clock()
        spent = Deferred.fromCoroutine(Rate(clock, 0).spend(1_000_000))
        self.assertNoResult(spent)
        clock.advance(0)
        self.successResultOf(spent)
