"""The store under check: how it is read in bounded memory, and what was seen of it so far."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import attrs

from objectd.errors import DamagedRecord
from objectd.interfaces import Entry, IBlobStore, IMetadataStore, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Bucket, Record
from objectd.objects.checking.findings import Finding, Problem
from objectd.objects.ids import VersionId

_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")

ROWS_A_PAGE = 200
"""Rows that are in memory at once, with what they lead to: 10,000 parts at most, which are
looked up as many at a time, or payloads of 512 KiB each."""

CLAIMS_A_WINDOW = 200_000
"""Keys of references that are in memory at once while their referrers are looked for."""

_UID = keys.UID_BYTES
KEY_BYTES = {
    keys.BUCKETS: (9,),
    keys.LIVES: (9, 10),
    keys.USAGES: (14,),
    keys.VERSION_PAYLOADS: (9 + _UID,),
    keys.PARTS: (1 + _UID + 2,),
    keys.MANIFESTS: (1 + _UID,),
    keys.MANIFEST_REFS: (1 + 2 * _UID,),
    keys.BLOBS: (1 + _UID,),
    keys.REFS: (1 + _UID + 1 + _UID,),
}
"""The families whose keys have one length, or one of a few."""

DAMAGED_BLOBS_MAX = 100_000
"""Damaged blobs that are remembered, so that the objects that they cost can be named."""


@attrs.define
class Totals:
    """What a check has seen. Every version counts as an object, as in the usage of a bucket."""

    buckets: int = 0
    objects: int = 0
    object_bytes: int = 0
    uploads: int = 0
    parts: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    bytes_read: int = 0
    files: int = 0
    waiting: int = 0
    """Rows in the queues of the collector."""


@attrs.define
class Subject:
    """`refs_found` and `manifest_refs_found` are how many references were found from the side
    of those who refer, `annotated_found` how many versions have annotations,
    `version_payloads_found` how many noncurrent ones have their bytes in a row, and
    `uploads_with_parts` how many uploads in progress have parts."""

    metadata: IMetadataStore
    blobs: IBlobStore
    digest_key: bytes
    totals: Totals = attrs.Factory(Totals)
    refs_found: int = 0
    manifest_refs_found: int = 0
    annotated_found: int = 0
    version_payloads_found: int = 0
    uploads_with_parts: int = 0
    damaged_blobs: set[bytes] = attrs.Factory(set)

    async def pages(
        self, start: bytes, stop: bytes, *, head_bytes: int | None = None
    ) -> AsyncIterator[list[Entry]]:
        """The rows of a range, `ROWS_A_PAGE` at a time."""
        more = True
        while more:
            scan = Scan(start, stop, limit=ROWS_A_PAGE, head_bytes=head_bytes)
            page = await self.metadata.scan(scan)
            more = page.more
            if page.entries:
                yield page.entries
                start = page.entries[-1].key + b"\0"

    async def family(
        self, prefix: bytes, *, head_bytes: int | None = None
    ) -> AsyncIterator[list[Entry]]:
        """The rows with this prefix, but for those with keys of another length than all keys
        of their family have."""
        key_bytes = KEY_BYTES.get(prefix[:1], ())
        async for entries in self.pages(*keys.span(prefix), head_bytes=head_bytes):
            yield [entry for entry in entries if not key_bytes or len(entry.key) in key_bytes]

    async def rows(self, wanted: Iterable[bytes]) -> dict[bytes, Row]:
        """Those of these rows that are there, by their keys."""
        row_keys = list(dict.fromkeys(wanted))
        found: dict[bytes, Row] = {}
        for start in range(0, len(row_keys), ROWS_A_PAGE):
            some = row_keys[start : start + ROWS_A_PAGE]
            rows = await self.metadata.get(some)
            found |= {key: row for key, row in zip(some, rows, strict=True) if row is not None}
        return found

    async def has_rows(self, prefix: bytes) -> bool:
        start, stop = keys.span(prefix)
        return bool((await self.metadata.scan(Scan(start, stop, limit=1, head_bytes=1))).entries)

    async def unheld(
        self,
        uids: Sequence[bytes],
        candidate: Callable[[bytes], bytes],
        refs: Callable[[bytes], bytes],
    ) -> AsyncIterator[bytes]:
        """Those that nothing refers to, and of which the collector has not been told."""
        candidates = await self.rows(candidate(uid) for uid in uids)
        for uid in uids:
            if candidate(uid) not in candidates and not await self.has_rows(refs(uid)):
                yield uid

    async def first_of_each(self, family: bytes, prefix_bytes: int) -> AsyncIterator[bytes]:
        """The first `prefix_bytes` of the keys of a family, each once: a seek for each."""
        start, stop = keys.span(family)
        while True:
            page = await self.metadata.scan(Scan(start, stop, limit=1, head_bytes=1))
            if not page.entries:
                return
            prefix = page.entries[0].key[:prefix_bytes]
            yield prefix
            start = keys.after(prefix) if prefix.strip(b"\xff") else stop

    async def bucket_name(self, bucket_id: int) -> str:
        """How findings name a bucket."""
        [row] = await self.metadata.get([keys.bucket(bucket_id)])
        try:
            return f"bucket {decode(Bucket, row.value).name!r}" if row else f"bucket {bucket_id:x}"
        except DamagedRecord:
            return f"bucket {bucket_id:x}"

    async def unclaimed(
        self, claims: AsyncIterator[bytes], referrers: Callable[[], AsyncIterator[bytes]]
    ) -> AsyncIterator[bytes]:
        """Those of the claims that no referrer has. Reads all referrers once for every
        `CLAIMS_A_WINDOW` claims: for when counting has told that there is something to find."""
        window: set[bytes] = set()
        async for claim in claims:
            window.add(claim)
            if len(window) == CLAIMS_A_WINDOW:
                async for each in _without(window, referrers()):
                    yield each
                window = set()
        async for each in _without(window, referrers()):
            yield each


async def _without(window: set[bytes], referrers: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if window:
        async for referrer in referrers:
            window.discard(referrer)
    for each in sorted(window):
        yield each


class VersionFields(NamedTuple):
    """What the key of a version's row tells."""

    key: bytes
    id: VersionId


def version_fields(row_key: bytes) -> VersionFields | None:
    """None for a key that no version has."""
    try:
        key, time_us, uid = keys.version_fields(row_key)
    except (ValueError, struct.error):
        return None
    return VersionFields(key, VersionId(time_us, uid)) if len(uid) == keys.UID_BYTES else None


def damaged(entry: Entry, error: DamagedRecord) -> Finding:
    return Finding(Problem.ROW_DAMAGED, row_name(entry.key), str(error))


def decoded(
    record_type: type[_R], entries: Sequence[Entry]
) -> tuple[list[tuple[Entry, _R]], list[Finding]]:
    """The rows that decode, and what is to be said of the others."""
    good: list[tuple[Entry, _R]] = []
    bad: list[Finding] = []
    for entry in entries:
        try:
            good.append((entry, decode(record_type, entry.value or b"")))
        except DamagedRecord as error:
            bad.append(damaged(entry, error))
    return good, bad


def row_name(key: bytes) -> str:
    return f"row {key!r}"


def blob_name(uid: bytes) -> str:
    return f"blob {uid.hex()}"


def upload_name(uid: bytes) -> str:
    return f"upload {uid.hex()}"
