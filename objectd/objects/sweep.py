"""The sweep: files that no row knows of, left by processes that died, go.

A file is unlinked only if one look finds no row of its incarnation, of its blob and of its
trash. While its incarnation lives, its process may be about to refer to it; after that only
a row that is there already can. Its age plays no part.
"""

from __future__ import annotations

import attrs

from objectd.interfaces import BlobFile
from objectd.model import keys
from objectd.objects.core import Core
from objectd.objects.ids import incarnation_of
from objectd.objects.writer import Batch

FILES_A_STEP = 256


@attrs.define
class SweepReport:
    """`held`: an older backup was restored, so nothing was removed until an operator says."""

    files_seen: int = 0
    files_unlinked: int = 0
    held: bool = False


@attrs.frozen
class Sweep:
    _core: Core

    async def run(self) -> SweepReport:
        """Look at every file of every drive once."""
        report = SweepReport()
        [hold] = await self._core.metadata.get([keys.SWEEP_HOLD])
        report.held = hold is not None
        for drive in self._core.blobs.drives:
            step: list[BlobFile] = []
            async for file in self._core.blobs.files(drive):
                step.append(file)
                if len(step) == FILES_A_STEP:
                    await self._look_at(step, report)
                    step = []
            await self._look_at(step, report)
        return report

    async def lift_hold(self) -> None:
        """An operator says that the restored metadata is all that shall be kept."""
        batch = Batch()
        batch.delete(keys.SWEEP_HOLD)
        await self._core.writer.commit(batch)

    async def _look_at(self, files: list[BlobFile], report: SweepReport) -> None:
        report.files_seen += len(files)
        stray = await self._unknown(files)
        if stray and not report.held:
            await self._core.blobs.unlink(stray)
            report.files_unlinked += len(stray)

    async def _unknown(self, files: list[BlobFile]) -> list[BlobFile]:
        rows = iter(
            await self._core.metadata.get(
                [
                    key
                    for file in files
                    for key in (
                        keys.incarnation(incarnation_of(file.blob_id)),
                        keys.blob(file.blob_id),
                        keys.blob_trash(file.blob_id),
                    )
                ]
            )
        )
        triples = zip(files, rows, rows, rows, strict=True)
        return [file for file, *known in triples if known == [None, None, None]]
