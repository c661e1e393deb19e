"""Garbage collection while the server runs: the collector, the sweep for stray files, and the
abandoned uploads, each at its own interval and all within one limit of what is unlinked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from objectd.background.settings import CollectionSettings
from objectd.objects import ObjectStore
from objectd.objects.collecting.pace import Beside

_T = TypeVar("_T")
_log = Logger()


class Collection:
    """Work that fails is logged, and goes on at the next interval with what it left."""

    def __init__(
        self, store: ObjectStore, clock: IReactorTime, settings: CollectionSettings
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._pace = Beside(clock, settings.files_per_second, settings.bytes_per_second)
        self._running: list[Deferred[None]] = []

    def start(self) -> None:
        """Sweep and look for abandoned uploads now, collect after the first interval."""
        settings = self._settings
        self._run(self._every(settings.sweep_interval_seconds, self._sweep))
        if settings.abandoned_upload_days:
            self._run(self._every(settings.abandoned_interval_seconds, self._abort_abandoned))
        self._run(self._collect_for_ever())

    async def stop(self) -> None:
        """End between two steps; what is left is for the next start. Idempotent."""
        running, self._running = self._running, []
        for each in running:
            each.cancel()
        for each in running:
            await each

    def _run(self, work: Awaitable[None]) -> None:
        async def until_cancelled() -> None:
            try:
                await work
            except CancelledError:
                return

        self._running.append(Deferred.fromCoroutine(until_cancelled()))

    async def _every(self, interval_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await work()
            await deferLater(self._clock, interval_seconds)

    async def _tried(self, what: str, work: Awaitable[_T]) -> _T | None:
        """None if it failed, whatever with: nobody else would see that it runs no more."""
        try:
            return await work
        except CancelledError:
            raise
        except Exception:
            _log.failure("{what} failed; the next one goes on", what=what)
            return None

    async def _collect_for_ever(self) -> None:
        is_cut_short = False
        while True:
            await deferLater(self._clock, 0 if is_cut_short else self._settings.interval_seconds)
            is_cut_short = await self._collect()

    async def _collect(self) -> bool:
        """Whether the limits have left something that the next pass should take up at once."""
        report = await self._tried("a pass of the collector", self._store.collector.run(self._pace))
        if report is None:
            return False
        if report:
            _log.info(
                "collected {blobs} blobs and {parts} parts, removed {files} files of {size} "
                "bytes in {seconds:.1f} s; {backlog} rows wait",
                blobs=report.blobs_collected,
                parts=report.parts_dropped,
                files=report.files_unlinked,
                size=report.bytes_freed,
                seconds=report.seconds,
                backlog=report.backlog,
                report=report,
            )
        return report.is_cut_short

    async def _sweep(self) -> None:
        report = await self._tried("the sweep for stray files", self._store.sweep.run(self._pace))
        if report is None:
            return
        if report.held:
            _log.warn(
                "an older backup of the metadata was restored: {seen} files were looked at, and "
                "none of the {stray} that it does not know is removed. When they may go, stop "
                "the server and run: objectd collect --lift-hold DATA_DIR",
                seen=report.files_seen,
                stray=report.files_stray,
            )
        elif report.files_unlinked:
            _log.info("removed {count} stray files", count=report.files_unlinked)

    async def _abort_abandoned(self) -> None:
        days = self._settings.abandoned_upload_days
        aborting = self._store.abandoned.abort(days, self._pace)
        report = await self._tried("the look for abandoned uploads", aborting)
        if report is not None and report.uploads_abandoned:
            _log.info(
                "aborted {count} of {seen} uploads: they were begun more than {days:g} days ago",
                count=report.uploads_abandoned,
                seen=report.uploads_seen,
                days=days,
            )
