"""Garbage collection while the server runs: a sweep at the start, then the collector."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from objectd.errors import ObjectdError
from objectd.objects import ObjectStore

_log = Logger()


class Collection:
    """Passes of the collector, `interval_seconds` apart. A pass that fails is logged, and
    the next one takes up what it left."""

    def __init__(self, store: ObjectStore, clock: IReactorTime, interval_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._running: Deferred[None] | None = None

    def start(self) -> None:
        self._running = Deferred.fromCoroutine(self._run())

    async def stop(self) -> None:
        """End between two steps; what is left is for the next start. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await running

    async def _run(self) -> None:
        try:
            await self._sweep()
            while True:
                await deferLater(self._clock, self._interval_seconds)
                await self._collect()
        except CancelledError:
            return

    async def _sweep(self) -> None:
        try:
            report = await self._store.sweep.run()
        except ObjectdError:
            _log.failure("the sweep for stray files failed; it runs again at the next start")
            return
        if report.held:
            _log.warn(
                "an older backup of the metadata was restored: {seen} files were looked at, and "
                "none is removed. When what the backup does not know may go, stop the server, "
                "open the directory with objectd.objects.open_directory and call "
                "sweep.lift_hold()",
                seen=report.files_seen,
            )
        elif report.files_unlinked:
            _log.info("removed {count} stray files", count=report.files_unlinked)

    async def _collect(self) -> None:
        try:
            report = await self._store.collector.run()
        except ObjectdError:
            _log.failure("a pass of the collector failed; the next one goes on")
            return
        if report:
            _log.debug("collected {report}", report=report)
