"""Objects, in all their versions: that all their bytes are there, and held for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from objectd.errors import DamagedRecord
from objectd.interfaces import Entry, Row
from objectd.model import keys
from objectd.model.codec import decode, decode_object, decode_payload
from objectd.model.records import (
    InBlob,
    InManifest,
    InRow,
    Manifest,
    Nothing,
    ObjectHead,
    ObjectTail,
    Part,
)
from objectd.objects import references, usage
from objectd.objects.checking.annotating import miscounted
from objectd.objects.checking.buckets import kept_counters
from objectd.objects.checking.findings import Finding, Problem, putting
from objectd.objects.checking.sizes import holds
from objectd.objects.checking.subject import Subject, row_name, version_fields
from objectd.objects.reading import is_listed, part_ranges
from objectd.objects.sealing import layers_of, stored_bytes

_Rows = dict[bytes, Row]


class _Object(NamedTuple):
    """A version as its row tells of it; `payload` is where its bytes are if they are in a row."""

    name: str
    payload: bytes
    head: ObjectHead
    tail: ObjectTail


async def objects(subject: Subject) -> AsyncIterator[Finding]:
    """Every version of every object, bucket by bucket, with the counters of each."""
    async for prefix in _bucket_ids(subject):
        bucket_id = int.from_bytes(prefix[1:], "big")
        name = await subject.bucket_name(bucket_id)
        before = subject.totals.objects, subject.totals.object_bytes
        for family in (keys.objects(bucket_id), keys.versions(bucket_id)):
            async for entries in subject.family(family):
                for finding in await _page(subject, name, entries):
                    yield finding
        counted = {
            keys.USAGE_OBJECTS: subject.totals.objects - before[0],
            keys.USAGE_BYTES: subject.totals.object_bytes - before[1],
        }
        kept, bad = await kept_counters(subject, bucket_id)
        for finding in bad:
            yield finding
        for quantity in counted:
            wrong = kept.get(quantity, 0) - counted[quantity]
            if wrong:
                yield _wrong_counter(name, bucket_id, quantity, wrong, counted[quantity])


async def _bucket_ids(subject: Subject) -> AsyncIterator[bytes]:
    """The ids of all buckets that there are, or that have objects all the same."""
    async for prefix in subject.first_of_each(keys.BUCKETS, keys.BUCKET_PREFIX_BYTES):
        yield prefix
    async for prefix in subject.first_of_each(keys.OBJECTS, keys.BUCKET_PREFIX_BYTES):
        if not await subject.rows([keys.BUCKETS + prefix[1:]]):
            yield prefix
    async for prefix in subject.first_of_each(keys.VERSIONS, keys.BUCKET_PREFIX_BYTES):
        if await subject.rows([keys.BUCKETS + prefix[1:]]):
            continue
        if not await subject.has_rows(keys.OBJECTS + prefix[1:]):
            yield prefix


def _wrong_counter(name: str, bucket_id: int, quantity: bytes, wrong: int, counted: int) -> Finding:
    what = "objects" if quantity == keys.USAGE_OBJECTS else "bytes"
    return Finding(
        Problem.COUNTER_WRONG,
        name,
        f"{counted + wrong} {what} kept, {counted} counted",
        lambda batch: batch.add(keys.usage(bucket_id, usage.BASE, quantity), -wrong),
    )


async def _page(subject: Subject, bucket: str, entries: Sequence[Entry]) -> list[Finding]:
    findings: list[Finding] = []
    found: list[_Object] = []
    for entry in entries:
        name = version_name(bucket, entry.key)
        try:
            head, tail = decode_object(entry.value or b"")
        except DamagedRecord as error:
            findings.append(Finding(Problem.ROW_DAMAGED, name, str(error)))
            continue
        found.append(_Object(name, _payload(entry.key, head), head, tail))
        subject.totals.objects += not head.is_delete_marker
        subject.totals.object_bytes += head.size_bytes
        findings += [each async for each in miscounted(subject, name, entry.key, head, tail)]
    rows = await subject.rows(key for each in found for key in _needed(each))
    for each in found:
        match each.tail.source:
            case InRow():
                subject.version_payloads_found += each.payload in rows and _is_noncurrent(each)
                findings += _in_row(each, rows)
            case InBlob(blob):
                findings += _in_blob(subject, each, blob, rows)
            case InManifest():
                findings += await _in_manifest(subject, each, each.tail.source, rows)
            case Nothing():
                if each.head.size_bytes:
                    findings.append(Finding(Problem.OBJECT_WRONG, each.name))
    return findings


def version_name(bucket: str, row_key: bytes) -> str:
    """How findings name what lies in a row of an object, or of a noncurrent version."""
    if row_key[:1] != keys.VERSIONS:
        return f"{bucket}, key {_text(row_key[keys.BUCKET_PREFIX_BYTES :])}"
    fields = version_fields(row_key)
    if fields is None:
        return row_name(row_key)
    return f"{bucket}, key {_text(fields.key)}, version {fields.id.text()}"


def _payload(row_key: bytes, head: ObjectHead) -> bytes:
    if row_key[:1] != keys.VERSIONS:
        return keys.PAYLOADS + row_key[1:]
    return keys.VERSION_PAYLOADS + row_key[1 : keys.BUCKET_PREFIX_BYTES] + head.version


def _is_noncurrent(each: _Object) -> bool:
    return each.payload.startswith(keys.VERSION_PAYLOADS)


def _needed(each: _Object) -> list[bytes]:
    """The rows that an object's bytes depend on, but for the parts of an upload."""
    match each.tail.source:
        case InRow():
            return [each.payload]
        case InBlob(blob):
            return [keys.blob(blob), keys.version_ref(blob, each.head.version)]
        case InManifest(upload):
            return [keys.manifest(upload), keys.manifest_ref(upload, each.head.version)]
        case Nothing():
            return []


def _in_row(each: _Object, rows: _Rows) -> list[Finding]:
    row = rows.get(each.payload)
    if row is None:
        return [Finding(Problem.PAYLOAD_MISSING, each.name)]
    try:
        size_bytes = len(decode_payload(row.value))
    except DamagedRecord as error:
        return [Finding(Problem.ROW_DAMAGED, each.name, str(error))]
    if size_bytes == stored_bytes(each.head.size_bytes, each.tail.encryption):
        return []
    return [Finding(Problem.PAYLOAD_WRONG, each.name, f"{size_bytes} bytes")]


def _in_blob(subject: Subject, each: _Object, uid: bytes, rows: _Rows) -> list[Finding]:
    findings: list[Finding] = []
    ref, row = keys.version_ref(uid, each.head.version), rows.get(keys.blob(uid))
    if ref in rows:
        subject.refs_found += 1
    elif row is not None:
        findings.append(
            Finding(
                Problem.REF_MISSING,
                each.name,
                f"blob {uid.hex()}",
                putting(ref, references.REF),
            )
        )
    if row is None:
        findings.append(Finding(Problem.BLOB_MISSING, each.name, f"blob {uid.hex()}"))
    elif uid in subject.damaged_blobs:
        findings.append(Finding(Problem.BYTES_LOST, each.name, f"blob {uid.hex()}"))
    elif not holds(row, each.head.size_bytes, [layers_of(each.tail.encryption)]):
        findings.append(Finding(Problem.OBJECT_WRONG, each.name, f"blob {uid.hex()}"))
    return findings


async def _in_manifest(
    subject: Subject, each: _Object, source: InManifest, rows: _Rows
) -> list[Finding]:
    findings: list[Finding] = []
    upload = f"upload {source.upload.hex()}"
    ref = keys.manifest_ref(source.upload, each.head.version)
    row = rows.get(keys.manifest(source.upload))
    if ref in rows:
        subject.manifest_refs_found += 1
    elif row is not None:
        findings.append(
            Finding(
                Problem.MANIFEST_REF_MISSING,
                each.name,
                upload,
                putting(ref, references.REF),
            )
        )
    if row is None:
        findings.append(Finding(Problem.MANIFEST_MISSING, each.name, upload))
    listed = _listed(row)
    ranges = list(part_ranges(source))
    if sum(stop - start for _, start, stop in ranges) != each.head.size_bytes:
        findings.append(Finding(Problem.OBJECT_WRONG, each.name, upload))
    parts = await subject.rows(keys.part(source.upload, number) for number, _, _ in ranges)
    for number, start, stop in ranges:
        part_row = parts.get(keys.part(source.upload, number))
        problem = _with_part(subject, part_row, stop - start)
        if problem is None and listed is not None and not is_listed(listed, number):
            problem = Problem.PART_UNLISTED
        if problem is not None:
            findings.append(Finding(problem, each.name, f"part {number} of {upload}"))
    return findings


def _listed(row: Row | None) -> bytes | None:
    """The parts that a manifest keeps; None if that cannot be known."""
    try:
        return decode(Manifest, row.value).listed if row is not None else None
    except DamagedRecord:
        return None


def _with_part(subject: Subject, row: Row | None, size_bytes: int) -> Problem | None:
    """What is wrong with a part that an object needs."""
    if row is None:
        return Problem.PART_MISSING
    try:
        part = decode(Part, row.value)
    except DamagedRecord:
        return Problem.BYTES_LOST
    if part.blob in subject.damaged_blobs:
        return Problem.BYTES_LOST
    return None if part.size_bytes == size_bytes else Problem.PART_WRONG


async def payloads(subject: Subject) -> AsyncIterator[Finding]:
    """Every payload belongs to an object whose bytes it is."""
    async for entries in subject.family(keys.PAYLOADS, head_bytes=1):
        rows = await subject.rows(keys.OBJECTS + entry.key[1:] for entry in entries)
        for entry in entries:
            row = rows.get(keys.OBJECTS + entry.key[1:])
            if row is None or not _is_in_row(row.value):
                bucket = await subject.bucket_name(int.from_bytes(entry.key[1:9], "big"))
                key = _text(entry.key[keys.BUCKET_PREFIX_BYTES :])
                yield Finding(Problem.PAYLOAD_UNUSED, f"{bucket}, key {key}")


async def version_payloads(subject: Subject) -> AsyncIterator[Finding]:
    """The same of the bytes of noncurrent versions, whose keys do not tell where the version
    is: if there are as many as were found from the side of the versions, all are somebody's."""
    count = 0
    async for entries in subject.family(keys.VERSION_PAYLOADS, head_bytes=1):
        count += len(entries)
    if count != subject.version_payloads_found:
        payloads = _keys(subject, keys.VERSION_PAYLOADS)
        async for key in subject.unclaimed(payloads, lambda: _owners_of_payloads(subject)):
            bucket = await subject.bucket_name(int.from_bytes(key[1:9], "big"))
            version = key[keys.BUCKET_PREFIX_BYTES :].hex()
            yield Finding(Problem.PAYLOAD_UNUSED, f"{bucket}, version {version}")


async def _keys(subject: Subject, family: bytes) -> AsyncIterator[bytes]:
    async for entries in subject.family(family, head_bytes=1):
        for entry in entries:
            yield entry.key


async def _owners_of_payloads(subject: Subject) -> AsyncIterator[bytes]:
    """Where the bytes of noncurrent versions are, or may be: a row that does not decode still
    tells by its key which version it is."""
    async for entries in subject.family(keys.VERSIONS):
        for entry in entries:
            fields = version_fields(entry.key)
            if fields is not None and _is_in_row(entry.value or b""):
                bucket = entry.key[1 : keys.BUCKET_PREFIX_BYTES]
                yield keys.VERSION_PAYLOADS + bucket + fields.id.uid


def _is_in_row(value: bytes) -> bool:
    try:
        return isinstance(decode_object(value)[1].source, InRow)
    except DamagedRecord:
        return True  # it may well be


async def references_of_objects(subject: Subject) -> AsyncIterator[bytes]:
    """The keys of all references that objects hold, to blobs and to manifests."""
    for family in (keys.OBJECTS, keys.VERSIONS):
        async for entries in subject.family(family):
            for entry in entries:
                try:
                    head, tail = decode_object(entry.value or b"")
                except DamagedRecord:
                    continue
                match tail.source:
                    case InBlob(blob):
                        yield keys.version_ref(blob, head.version)
                    case InManifest(upload):
                        yield keys.manifest_ref(upload, head.version)


def _text(key: bytes) -> str:
    """An object's key as findings show it: on one line, whatever is in it."""
    return repr(key.decode(errors="replace"))
