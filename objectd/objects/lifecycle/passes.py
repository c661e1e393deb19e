"""Passes over all buckets with rules: one a day each, begun again where it was broken off.

How far a pass has come is a row of the bucket. It is put every so often, and what lies between
is looked at twice if a process dies: what was done there is not found again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

import attrs
from msgspec import structs
from twisted.logger import Logger

from objectd.errors import BucketNotFound, Conflict, DamagedRecord, OperationAborted
from objectd.interfaces import Entry, Present, Scan
from objectd.model import keys
from objectd.model.codec import encode
from objectd.model.lifecycle import Lifecycle, LifecyclePass, LifecyclePhase
from objectd.model.records import Bucket, BucketName
from objectd.objects.aborting import give_up, not_being_completed
from objectd.objects.collecting.queues import commit_for_each
from objectd.objects.configurations import configuration_key
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.lifecycle.candidates import Page, Search, UploadPage
from objectd.objects.lifecycle.carrying_out import Ledger, Logged, RulesChanged
from objectd.objects.lifecycle.rules import Deed, Fate, Rules
from objectd.objects.shield import shield
from objectd.objects.trusted_time import TrustedTime
from objectd.objects.writer import Batch

ROWS_BETWEEN_MARKS = 10_000
"""How much at most is looked at again after a process has died."""

BUCKETS_A_PAGE = 1000

DEED_ROWS = 50
"""What is done costs as much as so many rows that are looked at."""

ROW_BYTES = 10 << 10
"""And so does a row each so many bytes that are moved to another storage class: a hundred a MiB."""

Spend = Callable[[int], Awaitable[object]]
"""Awaited after so many rows: others may go first, for as long as the limit says."""

_log = Logger()


class Moment(Protocol):
    """What a look at the clock tells. `jumped`: the wall clock is ahead, and by it everything
    would be old."""

    @property
    def now_us(self) -> int: ...

    @property
    def jumped(self) -> bool: ...


class Time(Protocol):
    """The clock by which things are due: `objectd.objects.trusted_time.TrustedTime`."""

    async def reading(self) -> Moment: ...


@attrs.define
class LifecycleReport:
    """What was looked at, and what was done. `kept` versions were due, but locked, damaged or
    changed meanwhile; `moved_bytes` were read to be stored in another class. `is_mistrusted`: the
    clock has jumped, so the rest was left."""

    buckets: int = 0
    rows: int = 0
    kept: int = 0
    moved_bytes: int = 0
    done: dict[Deed, int] = attrs.field(factory=dict)
    is_mistrusted: bool = False

    def count(self, deed: Deed) -> None:
        self.done[deed] = self.done.get(deed, 0) + 1

    @property
    def deeds(self) -> int:
        return sum(self.done.values())


class _ClockMistrusted(Exception):
    """Nothing more may be done by this clock."""


async def _at_once(_rows: int) -> None:
    """For a store that nobody else uses."""


@attrs.frozen
class LifecyclePasses:
    """Carries out the lifecycles of all buckets."""

    _core: Core

    async def run(self, time: Time | None = None, spend: Spend = _at_once) -> LifecycleReport:
        """Have all that is due done in the buckets whose pass of this day is not over. May be
        cancelled between any two steps."""
        time = time or TrustedTime(self._core)
        report = LifecycleReport()
        try:
            async for name, named in self._buckets(spend):
                await self._bucket(name, named, report, time, spend)
        except _ClockMistrusted:
            report.is_mistrusted = True
        return report

    async def _buckets(self, spend: Spend) -> AsyncIterator[tuple[str, BucketName]]:
        """Those with rules, among all that there are."""
        start, stop = keys.span(keys.BUCKET_NAMES)
        more = True
        while more:
            page = await self._core.metadata.scan(Scan(start, stop, limit=BUCKETS_A_PAGE))
            more = page.more
            if more:
                await spend(BUCKETS_A_PAGE)
            for entry in page.entries:
                named = decoded(BucketName, entry.key, entry.value)
                if named is not None and named.lifecycle:
                    yield entry.key[len(keys.BUCKET_NAMES) :].decode(), named
            if page.entries:
                start = page.entries[-1].key + b"\0"

    async def _bucket(
        self, name: str, named: BucketName, report: LifecycleReport, time: Time, spend: Spend
    ) -> None:
        try:
            visit = await self._visit(named, report, time, spend)
            if visit is not None:
                report.buckets += 1
                await visit.go()
        except (RulesChanged, BucketNotFound, OperationAborted, Conflict) as error:
            _log.info("lifecycle of {name}: {error}; the next pass goes on", name=name, error=error)
        except DamagedRecord as error:
            _log.error("lifecycle of {name}: {error}", name=name, error=error)

    async def _visit(
        self, named: BucketName, report: LifecycleReport, time: Time, spend: Spend
    ) -> _Visit | None:
        """None if there is nothing to do until tomorrow, or the bucket is gone."""
        core, bucket_id = self._core, named.bucket_id
        rules_key = configuration_key(bucket_id, Lifecycle)
        mark_key = configuration_key(bucket_id, LifecyclePass)
        bucket_row, rules_row, mark_row = await core.metadata.get(
            [keys.bucket(bucket_id), rules_key, mark_key]
        )
        if bucket_row is None or rules_row is None:
            return None
        lifecycle = decoded(Lifecycle, rules_key, rules_row.value)
        if lifecycle is None:
            return None
        mark = decoded(LifecyclePass, mark_key, mark_row.value) if mark_row is not None else None
        day_us = core.settings.lifecycle_day_us
        today = await _trusted(time) // day_us
        if mark is None or mark.uid != lifecycle.uid or _is_over(mark, today):
            mark = LifecyclePass(lifecycle.uid, today)
        elif mark.phase is LifecyclePhase.DONE:
            return None
        bucket = core.bucket_in(bucket_row)
        rules = Rules(lifecycle.rules, day_us, lifecycle.minimum, bucket.versioning)
        return _Visit(core, bucket, named, rules, mark, report, time, spend)


async def _trusted(time: Time) -> int:
    """The time. Raises `_ClockMistrusted`."""
    moment = await time.reading()
    if moment.jumped:
        raise _ClockMistrusted
    return moment.now_us


def _is_over(mark: LifecyclePass, today: int) -> bool:
    """A pass that was not ended goes on the next day. The clock may have been set back."""
    return mark.phase is LifecyclePhase.DONE and mark.day != today


@attrs.define
class _Visit:
    """One pass over one bucket, from where its mark says."""

    _core: Core
    _bucket: Bucket
    _named: BucketName
    _rules: Rules
    _mark: LifecyclePass
    _report: LifecycleReport
    _time: Time
    _spend: Spend
    _rows_since_mark: int = 0
    _logged: Logged = attrs.field(factory=set, init=False)

    async def go(self) -> None:
        if self._mark.phase is LifecyclePhase.OBJECTS:
            async for page in (await self._search()).objects(self._mark.key):
                await self._act(page)
            await self._put_mark(LifecyclePhase.VERSIONS)
        if self._mark.phase is LifecyclePhase.VERSIONS:
            if self._named.versioned:
                async for page in (await self._search()).versions(self._mark.key):
                    await self._act(page)
            await self._put_mark(LifecyclePhase.UPLOADS)
        if self._mark.phase is LifecyclePhase.UPLOADS:
            async for uploads in (await self._search()).uploads(self._mark.key):
                await self._abort(uploads)
            await self._put_mark(LifecyclePhase.DONE)

    async def _search(self) -> Search:
        now_us = await _trusted(self._time)
        return Search(self._core, self._bucket.bucket_id, self._rules, now_us)

    async def _act(self, page: Page) -> None:
        deeds = 0
        if page.candidates:
            now_us = await _trusted(self._time)
            ledger = Ledger(
                self._core,
                self._bucket,
                self._mark.uid,
                self._rules,
                now_us,
                self._moved,
                self._logged,
            )
            for done in await ledger.carry_out(page.candidates):
                self._report.count(done.fate.deed)
                deeds += 1
            self._report.kept += len(page.candidates) - deeds
        await self._passed(page.rows, deeds, page.position)

    async def _moved(self, size_bytes: int) -> None:
        self._report.moved_bytes += size_bytes
        await self._spend(-(-size_bytes // ROW_BYTES))

    async def _abort(self, page: UploadPage) -> None:
        fates: Mapping[bytes, Fate] = {entry.key: fate for entry, _, fate in page.due}
        aborted: list[Entry] = []
        if page.due:
            await _trusted(self._time)
            if not await self._is_in_force():
                raise RulesChanged("the rules have changed")
            idle = await not_being_completed(
                self._core, [(entry, upload) for entry, upload, _ in page.due]
            )
            aborted = await shield(commit_for_each(self._core.writer, idle, self._give_up))
        for entry in aborted:
            self._log_abort(entry, fates[entry.key])
            self._report.count(Deed.ABORT)
        await self._passed(page.rows, len(aborted), page.position)

    def _give_up(self, batch: Batch, entry: Entry) -> None:
        give_up(batch, entry.key, entry.revision, self._core.now_us())

    def _log_abort(self, entry: Entry, fate: Fate) -> None:
        key, _ = keys.unescape(entry.key[keys.BUCKET_PREFIX_BYTES :])
        _log.info(
            "lifecycle: {deed}, by rule {rule!r}: {bucket}/{key}, upload {upload}",
            deed=fate.deed.value,
            rule=fate.rule.id,
            bucket=self._bucket.name,
            key=key.decode(),
            upload=keys.upload_uid(entry.key).hex(),
        )

    async def _is_in_force(self) -> bool:
        """The rules are still the bucket's."""
        [row] = await self._core.metadata.get([keys.bucket(self._bucket.bucket_id)])
        return row is not None and self._core.bucket_in(row).lifecycle == self._mark.uid

    async def _passed(self, rows: int, deeds: int, position: bytes) -> None:
        self._report.rows += rows
        self._rows_since_mark += rows + deeds * DEED_ROWS
        if self._rows_since_mark >= ROWS_BETWEEN_MARKS:
            await self._put_mark(self._mark.phase, position)
        await self._spend(rows + deeds * DEED_ROWS)

    async def _put_mark(self, phase: LifecyclePhase, position: bytes = b"") -> None:
        """Raises `Conflict` if the bucket is gone."""
        self._mark = structs.replace(self._mark, phase=phase, key=position)
        self._rows_since_mark = 0
        bucket_id = self._bucket.bucket_id
        batch = Batch()
        batch.expect(Present(keys.bucket(bucket_id)))
        batch.put(configuration_key(bucket_id, LifecyclePass), encode(self._mark))
        await shield(self._core.writer.commit(batch))
