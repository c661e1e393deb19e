"""Garbage collection: what nothing refers to any more goes, and nothing else.

Whatever releases a reference puts a candidate row in the same commit. The collector takes
candidates in two steps. First a commit that expects no reference to be left moves the row of
the blob (or manifest) to the trash: from there on nothing can refer to it again. Then, when
every read has ended that was begun before, the file is unlinked (or the parts are released)
and the trash row goes. A crash between any two steps leaves rows that the next pass takes up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.internet.defer import DeferredLock

from objectd.interfaces import At, EmptyRange, Entry, Expectation, Scan
from objectd.model import keys
from objectd.model.blobs import ManifestTrash
from objectd.model.codec import encode
from objectd.model.records import Manifest, Part
from objectd.objects import references
from objectd.objects.aborting import give_up
from objectd.objects.collecting.annotated import drop_annotations
from objectd.objects.collecting.blobs import collect_blobs, empty_trash
from objectd.objects.collecting.pace import AT_ONCE, Pace
from objectd.objects.collecting.queues import Report, backlog, commit_unless_changed, forget, pages
from objectd.objects.collecting.survey import Survey, survey
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.reading import is_listed
from objectd.objects.renaming import forget_old_tokens
from objectd.objects.writer import Batch

PASS_SECONDS_MAX = 60.0
"""Of emptying the trash: what is left then is for the next pass, which takes up new work first."""

_Step = Callable[[Entry, Report], Awaitable[None]]


@attrs.frozen
class Collector:
    """Passes over the candidates and the trash, one at a time."""

    _core: Core
    _one_pass: DeferredLock = attrs.field(factory=DeferredLock, init=False)

    async def run(self, pace: Pace = AT_ONCE) -> Report:
        """Take up all candidates and all trash that are there, `ROWS_A_STEP` rows a step. May
        be cancelled between any two steps. What only one slow reader holds back waits; all
        else is done first. A pass that the pace's limits make long is cut short."""
        await self._one_pass.acquire()
        try:
            return await self._run(pace)
        finally:
            self._one_pass.release()

    async def run_to_rest(self, pace: Pace = AT_ONCE) -> Report:
        """Pass after pass until one does nothing, be it that others keep it from what is left."""
        total = Report()
        while report := await self.run(pace):
            total.add(report)
        total.add(report)
        return total

    async def survey(self) -> Survey:
        """The dry run: what there is to do. Changes nothing."""
        return await survey(self._core)

    async def _run(self, pace: Pace) -> Report:
        core, report = self._core, Report()
        began = pace.seconds()
        await self._each(keys.BUCKET_CANDIDATES, self._clear_bucket, report, pace)
        await self._each(keys.ANNOTATION_CANDIDATES, self._drop_annotations, report, pace)
        await self._each(keys.PARTS_CANDIDATES, self._drop_parts, report, pace)
        await self._each(keys.MANIFEST_CANDIDATES, self._discard_manifest, report, pace)
        async for entries in pages(core.metadata, keys.BLOB_CANDIDATES):
            await collect_blobs(core, entries, report)
            await pace.step()
        await self._trim_journal()
        await forget_old_tokens(core)
        await core.reads.drained()
        await self._each(keys.MANIFEST_TRASH, self._dismantle, report, pace)
        await self._empty_trash(report, pace)
        report.backlog = await backlog(core.metadata, pace)
        report.seconds = pace.seconds() - began
        return report

    async def _each(self, queue: bytes, take: _Step, report: Report, pace: Pace) -> None:
        async for entries in pages(self._core.metadata, queue):
            for entry in entries:
                await take(entry, report)
            await pace.step()

    async def _empty_trash(self, report: Report, pace: Pace) -> None:
        began = pace.seconds()
        async for entries in pages(self._core.metadata, keys.BLOB_TRASH):
            if pace.seconds() - began > PASS_SECONDS_MAX:
                report.is_cut_short = True
                return
            await empty_trash(self._core, entries, report, pace)
            await pace.step()

    # Manifests and parts

    async def _discard_manifest(self, entry: Entry, report: Report) -> None:
        uid = keys.queued_uid(entry.key)
        batch = Batch()
        batch.delete(entry.key)
        batch.expect(EmptyRange(*keys.span(keys.manifest_refs(uid))))
        batch.delete(keys.manifest(uid))
        batch.put(keys.manifest_trash(uid), encode(ManifestTrash(self._core.now_us())))
        if not await commit_unless_changed(self._core.writer, batch):
            await forget(self._core.writer, [entry])

    async def _dismantle(self, entry: Entry, report: Report) -> None:
        """Nothing reads by this manifest any more: release its parts."""
        await self._release_parts(keys.queued_uid(entry.key), b"", report)
        await self._done(entry)
        report.manifests_dismantled += 1

    async def _drop_parts(self, entry: Entry, report: Report) -> None:
        """All parts of an aborted upload, the unlisted ones of a completed one."""
        uid = keys.queued_uid(entry.key)
        row, trash = await self._core.metadata.get([keys.manifest(uid), keys.manifest_trash(uid)])
        if trash is None:  # else readers may still need them, and dismantling will release all
            manifest = decoded(Manifest, keys.manifest(uid), row.value) if row else None
            if row is None:
                # Not aborted but completed, with a manifest that was lost, if it has references.
                unused = EmptyRange(*keys.span(keys.manifest_refs(uid)))
                if not await self._release_parts(uid, b"", report, unused):
                    return
            elif manifest is not None:
                expected = At(keys.manifest(uid), row.revision)
                if not await self._release_parts(uid, manifest.listed, report, expected):
                    return  # an append has added a part: the next pass will know it
        await self._done(entry)

    async def _release_parts(
        self, upload: bytes, listed: bytes, report: Report, *expected: Expectation
    ) -> bool:
        """False if what is expected is not so. Parts are added by who expects the manifest
        and never change, so none of them is expected to be `At`."""
        async for entries in pages(self._core.metadata, keys.parts(upload)):
            unlisted = [e for e in entries if not is_listed(listed, keys.part_number(e.key))]
            batch = Batch()
            batch.expect(*expected)
            for entry in unlisted:
                batch.delete(entry.key)
                part = decoded(Part, entry.key, entry.value)
                if part is not None:
                    references.release_part(batch, part, self._core.now_us())
            if unlisted and not await commit_unless_changed(self._core.writer, batch):
                return False
            report.parts_dropped += len(unlisted)
        return True

    async def _done(self, entry: Entry) -> None:
        batch = Batch()
        batch.delete(entry.key)
        await self._core.writer.commit(batch)

    async def _drop_annotations(self, entry: Entry, report: Report) -> None:
        await drop_annotations(self._core, entry)

    # Buckets

    async def _clear_bucket(self, entry: Entry, report: Report) -> None:
        """A deleted bucket's uploads are aborted, and its counters go, and what damaged versions
        left behind. An upload that changes meanwhile leaves the candidate to the next pass."""
        bucket_id = keys.queued_bucket(entry.key)
        async for uploads in pages(self._core.metadata, keys.uploads(bucket_id)):
            batch = Batch()
            for upload in uploads:
                give_up(batch, upload.key, upload.revision, self._core.now_us())
            if not await commit_unless_changed(self._core.writer, batch):
                return
        batch = Batch()
        batch.delete(entry.key)
        for prefix in (
            keys.usages(bucket_id),
            keys.configurations(bucket_id),
            keys.null_versions(bucket_id),
            keys.version_payloads(bucket_id),
        ):
            batch.delete_range(*keys.span(prefix))
        await self._core.writer.commit(batch)
        report.buckets_cleared += 1

    # The journal

    async def _trim_journal(self) -> None:
        """What every reader has read goes; there are no readers yet."""
        start, stop = keys.span(keys.JOURNAL)
        newest = await self._core.metadata.scan(Scan(start, stop, limit=1, reverse=True))
        if newest.entries:
            batch = Batch()
            batch.delete_range(start, newest.entries[0].key + b"\0")
            await self._core.writer.commit(batch)
