"""What event holds are asked for, and what versions are made with, by wish or by default."""

from __future__ import annotations

from objectd.errors import InvalidArgument, InvalidOperation
from objectd.model.locks import DefaultRetention, EventHoldDuration, Lock
from objectd.model.records import Incompatible
from objectd.objects import ListedPart
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE, NOON_US
from objectd.test.objects.event_hold_case import WEEK, WEEK_US, EventHoldCase, held
from objectd.test.objects.lock_case import (
    COMPLIANCE,
    DAY,
    GOVERNANCE,
    HOUR_US,
    TOMORROW_US,
    YEAR_US,
    retention,
)


class WantedTests(EventHoldCase):
    """What is asked for, on each way on which a lock can be."""

    def assert_refused(self, wanted: Lock) -> None:
        for bucket in ("safe", "photos"):
            self.assert_not_made(InvalidArgument, bucket, wanted)
        on, duration = wanted.event_hold, wanted.event_hold_duration
        self.refuse(InvalidArgument, self.retaining(wanted.retention, on=on, duration=duration))

    def assert_not_made(self, error: type[Exception], bucket: str, wanted: Lock) -> None:
        """By none of the ways on which objects are made."""
        store, source = self.store, ObjectName("safe", "a")
        own = Overrides(lock=wanted)
        for work in (
            store.objects.put(bucket, "new", b"x", lock=wanted),
            store.copies.copy(source, ObjectName(bucket, "new"), own=own),
            store.uploads.create(bucket, "new", lock=wanted),
        ):
            self.refused(error, work)

    def test_no_mode(self) -> None:
        for wanted in (
            Lock(event_hold=True, event_hold_duration=DAY),
            Lock(event_hold=False),
            Lock(event_hold_duration=DAY),
        ):
            self.assert_refused(wanted)

    def test_durations(self) -> None:
        """A hold that is on has one, of 1 to 36,500 days or 1 to 100 years, and no other."""
        self.assert_refused(Lock(retention(0), event_hold=True))
        self.assert_refused(Lock(retention(), event_hold=False, event_hold_duration=DAY))
        self.assert_refused(Lock(retention(0), event_hold_duration=DAY))
        for bad in ((0, 0), (1, 1), (-1, 0), (0, -1), (36_501, 0), (0, 101)):
            self.assert_refused(held(duration=EventHoldDuration(*bad)))
        for good in ((1, 0), (36_500, 0), (0, 1), (0, 100)):
            lock = held(duration=EventHoldDuration(*good))
            self.ok(self.store.objects.put("safe", "a", b"x", lock=lock))
            self.keep(duration=EventHoldDuration(*good))

    def test_dates(self) -> None:
        """Without a hold that is on there is a date, and none that is given is past."""
        self.assert_refused(Lock(retention(0), event_hold=False))
        self.assert_refused(Lock(retention(0)))
        for past_us in (NOON_US, -1):
            self.assert_refused(held(past_us))
            self.assert_refused(Lock(retention(past_us), event_hold=False))

    def test_no_object_lock(self) -> None:
        self.assert_not_made(InvalidOperation, "photos", held())
        work = self.store.object_locks.put_retention(
            "photos", "a", retention(0), event_hold=True, event_hold_duration=DAY
        )
        self.refused(InvalidOperation, work)

    def test_feature(self) -> None:
        """Before the first hold, and the first default with one, the store says that it has
        some: who does not know them would go by the date alone."""
        self.retain()
        self.assertFalse(self.features() & Incompatible.EVENT_HOLDS)
        self.keep()
        self.assertTrue(self.features() & Incompatible.EVENT_HOLDS)
        default = DefaultRetention(GOVERNANCE, event_hold=DAY)
        for work in (
            lambda: self.store.objects.put("safe", "a", b"x", lock=held()),
            lambda: self.store.uploads.create("safe", "a", lock=held()),
            lambda: self.store.object_locks.configure("safe", default),
        ):
            self.setUp()
            self.ok(work())
            self.assertTrue(self.features() & Incompatible.EVENT_HOLDS)


class NewTests(EventHoldCase):
    """Versions that are made with a hold, by wish or by default."""

    def lock(self, key: str = "a") -> Lock | None:
        return self.head(key=key).tail.lock

    def complete_upload(self, lock: Lock | None = None) -> None:
        uploads = self.store.uploads
        upload_id = self.ok(uploads.create("safe", "a", lock=lock)).id.text()
        self.pass_us(HOUR_US)
        stored = self.ok(uploads.put_part("safe", "a", upload_id, 1, LARGE))
        listed = [ListedPart(1, stored.part.etag)]
        self.ok(self.store.completions.complete("safe", "a", upload_id, listed))

    def test_put(self) -> None:
        self.ok(self.store.objects.put("safe", "a", LARGE, lock=held()))
        self.assertEqual(self.lock(), held(TOMORROW_US))
        wanted = held(NOON_US + WEEK_US, GOVERNANCE)
        self.ok(self.store.objects.put("safe", "a", b"x", lock=wanted))
        self.assertEqual(self.lock(), wanted)

    def test_off(self) -> None:
        """One that is off comes with a date, which is all that holds."""
        wanted = Lock(retention(), legal_hold=True, event_hold=False)
        self.ok(self.store.objects.put("safe", "a", b"x", lock=wanted))
        self.assertEqual(self.lock(), wanted)

    def test_copy(self) -> None:
        """A copy has what it is given, and nothing of its source's hold."""
        self.keep()
        here, there = ObjectName("safe", "a"), ObjectName("safe", "b")
        self.ok(self.store.copies.copy(here, there))
        self.assertIsNone(self.lock("b"))
        self.ok(self.store.copies.copy(here, there, own=Overrides(lock=held(duration=WEEK))))
        self.assertEqual(self.lock("b"), held(NOON_US + WEEK_US, duration=WEEK))

    def test_upload(self) -> None:
        """An upload gives its object the hold that it was begun with."""
        self.complete_upload(held())
        self.assertEqual(self.lock(), held(TOMORROW_US))
        self.assertEqual(self.until_us(), TOMORROW_US + HOUR_US)

    def test_noncurrent(self) -> None:
        """A version is held by its id, wherever it lies, and no other is."""
        self.put(b"second")
        locks = self.store.object_locks
        for on, duration in ((True, DAY), (False, None)):
            held_id = locks.put_retention(
                "safe",
                "a",
                retention(0),
                event_hold=on,
                event_hold_duration=duration,
                version_id=self.version,
            )
            self.assertEqual(self.ok(held_id), self.version)
            self.assertIsNone(self.lock())
            lock = self.head(self.version).tail.lock
            self.assertEqual(lock, Lock(retention(), None, on, duration))

    def default(self, *, days: int = 0, years: int = 0) -> None:
        default = DefaultRetention(COMPLIANCE, days, years, DAY)
        self.ok(self.store.object_locks.configure("safe", default))
        self.assertEqual(self.ok(self.store.object_locks.configuration("safe")), default)

    def test_default(self) -> None:
        """What is made gets the hold, from when it is made; with a period besides, that is the
        earliest date."""
        self.default()
        self.assertIsNone(self.lock())
        self.pass_us(HOUR_US)
        self.put(LARGE)
        self.assertEqual(self.lock(), held(TOMORROW_US + HOUR_US))
        self.default(years=1)
        self.put(LARGE, "b")
        self.assertEqual(self.lock("b"), held(self.now_us + YEAR_US))

    def test_default_of_all(self) -> None:
        """Copies and completed uploads get it as well, from when they are there."""
        self.default()
        self.ok(self.store.objects.put("photos", "source", LARGE))
        self.ok(self.store.copies.copy(ObjectName("photos", "source"), ObjectName("safe", "b")))
        self.assertEqual(self.lock("b"), held(TOMORROW_US))
        self.complete_upload()
        self.assertEqual(self.lock(), held(TOMORROW_US + HOUR_US))

    def test_own(self) -> None:
        """A lock of its own goes before the default; a legal hold goes beside it."""
        self.default(days=1)
        for own in (
            Lock(retention(NOON_US + HOUR_US, GOVERNANCE)),
            Lock(retention(), event_hold=False),
            held(NOON_US + WEEK_US, GOVERNANCE, WEEK),
        ):
            self.ok(self.store.objects.put("safe", "a", b"x", lock=own))
            self.assertEqual(self.lock(), own)
        self.ok(self.store.objects.put("safe", "b", b"x", lock=Lock(legal_hold=True)))
        self.assertEqual(self.lock("b"), Lock(retention(), True, True, DAY))

    def test_default_clock(self) -> None:
        """A default hold begins at the later of wall clock and trusted time."""
        self.default()
        self.set_wall(-YEAR_US)
        self.put(key="b")
        self.assertEqual(self.lock("b"), held(TOMORROW_US))
        self.set_wall(2 * YEAR_US)
        self.put(key="c")
        self.assertEqual(self.lock("c"), held(TOMORROW_US + YEAR_US))

    def test_defaults(self) -> None:
        """A default has a period, a hold, or both, each of one duration."""
        configure = self.store.object_locks.configure
        for bad in ((0, 0), (1, 1), (36_501, 0), (0, 101)):
            for days in (0, 1):
                default = DefaultRetention(GOVERNANCE, days, event_hold=EventHoldDuration(*bad))
                self.refused(InvalidArgument, configure("safe", default))
            if any(bad):
                default = DefaultRetention(GOVERNANCE, *bad, event_hold=DAY)
                self.refused(InvalidArgument, configure("safe", default))
