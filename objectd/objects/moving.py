"""Giving a version another storage class, in place: it stays the same version, with its id, its
time and all that is said of it. Only its class changes, and where its bytes are.

Bytes that lie in a row, or in a class that keeps them alike, stay where they are. A blob is stored
anew before the commit that refers to it and lets the old one go. Of an object in parts each part
is, under an upload of the same key, which the last commit makes its manifest; what a crash leaves
of that is an abandoned upload, at once. Copies that share the old manifest keep it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import attrs
from msgspec import structs
from twisted.logger import Logger

from objectd.errors import Conflict, DamagedBlob, DamagedRecord, ObjectdError
from objectd.interfaces import Absent, At, Row
from objectd.model import keys
from objectd.model.codec import decode, encode, encode_object
from objectd.model.records import (
    Bucket,
    InBlob,
    Incompatible,
    InManifest,
    JournalKind,
    Manifest,
    ObjectHead,
    ObjectTail,
    Part,
    Source,
    Upload,
    UploadState,
)
from objectd.objects import features, references
from objectd.objects.aborting import give_up
from objectd.objects.classes import StorageClass
from objectd.objects.core import Core
from objectd.objects.ids import version_id
from objectd.objects.ingest import Ingested
from objectd.objects.publishing import part_placement, publish, version_placement
from objectd.objects.reading import part_ranges
from objectd.objects.restaging import Content, Pace, restaged
from objectd.objects.shield import Outdated, shield
from objectd.objects.writer import Batch

_log = Logger()


class VersionChanged(Outdated):
    """The version is not what it was, or nobody wants it moved any more."""


@attrs.frozen
class Version:
    """A version where it lies now."""

    bucket: Bucket
    key: bytes
    row_key: bytes
    row: Row
    head: ObjectHead
    tail: ObjectTail

    @property
    def locked(self) -> tuple[bytes, ...]:
        """What others may want to change who change the key."""
        return (keys.object_(self.bucket.bucket_id, self.key),)


Find: TypeAlias = Callable[[Batch], Awaitable[Version | None]]
"""Reads a version, and puts into the batch what else the move relies on; None if it is not to be
moved. Called for each attempt."""


def stays_where_it_is(core: Core, found: Version, target: StorageClass) -> bool:
    """Nothing has to be done but to say the new class."""
    if not isinstance(found.tail.source, (InBlob, InManifest)):
        return True
    return core.classes.of(found.head).keeps_like(target)


def put_class(
    core: Core, batch: Batch, found: Version, target: StorageClass, source: Source | None = None
) -> None:
    """Say the new class, and where the bytes are from now on if that is another place."""
    head = structs.replace(found.head, storage_class=target.name)
    tail = found.tail if source is None else structs.replace(found.tail, source=source)
    batch.expect(At(found.row_key, found.row.revision))
    batch.put(found.row_key, encode_object(head, tail))
    if source is not None:
        _let_old_place_go(core, batch, found, source)
    kind, bucket_id = JournalKind.OBJECT_TRANSITIONED, found.bucket.bucket_id
    core.journal(batch, kind, bucket_id, key=found.key, version=head.version)


def _let_old_place_go(core: Core, batch: Batch, found: Version, source: Source) -> None:
    """The version has its bytes in another place, so it lets go those in the old one. That is no
    end of it: no lock is asked."""
    old = found.tail.source
    if old != source:  # a blob that is kept as its class was kept before may be its own twin
        references.release_source(batch, b"", found.head.version, old, core.now_us())


async def move_class(core: Core, find: Find, target: StorageClass, pace: Pace) -> None:
    """Give a version this class. May be cancelled between any two pieces of its bytes.

    Raises `VersionChanged` if it was replaced or deleted, or is not wanted moved any more,
    `DamagedBlob`, `DamagedRecord`, `OperationAborted`, and what the stores raise; then it is as
    it was.
    """
    await features.ensure(core, Incompatible.STORAGE_CLASSES)
    found = await find(Batch())
    if found is None:
        raise VersionChanged
    move, source = _Move(core, find, found, target, pace), found.tail.source
    if stays_where_it_is(core, found, target):
        await shield(move.row())
    elif isinstance(source, InBlob):
        await move.blob(source)
    elif isinstance(source, InManifest):
        await _PartsMove(core, find, found, target, pace, source).parts()


@attrs.frozen
class _Move:
    """One version on its way, as it was found at first."""

    core: Core
    find: Find
    found: Version
    target: StorageClass
    pace: Pace

    async def row(self) -> None:
        """Move what stays where it is."""

        async def decide(batch: Batch) -> None:
            put_class(self.core, batch, await self.again(batch), self.target)

        async with self.core.locks.holding(*self.found.locked):
            await self.core.writer.transact(decide)

    async def blob(self, source: InBlob) -> None:
        """Move all bytes of a version."""
        head, tail = self.found.head, self.found.tail
        content = Content(source.blob, head.size_bytes, head.etag, tail.checksums)
        async with self.reading():
            ingested = await restaged(self.core, content, self.target, self.pace)
        placement = version_placement(self.found.bucket, self.found.key, head, tail, ingested)

        async def decide(batch: Batch, moved: Source) -> None:
            put_class(self.core, batch, await self.again(batch), self.target, moved)

        await shield(publish(self.core, ingested, placement, decide))

    async def again(self, batch: Batch) -> Version:
        """The version once more, with its bytes where they were. Raises `VersionChanged`."""
        now = await self.find(batch)
        if now is None or now.tail.source != self.found.tail.source:
            raise VersionChanged
        return now

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Its files stay meanwhile. Raises `VersionChanged` if it has gone, and its rows with
        it."""
        ticket = self.core.reads.begin()
        try:
            await self.again(Batch())
            yield
        except (DamagedBlob, DamagedRecord):
            await self.again(Batch())
            raise
        finally:
            self.core.reads.end(ticket)


@attrs.frozen
class _PartsMove(_Move):
    """A move of parts, which come under an upload of their own. No client can add to it or
    complete it (`Upload.is_of_move`), and it is not abandoned while this process lives."""

    source: InManifest
    upload: Upload = attrs.field(init=False)

    @upload.default
    def _new_upload(self) -> Upload:
        core, found = self.core, self.found
        return Upload(
            state=UploadState.COMPLETING,
            upload=core.ids.uid(),
            owner=found.head.owner,
            started_us=core.now_us(),
            storage_class=self.target.name,
            headers=found.tail.headers,
            metadata=found.tail.metadata,
            tags=found.tail.tags,
            attempt=core.ids.uid(),
            lock=found.tail.lock,
            encryption=found.tail.encryption,
        )

    @property
    def _row_key(self) -> bytes:
        found, upload = self.found, self.upload
        return keys.upload(found.bucket.bucket_id, found.key, upload.started_us, upload.upload)

    async def parts(self) -> None:
        """Move all parts of a version."""
        try:
            begun = await shield(self._begin())
            for number, _, _ in part_ranges(self.source):
                await self._move_part(number, begun)
            await shield(self._finish(begun))
        except BaseException:
            await shield(self._give_up())
            raise

    async def _begin(self) -> At:
        """The row of the upload as it is until all is over. Raises `VersionChanged`."""
        batch = Batch()
        batch.expect(At(self.found.row_key, self.found.row.revision), Absent(self._row_key))
        batch.put(self._row_key, encode(self.upload))
        async with self.core.locks.holding(self._row_key):
            try:
                return At(self._row_key, await self.core.writer.commit(batch))
            except Conflict:
                raise VersionChanged from None

    async def _move_part(self, number: int, begun: At) -> None:
        core, upload = self.core, self.upload
        old, ingested = await self._restaged(number)
        attempt, row_key = core.ids.uid(), keys.part(upload.upload, number)
        placement = part_placement(
            self.found.bucket, self.found.key, upload, ingested, number=number, attempt=attempt
        )

        async def decide(batch: Batch, source: Source) -> None:
            if not isinstance(source, InBlob):
                raise TypeError("a part is always a blob")
            await self._expect_begun(batch, begun)
            part = structs.replace(old, blob=source.blob, attempt=attempt)
            batch.expect(Absent(row_key))
            batch.put(row_key, encode(part))

        await shield(publish(core, ingested, placement, decide))

    async def _restaged(self, number: int) -> tuple[Part, Ingested]:
        """A part as it is, and its bytes as they are to be."""
        core, upload = self.core, self.source.upload
        async with self.reading():
            [row] = await core.metadata.get([keys.part(upload, number)])
            if row is None:
                raise DamagedRecord(f"part {number} of upload {upload.hex()}", "missing")
            part = decode(Part, row.value)
            content = Content(part.blob, part.size_bytes, part.etag, part.checksums)
            return part, await restaged(core, content, self.target, self.pace)

    async def _finish(self, begun: At) -> None:
        """The last commit: the upload becomes the manifest of the version."""

        async def decide(batch: Batch) -> None:
            found = await self.again(batch)
            await self._expect_begun(batch, begun)
            head, upload = found.head, self.upload.upload
            batch.delete(self._row_key)
            manifest = Manifest(
                bucket_id=found.bucket.bucket_id,
                key=found.key,
                upload=upload,
                list_digest=b"",
                version=head.version,
                etag=head.etag,
                checksums=found.tail.checksums,
                listed=self.source.listed,
                version_id=version_id(head) if found.bucket.versioning else "",
            )
            batch.put(keys.manifest(upload), encode(manifest))
            batch.put(keys.manifest_ref(upload, head.version), references.REF)
            source = structs.replace(self.source, upload=upload)
            put_class(self.core, batch, found, self.target, source)

        async with self.core.locks.holding(*self.found.locked):
            await self.core.writer.transact(decide)

    async def _expect_begun(self, batch: Batch, begun: At) -> None:
        """Raises `VersionChanged` if somebody has taken the upload over, or aborted it."""
        [row] = await self.core.metadata.get([begun.key])
        if row is None or row.revision != begun.revision:
            raise VersionChanged
        batch.expect(begun)

    async def _give_up(self) -> None:
        """If it was begun and is not over; what cannot be done now is done when this process is
        gone, by who looks for abandoned uploads."""
        core, row_key, batch = self.core, self._row_key, Batch()
        try:
            async with core.locks.holding(row_key):  # the begin may be cancelled and under way
                [row] = await core.metadata.get([row_key])
                if row is not None:
                    give_up(batch, row_key, row.revision, core.now_us())
                    await core.writer.commit(batch)
        except Conflict:
            return  # it is over now
        except ObjectdError as error:
            upload = self.upload.upload.hex()
            _log.info("upload {upload} of a move stays: {error}", upload=upload, error=error)
