"""Copying bytes of an object into a part of an upload.

A part has a blob of its own with the MD5 and checksum of its bytes. Where the bytes asked for
are all that one blob holds, and both digests of them are known, the part shares that blob and
no byte moves; otherwise they are read and stored as if a client had sent them.
"""

from __future__ import annotations

import re

import attrs

from objectd.errors import InvalidArgument
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Checksum, Encryption, InBlob, InManifest, Part
from objectd.objects import references
from objectd.objects.checksums import DEFAULT_ALGORITHM
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.copy_source import CopySource, ObjectName, check_source_size
from objectd.objects.core import Core
from objectd.objects.encryption import CustomerKey
from objectd.objects.object import Object
from objectd.objects.objects import Objects
from objectd.objects.reading import part_ranges
from objectd.objects.shield import Outdated, shield
from objectd.objects.uploads import Place, Uploads
from objectd.objects.writer import Batch

_MD5 = re.compile("[0-9a-f]{32}")


class _NotShareable(Outdated):
    """The blob is gone or damaged."""


@attrs.frozen
class _Whole:
    """All bytes of one blob, and their digests."""

    blob: bytes
    size_bytes: int
    etag: str
    checksum: Checksum


@attrs.frozen
class CopiedPart:
    """A part, the version whose bytes it has ('' where the source's bucket never had
    versions), and how it is encrypted."""

    part: Part
    source_version_id: str
    encryption: Encryption | None = None


@attrs.frozen
class PartCopies:
    """Makes parts of objects."""

    _core: Core
    _objects: Objects
    _uploads: Uploads

    async def copy(
        self,
        source: ObjectName,
        target: ObjectName,
        upload_id: str,
        number: int,
        *,
        source_version: str = "",
        span: tuple[int, int] | None = None,
        source_conditions: Conditions = NO_CONDITIONS,
        customer_key: CustomerKey | None = None,
        source_customer_key: CustomerKey | None = None,
    ) -> CopiedPart:
        """Make bytes start <= i < stop (`span`; all without one) of `source` a part of an
        upload, in place of an earlier one of that number. Durable on return.

        The bytes are those of the version that the conditions were judged on, also when it
        is replaced meanwhile. Raises `PreconditionFailed`, `InvalidOperation` (more than a
        part may have), `InvalidArgument` for a span that is not wholly in the object, and what
        `CopySource.open` and `Uploads.put_part` raise.
        """
        place, upload = await self._uploads.place_for_part(*target, upload_id, number)
        wanted = CopySource(source, source_version, source_conditions, source_customer_key)
        opened = await wanted.open(self._objects)
        found = opened.object
        try:
            wanted.conditions.check_source(found.head)
            start, stop = _within(span, found.size_bytes)
            check_source_size(stop - start)
            algorithm = upload.checksum_algorithm or DEFAULT_ALGORITHM
            whole = None
            classes = self._core.classes
            is_alike = classes.of(found.head).keeps_like(classes.of(upload))
            is_encrypted = upload.encryption or opened.secret or customer_key
            if is_alike and not is_encrypted:
                whole = await self._whole_blob(found, start, stop, algorithm)
            if whole is not None:
                try:
                    part = await shield(self._share(place, number, whole))
                    return CopiedPart(part, found.version_id)
                except _NotShareable:
                    pass  # what was opened can still be read, or says what is wrong with it
            stored = await self._uploads.put_part(
                *target,
                upload_id,
                number,
                opened.stream(start, stop),
                size_bytes=stop - start,
                customer_key=customer_key,
            )
            return CopiedPart(stored.part, found.version_id, stored.encryption)
        finally:
            opened.close()

    async def _whole_blob(
        self, object_: Object, start: int, stop: int, algorithm: str
    ) -> _Whole | None:
        """The blob that holds these bytes and no others."""
        match object_.tail.source:
            case InBlob(blob) if (start, stop) == (0, object_.size_bytes):
                etag, checksums = object_.etag, object_.tail.checksums
            case InManifest(upload) as manifest:
                ranges = {(first, last): number for number, first, last in part_ranges(manifest)}
                if (start, stop) not in ranges:
                    return None
                [row] = await self._core.metadata.get([keys.part(upload, ranges[start, stop])])
                if row is None:
                    return None
                part = decode(Part, row.value)
                blob, etag, checksums = part.blob, part.etag, part.checksums
            case _:
                return None
        if not _MD5.fullmatch(etag):
            return None  # it grew by appends, or is a part that did
        for checksum in checksums:
            if (checksum.algorithm, checksum.kind) == (algorithm, "FULL_OBJECT"):
                return _Whole(blob, stop - start, etag, checksum)
        return None

    async def _share(self, place: Place, number: int, whole: _Whole) -> Part:
        core = self._core
        attempt = core.ids.uid()

        async def decide(batch: Batch) -> Part:
            twin = await references.shareable(core.metadata, whole.blob)
            if twin is None:
                raise _NotShareable
            part = Part(
                size_bytes=whole.size_bytes,
                modified_us=core.now_us(),
                etag=whole.etag,
                blob=references.share(batch, twin, lambda uid: keys.part_ref(uid, attempt)),
                attempt=attempt,
                checksums=(whole.checksum,),
            )
            await self._uploads.replace_part(batch, place, number, part)
            return part

        async with core.locks.holding(keys.part(place.id.uid, number)):
            return await core.writer.transact(decide)


def _within(span: tuple[int, int] | None, size_bytes: int) -> tuple[int, int]:
    if span is None:
        return 0, size_bytes
    start, stop = span
    if not start < stop <= size_bytes:
        raise InvalidArgument(
            f"Range specified is not valid for source object of size: {size_bytes}",
            name="x-amz-copy-source-range",
            value=f"bytes={start}-{stop - 1}",
        )
    return span
