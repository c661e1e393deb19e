"""The collector's dry run: what there is to do, told without doing any of it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from objectd.interfaces import Entry, Scan
from objectd.model import keys
from objectd.model.blobs import Blob, BlobTrash
from objectd.model.records import Manifest, Part
from objectd.objects.collecting.queues import pages
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.reading import is_listed


@attrs.define
class Survey:
    """What a collector that ran to its rest would find at this moment.

    `part_bytes` is what the parts hold that will be dropped; where a blob of theirs is also
    somebody else's, that much is not freed.
    """

    buckets_to_clear: int = 0
    uploads_to_drop: int = 0
    manifests_to_drop: int = 0
    manifests_in_use: int = 0
    parts_to_drop: int = 0
    part_bytes: int = 0
    blobs_to_collect: int = 0
    blob_bytes: int = 0
    blobs_in_use: int = 0
    files_in_trash: int = 0
    trash_bytes: int = 0


async def survey(core: Core) -> Survey:
    """Read the queues and what they lead to. Changes nothing."""
    found = Survey()
    async for entries in pages(core.metadata, keys.BUCKET_CANDIDATES):
        found.buckets_to_clear += len(entries)
        for entry in entries:
            await _uploads_of_bucket(core, keys.queued_bucket(entry.key), found)
    async for entries in pages(core.metadata, keys.PARTS_CANDIDATES):
        for entry in entries:
            await _parts_of_upload(core, keys.queued_uid(entry.key), found)
    async for entries in pages(core.metadata, keys.MANIFEST_CANDIDATES):
        for entry in entries:
            await _manifest(core, keys.queued_uid(entry.key), found)
    async for entries in pages(core.metadata, keys.MANIFEST_TRASH):
        found.manifests_to_drop += len(entries)
        for entry in entries:
            await _parts(core, keys.queued_uid(entry.key), b"", found)
    async for entries in pages(core.metadata, keys.BLOB_CANDIDATES):
        await _blobs(core, entries, found)
    async for entries in pages(core.metadata, keys.BLOB_TRASH):
        for entry in entries:
            trash = decoded(BlobTrash, entry.key, entry.value)
            found.files_in_trash += trash is not None
            found.trash_bytes += trash.size_bytes if trash is not None else 0
    return found


async def _uploads_of_bucket(core: Core, bucket_id: int, found: Survey) -> None:
    async for uploads in pages(core.metadata, keys.uploads(bucket_id)):
        found.uploads_to_drop += len(uploads)
        for entry in uploads:
            await _parts(core, keys.upload_uid(entry.key), b"", found)


async def _parts_of_upload(core: Core, uid: bytes, found: Survey) -> None:
    """As `Collector._drop_parts` would find them."""
    row, trash = await core.metadata.get([keys.manifest(uid), keys.manifest_trash(uid)])
    if trash is not None:
        return
    if row is None:
        if not await _any(core, keys.manifest_refs(uid)):
            found.uploads_to_drop += 1
            await _parts(core, uid, b"", found)
    elif manifest := decoded(Manifest, keys.manifest(uid), row.value):
        await _parts(core, uid, manifest.listed, found)


async def _manifest(core: Core, uid: bytes, found: Survey) -> None:
    if await _any(core, keys.manifest_refs(uid)):
        found.manifests_in_use += 1
        return
    [row] = await core.metadata.get([keys.manifest(uid)])
    if row is not None:
        found.manifests_to_drop += 1
        await _parts(core, uid, b"", found)


async def _parts(core: Core, upload: bytes, listed: bytes, found: Survey) -> None:
    """The parts of an upload that are not listed."""
    async for entries in pages(core.metadata, keys.parts(upload)):
        for entry in entries:
            if not is_listed(listed, keys.part_number(entry.key)):
                part = decoded(Part, entry.key, entry.value)
                found.parts_to_drop += 1
                found.part_bytes += part.size_bytes if part is not None else 0


async def _blobs(core: Core, candidates: Sequence[Entry], found: Survey) -> None:
    uids = [keys.queued_uid(entry.key) for entry in candidates]
    rows = await core.metadata.get([keys.blob(uid) for uid in uids])
    for uid, row in zip(uids, rows, strict=True):
        blob = decoded(Blob, keys.blob(uid), row.value) if row is not None else None
        if await _any(core, keys.refs(uid)):
            found.blobs_in_use += 1
        elif blob is not None:
            found.blobs_to_collect += 1
            found.blob_bytes += blob.size_bytes


async def _any(core: Core, prefix: bytes) -> bool:
    """Whether there is any row with this prefix."""
    return bool((await core.metadata.scan(Scan(*keys.span(prefix), limit=1, head_bytes=1))).entries)
