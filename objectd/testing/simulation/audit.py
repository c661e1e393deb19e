"""What must hold when everything is quiet: rows, files and counters agree to the last one."""

from __future__ import annotations

from objectd.interfaces import IBlobStore, IMetadataStore
from objectd.objects.checking import Check, Totals
from objectd.testing.simulation.history import Violated


async def audit(
    metadata: IMetadataStore, blobs: IBlobStore, digest_key: bytes, *, deep: bool = False
) -> Totals:
    """Check a store that has come to rest: besides, there must be no work left to do, and no
    file but those of blobs. Raises `Violated`."""
    check = Check(metadata, blobs, digest_key)
    findings = [str(finding) async for finding in check.run(deep=deep)]
    totals = check.totals
    if findings:
        raise Violated("\n".join(findings))
    if totals.waiting:
        raise Violated(f"{totals.waiting} rows of work to do")
    if totals.files != totals.blobs:
        raise Violated(f"{totals.files} files of {totals.blobs} blobs")
    return totals
