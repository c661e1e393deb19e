"""Appending to objects: what is there stays where it is, and new bytes go behind it.

An object that is small enough is put again as a whole, in one row or one blob. A larger one
grows by parts, as if it had been uploaded in parts: its blob becomes the first part of a
manifest, or its manifest gets one part more. No byte of a blob is read or written again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import attrs
from msgspec import structs

from objectd.digests import COMBINABLE
from objectd.errors import (
    DamagedRecord,
    InvalidOperation,
    ObjectNotFound,
    OperationAborted,
    WriteOffsetInvalid,
)
from objectd.interfaces import At, Row
from objectd.model import keys
from objectd.model.codec import decode_payload
from objectd.model.records import (
    NO_HEADERS,
    Bucket,
    Checksum,
    Headers,
    InBlob,
    InRow,
    JournalKind,
    Nothing,
    ObjectHead,
    ObjectTail,
    Part,
    Source,
)
from objectd.objects import references
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import NOTHING_DECLARED, Declared, checksum_mismatch, full_object
from objectd.objects.classes import STANDARD, StorageClass
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import Current, current, current_bucket, replace, require_unversioned
from objectd.objects.encryption import require_unencrypted
from objectd.objects.growing import NextPart, next_part
from objectd.objects.ingest import Ingested
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.object import Object
from objectd.objects.publishing import Placement, publish
from objectd.objects.settings import OBJECT_PUT_BYTES_MAX
from objectd.objects.shield import shield
from objectd.objects.tag_rules import check_tags
from objectd.objects.writer import Batch
from objectd.streams import BytesStream, ByteStream

_EMPTY = "Request body cannot be empty when 'write offset' is specified."
_METADATA = (
    "Cannot specify both a write offset value and user-defined object metadata for existing "
    "objects."
)
_ANNOTATED = "Objects with annotations cannot be appended to."


@attrs.frozen
class _Wanted:
    """One append, as it was asked for. `fresh` is what the object is to be if there is none."""

    place: Bucket
    key: bytes
    offset_bytes: int
    fresh: ObjectTail
    algorithm: str
    conditions: Conditions

    @property
    def name(self) -> str:
        return self.key.decode()


@attrs.frozen
class _Ground:
    """What an append builds on. `payload` is put again with the new bytes; if there is a
    `next` part, they are a part of their own."""

    old: Current
    head: ObjectHead | None
    tail: ObjectTail
    payload: bytes
    next: NextPart | None

    @property
    def checksum(self) -> Checksum | None:
        """The checksum that goes on: a CRC of the whole object. Others are dropped."""
        for checksum in self.tail.checksums:
            if checksum.kind == "FULL_OBJECT" and checksum.algorithm in COMBINABLE:
                return checksum
        return None

    def is_like(self, other: _Ground) -> bool:
        """Whether bytes that were taken in for the one go behind the other."""
        return (self.payload, self.next is None) == (other.payload, other.next is None)


@attrs.frozen
class Appends:
    """Adds bytes to objects."""

    _core: Core
    _buckets: Buckets

    async def append(
        self,
        bucket: str,
        key: str,
        body: bytes | ByteStream,
        *,
        offset_bytes: int,
        headers: Headers = NO_HEADERS,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        declared: Declared = NOTHING_DECLARED,
        size_bytes: int | None = None,
        conditions: Conditions = NO_CONDITIONS,
    ) -> Object:
        """Add bytes to the end of an object, which must be at `offset_bytes`; durable on
        return. Of several appends at one offset, one succeeds.

        Where there is no object, an append at 0 makes one. The headers of one that is there
        stay as they are; metadata and tags may not be given for it. Its ETag becomes the MD5
        of the MD5 in the old one and that of the new bytes, and -N, where N is one more than
        before (or 2). Its checksum, if it is a CRC of the whole object, becomes that of the
        longer object; any other is dropped.

        Raises `WriteOffsetInvalid`, `ObjectNotFound` (an offset, and no object),
        `TooManyParts`, `InvalidOperation`, and what `Objects.put` raises.
        """
        raw_key = key_bytes(key)
        check_metadata(metadata or {})
        check_tags(tags or {})
        if size_bytes == 0:
            raise InvalidOperation(_EMPTY)
        fresh = ObjectTail(Nothing(), headers, dict(metadata or {}), (), dict(tags or {}))
        place = await self._buckets.get(bucket)
        wanted = _Wanted(place, raw_key, offset_bytes, fresh, declared.algorithm, conditions)
        ground = await self._ground(wanted)
        ingested = await self._take(ground, body, declared, size_bytes)
        with conditions.telling_conflicts():
            return await shield(self._append(wanted, ground, ingested))

    async def _take(
        self, ground: _Ground, body: bytes | ByteStream, declared: Declared, size_bytes: int | None
    ) -> Ingested:
        inline_bytes_max = self._core.settings.inline_bytes_max - len(ground.payload)
        kept = ground.checksum.algorithm if ground.checksum else ""
        ingested = await self._core.intake.take(
            BytesStream(body) if isinstance(body, bytes) else body,
            structs.replace(declared, kept=kept),
            size_bytes=size_bytes,
            size_bytes_max=OBJECT_PUT_BYTES_MAX,
            inline_bytes_max=-1 if ground.next else max(inline_bytes_max, -1),
            prefix=ground.payload,
            kept=self._kept(ground),
        )
        if not ingested.size_bytes:
            await ingested.drop()
            raise InvalidOperation(_EMPTY)
        return ingested

    def _kept(self, ground: _Ground) -> StorageClass:
        classes = self._core.classes
        return classes.named(STANDARD) if ground.head is None else classes.of(ground.head)

    async def _ground(self, wanted: _Wanted) -> _Ground:
        """What is there now. Raises if nothing can be appended to it."""
        for _ in range(self._core.settings.commit_attempts_max):
            ground = await self._look(wanted)
            if ground is not None:
                return ground
        raise OperationAborted("others kept replacing the object: try again")

    async def _look(self, wanted: _Wanted) -> _Ground | None:
        """None if the object was replaced, and its manifest collected, while it was read."""
        bucket_id = wanted.place.bucket_id
        bucket_row, row, payload_row = await self._core.metadata.get(
            [
                keys.bucket(bucket_id),
                keys.object_(bucket_id, wanted.key),
                keys.payload(bucket_id, wanted.key),
            ]
        )
        place = current_bucket(self._core, wanted.place.name, bucket_row)
        require_unversioned(place, "appended to")
        old = current(place, wanted.key, row)
        old.check(wanted.conditions, wanted.place.name)
        if not old.is_there:
            if wanted.offset_bytes:
                raise ObjectNotFound(wanted.place.name, wanted.name)
            require_unencrypted(place, None, "appended to")
            return _Ground(old, None, wanted.fresh, b"", None)
        if old.known is None:
            raise DamagedRecord(f"object {wanted.place.name}/{wanted.name}", "it cannot be read")
        head, tail = old.known
        require_unencrypted(place, tail.encryption, "appended to")
        self._core.classes.require_readable(head, tail, self._core.now_us)
        if head.size_bytes != wanted.offset_bytes:
            raise WriteOffsetInvalid(wanted.offset_bytes, head.size_bytes)
        if wanted.fresh.metadata or wanted.fresh.tags:
            raise InvalidOperation(_METADATA)
        if tail.annotations:
            raise InvalidOperation(_ANNOTATED)
        try:
            next_ = await next_part(self._core, old, head, tail)
        except DamagedRecord:
            if await self._is_replaced(old):
                return None
            raise
        ground = _Ground(old, head, tail, _payload(wanted, tail.source, payload_row), next_)
        if ground.checksum and wanted.algorithm not in ("", ground.checksum.algorithm):
            raise InvalidOperation(checksum_mismatch(ground.checksum.algorithm, wanted.algorithm))
        return ground

    async def _is_replaced(self, old: Current) -> bool:
        row_key = keys.object_(old.bucket_id, old.key)
        [row] = await self._core.metadata.get([row_key])
        return row is None or At(row_key, row.revision) != old.expectation

    async def _append(self, wanted: _Wanted, ground: _Ground, ingested: Ingested) -> Object:
        core = self._core
        version, attempt = core.ids.uid(), core.ids.uid()

        def ref(blob: bytes) -> bytes:
            if ground.next is None:
                return keys.version_ref(blob, version)
            return keys.part_ref(blob, attempt)

        placement = Placement(
            account=wanted.place.owner,
            deduplicate=wanted.place.deduplicate,
            ref=ref,
            identity={
                "bucket": wanted.place.name,
                "key": wanted.key,
                "version": version,
                "offset_bytes": wanted.offset_bytes - len(ground.payload),
            },
            locked=(keys.object_(wanted.place.bucket_id, wanted.key),),
        )

        async def decide(batch: Batch, source: Source) -> Object:
            found = await self._ground(wanted)
            if not found.is_like(ground):
                raise OperationAborted("the object was replaced by another one of the same size")
            if not self._kept(found).keeps_like(self._kept(ground)):
                raise OperationAborted("the object got another storage class: try again")
            head = self._grown_head(wanted, found, ingested, version)
            if isinstance(source, InBlob) and found.next is not None:
                part = Part(
                    size_bytes=ingested.size_bytes,
                    modified_us=head.modified_us,
                    etag=ingested.etag,
                    blob=source.blob,
                    attempt=attempt,
                    checksums=(ingested.checksum,),
                )
                source = found.next.add(batch, part)
                batch.put(keys.manifest_ref(source.upload, version), references.REF)
            checksums = _grown_checksum(found, ingested)
            tail = structs.replace(found.tail, source=source, checksums=checksums)
            payload = found.payload + ingested.payload if isinstance(source, InRow) else b""
            kind = JournalKind.OBJECT_APPENDED
            return replace(core, batch, found.old, head, tail, payload=payload, kind=kind)

        return await publish(core, ingested, placement, decide)

    def _grown_head(
        self, wanted: _Wanted, ground: _Ground, ingested: Ingested, version: bytes
    ) -> ObjectHead:
        checksums = _grown_checksum(ground, ingested)
        return ObjectHead(
            size_bytes=wanted.offset_bytes + ingested.size_bytes,
            modified_us=self._core.now_us(),
            etag=appended_etag(ground.head.etag, ingested.etag) if ground.head else ingested.etag,
            version=version,
            owner=wanted.place.owner,
            storage_class=ground.head.storage_class if ground.head else STANDARD,
            checksum_algorithm=checksums[0].algorithm if checksums else "",
            checksum_kind=checksums[0].kind if checksums else "",
        )


def _payload(wanted: _Wanted, source: Source, row: Row | None) -> bytes:
    if not isinstance(source, InRow):
        return b""
    if row is None:
        raise DamagedRecord(f"payload of {wanted.place.name}/{wanted.name}", "missing")
    return decode_payload(row.value)


def appended_etag(etag: str, appended: str) -> str:
    """The ETag after an append: like a multipart one, but each append is chained to what was
    there, so that it costs nothing to make and is never that of one PUT."""
    before, _, count = etag.partition("-")
    added, _, _ = appended.partition("-")
    chained = hashlib.md5(bytes.fromhex(before + added), usedforsecurity=False)
    return f"{chained.hexdigest()}-{int(count or 1) + 1}"


def _grown_checksum(ground: _Ground, ingested: Ingested) -> tuple[Checksum, ...]:
    if ground.head is None:
        return (ingested.checksum,)
    old, new = ground.checksum, ingested.checksum
    if old is None:
        return ()
    if old.algorithm != new.algorithm:
        raise OperationAborted("the object was replaced by one with another checksum")
    parts = [(old.value, ground.head.size_bytes), (new.value, ingested.size_bytes)]
    return (full_object(old.algorithm, parts),)
