"""Where the bytes of versions lie when everything is quiet: as their storage classes say."""

from __future__ import annotations

from collections.abc import AsyncIterator

from objectd.blobs.stores import DRIVES_MAX
from objectd.interfaces import SCAN_ROWS_MAX, Scan
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode, decode_object
from objectd.model.records import Format, InBlob, Incompatible, InManifest, ObjectTail, Part
from objectd.objects.classes import StorageClass
from objectd.objects.core import Core
from objectd.objects.reading import part_ranges
from objectd.testing.simulation.history import Violated


async def check_places(core: Core) -> list[str]:
    """What forms blobs have in which stores, for all versions. Raises `Violated`."""
    found = []
    known = await _features(core)
    for family in (keys.objects(0)[:1], keys.versions(0)[:1]):
        page = await core.metadata.scan(Scan(*keys.span(family), limit=SCAN_ROWS_MAX))
        for entry in page.entries:
            head, tail = decode_object(entry.value or b"")
            kept = core.classes.of(head)
            if _needed(kept, tail) & ~known:
                raise Violated(f"{head} is there, and the store's format has only {known!r}")
            async for blob in _blobs(core, tail):
                place = blob.drive // DRIVES_MAX
                # What is encrypted is moved as it is.
                must_be_plain = not kept.zstd_level and not blob.codec.is_encrypted
                if place != kept.place or (must_be_plain and blob.codec.is_compressed):
                    raise Violated(f"{blob} holds bytes of {head}, which is kept as {kept}")
                found.append(f"{blob.codec.name} in store {place}")
    return found


async def _features(core: Core) -> Incompatible:
    [row] = await core.metadata.get([keys.FORMAT])
    return Incompatible(0 if row is None else decode(Format, row.value).incompatible)


def _needed(kept: StorageClass, tail: ObjectTail) -> Incompatible:
    """What a version of the store must know that reads this one."""
    needed = Incompatible(0) if kept.is_plain else Incompatible.STORAGE_CLASSES
    return needed if tail.encryption is None else needed | Incompatible.ENCRYPTION


async def _blobs(core: Core, tail: ObjectTail) -> AsyncIterator[Blob]:
    match tail.source:
        case InBlob(blob):
            yield await _blob(core, blob)
        case InManifest() as manifest:
            for number, _, _ in part_ranges(manifest):
                [row] = await core.metadata.get([keys.part(manifest.upload, number)])
                if row is not None:  # the audit tells of those that are missing
                    yield await _blob(core, decode(Part, row.value).blob)


async def _blob(core: Core, uid: bytes) -> Blob:
    [row] = await core.metadata.get([keys.blob(uid)])
    if row is None:
        raise Violated(f"blob {uid.hex()} is missing")
    return decode(Blob, row.value)
