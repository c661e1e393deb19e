"""Multipart uploads: create them, add parts, list and abort them.

An upload is a row while it is open; its parts are rows under its id. How parts become an
object is in `objectd.objects.completing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import attrs

from objectd.errors import (
    BucketNotFound,
    InvalidArgument,
    OperationAborted,
    UploadNotFound,
)
from objectd.interfaces import Absent, At, Present, Row
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import (
    NO_HEADERS,
    Bucket,
    Candidate,
    Headers,
    InBlob,
    Part,
    Source,
    Upload,
    UploadState,
)
from objectd.objects import references
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import (
    FULL_OBJECT_ALGORITHMS,
    NOTHING_DECLARED,
    Declared,
    hasher,
)
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.ingest import Ingested
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.publishing import Placement, publish
from objectd.objects.settings import LIST_ENTRIES_MAX, PART_BYTES_MAX, PART_NUMBER_MAX
from objectd.objects.shield import shield
from objectd.objects.upload_listing import UploadId, UploadPage, list_uploads
from objectd.objects.writer import Batch
from objectd.streams import BytesStream, ByteStream


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
        checksum_algorithm: str = "",
        checksum_kind: str = "",
    ) -> UploadId:
        """Begin an upload. Raises `BucketNotFound`, `KeyTooLong`, `InvalidArgument`."""
        raw_key = key_bytes(key)
        check_metadata(metadata or {})
        algorithm, kind = check_checksum(checksum_algorithm, checksum_kind)
        place = await self._buckets.get(bucket)
        upload = Upload(
            state=UploadState.OPEN,
            upload=self._core.ids.uid(),
            owner=place.owner,
            started_us=self._core.now_us(),
            storage_class="STANDARD",
            headers=headers,
            metadata=dict(metadata or {}),
            tags={},
            checksum_algorithm=algorithm,
            checksum_kind=kind,
        )
        row_key = keys.upload(place.bucket_id, raw_key, upload.started_us, upload.upload)

        async def decide(batch: Batch) -> None:
            await self.expect_live(batch, place)
            batch.put(row_key, encode(upload))

        await shield(self._core.writer.transact(decide))
        return UploadId(upload.started_us, upload.upload)

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
    ) -> Part:
        """Store a part, in place of an earlier one of that number. Durable on return.

        Raises `UploadNotFound`, and what `Objects.put` raises.
        """
        if not 1 <= number <= PART_NUMBER_MAX:
            raise InvalidArgument(
                f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
                name="partNumber",
                value=str(number),
            )
        place = await self.place(bucket, key, upload_id)
        upload, _ = await self.find(place)
        _require_open(upload)
        algorithm = _part_algorithm(upload, declared)
        ingested = await self._core.intake.take(
            BytesStream(body) if isinstance(body, bytes) else body,
            attrs.evolve(declared, algorithm=algorithm),
            size_bytes=size_bytes,
            size_bytes_max=PART_BYTES_MAX,
            inline_bytes_max=-1,
        )
        return await shield(self._put_part(place, number, ingested))

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
        page = await self._core.metadata.scan(start, stop, limit=parts_max)
        found = ((key, decoded(Part, key, value)) for key, value, _ in page.entries)
        parts = [(keys.part_number(key), part) for key, part in found if part is not None]
        return PartPage(upload, parts, page.more)

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Give an upload up; the collector drops its parts. Raises `UploadNotFound`."""
        place = await self.place(bucket, key, upload_id)

        async def decide(batch: Batch) -> None:
            [row] = await self._core.metadata.get([place.row_key])
            if row is None:
                raise UploadNotFound(upload_id)
            batch.expect(At(place.row_key, row.revision))
            batch.delete(place.row_key)
            candidate = encode(Candidate(self._core.now_us()))
            batch.put(keys.parts_candidate(place.id.uid), candidate)

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

    async def find(self, place: Place) -> tuple[Upload, At]:
        """An upload that is in progress. Raises `UploadNotFound`."""
        [row] = await self._core.metadata.get([place.row_key])
        if row is None:
            raise UploadNotFound(place.id.text())
        return decode(Upload, row.value), At(place.row_key, row.revision)

    async def expect_live(self, batch: Batch, bucket: Bucket) -> None:
        live = keys.live(bucket.bucket_id)
        if (await self._core.metadata.get([live]))[0] is None:
            raise BucketNotFound(bucket.name)
        batch.expect(Present(live))

    async def _put_part(self, place: Place, number: int, ingested: Ingested) -> Part:
        core = self._core
        attempt = core.ids.uid()
        part_key = keys.part(place.id.uid, number)
        placement = Placement(
            account=place.bucket.owner,
            deduplicate=place.bucket.deduplicate,
            ref=lambda blob: keys.part_ref(blob, attempt),
            identity={
                "bucket": place.bucket.name,
                "key": place.key,
                "upload": place.id.uid,
                "part": number,
                "etag": ingested.md5.hex(),
            },
            locked=(part_key,),
        )

        async def decide(batch: Batch, source: Source) -> Part:
            live = keys.live(place.bucket.bucket_id)
            live_row, upload_row, part_row = await core.metadata.get(
                [live, place.row_key, part_key]
            )
            if live_row is None:
                raise BucketNotFound(place.bucket.name)
            if upload_row is None:
                raise UploadNotFound(place.id.text())
            _require_open(decode(Upload, upload_row.value))
            batch.expect(Present(live), At(place.row_key, upload_row.revision))
            _release_earlier(batch, part_key, part_row, core.now_us())
            if not isinstance(source, InBlob):
                raise TypeError("a part is always a blob")
            part = Part(
                size_bytes=ingested.size_bytes,
                modified_us=core.now_us(),
                etag=ingested.md5.hex(),
                blob=source.blob,
                attempt=attempt,
                checksums=(ingested.checksum,),
            )
            batch.put(part_key, encode(part))
            return part

        return await publish(core, ingested, placement, decide)


def check_checksum(algorithm: str, kind: str) -> tuple[str, str]:
    """The algorithm and kind of an upload's checksum, with AWS's defaults.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    if not algorithm:
        if kind:
            raise InvalidArgument("a checksum type needs a checksum algorithm")
        return "", ""
    hasher(algorithm)
    if not kind:
        kind = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    allowed = {"FULL_OBJECT": algorithm in FULL_OBJECT_ALGORITHMS}
    allowed["COMPOSITE"] = algorithm != "CRC64NVME"
    if not allowed.get(kind):
        raise InvalidArgument(
            f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        )
    return algorithm, kind


def _part_algorithm(upload: Upload, declared: Declared) -> str:
    """Parts use the algorithm that the upload was created with, if it was with one."""
    wanted = upload.checksum_algorithm
    if wanted and declared.algorithm and wanted != declared.algorithm:
        raise InvalidArgument(
            f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, "
            f"actual checksum Type: {declared.algorithm.lower()}"
        )
    return declared.algorithm or wanted


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
