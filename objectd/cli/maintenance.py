"""Work on a data directory whose server is stopped: `objectd collect`, `objectd check` and
`objectd clock`.

They print what they do, line by line, and return the status to exit with.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import react

from objectd.background.settings import CollectionSettings
from objectd.errors import ObjectdError
from objectd.objects import ObjectStore
from objectd.objects.checking import Check, repair
from objectd.objects.collecting.pace import Beside
from objectd.settings import Configuration
from objectd.storage import existing_store, hosted

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = [
    "CLEAN",
    "FAILED",
    "PROBLEMS",
    "check",
    "clock",
    "collect",
    "dry_run",
    "lift_hold",
    "run",
]

CLEAN, PROBLEMS, FAILED = 0, 1, 2
"""Statuses to exit with; `FAILED` is also that of a mistake on the command line."""

Say = Callable[[str], object]
Work = Callable[[ObjectStore, IReactorTime], Awaitable[int]]


def run(configuration: Configuration, data_directory: Path, work: Work) -> NoReturn:
    """Open the store, have the work done, and exit. A signal ends it between two steps."""
    react(partial(_run, configuration, data_directory, work))


def _run(
    configuration: Configuration, data_directory: Path, work: Work, reactor: PosixReactorBase
) -> Deferred[None]:
    working = Deferred.fromCoroutine(_work(configuration, data_directory, work, reactor))
    is_over: Deferred[None] = Deferred()

    def end() -> Deferred[None]:
        working.cancel()
        return is_over

    def over(result: object) -> object:
        is_over.callback(None)
        return result

    reactor.addSystemEventTrigger("before", "shutdown", end)
    working.addBoth(over)
    return working


async def _work(
    configuration: Configuration, data_directory: Path, work: Work, reactor: PosixReactorBase
) -> None:
    try:
        with hosted(
            reactor,
            data_directory,
            environment=os.environ,
            announce=click.echo,
            on_failure=lambda error: None,  # which whoever waits for the store is told as well
        ) as host:
            async with existing_store(configuration, host) as store:
                status = await work(store, reactor)
    except CancelledError:
        click.echo("Error: interrupted", err=True)
        status = FAILED
    except (ObjectdError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        status = FAILED
    raise SystemExit(status)


# Collecting


async def lift_hold(store: ObjectStore, say: Say) -> int:
    """After an older backup was restored: what it does not know may go."""
    await store.sweep.lift_hold()
    say("stray files may be removed")
    return CLEAN


async def dry_run(store: ObjectStore, settings: CollectionSettings, say: Say) -> int:
    """Say what `collect` would do."""
    found = await store.collector.survey()
    say(f"blobs that nothing refers to: {found.blobs_to_collect}, {found.blob_bytes} bytes")
    say(f"files in the trash: {found.files_in_trash}, {found.trash_bytes} bytes")
    say(f"parts to drop: {found.parts_to_drop}, up to {found.part_bytes} bytes")
    say(f"  of uploads that are over: {found.uploads_to_drop}")
    say(f"  of manifests that nothing refers to: {found.manifests_to_drop}")
    say(f"deleted buckets to clear: {found.buckets_to_clear}")
    say(f"candidates that are in use: {found.blobs_in_use + found.manifests_in_use}")
    swept = await store.sweep.survey()
    held = ", held back: see --lift-hold" if swept.held else ""
    say(f"stray files: {swept.files_stray} of {swept.files_seen}{held}")
    old = await store.abandoned.survey(settings.upload_days_max)
    say(f"abandoned uploads: {old.uploads_abandoned} of {old.uploads_seen}")
    return CLEAN


async def collect(
    store: ObjectStore, settings: CollectionSettings, clock: IReactorTime, say: Say
) -> int:
    """Do all that the server does beside requests, once, within the limits of the settings.
    What has to stay, because a drive fails, is a problem."""
    pace = Beside(clock, settings.files_per_second, settings.bytes_per_second)
    swept = await store.sweep.run(pace)
    say(f"stray files removed: {swept.files_unlinked} of {swept.files_seen}")
    if swept.held:
        say(f"  {swept.files_stray} are held back, as a backup was restored: see --lift-hold")
    old = await store.abandoned.abort(settings.upload_days_max, pace)
    say(f"abandoned uploads aborted: {old.uploads_abandoned} of {old.uploads_seen}")
    report = await store.collector.run_to_rest(pace)
    say(f"deleted buckets cleared: {report.buckets_cleared}")
    say(f"parts dropped: {report.parts_dropped}")
    say(f"blobs collected: {report.blobs_collected}")
    say(f"files removed: {report.files_unlinked}, {report.bytes_freed} bytes")
    if report.backlog:
        say(f"rows that still wait: {report.backlog}")
    return PROBLEMS if report.backlog else CLEAN


# The trusted time


async def clock(store: ObjectStore, say: Say, *, confirms: bool = False) -> int:
    """Say how late it is, after the wall clock was said to be right. A wall clock that has
    jumped is a problem."""
    time = store.trusted_time
    reading = await (time.confirm() if confirms else time.reading())
    say(f"trusted time: {_date(reading.now_us)}")
    say(f"wall clock: {_date(reading.wall_us)}")
    if reading.jumped:
        say("the wall clock has jumped: if it is right, run objectd clock confirm")
    return PROBLEMS if reading.jumped else CLEAN


def _date(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat()


# Checking


async def check(store: ObjectStore, say: Say, *, deep: bool, repairs: bool) -> int:
    """Say all that is wrong, a line each, and what was seen. A problem is one also when it
    was repaired."""
    problems = notes = repaired = 0
    checking = Check(store.core.metadata, store.core.blobs, store.format.digest_key)
    async for finding in checking.run(deep=deep):
        say(f"{'error' if finding.is_error else 'note'}: {finding}")
        problems += finding.is_error
        notes += not finding.is_error
        if repairs and await repair(store.core.writer, finding):
            repaired += 1
    seen = checking.totals
    say(
        f"{seen.buckets} buckets, {seen.objects} objects of {seen.object_bytes} bytes, "
        f"{seen.uploads} uploads in progress, {seen.parts} parts, {seen.blobs} blobs of "
        f"{seen.blob_bytes} bytes in {seen.files} files; {seen.waiting} rows wait for the "
        f"collector"
    )
    if deep:
        say(f"{seen.bytes_read} bytes were read")
    say(f"{problems} problems, {notes} notes" + (f"; {repaired} were repaired" if repairs else ""))
    return PROBLEMS if problems else CLEAN
