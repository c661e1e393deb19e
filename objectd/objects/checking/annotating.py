"""Annotations: that each has its bytes, and that each is some version's."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import structs

from objectd.errors import DamagedRecord
from objectd.model import keys
from objectd.model.codec import decode_object, decode_payload, encode_object
from objectd.model.records import Annotation, ObjectHead, ObjectTail
from objectd.objects.annotation_rows import stored_bytes
from objectd.objects.checking.findings import Finding, Problem, putting
from objectd.objects.checking.subject import Subject, damaged, decoded

_PREFIX_BYTES = 1 + keys.UID_BYTES


async def miscounted(
    subject: Subject, name: str, row_key: bytes, head: ObjectHead, tail: ObjectTail
) -> AsyncIterator[Finding]:
    """A version has as many annotations as its row, which is `row_key`, counts."""
    if not tail.annotations:
        return
    count = 0
    records = keys.span(keys.annotation(head.version, b""))
    async for entries in subject.pages(*records, head_bytes=1):
        count += len(entries)
    subject.annotated_found += count > 0
    if count != tail.annotations:
        value = encode_object(head, structs.replace(tail, annotations=count))
        detail = f"{tail.annotations} kept, {count} counted"
        yield Finding(Problem.ANNOTATIONS_MISCOUNTED, name, detail, putting(row_key, value))


async def annotated(subject: Subject) -> AsyncIterator[Finding]:
    """Every annotation has its bytes. If there are of as many versions as were found from the
    side of these, all are somebody's; only otherwise are they compared."""
    count = 0
    async for version in _annotated(subject):
        count += 1
        async for finding in _of_version(subject, version):
            yield finding
    if count != subject.annotated_found:
        async for version in subject.unclaimed(_annotated(subject), lambda: _carriers(subject)):
            yield Finding(Problem.ANNOTATIONS_UNUSED, _name(version))


async def _of_version(subject: Subject, version: bytes) -> AsyncIterator[Finding]:
    missing_bytes: dict[bytes, int] = {}
    first, pieces = keys.span(keys.annotation(version, b""))
    async for entries in subject.pages(first, pieces):
        good, bad = decoded(Annotation, entries)
        for entry, record in good:
            missing_bytes[keys.annotation_name(entry.key)] = stored_bytes(record)
        for finding in bad:
            yield finding
    async for entries in subject.pages(pieces, keys.after(keys.version_annotations(version))):
        for entry in entries:
            name = keys.annotation_name(entry.key)
            try:
                size_bytes = len(decode_payload(entry.value or b""))
            except DamagedRecord as error:
                yield damaged(entry, error)
            else:
                missing_bytes[name] = missing_bytes.get(name, 0) - size_bytes
    for name, size_bytes in missing_bytes.items():
        if size_bytes:
            text = repr(name.decode(errors="replace"))
            yield Finding(Problem.ANNOTATION_WRONG, _name(version), text)


async def _annotated(subject: Subject) -> AsyncIterator[bytes]:
    """The ids of the versions that have annotations, whether there are such versions or not."""
    async for prefix in subject.first_of_each(keys.ANNOTATIONS, _PREFIX_BYTES):
        yield prefix[1:]


async def _carriers(subject: Subject) -> AsyncIterator[bytes]:
    """The ids of the versions that say that they have annotations, and of those that never
    came to be, of which the collector knows."""
    for family in (keys.OBJECTS, keys.VERSIONS):
        async for entries in subject.family(family):
            for entry in entries:
                try:
                    head, tail = decode_object(entry.value or b"")
                except DamagedRecord:
                    continue
                if tail.annotations:
                    yield head.version
    async for entries in subject.family(keys.ANNOTATION_CANDIDATES):
        for entry in entries:
            yield keys.queued_uid(entry.key)


def _name(version: bytes) -> str:
    return f"version {version.hex()}"
