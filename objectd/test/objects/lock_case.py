"""A bucket with Object Lock, and clocks that tests turn."""

from __future__ import annotations

from collections.abc import Awaitable

from objectd.model.locks import EventHoldDuration, Retention, RetentionMode
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

    def retaining(
        self,
        wanted: Retention | None,
        *,
        on: bool | None = None,
        duration: EventHoldDuration | None = None,
        version: str = "",
        bypass: bool = False,
    ) -> Awaitable[object]:
        """A change of the retention, or of the event hold, of a version of `a`."""
        return self.store.object_locks.put_retention(
            "safe",
            "a",
            wanted,
            event_hold=on,
            event_hold_duration=duration,
            version_id=version,
            bypass_governance=bypass,
        )

    def retain(
        self,
        until_us: int = TOMORROW_US,
        mode: RetentionMode = COMPLIANCE,
        *,
        version: str = "",
        bypass: bool = False,
    ) -> None:
        self.ok(self.retaining(retention(until_us, mode), version=version, bypass=bypass))

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
        self.ok(self.retaining(wanted, on=True, duration=duration, version=version))

    def release(self, mode: RetentionMode = COMPLIANCE, *, version: str = "") -> None:
        """Release it from that."""
        self.ok(self.retaining(retention(0, mode), on=False, version=version))

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
