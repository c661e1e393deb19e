"""Checking a store at rest: metadata and blobs against each other, both ways, and counters.

    check = Check(store.core.metadata, store.core.blobs, store.format.digest_key)
    async for finding in check.run(deep=True):
        print(finding)
    print(check.totals)

Nobody else may change the store meanwhile. Memory is bounded whatever the store holds: by
the constants of `objectd.objects.checking.subject`, not by the number of rows. Each family
is read once in pages, and what a page leads to is looked up in batches. For references,
which lead from a blob back to nothing but an id, the two sides are counted; only if they
differ are they compared, in windows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from objectd.interfaces import IBlobStore, IMetadataStore
from objectd.objects.checking import (
    annotating,
    blobs,
    buckets,
    objects,
    references,
    rows,
    uploads,
    versions,
)
from objectd.objects.checking.findings import Finding, Problem
from objectd.objects.checking.subject import Subject, Totals
from objectd.objects.writer import Batch, Writer

__all__ = ["Check", "Finding", "Problem", "Totals", "repair"]


class Check:
    """One check of one store. `totals` are complete when `run` is over."""

    def __init__(self, metadata: IMetadataStore, blobs: IBlobStore, digest_key: bytes) -> None:
        self._subject = Subject(metadata, blobs, digest_key)

    @property
    def totals(self) -> Totals:
        return self._subject.totals

    async def run(self, *, deep: bool = False) -> AsyncIterator[Finding]:
        """All that is wrong. A `deep` check reads every byte of every blob."""
        subject = self._subject
        for findings in (
            rows.others(subject),
            rows.queues(subject),
            rows.unknown(subject),
            buckets.names(subject),
            buckets.buckets(subject),
            buckets.orphans(subject),
            buckets.configurations(subject),
            # The damaged blobs first, so that the objects that they cost can be named.
            blobs.blobs(subject, deep=deep),
            blobs.contents(subject),
            blobs.files(subject),
            objects.objects(subject),
            objects.payloads(subject),
            objects.version_payloads(subject),
            versions.versions(subject),
            versions.null_versions(subject),
            versions.buckets_without(subject),
            annotating.annotated(subject),
            uploads.uploads(subject),
            uploads.parts(subject),
            uploads.manifests(subject),
            # What was found from the side of those who refer is complete by now.
            references.refs(subject),
            references.manifest_refs(subject),
            references.unused_blobs(subject),
        ):
            async for finding in findings:
                yield finding


async def repair(writer: Writer, finding: Finding) -> bool:
    """Do what mends it, if there is something that cannot do harm: counters are set to what
    was counted, missing references are put, and the collector is told of what nothing refers
    to; it looks itself before it takes anything. To be done as the findings come."""
    if finding.mend is None:
        return False
    batch = Batch()
    finding.mend(batch)
    await writer.commit(batch)
    return True
