"""Blobs and their files, both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from blake3 import blake3

from objectd.blobs.format import Damaged
from objectd.blobs.frames import Decompressor, Frames
from objectd.blobs.packets import sealed_bytes
from objectd.errors import DamagedBlob, DamagedRecord
from objectd.interfaces import BlobFile, Row
from objectd.model import keys
from objectd.model.blobs import Blob, Content
from objectd.model.codec import decode
from objectd.objects.checking.findings import Finding, Problem
from objectd.objects.checking.subject import (
    DAMAGED_BLOBS_MAX,
    ROWS_A_PAGE,
    Subject,
    blob_name,
    decoded,
    row_name,
)
from objectd.objects.ids import incarnation_of
from objectd.objects.located import Located, located
from objectd.objects.references import content_key


async def blobs(subject: Subject, *, deep: bool) -> AsyncIterator[Finding]:
    """Every blob's file is what its row says: by its trailer, or, for a `deep` check, by all
    its bytes."""
    async for entries in subject.family(keys.BLOBS):
        good, bad = decoded(Blob, entries)
        for finding in bad:
            yield finding
        for entry, blob in good:
            uid = entry.key[1:]
            subject.totals.blobs += 1
            subject.totals.blob_bytes += blob.size_bytes
            if blob.damaged:
                yield Finding(Problem.BLOB_FLAGGED, blob_name(uid))
            why = await _damage(subject, located(uid, blob), deep=deep)
            if why:
                yield Finding(Problem.BLOB_DAMAGED, blob_name(uid), why)
            if (why or blob.damaged) and len(subject.damaged_blobs) < DAMAGED_BLOBS_MAX:
                subject.damaged_blobs.add(uid)


async def _damage(subject: Subject, found: Located, *, deep: bool) -> str:
    """What is wrong with a blob's file, or with how its row says that it is compressed, or ''."""
    location = found.location
    try:
        decompressor = _decompressor(found)
        reader = await subject.blobs.open(location, stop=None if deep else 0)
        try:
            if not deep:
                return ""
            digest = blake3(key=subject.digest_key)
            while data := await reader.read():
                digest.update(data)
                subject.totals.bytes_read += len(data)
                _decompress(decompressor, data)
        finally:
            reader.close()
    except (Damaged, DamagedBlob) as error:
        return str(error)
    return "" if digest.digest() == location.digest else "its bytes do not have its digest"


def _decompressor(found: Located) -> Decompressor | None:
    """Of a blob's frames, if it has some; not of those that are encrypted, for which the keys
    would be needed. Raises `Damaged`."""
    if not found.codec.is_compressed:
        if found.frames:
            raise Damaged("its row has an index of frames, but no codec with frames")
        return None
    frames = Frames.decode(found.frames)
    if not found.codec.is_encrypted:
        frames.require(found.location.size_bytes)
        return Decompressor(frames, frames.whole())
    sealed = [sealed_bytes(frames.stored_bytes, layers) for layers in (1, 2)]
    if found.location.size_bytes not in sealed:
        raise Damaged(f"its index tells of {frames.stored_bytes} bytes in packets")
    return None


def _decompress(decompressor: Decompressor | None, data: bytes) -> None:
    """Raises `Damaged`."""
    if decompressor is not None:
        decompressor.put(data)
        while not decompressor.has_ended and decompressor.has_frame:
            decompressor.next()


async def contents(subject: Subject) -> AsyncIterator[Finding]:
    """Content that may be shared is in a blob that holds it."""
    async for entries in subject.family(keys.CONTENTS):
        good, bad = decoded(Content, entries)
        for finding in bad:
            yield finding
        rows = await subject.rows(keys.blob(content.blob) for _, content in good)
        for entry, content in good:
            row = rows.get(keys.blob(content.blob))
            if row is None or not _holds(row, entry.key):
                yield Finding(Problem.CONTENT_WRONG, row_name(entry.key), blob_name(content.blob))


def _holds(blob: Row, key: bytes) -> bool:
    try:
        return content_key(decode(Blob, blob.value)) == key
    except DamagedRecord:
        return True  # that row has a finding of its own


async def files(subject: Subject) -> AsyncIterator[Finding]:
    """Every file is that of a blob or of the trash, or its process lives."""
    for drive in subject.blobs.drives:
        some: list[BlobFile] = []
        async for file in subject.blobs.files(drive):
            some.append(file)
            if len(some) == ROWS_A_PAGE:
                for finding in await _unknown(subject, some):
                    yield finding
                some = []
        for finding in await _unknown(subject, some):
            yield finding


async def _unknown(subject: Subject, some: Sequence[BlobFile]) -> list[Finding]:
    subject.totals.files += len(some)
    findings = []
    rows = await subject.rows(
        key
        for file in some
        for key in (
            keys.blob(file.blob_id),
            keys.blob_trash(file.blob_id),
            keys.incarnation(incarnation_of(file.blob_id)),
        )
    )
    for file in some:
        blob = rows.get(keys.blob(file.blob_id))
        what = f"on drive {file.drive}, {'incoming' if file.digest is None else 'sealed'}"
        if blob is not None:
            if not _is_of(blob, file):
                findings.append(Finding(Problem.FILE_MISPLACED, blob_name(file.blob_id), what))
        elif (
            keys.blob_trash(file.blob_id) not in rows
            and keys.incarnation(incarnation_of(file.blob_id)) not in rows
        ):
            findings.append(Finding(Problem.FILE_STRAY, blob_name(file.blob_id), what))
    return findings


def _is_of(blob: Row, file: BlobFile) -> bool:
    try:
        record = decode(Blob, blob.value)
    except DamagedRecord:
        return True  # that row has a finding of its own
    return (record.drive, record.digest) == (file.drive, file.digest)
