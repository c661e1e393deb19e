"""The sweep: files that no row knows of, left by processes that died, go.

A file is unlinked only if one look finds no row of its incarnation, of its blob and of its
trash. While its incarnation lives, its process may be about to refer to it; after that only
a row that is there already can. Its age plays no part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from objectd.interfaces import BlobFile
from objectd.model import keys
from objectd.objects.collecting.pace import AT_ONCE, Pace
from objectd.objects.core import Core
from objectd.objects.ids import incarnation_of
from objectd.objects.writer import Batch

FILES_A_STEP = 256


@attrs.define
class SweepReport:
    """`held`: an older backup was restored, so nothing is removed until an operator says."""

    files_seen: int = 0
    files_stray: int = 0
    files_unlinked: int = 0
    held: bool = False


@attrs.frozen
class Sweep:
    _core: Core

    async def run(self, pace: Pace = AT_ONCE) -> SweepReport:
        """Look at every file of every drive once. The store does not know how large files are
        of which it knows nothing: a pace limits their number only."""
        report = SweepReport(held=await self._is_held())
        async for stray in self._stray_files(report):
            if report.held:
                continue
            async for portion in pace.portions([0] * len(stray)):
                await self._core.blobs.unlink(stray[portion])
                report.files_unlinked += len(stray[portion])
            await pace.step()
        return report

    async def survey(self) -> SweepReport:
        """Look at every file, and remove none."""
        report = SweepReport(held=await self._is_held())
        async for _ in self._stray_files(report):
            pass
        return report

    async def lift_hold(self) -> None:
        """An operator says that the restored metadata is all that shall be kept."""
        batch = Batch()
        batch.delete(keys.SWEEP_HOLD)
        await self._core.writer.commit(batch)

    async def _is_held(self) -> bool:
        [hold] = await self._core.metadata.get([keys.SWEEP_HOLD])
        return hold is not None

    async def _stray_files(self, report: SweepReport) -> AsyncIterator[list[BlobFile]]:
        """The files that no row knows of, a few at a time."""
        for drive in self._core.blobs.drives:
            step: list[BlobFile] = []
            async for file in self._core.blobs.files(drive):
                step.append(file)
                if len(step) == FILES_A_STEP:
                    yield await self._stray(step, report)
                    step = []
            yield await self._stray(step, report)

    async def _stray(self, files: list[BlobFile], report: SweepReport) -> list[BlobFile]:
        stray = await self._unknown(files)
        report.files_seen += len(files)
        report.files_stray += len(stray)
        return stray

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
