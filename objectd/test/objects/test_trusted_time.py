"""The trusted time: it goes on as the machine's clock does, whatever the wall clock says."""

from __future__ import annotations

from objectd.errors import DamagedRecord
from objectd.model import keys
from objectd.objects.trusted_time import FOLLOWED_US_MAX, Reading
from objectd.test.objects.cases import NOON_US
from objectd.test.objects.lock_case import DAY_US, HOUR_US, YEAR_US, LockCase

MINUTE_US = 60_000_000


class TrustedTimeTests(LockCase):
    def reading(self) -> Reading:
        return self.ok(self.store.trusted_time.reading())

    def advance(self) -> None:
        self.ok(self.store.trusted_time.advance())

    def assert_trusted(self, time_us: int, *, jumped: bool = False) -> None:
        self.assertEqual((self.reading().now_us, self.reading().jumped), (time_us, jumped))
        self.assertEqual(self.ok(self.store.trusted_time.now_us()), time_us)
        self.assertIs(self.ok(self.store.trusted_time.jumped()), jumped)

    def test_new_store(self) -> None:
        """A new store takes the wall clock for right, and has marked that when it is open."""
        self.assert_trusted(NOON_US)
        self.assertEqual(len(self.rows(keys.CLOCK_MARK)), 1)

    def test_goes_on(self) -> None:
        """It goes on with both clocks, marked or not."""
        for _ in range(3):
            self.pass_us(YEAR_US)
            self.assert_trusted(self.now_us)
        self.advance()
        self.pass_us(1)
        self.assert_trusted(self.now_us)

    def test_set_forward_and_back(self) -> None:
        """A wall clock that is set by a year takes it nowhere, and is told to have jumped while
        it is ahead."""
        self.set_wall(YEAR_US)
        self.assert_trusted(NOON_US, jumped=True)
        self.advance()
        self.pass_us(DAY_US)
        self.assert_trusted(NOON_US + DAY_US, jumped=True)
        self.set_wall(-2 * YEAR_US)
        self.advance()
        self.assert_trusted(NOON_US + DAY_US)
        self.pass_us(DAY_US)
        self.set_wall(YEAR_US)
        self.assert_trusted(NOON_US + 2 * DAY_US)

    def test_restart(self) -> None:
        """It goes on while the server is stopped."""
        self.set_wall(-YEAR_US)
        self.pass_us(DAY_US)
        self.store = self.opened()
        self.assert_trusted(NOON_US + DAY_US)

    def test_reboot(self) -> None:
        """After a reboot it is where the mark was, or where a wall clock is that is ahead by a
        little; the uptime of another boot says nothing."""
        self.pass_us(DAY_US)
        self.advance()
        self.reboot(off_us=5 * MINUTE_US)
        self.assert_trusted(NOON_US + DAY_US + 5 * MINUTE_US)
        self.reboot(off_us=-YEAR_US)
        self.assert_trusted(NOON_US + DAY_US + 5 * MINUTE_US)

    def test_unmarked(self) -> None:
        """What was not marked is forgotten in a reboot, so that locks last longer."""
        self.pass_us(DAY_US)
        self.reboot(off_us=-YEAR_US)
        self.assert_trusted(NOON_US)

    def test_an_hour(self) -> None:
        """An hour ahead is followed, more is a jump."""
        self.set_wall(HOUR_US)
        self.assert_trusted(NOON_US + HOUR_US)
        self.set_wall(1)
        self.assert_trusted(NOON_US, jumped=True)

    def test_small_steps(self) -> None:
        """An hour is all that is followed from boot to boot, in however many steps."""
        for _ in range(6):
            self.set_wall(FOLLOWED_US_MAX // 6)
            self.advance()
        self.assert_trusted(NOON_US + HOUR_US)
        self.set_wall(MINUTE_US)
        self.assert_trusted(NOON_US + HOUR_US, jumped=True)
        self.store = self.opened()
        self.assert_trusted(NOON_US + HOUR_US, jumped=True)
        self.reboot(off_us=MINUTE_US)
        self.assert_trusted(NOON_US + HOUR_US + 2 * MINUTE_US)

    def test_long_outage(self) -> None:
        """Nothing tells an outage of hours from a wall clock that was set: it is a jump."""
        self.reboot(off_us=3 * HOUR_US)
        self.assert_trusted(NOON_US, jumped=True)
        self.pass_us(HOUR_US)
        self.assert_trusted(NOON_US + HOUR_US, jumped=True)

    def test_confirm(self) -> None:
        """An operator makes the wall clock right, also one that is behind."""
        self.reboot(off_us=3 * HOUR_US)
        self.assertEqual(self.ok(self.store.trusted_time.confirm()).now_us, NOON_US + 3 * HOUR_US)
        self.assert_trusted(NOON_US + 3 * HOUR_US)
        self.set_wall(-2 * HOUR_US)
        self.assert_trusted(NOON_US + 3 * HOUR_US)
        self.ok(self.store.trusted_time.confirm())
        self.assert_trusted(NOON_US + HOUR_US)

    def test_latest(self) -> None:
        """A promise begins at the later of the two clocks."""
        self.set_wall(YEAR_US)
        self.assertEqual(self.reading().latest_us, NOON_US + YEAR_US)
        self.set_wall(-2 * YEAR_US)
        self.assertEqual(self.reading().latest_us, NOON_US)

    def test_beside(self) -> None:
        """Other processes see the same time."""
        self.pass_us(DAY_US)
        self.set_wall(YEAR_US)
        self.assertEqual(self.ok(self.beside().trusted_time.now_us()), NOON_US + DAY_US)

    def test_damaged(self) -> None:
        """With a damaged mark nobody knows the time; the store opens all the same, and to
        confirm the clock puts the mark again."""
        self.write_row(keys.CLOCK_MARK, b"nothing")
        self.store = self.opened()
        for work in (
            self.store.trusted_time.now_us,
            self.store.trusted_time.jumped,
            self.store.trusted_time.advance,
        ):
            self.refused(DamagedRecord, work())
        self.ok(self.store.trusted_time.confirm())
        self.assert_trusted(NOON_US)
