"""Who refers to which bytes: the rows that keep blobs and manifests alive.

Each function adds changes and expectations to a batch; the commit makes them true at once
with the rows that refer. A referrer is a version or an attempt at a part, never used twice,
so a reference that is added or released cannot be confused with an older one. Whoever adds
or releases one must also expect the row that holds it `At` or `Absent`.
"""

from __future__ import annotations

from collections.abc import Callable

from objectd.errors import DamagedRecord
from objectd.interfaces import Absent, At, IMetadataStore
from objectd.model import keys
from objectd.model.blobs import Blob, Candidate, Content, Ref
from objectd.model.codec import decode, encode
from objectd.model.records import (
    InBlob,
    InManifest,
    InRow,
    Part,
    Source,
)
from objectd.objects.staging import StagedBlob
from objectd.objects.writer import Batch

REF = encode(Ref())


async def twin_of(metadata: IMetadataStore, wanted: Blob) -> tuple[bytes, At] | None:
    """A blob that may be shared in place of this one, and what sharing it relies on."""
    [row] = await metadata.get([content_key(wanted)])
    if row is None:
        return None
    try:
        return await shareable(metadata, decode(Content, row.value).blob)
    except DamagedRecord:
        return None


async def shareable(metadata: IMetadataStore, uid: bytes) -> tuple[bytes, At] | None:
    """A blob and what sharing it relies on; None if it is gone or damaged."""
    [row] = await metadata.get([keys.blob(uid)])
    if row is None or decode(Blob, row.value).damaged:
        return None
    return uid, At(keys.blob(uid), row.revision)


def content_key(blob: Blob) -> bytes:
    """The row that leads from a blob's content to it."""
    return keys.content(blob.account, blob.digest, blob.codec, blob.storage_class)


def share(batch: Batch, twin: tuple[bytes, At], ref: Callable[[bytes], bytes]) -> bytes:
    """Refer to a blob that is there already."""
    uid, expectation = twin
    batch.expect(expectation)
    batch.put(ref(uid), REF)
    return uid


async def share_source(
    metadata: IMetadataStore, batch: Batch, source: Source, version: bytes
) -> bool:
    """Have a new version refer to the bytes of another one; False if they are gone or
    damaged. What lies in a payload row is not referred to: it must be put again."""
    match source:
        case InBlob(blob):
            twin = await shareable(metadata, blob)
            if twin is None:
                return False
            share(batch, twin, lambda uid: keys.version_ref(uid, version))
        case InManifest(upload):
            [row] = await metadata.get([keys.manifest(upload)])
            if row is None:
                return False
            batch.expect(At(keys.manifest(upload), row.revision))
            batch.put(keys.manifest_ref(upload, version), REF)
    return True


def publish_blob(
    batch: Batch, staged: StagedBlob, record: Blob, ref: Callable[[bytes], bytes], findable: bool
) -> bytes:
    """Refer to a new blob, which must be sealed. `findable`: others may share it."""
    batch.put(keys.blob(staged.uid), encode(record))
    batch.put(ref(staged.uid), REF)
    if findable:
        batch.put(content_key(record), encode(Content(staged.uid)))
    return staged.uid


def release_source(
    batch: Batch, payload_key: bytes, version: bytes, source: Source, now_us: int
) -> None:
    """A version lets its bytes go; `payload_key` is where they are if they are in a row."""
    match source:
        case InRow():
            batch.delete(payload_key)
        case InBlob(blob):
            batch.delete(keys.version_ref(blob, version))
            batch.put(keys.blob_candidate(blob), encode(Candidate(now_us)))
        case InManifest(upload):
            batch.delete(keys.manifest_ref(upload, version))
            batch.put(keys.manifest_candidate(upload), encode(Candidate(now_us)))


def add_part(batch: Batch, upload: bytes, number: int, part: Part) -> None:
    """A part that no manifest has yet, with its reference. The caller expects the manifest."""
    key = keys.part(upload, number)
    batch.expect(Absent(key))
    batch.put(key, encode(part))
    batch.put(keys.part_ref(part.blob, part.attempt), REF)


def release_part(batch: Batch, part: Part, now_us: int) -> None:
    """A part that was replaced or dropped lets its blob go."""
    batch.delete(keys.part_ref(part.blob, part.attempt))
    batch.put(keys.blob_candidate(part.blob), encode(Candidate(now_us)))
