"""Giving uploads up: on request, with their bucket, or because nobody goes on with them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from objectd.interfaces import At, Entry
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import encode
from objectd.model.records import Upload, UploadState
from objectd.objects.collecting.pace import AT_ONCE, Pace
from objectd.objects.collecting.queues import commit_for_each, pages
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.ids import incarnation_of
from objectd.objects.writer import Batch

DAY_US = 86_400_000_000


def give_up(batch: Batch, row_key: bytes, revision: int, now_us: int) -> None:
    """Abort the upload whose row is as it was read; the collector drops its parts."""
    batch.expect(At(row_key, revision))
    batch.delete(row_key)
    batch.put(keys.parts_candidate(keys.upload_uid(row_key)), encode(Candidate(now_us)))


async def not_being_completed(core: Core, uploads: Sequence[tuple[Entry, Upload]]) -> list[Entry]:
    """Those of them that no living process completes."""
    incarnations = await core.metadata.get(
        [keys.incarnation(incarnation_of(upload.attempt)) for _, upload in uploads]
    )
    return [
        entry
        for (entry, upload), incarnation in zip(uploads, incarnations, strict=True)
        if upload.state is UploadState.OPEN or incarnation is None
    ]


@attrs.define
class AbandonedReport:
    """`uploads_abandoned` were (or, in a survey, would be) aborted."""

    uploads_seen: int = 0
    uploads_abandoned: int = 0


@attrs.frozen
class AbandonedUploads:
    """The uploads of all buckets that were begun long ago and never completed or aborted.

    How long ago is told by the wall clock of the moment and by the time in the upload's row,
    and by nothing else: a clock that steps back makes an upload younger and keeps it longer.
    A clock that has jumped forward, in this moment or for the whole time since, makes all
    uploads old by as much as it jumped, and those that it takes over the limit are aborted:
    nothing in the store can tell such a jump from time that has passed.

    An upload that is COMPLETING is left alone while the process that completes it lives. One under
    which a process moved an object that lives no more is abandoned, however young it is.
    One that a Complete freezes, or that a part is added to, between the look and the commit
    is left to the next time.
    """

    _core: Core

    async def abort(self, days: float, pace: Pace = AT_ONCE) -> AbandonedReport:
        """Abort those that were begun more than so many days ago; with infinity none is that old.
        Memory is bounded by a page of rows. May be cancelled between any two steps."""
        report = AbandonedReport()
        core = self._core
        async for entries in pages(core.metadata, keys.UPLOADS):
            old = await self._abandoned(entries, days)
            aborted = await commit_for_each(core.writer, old, self._give_up)
            report.uploads_seen += len(entries)
            report.uploads_abandoned += len(aborted)
            await pace.step()
        return report

    async def survey(self, days: float) -> AbandonedReport:
        """What `abort` would do now."""
        report = AbandonedReport()
        async for entries in pages(self._core.metadata, keys.UPLOADS):
            report.uploads_seen += len(entries)
            report.uploads_abandoned += len(await self._abandoned(entries, days))
        return report

    def _give_up(self, batch: Batch, entry: Entry) -> None:
        give_up(batch, entry.key, entry.revision, self._core.now_us())

    async def _abandoned(self, entries: Sequence[Entry], days: float) -> list[Entry]:
        begun_before_us = self._core.now_us() - days * DAY_US
        found = [(entry, decoded(Upload, entry.key, entry.value)) for entry in entries]
        old = [
            (entry, upload)
            for entry, upload in found
            if upload is not None and (upload.started_us < begun_before_us or upload.is_of_move)
        ]
        return await not_being_completed(self._core, old)
