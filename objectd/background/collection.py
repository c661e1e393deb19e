"""Garbage collection while the server runs: the collector, the sweep for stray files, and the
abandoned uploads, each at its own interval and all within one limit of what is unlinked."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from objectd.background.running import Running, tried
from objectd.background.settings import CollectionSettings
from objectd.objects import ObjectStore
from objectd.objects.collecting.pace import Beside

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
        self._running = Running(clock)

    def start(self) -> None:
        """Sweep and look for abandoned uploads now, collect after the first interval."""
        settings, running = self._settings, self._running
        running.start_every(settings.sweep_interval_seconds, self._sweep)
        running.start_every(settings.abandoned_interval_seconds, self._abort_abandoned)
        running.start(self._collect_for_ever())

    async def stop(self) -> None:
        """End between two steps; what is left is for the next start. Idempotent."""
        await self._running.stop()

    async def _collect_for_ever(self) -> None:
        is_cut_short = False
        while True:
            await deferLater(self._clock, 0 if is_cut_short else self._settings.interval_seconds)
            is_cut_short = await self._collect()

    async def _collect(self) -> bool:
        """Whether the limits have left something that the next pass should take up at once."""
        report = await tried(
            self._store.collector.run(self._pace),
            "a pass of the collector failed; the next one goes on",
        )
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
        report = await tried(
            self._store.sweep.run(self._pace),
            "the sweep for stray files failed; the next one goes on",
        )
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
        aborting = self._store.abandoned.abort(self._settings.upload_days_max, self._pace)
        failure = "the look for abandoned uploads failed; the next one goes on"
        report = await tried(aborting, failure)
        if report is not None and report.uploads_abandoned:
            _log.info(
                "aborted {count} of {seen} uploads, with which nobody goes on",
                count=report.uploads_abandoned,
                seen=report.uploads_seen,
            )
