"""Multipart uploads: create them, add parts, list and abort them.

An upload is a row while it is open; its parts are rows under its id. How parts become an
object is in `objectd.objects.completing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import attrs
from msgspec import structs

from objectd.errors import (
    BucketNotFound,
    CustomerKeyMissing,
    CustomerKeyWrong,
    InvalidArgument,
    InvalidOperation,
    OperationAborted,
    UploadNotFound,
)
from objectd.interfaces import Absent, At, Present, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.locks import Lock
from objectd.model.records import (
    NO_HEADERS,
    Bucket,
    Encryption,
    Headers,
    InBlob,
    Part,
    Source,
    Upload,
    UploadState,
)
from objectd.objects import features, references
from objectd.objects.aborting import give_up
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import (
    DEFAULT_ALGORITHM,
    NOTHING_DECLARED,
    Declared,
    checksum_mismatch,
    multipart_checksum,
)
from objectd.objects.classes import STANDARD
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.encryption import CustomerKey, EncryptionWanted, wanted_in
from objectd.objects.ingest import Ingested
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.publishing import part_placement, publish
from objectd.objects.retention import new_lock
from objectd.objects.sealing import Sealed
from objectd.objects.settings import LIST_ENTRIES_MAX, PART_BYTES_MAX, PART_NUMBER_MAX
from objectd.objects.shield import shield
from objectd.objects.tag_rules import check_tags
from objectd.objects.upload_listing import UploadId, UploadPage, list_uploads
from objectd.objects.writer import Batch
from objectd.streams import BytesStream, ByteStream

_PARTS_NEED_KEY = (
    "The multipart upload initiate requested encryption. Subsequent part requests must include "
    "the appropriate encryption parameters."
)


@attrs.frozen
class CreatedUpload:
    """An upload that was begun, and how its parts are encrypted."""

    id: UploadId
    encryption: Encryption | None = None


@attrs.frozen
class StoredPart:
    """A part, and how it is encrypted."""

    part: Part
    encryption: Encryption | None = None


@attrs.frozen
class PartPage:
    upload: Upload
    parts: list[tuple[int, Part]]
    more: bool


class Place(NamedTuple):
    """An upload as a request names it, with the key of its row."""

    bucket: Bucket
    key: bytes
    id: UploadId
    row_key: bytes


@attrs.frozen
class Uploads:
    """The multipart uploads of all buckets."""

    _core: Core
    _buckets: Buckets

    async def create(
        self,
        bucket: str,
        key: str,
        *,
        headers: Headers = NO_HEADERS,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        checksum_algorithm: str = "",
        checksum_kind: str = "",
        lock: Lock | None = None,
        encryption: EncryptionWanted | None = None,
        storage_class: str = STANDARD,
    ) -> CreatedUpload:
        """Begin an upload; `lock` is that of the object when it is complete. Its parts share a
        data key. Raises `BucketNotFound`, `KeyTooLong`, `MetadataTooLarge`, `InvalidTag`,
        `InvalidOperation` for a checksum that cannot be had of parts, or a lock in a bucket
        without Object Lock, `UnknownStorageClass`, and what `Objects.put` raises for encryption."""
        raw_key = key_bytes(key)
        check_metadata(metadata or {})
        check_tags(tags or {})
        algorithm, kind = multipart_checksum(checksum_algorithm, checksum_kind)
        place = await self._buckets.get(bucket)
        if lock is not None:
            lock = await new_lock(self._core, place, lock)
        kept = await features.class_named(self._core, storage_class)
        wanted = wanted_in(place, encryption)
        sealed = None
        if wanted is not None:
            sealed = await features.new_sealed(self._core, wanted, place, key)
        upload = Upload(
            state=UploadState.OPEN,
            upload=self._core.ids.uid(),
            owner=place.owner,
            started_us=self._core.now_us(),
            storage_class=kept.name,
            headers=headers,
            metadata=dict(metadata or {}),
            tags=dict(tags or {}),
            checksum_algorithm=algorithm,
            checksum_kind=kind,
            lock=lock,
            encryption=sealed.encryption if sealed is not None else None,
        )
        row_key = keys.upload(place.bucket_id, raw_key, upload.started_us, upload.upload)

        async def decide(batch: Batch) -> None:
            bucket_key = keys.bucket(place.bucket_id)
            if (await self._core.metadata.get([bucket_key]))[0] is None:
                raise BucketNotFound(place.name)
            batch.expect(Present(bucket_key))
            batch.put(row_key, encode(upload))

        await shield(self._core.writer.transact(decide))
        return CreatedUpload(UploadId.of(upload), upload.encryption)

    async def put_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        body: bytes | ByteStream,
        *,
        declared: Declared = NOTHING_DECLARED,
        size_bytes: int | None = None,
        customer_key: CustomerKey | None = None,
    ) -> StoredPart:
        """Store a part, in place of an earlier one of that number. Durable on return.

        Raises `UploadNotFound`, `InvalidOperation` for another checksum or customer's key than
        the upload's, `CustomerKeyMissing`, `CustomerKeyUnwanted`, and what `Objects.put` raises.
        """
        place, upload = await self.place_for_part(bucket, key, upload_id, number)
        if upload.lock is not None:
            declared.require_for_lock("Put Part")
        sealed = None
        if upload.encryption is not None or customer_key is not None:
            sealed = await self._sealed(upload, customer_key)
        ingested = await self._core.intake.take(
            BytesStream(body) if isinstance(body, bytes) else body,
            _wanted(upload, declared),
            size_bytes=size_bytes,
            size_bytes_max=PART_BYTES_MAX,
            inline_bytes_max=-1,
            sealed=sealed,
            kept=self._core.classes.of(upload),
        )
        part = await shield(self._put_part(place, upload, number, ingested))
        return StoredPart(part, upload.encryption)

    async def parts(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        *,
        after_number: int = 0,
        parts_max: int = LIST_ENTRIES_MAX,
    ) -> PartPage:
        """The parts so far, by number. Raises `UploadNotFound`."""
        place = await self.place(bucket, key, upload_id)
        upload, _ = await self.find(place)
        start = keys.part(place.id.uid, min(max(after_number, 0), PART_NUMBER_MAX) + 1)
        stop = keys.after(keys.parts(place.id.uid))
        if parts_max == 0:
            return PartPage(upload, [], False)
        page = await self._core.metadata.scan(Scan(start, stop, limit=parts_max))
        found = ((e.key, decoded(Part, e.key, e.value)) for e in page.entries)
        parts = [(keys.part_number(key), part) for key, part in found if part is not None]
        return PartPage(upload, parts, page.more)

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Give an upload up; the collector drops its parts. Raises `UploadNotFound`."""
        place = await self.place(bucket, key, upload_id)

        async def decide(batch: Batch) -> None:
            [row] = await self._core.metadata.get([place.row_key])
            if row is None:
                raise UploadNotFound(upload_id)
            give_up(batch, place.row_key, row.revision, self._core.now_us())

        await shield(self._core.writer.transact(decide))

    async def list(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        uploads_max: int = LIST_ENTRIES_MAX,
    ) -> UploadPage:
        """Uploads in progress after (key marker, upload id marker). A marker that lies in a
        common prefix skips that prefix. Raises `BucketNotFound`."""
        return await list_uploads(
            self._core.metadata,
            await self._buckets.id_of(bucket),
            prefix=prefix,
            delimiter=delimiter,
            key_marker=key_marker,
            upload_id_marker=upload_id_marker,
            uploads_max=uploads_max,
        )

    async def place(self, bucket: str, key: str, upload_id: str) -> Place:
        """Where an upload's row must be. Raises `BucketNotFound`, `UploadNotFound`."""
        raw_key = key_bytes(key)
        in_bucket = await self._buckets.get(bucket)
        parsed = UploadId.parse(upload_id)
        row_key = keys.upload(in_bucket.bucket_id, raw_key, parsed.time_us, parsed.uid)
        return Place(in_bucket, raw_key, parsed, row_key)

    async def place_for_part(
        self, bucket: str, key: str, upload_id: str, number: int
    ) -> tuple[Place, Upload]:
        """An upload that takes parts, for one of that number. Raises `BucketNotFound`,
        `UploadNotFound`, `InvalidArgument`, `OperationAborted`."""
        if not 1 <= number <= PART_NUMBER_MAX:
            raise InvalidArgument(
                f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
                name="partNumber",
                value=str(number),
            )
        place = await self.place(bucket, key, upload_id)
        upload, _ = await self.find(place)
        _require_open(upload)
        return place, upload

    async def find(self, place: Place) -> tuple[Upload, At]:
        """An upload that is in progress. Raises `UploadNotFound`."""
        [row] = await self._core.metadata.get([place.row_key])
        if row is None:
            raise UploadNotFound(place.id.text())
        return decode(Upload, row.value), At(place.row_key, row.revision)

    async def replace_part(self, batch: Batch, place: Place, number: int, part: Part) -> None:
        """Put a part, in place of an earlier one of that number, if the upload still takes
        any. Raises `BucketNotFound`, `UploadNotFound`, `OperationAborted`."""
        bucket, part_key = keys.bucket(place.bucket.bucket_id), keys.part(place.id.uid, number)
        bucket_row, upload_row, part_row = await self._core.metadata.get(
            [bucket, place.row_key, part_key]
        )
        if bucket_row is None:
            raise BucketNotFound(place.bucket.name)
        if upload_row is None:
            raise UploadNotFound(place.id.text())
        _require_open(decode(Upload, upload_row.value))
        batch.expect(Present(bucket), At(place.row_key, upload_row.revision))
        _release_earlier(batch, part_key, part_row, self._core.now_us())
        batch.put(part_key, encode(part))

    async def _sealed(self, upload: Upload, customer_key: CustomerKey | None) -> Sealed:
        """How the parts of an upload are encrypted."""
        encryption = upload.encryption
        try:
            secret = await self._core.encryptions.open(encryption, customer_key)
        except CustomerKeyMissing:
            raise CustomerKeyMissing(_PARTS_NEED_KEY) from None
        except CustomerKeyWrong:
            raise InvalidOperation(
                "The provided encryption parameters did not match the ones used originally."
            ) from None
        return self._core.encryptions.sealed(encryption, secret)

    async def _put_part(
        self, place: Place, upload: Upload, number: int, ingested: Ingested
    ) -> Part:
        core = self._core
        attempt = core.ids.uid()
        placement = part_placement(
            place.bucket, place.key, upload, ingested, number=number, attempt=attempt
        )

        async def decide(batch: Batch, source: Source) -> Part:
            if not isinstance(source, InBlob):
                raise TypeError("a part is always a blob")
            part = Part(
                size_bytes=ingested.size_bytes,
                modified_us=core.now_us(),
                etag=ingested.etag,
                blob=source.blob,
                attempt=attempt,
                checksums=ingested.checksums,
            )
            await self.replace_part(batch, place, number, part)
            return part

        return await publish(core, ingested, placement, decide)


def _wanted(upload: Upload, declared: Declared) -> Declared:
    """Parts have the checksum that the upload was created with, whether or not their sender
    declares it; in an upload without one they may come with any.

    Raises `InvalidOperation` for another one than the upload's.
    """
    wanted = upload.checksum_algorithm
    if wanted and declared.algorithm not in ("", wanted):
        raise InvalidOperation(checksum_mismatch(wanted, declared.algorithm))
    return structs.replace(declared, kept=wanted or DEFAULT_ALGORITHM)


def _require_open(upload: Upload) -> None:
    if upload.state is not UploadState.OPEN:
        raise OperationAborted("the upload is being completed")


def _release_earlier(batch: Batch, part_key: bytes, row: Row | None, now_us: int) -> None:
    """A part takes the place of the one that was sent before it, if any."""
    if row is None:
        batch.expect(Absent(part_key))
        return
    batch.expect(At(part_key, row.revision))
    if earlier := decoded(Part, part_key, row.value):
        references.release_part(batch, earlier, now_us)
