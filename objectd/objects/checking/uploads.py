"""Multipart uploads: those in progress, their parts, and the manifests of completed ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from objectd.errors import DamagedRecord
from objectd.interfaces import Entry, Row
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import decode, encode
from objectd.model.records import Manifest, Part, Upload
from objectd.objects import references
from objectd.objects.checking.findings import Finding, Problem, putting
from objectd.objects.checking.objects import references_of_objects
from objectd.objects.checking.sizes import holds
from objectd.objects.checking.subject import Subject, decoded, row_name, upload_name
from objectd.objects.reading import is_listed

_Part = tuple[Entry, Part]


async def uploads(subject: Subject) -> AsyncIterator[Finding]:
    """Every upload in progress stands where its record says."""
    async for entries in subject.family(keys.UPLOADS):
        subject.totals.uploads += len(entries)
        good, bad = decoded(Upload, entries)
        for finding in bad:
            yield finding
        for entry, upload in good:
            if keys.upload_uid(entry.key) != upload.upload:
                yield Finding(Problem.UPLOAD_WRONG, row_name(entry.key), upload_name(upload.upload))
        for entry in entries:
            if await subject.has_rows(keys.parts(keys.upload_uid(entry.key))):
                subject.uploads_with_parts += 1


async def parts(subject: Subject) -> AsyncIterator[Finding]:
    """Every part has its blob, and belongs to an upload that is in progress or completed, or
    to one that the collector dismantles. One whose manifest is missing is not called unused
    while an object may need it: objects are read without their manifests."""
    unclaimed = 0
    async for prefix in subject.first_of_each(keys.PARTS, 1 + keys.UID_BYTES):
        uid = prefix[1:]
        owners = await subject.rows(
            [keys.manifest(uid), keys.manifest_trash(uid), keys.parts_candidate(uid)]
        )
        unclaimed += not owners
        listed = _kept(owners.get(keys.manifest(uid))) if len(owners) == 1 else None
        async for entries in subject.family(prefix):
            good, bad = decoded(Part, entries)
            for finding in bad:
                yield finding
            subject.totals.parts += len(entries)
            for finding in await _page(subject, good):
                yield finding
            for entry, _ in good:
                if listed is not None and not is_listed(listed, keys.part_number(entry.key)):
                    yield Finding(Problem.PART_UNUSED, _part_name(entry))
    if unclaimed != subject.uploads_with_parts:
        async for prefix in subject.unclaimed(_ownerless(subject), lambda: _needed(subject)):
            uid = prefix[1:]
            yield Finding(
                Problem.PARTS_UNUSED,
                upload_name(uid),
                "",
                putting(keys.parts_candidate(uid), encode(Candidate(0))),
            )


def _kept(row: Row | None) -> bytes | None:
    """The parts that a manifest keeps; None if that cannot be known."""
    try:
        return decode(Manifest, row.value).listed if row is not None else None
    except DamagedRecord:
        return None


def _part_name(entry: Entry) -> str:
    uid = entry.key[1 : 1 + keys.UID_BYTES]
    return f"part {keys.part_number(entry.key)} of {upload_name(uid)}"


async def _page(subject: Subject, good: Sequence[_Part]) -> list[Finding]:
    findings: list[Finding] = []
    rows = await subject.rows(
        key
        for _, part in good
        for key in (keys.blob(part.blob), keys.part_ref(part.blob, part.attempt))
    )
    for entry, part in good:
        name = _part_name(entry)
        ref, blob = keys.part_ref(part.blob, part.attempt), rows.get(keys.blob(part.blob))
        if ref in rows:
            subject.refs_found += 1
        elif blob is not None:
            findings.append(
                Finding(
                    Problem.REF_MISSING,
                    name,
                    f"blob {part.blob.hex()}",
                    putting(ref, references.REF),
                )
            )
        if blob is None:
            findings.append(Finding(Problem.BLOB_MISSING, name, f"blob {part.blob.hex()}"))
        elif not _fits(blob, part):
            findings.append(Finding(Problem.PART_WRONG, name, f"blob {part.blob.hex()}"))
    return findings


def _fits(blob: Row, part: Part) -> bool:
    # How many layers there are, the upload or the objects tell.
    return holds(blob, part.size_bytes, [0, 1, 2])


async def _ownerless(subject: Subject) -> AsyncIterator[bytes]:
    """What the keys of parts begin with that no row but an upload's or an object's is for."""
    async for prefix in subject.first_of_each(keys.PARTS, 1 + keys.UID_BYTES):
        uid = prefix[1:]
        others = [keys.manifest(uid), keys.manifest_trash(uid), keys.parts_candidate(uid)]
        if not await subject.rows(others):
            yield prefix


async def _needed(subject: Subject) -> AsyncIterator[bytes]:
    """What the keys of parts begin with whose upload is in progress, or that objects refer to."""
    async for entries in subject.family(keys.UPLOADS, head_bytes=1):
        for entry in entries:
            yield keys.parts(keys.upload_uid(entry.key))
    async for entries in subject.family(keys.MANIFEST_REFS, head_bytes=1):
        for entry in entries:
            yield keys.parts(keys.referred_uid(entry.key))
    async for ref in references_of_objects(subject):
        if ref.startswith(keys.MANIFEST_REFS):
            yield keys.parts(keys.referred_uid(ref))


async def references_of_parts(subject: Subject) -> AsyncIterator[bytes]:
    """The keys of all references that parts hold."""
    async for entries in subject.family(keys.PARTS):
        for _, part in decoded(Part, entries)[0]:
            yield keys.part_ref(part.blob, part.attempt)


async def manifests(subject: Subject) -> AsyncIterator[Finding]:
    """Every manifest decodes, and something refers to it."""
    async for entries in subject.family(keys.MANIFESTS):
        for finding in decoded(Manifest, entries)[1]:
            yield finding
        uids = [entry.key[1:] for entry in entries]
        async for uid in subject.unheld(uids, keys.manifest_candidate, keys.manifest_refs):
            told = putting(keys.manifest_candidate(uid), encode(Candidate(0)))
            yield Finding(Problem.MANIFEST_UNUSED, upload_name(uid), "", told)
