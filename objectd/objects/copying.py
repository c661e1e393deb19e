"""Copying objects: a commit in which no byte moves.

A copy is a version of its own that refers to the bytes of its source: small payloads are
written again, blobs and manifests get one more reference. The commit expects the blob or the
manifest as it was read, so one that the collector has taken meanwhile cannot be referred to;
the source is then read again. The source's own row is not expected, unless it is also the
target's: what was copied is a version that the key had while the request was under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import attrs
from msgspec import structs

from objectd.errors import (
    DamagedBlob,
    DamagedRecord,
    DeleteMarkerFound,
    InvalidOperation,
    ObjectNotFound,
    OperationAborted,
    VersionIsDeleteMarker,
)
from objectd.model import keys
from objectd.model.codec import decode_object_head
from objectd.model.records import Bucket, Checksum, Headers, InBlob, JournalKind, Lock, ObjectTail
from objectd.objects import references
from objectd.objects.annotation_copying import copy_annotations
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import hasher
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import read_current, replace
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.object import Object, OpenObject
from objectd.objects.objects import Objects
from objectd.objects.retention import check_lock
from objectd.objects.settings import COPY_SOURCE_BYTES_MAX
from objectd.objects.shield import shield
from objectd.objects.tag_rules import check_tags
from objectd.objects.versions import Key, require_version
from objectd.objects.writer import Batch

_TO_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without "
    "changing the object's metadata, storage class, website redirect location or encryption "
    "attributes."
)

_MARKER = (
    "The source of a copy request may not specifically refer to a delete marker by version id."
)


class ObjectName(NamedTuple):
    bucket: str
    key: str


@attrs.frozen
class Overrides:
    """What a copy has of its own; None is what its source has. A website's redirect is never
    copied, so it is always the copy's own (in `headers` or, without them, apart); nor is a lock."""

    headers: Headers | None = None
    metadata: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None
    website_redirect_location: str = ""
    storage_class: str = ""
    annotations: bool = True
    """Whether it has its source's annotations, or none."""
    lock: Lock | None = None

    @property
    def change_the_object(self) -> bool:
        """Whether they make a copy onto itself worth its while: of new tags alone, AWS says
        that they do not, and leaving annotations behind is no more."""
        return self != attrs.evolve(
            COPY_ALL, tags=self.tags, annotations=self.annotations, lock=self.lock
        )

    def check(self) -> None:
        """Raises `MetadataTooLarge`, `InvalidArgument`, `InvalidTag`."""
        check_metadata(self.metadata or {})
        check_tags(self.tags or {})

    def apply(self, tail: ObjectTail) -> ObjectTail:
        headers = self.headers or structs.replace(
            tail.headers, website_redirect_location=self.website_redirect_location
        )
        metadata = tail.metadata if self.metadata is None else dict(self.metadata)
        tags = tail.tags if self.tags is None else dict(self.tags)
        return structs.replace(
            tail, headers=headers, metadata=metadata, tags=tags, annotations=0, lock=self.lock
        )


COPY_ALL = Overrides()


@attrs.frozen
class Copied(Object):
    """An object that was just made, and the version it was made of: '' where the source's
    bucket never had versions."""

    source_version_id: str = ""


class _SourceReplaced(Exception):
    """What was learned of the source is no longer of use."""


class _Summed(NamedTuple):
    """The checksum that was asked for, and of which version's bytes it is."""

    version: bytes
    checksum: Checksum


@attrs.frozen
class _Copying:
    """One copy, as it was asked for."""

    source: ObjectName
    source_version: str
    place: Bucket
    key: bytes
    own: Overrides
    source_conditions: Conditions
    conditions: Conditions

    def check_source(self, opened: OpenObject) -> None:
        self.source_conditions.check_source(opened.object.head)
        check_source_size(opened.object.size_bytes)


@attrs.frozen
class Copies:
    """Makes objects of objects."""

    _core: Core
    _buckets: Buckets
    _objects: Objects

    async def copy(
        self,
        source: ObjectName,
        target: ObjectName,
        *,
        source_version: str = "",
        own: Overrides = COPY_ALL,
        source_conditions: Conditions = NO_CONDITIONS,
        conditions: Conditions = NO_CONDITIONS,
        checksum_algorithm: str = "",
    ) -> Copied:
        """Make `target` a copy of `source` (its newest version, or `source_version`), in place
        of what has that key; durable on return.

        No byte is read, so the copy keeps its source's ETag, also that of a multipart object
        (`…-N`), and its checksums. Only a `checksum_algorithm` that the source has not for
        its whole is computed, by reading the bytes once. The conditions are judged on the
        very versions that are copied and replaced.
        Annotations are copied unless `own` says otherwise, as they are at one moment.

        A named version may be copied onto its own key: that brings it back as the newest.

        Raises `PreconditionFailed`, `InvalidOperation` (larger than a copy may be, or onto
        itself without a change), `DamagedBlob`, what `open_source` and `Overrides.check` raise,
        `OperationAborted`, with `conditions` `ConditionalConflict`.
        """
        own.check()
        if source == target and not source_version and not own.change_the_object:
            raise InvalidOperation(_TO_ITSELF)
        key = key_bytes(target.key)
        place = await self._buckets.get(target.bucket)
        if own.lock is not None:
            await check_lock(self._core, place, own.lock)
        copying = _Copying(source, source_version, place, key, own, source_conditions, conditions)
        for _ in range(self._core.settings.commit_attempts_max):
            summed = await self._sum(copying, checksum_algorithm)
            try:
                with conditions.telling_conflicts():
                    return await shield(self._copy(copying, summed))
            except _SourceReplaced:
                continue
        raise OperationAborted("the source kept being replaced: try again")

    async def _sum(self, copying: _Copying, algorithm: str) -> _Summed | None:
        """The checksum that the copy shall have; read if need be, and before the locks."""
        if not algorithm:
            return None
        hasher(algorithm)
        opened = await self._open(copying)
        try:
            copying.check_source(opened)
            version = opened.object.head.version
            for checksum in opened.object.tail.checksums:
                if (checksum.algorithm, checksum.kind) == (algorithm, "FULL_OBJECT"):
                    return _Summed(version, checksum)
            checksum = await self._core.intake.checksum(opened.stream(), algorithm)
            return _Summed(version, checksum)
        finally:
            opened.close()

    async def _copy(self, copying: _Copying, summed: _Summed | None) -> Copied:
        core, place = self._core, copying.place

        async def decide(batch: Batch) -> Copied:
            version = core.ids.uid()
            # Before the source, which may be the same: then the commit expects that too.
            old = await read_current(core, place, copying.key)
            opened = await self._open(copying)
            opened.close()
            copying.check_source(opened)
            head, tail = opened.object.head, copying.own.apply(opened.object.tail)
            if summed is not None:
                if summed.version != head.version:
                    raise _SourceReplaced
                tail = structs.replace(tail, checksums=(summed.checksum,))
            if not await references.share_source(core.metadata, batch, tail.source, version):
                raise await self._why_missing(copying, opened)
            old.check(copying.conditions, place.name)
            if copying.own.annotations and opened.object.tail.annotations:
                count = await self._annotate(copying, opened.object, batch, version)
                tail = structs.replace(tail, annotations=count)
            checksum = tail.checksums[0] if tail.checksums else None
            head = structs.replace(
                head,
                modified_us=core.now_us(),
                version=version,
                owner=place.owner,
                storage_class=copying.own.storage_class or "STANDARD",
                checksum_algorithm=checksum.algorithm if checksum else "",
                checksum_kind=checksum.kind if checksum else "",
            )
            payload = opened.payload or b""
            kind = JournalKind.OBJECT_COPIED
            made = replace(core, batch, old, head, tail, payload=payload, kind=kind)
            return Copied(
                **attrs.asdict(made, recurse=False), source_version_id=opened.object.version_id
            )

        async with core.locks.holding(keys.object_(place.bucket_id, copying.key)):
            return await core.writer.transact(decide)

    async def _annotate(
        self, copying: _Copying, source: Object, batch: Batch, version: bytes
    ) -> int:
        """Give the copy the annotations of its source."""
        name = await self._buckets.named(source.bucket)
        key = Key(source.bucket, name.bucket_id, key_bytes(source.key))
        carrier = await require_version(
            self._core, key, copying.source_version, versioned=name.versioned
        )
        if decode_object_head(carrier.row.value).version != source.head.version:
            raise _SourceReplaced
        return await copy_annotations(self._core, batch, carrier, source.head.version, version)

    async def _open(self, copying: _Copying) -> OpenObject:
        return await open_source(self._objects, copying.source, copying.source_version)

    async def _why_missing(self, copying: _Copying, opened: OpenObject) -> Exception:
        """Why the bytes of a version cannot be shared: because it was replaced and collected
        since it was read, or because they are damaged. Raises `ObjectNotFound`."""
        was, again = opened.object, await self._open(copying)
        again.close()
        if again.object.head.version != was.head.version:
            return _SourceReplaced()
        if isinstance(was.tail.source, InBlob):
            blob = was.tail.source.blob.hex()
            return DamagedBlob(blob, "its row is missing or marks it as damaged")
        return DamagedRecord(f"manifest of {was.bucket}/{was.key}", "missing")


async def open_source(objects: Objects, source: ObjectName, version_id: str) -> OpenObject:
    """Open what is to be copied; it must be closed. A delete marker is no source: that its
    newest version is one leaves a key without an object, and to name one is a mistake
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).

    Raises `BucketNotFound`, `ObjectNotFound`; with an id `VersionNotFound`, `InvalidOperation`,
    `InvalidArgument`.
    """
    try:
        return await objects.get(*source, version_id=version_id)
    except DeleteMarkerFound:
        raise ObjectNotFound(*source) from None
    except VersionIsDeleteMarker:
        raise InvalidOperation(_MARKER) from None


def check_source_size(size_bytes: int) -> None:
    """Raises `InvalidOperation`. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    if size_bytes > COPY_SOURCE_BYTES_MAX:
        raise InvalidOperation(
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {COPY_SOURCE_BYTES_MAX}"
        )
