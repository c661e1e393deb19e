"""Copying objects: a commit in which no byte moves.

A copy is a version of its own that refers to the bytes of its source: small payloads are
written again, blobs and manifests get one more reference. The commit expects the blob or the
manifest as it was read, so one that the collector has taken meanwhile cannot be referred to;
the source is then read again. The source's own row is not expected, unless it is also the
target's: what was copied is a version that the key had while the request was under way.

A copy that is encrypted for another key shares the bytes as well: only their data key is sealed
again (`objectd.objects.resealing`). Where just one of the two is encrypted, or one of them twice
over, or where their storage classes keep bytes in other ways, these are read and stored anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import attrs
from msgspec import structs

from objectd.errors import DamagedBlob, DamagedRecord, InvalidOperation, OperationAborted
from objectd.model import keys
from objectd.model.codec import decode_object_head
from objectd.model.records import (
    Bucket,
    Checksum,
    InBlob,
    InRow,
    JournalKind,
    Nothing,
    ObjectTail,
)
from objectd.objects import features, references
from objectd.objects.annotation_copying import copy_annotations
from objectd.objects.annotation_rows import Recoding
from objectd.objects.annotations import require_annotatable
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import Declared, hasher
from objectd.objects.classes import StorageClass
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.copy_source import CopySource, ObjectName, check_source_size
from objectd.objects.core import Core
from objectd.objects.current import read_current, replace
from objectd.objects.encryption import CustomerKey, EncryptionWanted, wanted_in
from objectd.objects.names import key_bytes
from objectd.objects.object import Object, OpenObject
from objectd.objects.objects import Objects
from objectd.objects.overrides import COPY_ALL, Overrides
from objectd.objects.resealing import Resealed, resealed
from objectd.objects.retention import new_lock
from objectd.objects.sealing import Sealed, Secret
from objectd.objects.settings import COPY_SOURCE_BYTES_MAX
from objectd.objects.shield import Outdated, shield
from objectd.objects.versions import Key, require_version
from objectd.objects.writer import Batch

_TO_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without "
    "changing the object's metadata, storage class, website redirect location or encryption "
    "attributes."
)


class Copied(Object, frozen=True):
    """An object that was just made, and the version it was made of: '' where the source's
    bucket never had versions."""

    source_version_id: str = ""


class _SourceReplaced(Outdated):
    """What was learned of the source is no longer of use."""


class _MustOpen(Outdated):
    """The source's bytes cannot just be shared, which was not known."""


class _Summed(NamedTuple):
    """The checksum that was asked for, and of which version's bytes it is."""

    version: bytes
    checksum: Checksum


@attrs.frozen
class _Copying:
    """One copy, as it was asked for."""

    source: CopySource
    place: Bucket
    key: bytes
    own: Overrides
    conditions: Conditions
    algorithm: str
    wanted: EncryptionWanted | None
    kept: StorageClass

    @property
    def is_onto_itself(self) -> bool:
        name, version = self.source.name, self.source.version_id
        return name == (self.place.name, self.key.decode()) and not version

    def check_source(self, source: Object) -> None:
        self.source.conditions.check_source(source.head)
        check_source_size(source.size_bytes)
        if self.own.annotations and source.tail.annotations and self.wanted is not None:
            require_annotatable(self.wanted.scheme)


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
        encryption: EncryptionWanted | None = None,
        source_customer_key: CustomerKey | None = None,
    ) -> Copied:
        """Make `target` a copy of `source` (its newest version, or `source_version`), in place
        of what has that key; durable on return.

        Where no byte has to be read, the copy keeps its source's ETag, also that of a multipart
        object (`…-N`), and its checksums. Only a `checksum_algorithm` that the source has not for
        its whole is computed, by reading the bytes once. The conditions are judged on the
        very versions that are copied and replaced. How the source is encrypted is not copied:
        `encryption` or the default of the target's bucket holds; nor is its storage class. Where
        one of the two makes it necessary, the bytes are stored anew.
        Annotations are copied unless `own` says otherwise, as they are at one moment; a copy that
        is encrypted for a customer's key cannot have any.

        A named version may be copied onto its own key: that brings it back as the newest.

        Raises `PreconditionFailed`, `InvalidOperation` (larger than a copy may be, or onto
        itself without a change), `DamagedBlob`, what `CopySource.open` and `Overrides.check` raise,
        `UnknownStorageClass`, `OperationAborted`, with `conditions` `ConditionalConflict`, and
        what `Objects.put` raises for encryption.
        """
        own.check()
        is_changed = own.change_the_object or encryption is not None
        if source == target and not source_version and not is_changed:
            raise InvalidOperation(_TO_ITSELF)
        key = key_bytes(target.key)
        kept = await features.class_named(self._core, own.storage_class)
        place = await self._buckets.get(target.bucket)
        if own.lock is not None:
            own = attrs.evolve(own, lock=await new_lock(self._core, place, own.lock))
        copying = _Copying(
            CopySource(source, source_version, source_conditions, source_customer_key),
            place,
            key,
            own,
            conditions,
            checksum_algorithm,
            wanted_in(place, encryption),
            kept,
        )
        # A key for the source can only be checked by one who looks at how it is encrypted.
        must_open = copying.wanted is not None or source_customer_key is not None
        for _ in range(self._core.settings.commit_attempts_max):
            try:
                with conditions.telling_conflicts():
                    return await self._attempt(copying, must_open)
            except _SourceReplaced:
                continue
            except _MustOpen:
                must_open = True
        raise OperationAborted("the source kept being replaced: try again")

    async def _attempt(self, copying: _Copying, must_open: bool) -> Copied:
        if not must_open:
            return await shield(self._copy(copying, await self._sum(copying), None))
        opened = await copying.source.open(self._objects)
        try:
            copying.check_source(opened.object)
            new = await resealed(self._core, opened, copying.wanted, copying.place, copying.key)
            if new is None or not self._may_share(copying, opened.object):
                return await self._store(copying, opened)
        finally:
            opened.close()
        return await shield(self._copy(copying, await self._sum(copying), new))

    async def _store(self, copying: _Copying, opened: OpenObject) -> Copied:
        """Store the bytes anew, encrypted as it is wanted or not at all."""
        core, place, source = self._core, copying.place, opened.object
        checksums = source.tail.checksums
        algorithm = copying.algorithm or (checksums[0].algorithm if checksums else "")
        sealed = None
        if copying.wanted is not None:
            sealed = await features.new_sealed(core, copying.wanted, place, copying.key.decode())
        ingested = await core.intake.take(
            opened.stream(),
            Declared(kept=algorithm),
            size_bytes=source.size_bytes,
            size_bytes_max=COPY_SOURCE_BYTES_MAX,
            inline_bytes_max=core.settings.inline_bytes_max,
            sealed=sealed,
            kept=copying.kept,
        )
        tail = structs.replace(
            copying.own.apply(source.tail),
            source=InRow() if ingested.payload else Nothing(),
            checksums=(ingested.checksum,),
            encryption=sealed and sealed.encryption,
        )
        kind = JournalKind.OBJECT_COPIED
        version = self._objects.version(
            place, copying.key, ingested, tail, copying.conditions, kind, kept=copying.kept
        )
        complete = self._completion(copying, source, version.head.version, opened.secret, sealed)
        version = structs.replace(version, complete=complete)
        return _copied(await shield(version.put()), source)

    def _completion(
        self,
        copying: _Copying,
        source: Object,
        uid: bytes,
        secret: Secret | None,
        sealed: Sealed | None,
    ) -> Callable[[Batch, ObjectTail], Awaitable[ObjectTail]]:
        """What has to be done in the commit of bytes that were stored anew, from that source."""
        is_annotated = copying.own.annotations and source.tail.annotations > 0
        used = False

        async def complete(batch: Batch, tail: ObjectTail) -> ObjectTail:
            nonlocal used
            if copying.is_onto_itself:
                # What was put there since would be lost, and not to a newer version.
                again = await copying.source.head(self._objects)
                if again.head.version != source.head.version:
                    raise _SourceReplaced
            if not is_annotated:
                return tail
            if used:  # what the attempt before has put beneath the id is the collector's
                raise _SourceReplaced
            used = True
            recoding = Recoding(secret, sealed)
            count = await self._annotate(copying, source, batch, uid, recoding)
            return structs.replace(tail, annotations=count)

        return complete

    async def _sum(self, copying: _Copying) -> _Summed | None:
        """The checksum that the copy shall have; read if need be, and before the locks."""
        algorithm = copying.algorithm
        if not algorithm:
            return None
        hasher(algorithm)
        opened = await copying.source.open(self._objects)
        try:
            copying.check_source(opened.object)
            version = opened.object.head.version
            for checksum in opened.object.tail.checksums:
                if (checksum.algorithm, checksum.kind) == (algorithm, "FULL_OBJECT"):
                    return _Summed(version, checksum)
            checksum = await self._core.intake.checksum(opened.stream(), algorithm)
            return _Summed(version, checksum)
        finally:
            opened.close()

    async def _copy(
        self, copying: _Copying, summed: _Summed | None, new: Resealed | None
    ) -> Copied:
        core, place = self._core, copying.place

        async def decide(batch: Batch) -> Copied:
            version = core.ids.uid()
            # Before the source, which may be the same: then the commit expects that too.
            old = await read_current(core, place, copying.key)
            source, payload = await copying.source.stored(self._objects)
            copying.check_source(source)
            head, tail = source.head, copying.own.apply(source.tail)
            if new is not None:
                if new.source != (head.version, tail.encryption):
                    raise _SourceReplaced
                tail = structs.replace(tail, encryption=new.encryption)
                head = structs.replace(head, etag=new.etag)
            elif tail.encryption is not None:
                raise _MustOpen
            if not self._may_share(copying, source):
                raise _MustOpen
            if summed is not None:
                if summed.version != head.version:
                    raise _SourceReplaced
                tail = structs.replace(tail, checksums=(summed.checksum,))
            if not await references.share_source(core.metadata, batch, tail.source, version):
                raise await self._why_missing(copying, source)
            old.check(copying.conditions, place.name)
            if copying.own.annotations and source.tail.annotations:
                count = await self._annotate(copying, source, batch, version)
                tail = structs.replace(tail, annotations=count)
            checksum = tail.checksums[0] if tail.checksums else None
            head = structs.replace(
                head,
                modified_us=core.now_us(),
                version=version,
                owner=place.owner,
                storage_class=copying.kept.name,
                checksum_algorithm=checksum.algorithm if checksum else "",
                checksum_kind=checksum.kind if checksum else "",
            )
            kind = JournalKind.OBJECT_COPIED
            made = replace(core, batch, old, head, tail, payload=payload, kind=kind)
            return _copied(made, source)

        async with core.locks.holding(keys.object_(place.bucket_id, copying.key)):
            return await core.writer.transact(decide)

    def _may_share(self, copying: _Copying, source: Object) -> bool:
        """The source's bytes are where, and as, those of the copy have to be."""
        if isinstance(source.tail.source, (InRow, Nothing)):
            return True
        return self._core.classes.of(source.head).keeps_like(copying.kept)

    async def _annotate(
        self,
        copying: _Copying,
        source: Object,
        batch: Batch,
        version: bytes,
        recoding: Recoding | None = None,
    ) -> int:
        """Give the copy the annotations of its source."""
        name = await self._buckets.named(source.bucket)
        key = Key(source.bucket, name.bucket_id, key_bytes(source.key))
        carrier = await require_version(
            self._core, key, copying.source.version_id, versioned=name.versioned
        )
        if decode_object_head(carrier.row.value).version != source.head.version:
            raise _SourceReplaced
        uid = source.head.version
        return await copy_annotations(self._core, batch, carrier, uid, version, recoding)

    async def _why_missing(self, copying: _Copying, was: Object) -> Exception:
        """Why the bytes of a version cannot be shared: because it was replaced, or moved, and
        they were collected since it was read, or because they are damaged. Raises
        `ObjectNotFound`."""
        again = await copying.source.head(self._objects)
        now = again.head.version, again.tail.source
        if now != (was.head.version, was.tail.source):
            return _SourceReplaced()
        if isinstance(was.tail.source, InBlob):
            blob = was.tail.source.blob.hex()
            return DamagedBlob(blob, "its row is missing or marks it as damaged")
        return DamagedRecord(f"manifest of {was.bucket}/{was.key}", "missing")


def _copied(made: Object, source: Object) -> Copied:
    return Copied(**structs.asdict(made), source_version_id=source.version_id)
