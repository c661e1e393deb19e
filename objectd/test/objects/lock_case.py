"""A bucket with Object Lock, and clocks that tests turn."""

from __future__ import annotations

from objectd.model.records import EventHoldDuration, Retention, RetentionMode
from objectd.objects.object import Object
from objectd.objects.uptime import Uptime
from objectd.test.objects.cases import NOON_US, StoreCase

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
YEAR_US = 365 * DAY_US
TOMORROW_US = NOON_US + DAY_US

GOVERNANCE, COMPLIANCE = RetentionMode.GOVERNANCE, RetentionMode.COMPLIANCE
DAY = EventHoldDuration(days=1)


def retention(until_us: int = TOMORROW_US, mode: RetentionMode = COMPLIANCE) -> Retention:
    return Retention(mode, until_us)


class LockCase(StoreCase):
    """`photos` has no Object Lock, `safe` has."""

    def setUp(self) -> None:
        super().setUp()
        self.ok(self.store.buckets.create("safe", object_lock=True))

    def put(self, data: bytes = b"small", key: str = "a") -> str:
        return self.ok(self.store.objects.put("safe", key, data)).version_id

    def head(self, version: str = "", key: str = "a") -> Object:
        return self.ok(self.store.objects.head("safe", key, version_id=version))

    def retain(
        self,
        until_us: int = TOMORROW_US,
        mode: RetentionMode = COMPLIANCE,
        *,
        version: str = "",
        bypass: bool = False,
    ) -> None:
        work = self.store.object_locks.put_retention(
            "safe",
            "a",
            retention(until_us, mode),
            version_id=version,
            bypass_governance=bypass,
        )
        self.ok(work)

    def hold(self, *, on: bool = True) -> None:
        self.ok(self.store.object_locks.put_legal_hold("safe", "a", on=on))

    def keep(
        self,
        mode: RetentionMode = COMPLIANCE,
        duration: EventHoldDuration = DAY,
        *,
        until_us: int = 0,
        version: str = "",
    ) -> None:
        """Put a version under an event hold."""
        wanted = retention(until_us, mode)
        locks = self.store.object_locks
        work = locks.put_retention(
            "safe", "a", wanted, event_hold=True, event_hold_duration=duration, version_id=version
        )
        self.ok(work)

    def release(self, mode: RetentionMode = COMPLIANCE, *, version: str = "") -> None:
        """Release it from that."""
        wanted = retention(0, mode)
        locks = self.store.object_locks
        self.ok(locks.put_retention("safe", "a", wanted, event_hold=False, version_id=version))

    def pass_us(self, time_us: int) -> None:
        """Time passes, as all clocks see."""
        self.set_wall(time_us)
        self.uptime = self.uptime._replace(us=self.uptime.us + time_us)

    def set_wall(self, by_us: int) -> None:
        """Somebody sets the wall clock forward or back."""
        self.now_us += by_us

    def reboot(self, off_us: int = 0) -> None:
        """The machine is off for so long, and then the store is opened again."""
        self.now_us += off_us
        self.uptime = Uptime(f"{self.uptime.boot_id}+", 0)
        self.store = self.opened()
