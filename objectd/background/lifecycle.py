"""Lifecycles while the server runs: a pass a day over each bucket with rules, within a limit."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from objectd.background.running import Running, tried
from objectd.background.settings import LifecycleSettings
from objectd.objects import ObjectStore
from objectd.objects.lifecycle.passes import Time

LOOKS_A_DAY = 24
"""How often buckets are asked whether their pass of the day is due, if not more often."""

_log = Logger()


class LifecycleWork:
    """Work that fails is logged, and goes on at the next look with what it left. `time` is the
    trusted time unless given."""

    def __init__(
        self,
        store: ObjectStore,
        clock: IReactorTime,
        settings: LifecycleSettings,
        time: Time | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._time = time or store.trusted_time
        self._rate = Rate(clock, settings.rows_per_second)
        day_seconds = store.core.settings.lifecycle_day_seconds
        self._interval_seconds = min(settings.interval_seconds, day_seconds / LOOKS_A_DAY)
        self._running = Running(clock)
        self._is_mistrusted = False

    def start(self) -> None:
        """Look for what is due after the first interval, and then so long after each look."""
        self._running.start(self._for_ever())

    async def stop(self) -> None:
        """End between two steps; what is left is for the next start. Idempotent."""
        await self._running.stop()

    async def _for_ever(self) -> None:
        while True:
            await deferLater(self._clock, self._interval_seconds)
            await self._look()

    async def _look(self) -> None:
        report = await tried(
            self._store.lifecycle_passes.run(self._time, self._rate.spend),
            "a pass of the lifecycles failed; the next one goes on",
        )
        if report is None:
            return
        if report.deeds or report.kept:
            done = ", ".join(f"{times} times: {deed.value}" for deed, times in report.done.items())
            _log.info(
                "lifecycle: {buckets} buckets, {rows} rows, {kept} kept though due, {moved_bytes} "
                "bytes moved; {done}",
                buckets=report.buckets,
                rows=report.rows,
                kept=report.kept,
                moved_bytes=report.moved_bytes,
                done=done,
                report=report,
            )
        if report.is_mistrusted and not self._is_mistrusted:
            _log.warn("lifecycle: the wall clock has jumped: nothing expires until it is confirmed")
        self._is_mistrusted = report.is_mistrusted


class Rate:
    """No more rows in a second than the limit says, but for one step of them; 0 is no limit.
    The reactor has a turn after each step."""

    def __init__(self, clock: IReactorTime, rows_per_second: int) -> None:
        self._clock = clock
        self._rows_per_second = rows_per_second
        self._paid_until = 0.0

    async def spend(self, rows: int) -> None:
        now = self._clock.seconds()
        if self._rows_per_second:
            self._paid_until = max(now, self._paid_until) + rows / self._rows_per_second
        await deferLater(self._clock, max(0.0, self._paid_until - now))
