"""Collecting blobs: from their candidates to the trash, and from the trash off the drives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from twisted.logger import Logger

from objectd.errors import Conflict, ObjectdError
from objectd.interfaces import At, BlobFile, EmptyRange, Entry
from objectd.model import keys
from objectd.model.blobs import Blob, BlobTrash, Content
from objectd.model.codec import encode
from objectd.objects.collecting.pace import Pace
from objectd.objects.collecting.queues import Report, forget
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.references import content_key
from objectd.objects.writer import Batch

_log = Logger()


async def collect_blobs(core: Core, candidates: Sequence[Entry], report: Report) -> None:
    """Move the blobs that nothing refers to to the trash, in one commit, and forget the
    candidates that are in use. Others that change meanwhile are left to the next pass."""
    left = list(candidates)
    while left:
        batch = await _discarding(core, left)
        try:
            await core.writer.commit(batch)
        except Conflict as conflict:
            in_use = {
                keys.referred_uid(found)
                for expected, found, _ in conflict.failed
                if isinstance(expected, EmptyRange)
            }
            await forget(core.writer, [e for e in left if keys.queued_uid(e.key) in in_use])
            left = [e for e in left if keys.queued_uid(e.key) not in in_use] if in_use else []
        else:
            report.blobs_collected += len(left)
            return


async def _discarding(core: Core, candidates: Sequence[Entry]) -> Batch:
    """The commit after which nothing can refer to these blobs, if nothing does now. It takes
    the way to a blob's content with it, where that leads to this blob."""
    batch = Batch()
    blobs: dict[bytes, Blob] = {}
    uids = [keys.queued_uid(entry.key) for entry in candidates]
    rows = await core.metadata.get([keys.blob(uid) for uid in uids])
    for entry, uid, row in zip(candidates, uids, rows, strict=True):
        batch.delete(entry.key)
        blob = decoded(Blob, keys.blob(uid), row.value) if row is not None else None
        if blob is not None:
            blobs[uid] = blob
    for uid, blob in blobs.items():
        batch.expect(EmptyRange(*keys.span(keys.refs(uid))))
        batch.delete(keys.blob(uid))
        batch.put(keys.blob_trash(uid), encode(_trash(blob)))
    contents = [content_key(blob) for blob in blobs.values()]
    rows = await core.metadata.get(contents)
    for uid, key, row in zip(blobs, contents, rows, strict=True):
        content = decoded(Content, key, row.value) if row is not None else None
        if row is not None and content is not None and content.blob == uid:
            batch.expect(At(key, row.revision))
            batch.delete(key)
    return batch


def _trash(blob: Blob) -> BlobTrash:
    """With all that it takes to read it: a reader may still come for it."""
    return BlobTrash(
        blob.drive, blob.digest, blob.size_bytes, blob.codec, blob.envelope, blob.frames
    )


async def empty_trash(core: Core, entries: Sequence[Entry], report: Report, pace: Pace) -> None:
    """Unlink files, which no read can need any more, and forget them. A drive that fails
    keeps its trash for later and does not keep others from being emptied."""
    found = [(e.key, decoded(BlobTrash, e.key, e.value)) for e in entries]
    known = [(key, trash) for key, trash in found if trash is not None]
    known.sort(key=lambda pair: pair[1].drive)
    for drive, pairs in groupby(known, key=lambda pair: pair[1].drive):
        rows = list(pairs)
        async for portion in pace.portions([trash.size_bytes for _, trash in rows]):
            files = [BlobFile(drive, keys.queued_uid(key), t.digest) for key, t in rows[portion]]
            try:
                await core.blobs.unlink(files)
            except ObjectdError:
                _log.failure("drive {drive}: files in the trash stay", drive=drive)
                break
            await _forget(core, rows[portion])
            report.files_unlinked += len(files)
            report.bytes_freed += sum(trash.size_bytes for _, trash in rows[portion])
    # Nobody can tell which files damaged rows stood for; the sweep will.
    await _forget(core, [(key, trash) for key, trash in found if trash is None])


async def _forget(core: Core, rows: Sequence[tuple[bytes, BlobTrash | None]]) -> None:
    batch = Batch()
    for key, _ in rows:
        batch.delete(key)
    if len(batch):
        await core.writer.commit(batch)
