"""A version that is put under event holds."""

from __future__ import annotations

from collections.abc import Awaitable

from objectd.model.locks import EventHoldDuration, Lock, RetentionMode
from objectd.test.objects.lock_case import COMPLIANCE, DAY, DAY_US, GOVERNANCE, LockCase, retention

MODES = (COMPLIANCE, GOVERNANCE)
WEEK = EventHoldDuration(days=7)
WEEK_US = 7 * DAY_US


def held(
    until_us: int = 0, mode: RetentionMode = COMPLIANCE, duration: EventHoldDuration = DAY
) -> Lock:
    return Lock(retention(until_us, mode), event_hold=True, event_hold_duration=duration)


class EventHoldCase(LockCase):
    """`version` of `a` in `safe` has no lock."""

    def setUp(self) -> None:
        super().setUp()
        self.version = self.put()

    def refuse(self, error: type[Exception], work: Awaitable[object]) -> None:
        """Nothing changes."""
        before = self.head().tail
        self.refused(error, work)
        self.assertEqual(self.head().tail, before)

    def shown(self) -> Lock:
        return self.ok(self.store.object_locks.retained("safe", "a"))

    def until_us(self) -> int:
        found = self.shown().retention
        assert found is not None
        return found.until_us
