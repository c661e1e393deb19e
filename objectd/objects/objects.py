"""Objects: put, get and delete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from objectd.errors import (
    DamagedRecord,
    InvalidArgument,
    ObjectdError,
    ObjectNotFound,
    PartNotFound,
    PreconditionFailed,
)
from objectd.interfaces import Row
from objectd.model import keys
from objectd.model.codec import decode_object, decode_payload
from objectd.model.records import (
    NO_HEADERS,
    Bucket,
    Headers,
    InBlob,
    InManifest,
    InRow,
    Nothing,
    ObjectHead,
    ObjectTail,
)
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import NOTHING_DECLARED, Declared
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import Current, current, read_current, remove
from objectd.objects.ingest import Ingested
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.putting import Guess, Version
from objectd.objects.reading import (
    BlobStream,
    ManifestStream,
    ObjectPart,
    Piece,
    object_parts,
    parts_count,
)
from objectd.objects.remembered import Remembered
from objectd.objects.settings import DELETE_KEYS_MAX, LIST_ENTRIES_MAX, OBJECT_PUT_BYTES_MAX
from objectd.objects.shield import shield
from objectd.objects.tags import check_tags
from objectd.objects.writer import Batch
from objectd.streams import BytesStream, ByteStream, read_all


@attrs.frozen
class Object:
    """An object as its bucket shows it."""

    bucket: str
    key: str
    head: ObjectHead
    tail: ObjectTail

    @property
    def size_bytes(self) -> int:
        return self.head.size_bytes

    @property
    def etag(self) -> str:
        """Without quotes."""
        return self.head.etag


class OpenObject:
    """An object that is being read: its bytes stay readable until it is closed, also when
    it is overwritten or deleted meanwhile."""

    def __init__(self, core: Core, object_: Object, payload: bytes, ticket: int) -> None:
        self.object = object_
        self._core = core
        self._payload = payload
        self._ticket = ticket

    @property
    def payload(self) -> bytes | None:
        """All bytes, if they came with the record; None if they must be streamed."""
        in_memory = isinstance(self.object.tail.source, (InRow, Nothing))
        return self._payload if in_memory else None

    def stream(self, start: int = 0, stop: int | None = None) -> ByteStream:
        """Bytes start <= i < stop. Closing the stream closes the object."""
        end = self.object.size_bytes if stop is None else min(stop, self.object.size_bytes)
        return _ClosingStream(self._stream(start, max(start, end)), self)

    async def part(self, number: int) -> ObjectPart:
        """One of the parts of which the object was made; an object that was put in one go is
        its own part 1. Raises `PartNotFound`."""
        count = parts_count(self.object.tail.source)
        if not 1 <= number <= (count or 1):
            raise PartNotFound(number, count or 1)
        if not count:
            return ObjectPart(1, 0, self.object.size_bytes, self.object.tail.checksums)
        [part] = await self.parts(after_number=number - 1, parts_max=1)
        return part

    async def parts(
        self, *, after_number: int = 0, parts_max: int = LIST_ENTRIES_MAX
    ) -> list[ObjectPart]:
        """The parts of which the object was made, from the one after `after_number` on; none
        if it was put in one go."""
        source = self.object.tail.source
        if not isinstance(source, InManifest):
            return []
        return await object_parts(
            self._core.metadata, source, after_number=after_number, parts_max=parts_max
        )

    async def read(self) -> bytes:
        """All bytes at once, and close."""
        stream = self.stream()
        try:
            return await read_all(stream, self.object.size_bytes)
        finally:
            stream.close()

    def close(self) -> None:
        """Idempotent."""
        self._core.reads.end(self._ticket)

    def _stream(self, start: int, stop: int) -> ByteStream:
        core = self._core
        match self.object.tail.source:
            case InBlob(blob):
                return BlobStream(core.metadata, core.blobs, [Piece(blob, start, stop)])
            case InManifest() as manifest:
                return ManifestStream(core.metadata, core.blobs, manifest, start, stop)
            case _:
                return BytesStream(self._payload[start:stop])


@attrs.frozen
class _ClosingStream:
    """Ends the read of an object with its stream."""

    _inner: ByteStream
    _owner: OpenObject

    async def read(self) -> bytes:
        return await self._inner.read()

    def close(self) -> None:
        self._inner.close()
        self._owner.close()


def _not_there() -> bytes | None:
    return None


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
        whole: Callable[[], bytes | None] = _not_there,
    ) -> Object:
        """Store an object, in place of the one that has the key.

        On return it is durable. Until then, and whatever fails, the key keeps what it had.
        Cancelled while the body comes in, nothing is stored; later, it may be.
        `conditions` are about what the object replaces at the moment that it does; where
        they fail already before the body comes in, none of it is read. `whole` gives all of
        the body if it is there already: that is cheaper than to read it.

        Raises `BucketNotFound`, `KeyTooLong`, `BadDigest`, `IncompleteBody`, `InvalidTag`,
        `EntityTooLarge`, `InvalidArgument`, `OperationAborted`, `StoreFull`; with conditions
        `PreconditionFailed`, `ObjectNotFound` and, for `OperationAborted`,
        `ConditionalConflict`.
        """
        raw_key = key_bytes(key)
        if metadata:
            check_metadata(metadata)
        if tags:
            check_tags(tags)
        place = await self._buckets.get(bucket)
        if conditions:
            (await read_current(self._core, place, raw_key)).check(conditions, bucket)
        data = body if isinstance(body, bytes) else whole()
        ingested = await self._ingested(body if data is None else data, declared, size_bytes)
        checksums = (ingested.checksum,)
        source = InRow() if ingested.payload else Nothing()
        tail = ObjectTail(source, headers, dict(metadata or {}), checksums, dict(tags or {}))
        version = self._version(place, raw_key, ingested, tail, conditions)
        with conditions.telling_conflicts():
            head, tail = await shield(version.put())
        return Object(bucket, key, head, tail)

    async def _ingested(
        self, body: bytes | ByteStream, declared: Declared, size_bytes: int | None
    ) -> Ingested:
        core = self._core
        inline_bytes_max = core.settings.inline_bytes_max
        if isinstance(body, bytes) and len(body) <= inline_bytes_max:
            return core.intake.take_whole(body, declared, size_bytes=size_bytes)
        return await core.intake.take(
            BytesStream(body) if isinstance(body, bytes) else body,
            declared,
            size_bytes=size_bytes,
            size_bytes_max=OBJECT_PUT_BYTES_MAX,
            inline_bytes_max=inline_bytes_max,
        )

    async def head(self, bucket: str, key: str) -> Object:
        """What is known of an object. Raises `BucketNotFound`, `ObjectNotFound`."""
        raw_key = key_bytes(key)
        bucket_id = await self._buckets.id_of(bucket)
        [row] = await self._core.metadata.get([keys.object_(bucket_id, raw_key)])
        if row is None:
            raise ObjectNotFound(bucket, key)
        return self._decoded(bucket, key, row)

    async def get(self, bucket: str, key: str) -> OpenObject:
        """Open an object for reading; it must be closed. Raises as `head`."""
        raw_key = key_bytes(key)
        ticket = self._core.reads.begin()
        try:
            object_, payload = await self._find(bucket, key, raw_key)
        except BaseException:
            self._core.reads.end(ticket)
            raise
        return OpenObject(self._core, object_, payload, ticket)

    async def delete(
        self, bucket: str, key: str, *, conditions: Conditions = NO_CONDITIONS
    ) -> None:
        """Delete an object; that there is none is no error. Raises `BucketNotFound`, and
        with conditions what `put` raises for them."""
        raw_key = key_bytes(key)
        bucket_id = await self._buckets.id_of(bucket)
        with conditions.telling_conflicts():
            await shield(self._delete_one(bucket, bucket_id, raw_key, conditions))

    async def delete_many(
        self, bucket: str, object_keys: Sequence[str], conditions: Sequence[Conditions] = ()
    ) -> list[ObjectdError | None]:
        """Delete up to 1,000 objects in one commit, as if one after the other.

        `conditions` are those of each key, or none at all. Returns for each key why it was
        not deleted, if so: `PreconditionFailed` or `ObjectNotFound`. Raises `BucketNotFound`.
        """
        if len(object_keys) > DELETE_KEYS_MAX:
            raise InvalidArgument(f"at most {DELETE_KEYS_MAX} keys can be deleted at once")
        asked = conditions or [NO_CONDITIONS] * len(object_keys)
        wanted = list(zip(map(key_bytes, object_keys), asked, strict=True))
        bucket_id = await self._buckets.id_of(bucket)
        any_condition = next(filter(None, asked), NO_CONDITIONS)
        with any_condition.telling_conflicts():
            return await shield(self._delete(bucket, bucket_id, wanted))

    async def _find(self, bucket: str, key: str, raw_key: bytes) -> tuple[Object, bytes]:
        bucket_id = await self._buckets.id_of(bucket)
        row, payload_row = await self._core.metadata.get(
            [keys.object_(bucket_id, raw_key), keys.payload(bucket_id, raw_key)]
        )
        if row is None:
            raise ObjectNotFound(bucket, key)
        object_ = self._decoded(bucket, key, row)
        if not isinstance(object_.tail.source, InRow):
            return object_, b""
        if payload_row is None:
            raise DamagedRecord(f"payload of {bucket}/{key}", "missing")
        return object_, decode_payload(payload_row.value)

    def _decoded(self, bucket: str, key: str, row: Row) -> Object:
        """The same value for the same row. Raises `DamagedRecord`."""
        known = self._known.get(row)
        if known is None:
            known = self._known.keep(row, Object(bucket, key, *decode_object(row.value)))
        return known

    def _version(
        self,
        bucket: Bucket,
        key: bytes,
        ingested: Ingested,
        tail: ObjectTail,
        conditions: Conditions,
    ) -> Version:
        core, checksum = self._core, ingested.checksum
        head = ObjectHead(
            size_bytes=ingested.size_bytes,
            modified_us=core.now_us(),
            etag=ingested.etag,
            version=core.ids.uid(),
            owner=bucket.owner,
            checksum_algorithm=checksum.algorithm,
            checksum_kind=checksum.kind,
        )
        return Version(core, bucket, key, head, tail, ingested, conditions, self._guess)

    async def _delete_one(
        self, bucket: str, bucket_id: int, key: bytes, conditions: Conditions
    ) -> None:
        core = self._core
        row_key = keys.object_(bucket_id, key)

        async def decide(batch: Batch) -> None:
            [row] = await core.metadata.get([row_key])
            old = current(bucket_id, key, row)
            old.check(conditions, bucket)
            if old.is_there:
                remove(core, batch, old)

        async with core.locks.holding(row_key):
            await core.writer.transact(decide)

    async def _delete(
        self, bucket: str, bucket_id: int, wanted: list[tuple[bytes, Conditions]]
    ) -> list[ObjectdError | None]:
        core = self._core
        raw_keys = sorted({key for key, _ in wanted})
        row_keys = [keys.object_(bucket_id, key) for key in raw_keys]

        async def decide(batch: Batch) -> list[ObjectdError | None]:
            rows = await core.metadata.get(row_keys)
            found = {
                key: current(bucket_id, key, row) for key, row in zip(raw_keys, rows, strict=True)
            }
            return [_remove(core, batch, bucket, found, *each) for each in wanted]

        async with core.locks.holding(*row_keys):
            return await core.writer.transact(decide)


def _remove(
    core: Core,
    batch: Batch,
    bucket: str,
    found: dict[bytes, Current],
    key: bytes,
    conditions: Conditions,
) -> ObjectdError | None:
    """Take away what is at the key, and from `found`, unless the conditions say otherwise."""
    old = found[key]
    try:
        old.check(conditions, bucket)
    except (ObjectNotFound, PreconditionFailed) as error:
        return error
    if old.is_there:
        remove(core, batch, old)
        found[key] = current(old.bucket_id, key, None)
    return None
