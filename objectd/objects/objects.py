"""Objects: put, get and delete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
from msgspec import structs

from objectd.errors import (
    DamagedRecord,
    InvalidArgument,
    ObjectdError,
    ObjectNotFound,
)
from objectd.interfaces import Row
from objectd.model import keys
from objectd.model.codec import decode_object, decode_payload
from objectd.model.locks import Lock
from objectd.model.records import (
    NO_HEADERS,
    Bucket,
    BucketName,
    Headers,
    InRow,
    JournalKind,
    Nothing,
    ObjectHead,
    ObjectTail,
)
from objectd.objects import features
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import NOTHING_DECLARED, Declared
from objectd.objects.classes import STANDARD, StorageClass
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import read_current
from objectd.objects.deleting import Unwanted, delete_all, delete_current, delete_version_of
from objectd.objects.encryption import CustomerKey, EncryptionWanted, wanted_in
from objectd.objects.ids import version_id as version_id_of
from objectd.objects.ingest import Ingested
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.object import Object, OpenObject
from objectd.objects.putting import Guess, Version
from objectd.objects.remembered import Remembered
from objectd.objects.retention import new_lock
from objectd.objects.sealing import Sealed, Secret
from objectd.objects.settings import DELETE_KEYS_MAX, OBJECT_PUT_BYTES_MAX
from objectd.objects.shield import shield
from objectd.objects.tag_rules import check_tags
from objectd.objects.versions import Deleted, Found, Key, require_version
from objectd.streams import BytesStream, ByteStream


def _not_there() -> bytes | None:
    return None


def _as_shown(name: BucketName, found: Found, key: bytes) -> BucketName:
    """What the bucket's name tells of a version that was found: of one that is not current, no
    lifecycle."""
    if not name.lifecycle or found.row_key == keys.object_(name.bucket_id, key):
        return name
    return structs.replace(name, lifecycle=b"")


@attrs.frozen
class Objects:
    """The objects of all buckets."""

    _core: Core
    _buckets: Buckets
    _known: Remembered[Row, Object] = attrs.field(factory=Remembered, init=False)
    _guess: Guess = attrs.field(factory=Guess, init=False)

    async def put(
        self,
        bucket: str,
        key: str,
        body: bytes | ByteStream,
        *,
        headers: Headers = NO_HEADERS,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        declared: Declared = NOTHING_DECLARED,
        size_bytes: int | None = None,
        conditions: Conditions = NO_CONDITIONS,
        lock: Lock | None = None,
        encryption: EncryptionWanted | None = None,
        storage_class: str = STANDARD,
        whole: Callable[[], bytes | None] = _not_there,
    ) -> Object:
        """Store an object, in place of the one that has the key.

        On return it is durable. Until then, and whatever fails, the key keeps what it had.
        Cancelled while the body comes in, nothing is stored; later, it may be.
        `conditions` are about what the object replaces at the moment that it does; where
        they fail already before the body comes in, none of it is read. `lock` keeps what is put
        from being destroyed; without a retention in it, it has the bucket's. Without `encryption`
        the bucket's default holds. `whole` gives all of the body if it is there already: that is
        cheaper than to read it.

        Raises `BucketNotFound`, `KeyTooLong`, `BadDigest`, `IncompleteBody`, `InvalidTag`,
        `EntityTooLarge`, `InvalidArgument`, `OperationAborted`, `StoreFull`; with conditions
        `PreconditionFailed`, `ObjectNotFound` and, for `OperationAborted`,
        `ConditionalConflict`; with a lock, `InvalidOperation` for a bucket without Object Lock;
        with encryption `EncryptionBlocked` and what `Encryptions.new` raises; and
        `UnknownStorageClass`.
        """
        raw_key = key_bytes(key)
        if metadata:
            check_metadata(metadata)
        if tags:
            check_tags(tags)
        place = await self._buckets.get(bucket)
        if lock is not None:
            lock = await new_lock(self._core, place, lock)
        if lock is not None or place.default_retention is not None:
            declared.require_for_lock("Put Object")
        kept = await features.class_named(self._core, storage_class)
        sealed: Sealed | None = None
        if encryption is not None or place.encryption is not None:
            wanted = wanted_in(place, encryption)
            if wanted is not None:
                sealed = await features.new_sealed(self._core, wanted, place, key)
        if conditions:
            (await read_current(self._core, place, raw_key)).check(conditions, bucket)
        data = body if isinstance(body, bytes) else whole()
        ingested = await self._ingested(
            body if data is None else data, declared, size_bytes, sealed, kept
        )
        checksums = (ingested.checksum,)
        source = InRow() if ingested.payload else Nothing()
        tail = ObjectTail(
            source, headers, dict(metadata or {}), checksums, dict(tags or {}), lock=lock
        )
        if sealed is not None:
            tail = structs.replace(tail, encryption=sealed.encryption)
        version = self.version(place, raw_key, ingested, tail, conditions, kept=kept)
        if conditions is NO_CONDITIONS:
            return await shield(version.put())
        with conditions.telling_conflicts():
            return await shield(version.put())

    async def _ingested(
        self,
        body: bytes | ByteStream,
        declared: Declared,
        size_bytes: int | None,
        sealed: Sealed | None,
        kept: StorageClass,
    ) -> Ingested:
        core = self._core
        inline_bytes_max = core.settings.inline_bytes_max
        if isinstance(body, bytes) and len(body) <= inline_bytes_max:
            return core.intake.take_whole(body, declared, size_bytes=size_bytes, sealed=sealed)
        return await core.intake.take(
            BytesStream(body) if isinstance(body, bytes) else body,
            declared,
            size_bytes=size_bytes,
            size_bytes_max=OBJECT_PUT_BYTES_MAX,
            inline_bytes_max=inline_bytes_max,
            sealed=sealed,
            kept=kept,
        )

    async def head(self, bucket: str, key: str, *, version_id: str = "") -> Object:
        """What is known of an object, of its newest version for '', whoever's key it is
        encrypted for.

        Raises `BucketNotFound`, `ObjectNotFound` (if the newest version is a delete marker,
        `DeleteMarkerFound`); with a version `VersionNotFound`, `VersionIsDeleteMarker`, and
        `InvalidArgument` for what was never an id.
        """
        raw_key = key_bytes(key)
        name = await self._buckets.named(bucket)
        if not version_id:
            [row] = await self._core.metadata.get([keys.object_(name.bucket_id, raw_key)])
            if row is not None:
                return self._decoded(bucket, key, row, name)
            if not name.versioned:
                raise ObjectNotFound(bucket, key)
        found = await self._require(bucket, raw_key, name, version_id)
        return self._decoded(bucket, key, found.row, _as_shown(name, found, raw_key))

    async def get(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str = "",
        customer_key: CustomerKey | None = None,
        archived: bool = False,
    ) -> OpenObject:
        """Open an object for reading; it must be closed. Raises as `head`, as
        `Encryptions.open`, and `ObjectArchived`; with `archived` not, for those who ask for
        its parts and for no byte."""
        ticket = self._core.reads.begin()
        try:
            object_, payload = await self.stored(bucket, key, version_id=version_id)
            if object_.head.storage_class != STANDARD and not archived:
                self.require_readable(object_)
            secret: Secret | None = None
            if object_.tail.encryption is not None or customer_key is not None:
                secret = await self._core.encryptions.open(object_.tail.encryption, customer_key)
                payload = secret.open_payload(payload) if payload else b""
        except BaseException:
            self._core.reads.end(ticket)
            raise
        return OpenObject(self._core, object_, payload, ticket, secret)

    def known(self, bucket: str, key: str) -> tuple[Object, bytes] | None:
        """What `get` would open, and all of its bytes, if these lie in a row, unencrypted, and
        that can be told without waiting. None otherwise, whatever the reason: `get` tells.

        As nothing can happen meanwhile and nothing is left to be read, this begins no read.
        """
        raw_key = key_bytes(key)
        name = self._buckets.known(bucket)
        if name is None:
            return None
        rows = self._core.metadata.known(keys.object_and_payload(name.bucket_id, raw_key))
        if rows is None:
            return None
        row, payload_row = rows
        if row is None or payload_row is None:
            return None
        object_ = self._decoded(bucket, key, row, name)
        tail = object_.tail
        if not isinstance(tail.source, InRow) or tail.encryption is not None:
            return None
        if object_.head.storage_class != STANDARD:
            return None
        return object_, decode_payload(payload_row.value)

    def known_head(self, bucket: str, key: str) -> Object | None:
        """What `head` would return, if that can be told without waiting; None otherwise."""
        raw_key = key_bytes(key)
        name = self._buckets.known(bucket)
        if name is None:
            return None
        rows = self._core.metadata.known((keys.object_(name.bucket_id, raw_key),))
        row = rows[0] if rows else None
        return None if row is None else self._decoded(bucket, key, row, name)

    async def delete(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str = "",
        conditions: Conditions = NO_CONDITIONS,
        bypass_governance: bool = False,
    ) -> Deleted:
        """Delete an object; that there is none is no error.

        Where versioning is or was on, a delete marker becomes the newest version instead. With a
        version, that one is deleted for good, and what was beneath it may become current. Raises
        `BucketNotFound`, `InvalidArgument`, `ObjectLocked` for a version that is locked, and with
        conditions what `put` raises for them.
        """
        core, raw_key = self._core, key_bytes(key)
        with conditions.telling_conflicts():
            if version_id:
                unwanted = Unwanted(key, version_id, conditions, bypass_governance)
                place = await self._buckets.get(bucket)
                return await shield(delete_version_of(core, place, raw_key, unwanted))
            name = await self._buckets.named(bucket)
            return await shield(delete_current(core, bucket, name, raw_key, conditions))

    async def delete_many(
        self, bucket: str, unwanted: Sequence[Unwanted | str]
    ) -> list[Deleted | ObjectdError]:
        """Delete up to 1,000 objects (a key means what is current) and versions, as if one
        after the other.

        Returns for each what was done, or why it was not: `PreconditionFailed`,
        `ObjectNotFound`, `InvalidArgument`, `ObjectLocked`, `DamagedRecord`, `OperationAborted`;
        where some were deleted before, also `StoreBusy` and `StoreFull`. Raises `BucketNotFound`,
        these two where none was, and `OutcomeUnknown`; then some of them may be deleted.
        """
        if len(unwanted) > DELETE_KEYS_MAX:
            raise InvalidArgument(f"at most {DELETE_KEYS_MAX} keys can be deleted at once")
        wanted = [Unwanted(each) if isinstance(each, str) else each for each in unwanted]
        raw_keys = [key_bytes(each.key) for each in wanted]
        place = await self._buckets.get(bucket)
        any_condition = next((each.conditions for each in wanted if each.conditions), None)
        with (any_condition or NO_CONDITIONS).telling_conflicts():
            return await shield(delete_all(self._core, place, raw_keys, wanted))

    def require_readable(self, object_: Object) -> None:
        """Raises `ObjectArchived`."""
        core = self._core
        core.classes.require_readable(object_.head, object_.tail, core.now_us)

    async def _require(self, bucket: str, key: bytes, name: BucketName, version_id: str) -> Found:
        named = Key(bucket, name.bucket_id, key)
        return await require_version(self._core, named, version_id, versioned=name.versioned)

    async def stored(self, bucket: str, key: str, *, version_id: str = "") -> tuple[Object, bytes]:
        """What is known of an object, with the payload that lies beside it, encrypted if the
        object is. Raises as `head`."""
        raw_key = key_bytes(key)
        name = await self._buckets.named(bucket)
        row: Row | None = None
        if not version_id:
            row, payload_row = await self._core.metadata.get(
                keys.object_and_payload(name.bucket_id, raw_key)
            )
            if row is None and not name.versioned:
                raise ObjectNotFound(bucket, key)
        if row is None:
            found = await self._require(bucket, raw_key, name, version_id)
            _, row, payload_row = found
            name = _as_shown(name, found, raw_key)
        object_ = self._decoded(bucket, key, row, name)
        if not isinstance(object_.tail.source, InRow):
            return object_, b""
        if payload_row is None:
            raise DamagedRecord(f"payload of {bucket}/{key}", "missing")
        return object_, decode_payload(payload_row.value)

    def _decoded(self, bucket: str, key: str, row: Row, name: BucketName) -> Object:
        """The same value for the same row, once versioning is on or as long as it is not, and
        under the same lifecycle. Raises `DamagedRecord`."""
        known = self._known.get(row)
        if (
            known is None
            or bool(known.version_id) is not name.versioned
            or known.lifecycle != name.lifecycle
        ):
            head, tail = decode_object(row.value)
            version = version_id_of(head) if name.versioned else ""
            known = Object(bucket, key, head, tail, version, name.lifecycle)
            self._known.keep(row, known)
        return known

    def version(
        self,
        bucket: Bucket,
        key: bytes,
        ingested: Ingested,
        tail: ObjectTail,
        conditions: Conditions,
        kind: JournalKind = JournalKind.OBJECT_PUT,
        *,
        kept: StorageClass,
    ) -> Version:
        """A version of these bytes, which is yet to be put."""
        core, checksum = self._core, ingested.checksum
        head = ObjectHead(
            size_bytes=ingested.size_bytes,
            modified_us=core.now_us(),
            etag=ingested.etag,
            version=core.ids.uid(),
            owner=bucket.owner,
            storage_class=kept.name,
            checksum_algorithm=checksum.algorithm,
            checksum_kind=checksum.kind,
        )
        return Version(core, bucket, key, head, tail, ingested, conditions, self._guess, kind)
