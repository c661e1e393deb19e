"""Event holds in the library: what may be changed while one is on, and what its release leaves."""

from __future__ import annotations

from objectd.errors import InvalidArgument, ObjectLocked, ObjectNotLocked
from objectd.model import keys
from objectd.model.locks import Lock
from objectd.test.objects.cases import NOON_US
from objectd.test.objects.event_hold_case import MODES, WEEK, WEEK_US, EventHoldCase, held
from objectd.test.objects.lock_case import (
    COMPLIANCE,
    DAY,
    DAY_US,
    GOVERNANCE,
    HOUR_US,
    TOMORROW_US,
    YEAR_US,
    retention,
)


class HeldTests(EventHoldCase):
    def test_moving(self) -> None:
        """While it is on the date is always as far away; the version itself stays the same."""
        before = self.head()
        self.keep()
        for _ in range(3):
            self.assertEqual(self.shown(), held(self.now_us + DAY_US))
            self.pass_us(YEAR_US)
        self.assertEqual(self.head().head, before.head)

    def test_given_date(self) -> None:
        """It is not earlier than one that was given, or that there was."""
        self.keep(until_us=NOON_US + WEEK_US)
        self.assertEqual(self.until_us(), NOON_US + WEEK_US)
        self.pass_us(WEEK_US)
        self.assertEqual(self.until_us(), self.now_us + DAY_US)

        self.put()
        self.retain(self.now_us + WEEK_US)
        self.keep()
        self.assertEqual(self.until_us(), self.now_us + WEEK_US)

    def test_released(self) -> None:
        """The date stands still, so long after the release; anybody may do that in either mode."""
        for mode in MODES:
            self.put()
            self.keep(mode)
            self.pass_us(YEAR_US)
            self.release(mode)
            lock = Lock(retention(self.now_us + DAY_US, mode), event_hold=False)
            self.pass_us(HOUR_US)
            self.assertEqual((self.shown(), self.head().tail.lock), (lock, lock))

    def test_released_again(self) -> None:
        """Who releases it once more, not having heard of it, changes nothing."""
        self.keep()
        self.release()
        self.pass_us(HOUR_US)
        self.release()
        self.assertEqual(self.until_us(), TOMORROW_US)
        self.pass_us(YEAR_US)
        self.release()
        self.assertEqual(self.until_us(), TOMORROW_US)

    def test_released_with_date(self) -> None:
        """Of a date that comes with the release and that of the hold, the later one."""
        for mode in MODES:
            for given_us, until_us in ((HOUR_US, DAY_US), (WEEK_US, WEEK_US)):
                self.put()
                self.keep(mode)
                wanted = retention(self.now_us + given_us, mode)
                self.ok(self.retaining(wanted, on=False, bypass=True))
                self.assertEqual(self.until_us(), self.now_us + until_us)

    def test_held_again(self) -> None:
        self.keep()
        self.release()
        self.keep(duration=WEEK)
        self.assertEqual(self.shown(), held(NOON_US + WEEK_US, duration=WEEK))

    def test_never_held(self) -> None:
        """A retention may say that there is no hold."""
        self.refuse(InvalidArgument, self.retaining(retention(0), on=False))
        self.ok(self.retaining(retention(), on=False))
        self.assertEqual(self.shown(), Lock(retention(), event_hold=False))
        self.pass_us(2 * DAY_US)
        self.ok(self.retaining(None))
        self.refused(ObjectNotLocked, self.store.object_locks.retained("safe", "a"))
        self.assertEqual(self.head().tail.lock, Lock())

    def test_longer(self) -> None:
        """A duration gets longer, and the date later, with or without a word on the hold."""
        for mode in MODES:
            for on in (True, None):
                self.put()
                self.keep(mode)
                self.ok(self.retaining(retention(0, mode), on=on, duration=WEEK))
                self.assertEqual(self.shown(), held(self.now_us + WEEK_US, mode, WEEK))

    def test_shorter(self) -> None:
        """A shorter duration leaves the date where it is until it has caught up with it, in
        either mode."""
        for mode in MODES:
            for on in (True, None):
                self.put()
                self.keep(mode, WEEK)
                start_us = self.now_us
                self.ok(self.retaining(retention(0, mode), on=on, duration=DAY))
                for days, until in ((0, 7), (6, 7), (1, 8), (1, 9)):
                    self.pass_us(days * DAY_US)
                    self.assertEqual(self.until_us(), start_us + until * DAY_US)
                self.release(mode)
                self.assertEqual(self.until_us(), start_us + 9 * DAY_US)

    def test_shorter_and_released(self) -> None:
        """To shorten it first does not bring the end nearer."""
        self.keep(duration=WEEK)
        self.ok(self.retaining(retention(0), duration=DAY))
        self.release()
        self.assertEqual(self.until_us(), NOON_US + WEEK_US)

    def test_compliance(self) -> None:
        """Nobody changes the mode, takes it away, or makes the date earlier; one that the hold
        goes beyond anyway is nothing to refuse."""
        self.keep(duration=WEEK)
        self.ok(self.retaining(retention(TOMORROW_US)))
        self.assertEqual(self.until_us(), NOON_US + WEEK_US)
        for bypass in (False, True):
            self.refuse(ObjectLocked, self.retaining(None, bypass=bypass))
            self.refuse(
                ObjectLocked,
                self.retaining(retention(TOMORROW_US), on=True, duration=DAY, bypass=bypass),
            )
            for on in (True, False, None):
                other, duration = retention(0, GOVERNANCE), WEEK if on else None
                if on is None:
                    other = retention(NOON_US + YEAR_US, GOVERNANCE)
                self.refuse(
                    ObjectLocked, self.retaining(other, on=on, duration=duration, bypass=bypass)
                )
        self.ok(self.retaining(retention(NOON_US + YEAR_US)))
        self.refuse(ObjectLocked, self.retaining(retention(NOON_US + YEAR_US - 1), bypass=True))

    def test_governance(self) -> None:
        """Who bypasses it may do what others may not; the hold stays on until it is released."""
        self.keep(GOVERNANCE, WEEK, until_us=NOON_US + YEAR_US)
        self.refuse(ObjectLocked, self.retaining(None))
        self.refuse(ObjectLocked, self.retaining(retention(TOMORROW_US, GOVERNANCE)))
        self.refuse(ObjectLocked, self.retaining(retention(NOON_US + YEAR_US)))
        self.refuse(ObjectLocked, self.retaining(retention(0), on=False))
        self.ok(self.retaining(None, bypass=True))
        self.assertEqual(self.shown(), held(NOON_US + WEEK_US, GOVERNANCE, WEEK))
        self.ok(self.retaining(retention(TOMORROW_US, GOVERNANCE), duration=DAY, bypass=True))
        self.assertEqual(self.shown(), held(TOMORROW_US, GOVERNANCE))
        self.ok(self.retaining(retention(0, COMPLIANCE), on=False, bypass=True))
        self.assertEqual(self.shown(), Lock(retention(TOMORROW_US), event_hold=False))

    def test_retention_beside(self) -> None:
        """A retention that says nothing of the hold leaves it on."""
        self.keep()
        self.ok(self.retaining(retention(NOON_US + WEEK_US)))
        self.assertEqual(self.shown(), held(NOON_US + WEEK_US))
        self.pass_us(YEAR_US)
        self.assertEqual(self.until_us(), self.now_us + DAY_US)

    def test_over(self) -> None:
        """A retention that is over gets a hold of any mode."""
        self.retain()
        self.refuse(ObjectLocked, self.retaining(retention(0, GOVERNANCE), on=True, duration=WEEK))
        self.pass_us(DAY_US)
        self.keep(GOVERNANCE)
        self.assertEqual(self.shown(), held(self.now_us + DAY_US, GOVERNANCE))

    def test_legal_hold(self) -> None:
        """The two holds know nothing of each other."""
        self.keep()
        self.hold()
        self.release()
        lock = Lock(retention(), legal_hold=True, event_hold=False)
        self.assertEqual(self.shown(), lock)
        self.keep()
        self.hold(on=False)
        self.assertEqual(self.until_us(), TOMORROW_US)


class ClockTests(EventHoldCase):
    def test_ahead(self) -> None:
        """A release counts from the wall clock where that is ahead of trusted time."""
        self.keep()
        self.set_wall(YEAR_US)
        self.assertEqual(self.until_us(), TOMORROW_US + YEAR_US)
        self.release()
        self.set_wall(-YEAR_US)
        self.assertEqual(self.until_us(), TOMORROW_US + YEAR_US)

    def test_behind(self) -> None:
        """And from trusted time where the wall clock is behind."""
        self.keep()
        self.set_wall(-YEAR_US)
        self.assertEqual(self.until_us(), TOMORROW_US)
        self.pass_us(HOUR_US)
        self.release()
        self.assertEqual(self.until_us(), TOMORROW_US + HOUR_US)

    def test_back_and_forth(self) -> None:
        """Released and looked at with clocks that are set, it ends when the time has passed."""
        self.keep()
        self.set_wall(-YEAR_US)
        self.release()
        self.set_wall(5 * YEAR_US)
        deleting = self.store.objects
        self.refused(ObjectLocked, deleting.delete("safe", "a", version_id=self.version))
        self.pass_us(DAY_US - 1)
        self.refused(ObjectLocked, deleting.delete("safe", "a", version_id=self.version))
        self.pass_us(1)
        self.ok(deleting.delete("safe", "a", version_id=self.version))

    def test_unknown(self) -> None:
        """Where nobody knows the time a held version is read all the same."""
        self.keep()
        self.write_row(keys.CLOCK_MARK, b"nothing")
        self.set_wall(HOUR_US)
        self.assertEqual(self.until_us(), TOMORROW_US + HOUR_US)
