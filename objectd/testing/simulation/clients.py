"""Clients of a simulated store: what they do, chosen by the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from objectd.digests import digest_of
from objectd.errors import (
    AnswerLost,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    BucketNotFound,
    EntityTooSmall,
    InvalidPart,
    ObjectArchived,
    ObjectNotFound,
    UploadNotFound,
)
from objectd.model.records import DefaultEncryption, ObjectHead, Scheme
from objectd.objects.completing import ListedPart
from objectd.objects.object import OpenObject
from objectd.testing.simulation.asking import REFUSED, Asker, Body, done
from objectd.testing.simulation.beliefs import (
    BUCKETS,
    KEYS,
    KnownUpload,
    PartList,
    PartValue,
    Value,
)
from objectd.testing.simulation.careful import CarefulClient
from objectd.testing.simulation.copies import CopyClient
from objectd.testing.simulation.history import Register, Violated
from objectd.testing.simulation.moves import MoveClient
from objectd.testing.simulation.restores import RestoreClient
from objectd.testing.simulation.storage_classes import ARCHIVES
from objectd.testing.simulation.versions import VersionClient

PART_NUMBERS = (1, 2, 3)
BROKEN_BODY_PROBABILITY = 0.06
READER_DELAY_MAX = 30.0
"""So long, in mean lengths of a step, a reader may take before it asks for the first bytes."""

Operation = Callable[[], Awaitable[None]]


class Client:
    """Does one thing after the other in one process."""

    def __init__(self, ask: Asker) -> None:
        self._random = ask.random
        objects, buckets, careful = ObjectClient(ask), BucketClient(ask), CarefulClient(ask)
        versions, moves = VersionClient(ask), MoveClient(ask)
        copies = CopyClient(ask, careful, versions)
        uploads = UploadClient(ask, copies)
        restores = RestoreClient(ask, versions)
        self._operations: tuple[tuple[Operation, int], ...] = (
            (objects.put, 30),
            (objects.get_any, 24),
            (objects.delete, 7),
            (objects.delete_many, 3),
            (objects.list, 6),
            (buckets.create_any, 10),
            (buckets.delete, 4),
            (buckets.encrypt, 2),
            (uploads.create, 8),
            (uploads.put_part, 26),
            (uploads.complete, 22),
            (uploads.abort, 2),
            (careful.put_new, 6),
            (careful.put_over, 6),
            (careful.delete, 3),
            (careful.append, 16),
            (careful.rename, 10),
            (copies.copy, 20),
            (copies.keep, 8),
            (uploads.copy_part, 8),
            (versions.put, 20),
            (versions.restore, 4),
            (versions.delete, 8),
            (versions.delete_versions, 12),
            (versions.tag, 4),
            (versions.read_any, 6),
            (versions.read_current, 6),
            (versions.list, 8),
            (versions.switch, 3),
            (moves.move_current, 12),
            (moves.move_kept, 10),
            (restores.restore, 6),
        )

    async def run(self, operations: int) -> None:
        choices, weights = zip(*self._operations, strict=True)
        for operation in self._random.choices(choices, weights, k=operations):
            await operation()


class ObjectClient:
    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    async def put(self) -> None:
        ask = self._ask
        bucket, key = ask.place()
        data, operation = ask.data(), ask.beliefs.next_operation()
        storage_class = ask.storage_class()
        value = Value(operation, hashlib.md5(data).hexdigest(), data, storage_class)
        body = Body(ask.process, data, ask.schedule.chance(BROKEN_BODY_PROBABILITY))
        write = ask.beliefs.objects[bucket, key].begin(value, ask.now)
        work = ask.store.objects.put(
            bucket,
            key,
            body,
            metadata={"op": str(operation)},
            encryption=ask.encryption(),
            storage_class=storage_class,
        )
        await ask.write("put", bucket, [write], work)

    async def get_any(self) -> None:
        await self.get(*self._ask.place())

    async def get_everything(self) -> None:
        for bucket, key in self._ask.beliefs.objects:
            await self.get(bucket, key)

    async def get(self, bucket: str, key: str) -> None:
        ask, start = self._ask, self._ask.now
        register = ask.beliefs.objects[bucket, key]
        try:
            opened = await ask.store.objects.get(bucket, key)
        except ObjectNotFound:
            register.observe(lambda v: v is None, start, ask.now, "was not found")
            ask.beliefs.count("get: not found")
        except BucketNotFound:
            ask.observe_bucket(bucket, False, start)
            ask.beliefs.count("get: no bucket")
        except ObjectArchived:
            register.observe(lambda v: v is not None, start, ask.now, "is archived")
            ask.beliefs.count("get: archived")
        except AnswerLost:
            ask.beliefs.count("get: answer lost")
        else:
            try:
                await self._read(register, opened, start)
            except AnswerLost:
                ask.beliefs.count("get: answer lost")
            finally:
                opened.close()

    async def _read(self, register: Register[Value | None], opened: OpenObject, start: int) -> None:
        ask = self._ask
        head, tail = opened.object.head, opened.object.tail
        ask.beliefs.classes.observe_reading(head, tail, start, ask.now)
        shown: list[Value] = []

        def recognise(value: Value | None) -> bool:
            if value is None or not ask.beliefs.is_shown(value, head, tail):
                return False
            shown.append(value)
            return True

        what = f"operation {tail.metadata['op']} was read"
        register.observe(recognise, start, ask.now, what)
        expected = shown[0].data
        first = ask.random.randint(0, len(expected)) if ask.schedule.chance(0.3) else 0
        stream = opened.stream(first)
        patience = ask.random.random() * READER_DELAY_MAX
        await ask.process.pause(f"begins to read {register.name}", delay=patience)
        data = b""
        while piece := await stream.read():
            data += piece
            await ask.process.pause(f"is slow to read {register.name}")
        if data != expected[first:]:
            raise Violated(f"{register.name}: read {data!r}, not {expected[first:]!r}")
        for checksum in tail.checksums:
            is_whole = checksum.kind == "FULL_OBJECT"
            if is_whole and digest_of(checksum.algorithm, expected) != checksum.value:
                raise Violated(f"{register.name}: {checksum} is not that of {expected!r}")
        ask.beliefs.count(f"get: {type(tail.source).__name__}")
        if tail.encryption is not None:
            ask.beliefs.count("get: encrypted")
        if head.storage_class in ARCHIVES:
            ask.beliefs.count("get: restored")

    async def delete(self) -> None:
        ask = self._ask
        bucket, key = ask.place()
        write = ask.beliefs.objects[bucket, key].begin(None, ask.now)
        work = done(ask.store.objects.delete(bucket, key))
        await ask.write("delete", bucket, [write], work)

    async def delete_many(self) -> None:
        ask = self._ask
        bucket, _ = ask.place()
        doomed = ask.random.sample(KEYS, 2)
        writes = [ask.beliefs.objects[bucket, key].begin(None, ask.now) for key in doomed]
        work = done(ask.store.objects.delete_many(bucket, doomed))
        await ask.write("delete many", bucket, writes, work)

    async def list(self) -> None:
        ask, start = self._ask, self._ask.now
        bucket, _ = ask.place()
        heads: dict[str, ObjectHead | None] = dict.fromkeys(KEYS)
        position: bytes | None = b""
        try:
            while position is not None:
                page = await ask.store.listings.objects(
                    bucket, position=position, entries_max=ask.random.randint(1, 4)
                )
                heads |= {listed.key: listed.head for listed in page.objects}
                position = page.next_position
        except (BucketNotFound, AnswerLost):
            ask.beliefs.count("list: failed")
            return
        for key, head in heads.items():
            ask.beliefs.objects[bucket, key].observe(
                _is_listed_as(head), start, ask.now, f"was listed as {head}"
            )
            if head is not None:
                ask.beliefs.classes.observe(head, start, ask.now)
        ask.beliefs.count("list")


class BucketClient:
    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    async def create_all(self) -> None:
        for name in BUCKETS:
            await self.create(name)

    async def create_any(self) -> None:
        await self.create(self._ask.random.choice(BUCKETS))

    async def create(self, name: str) -> None:
        ask, start = self._ask, self._ask.now
        write = ask.beliefs.buckets[name].begin(True, start)
        deduplicate = ask.schedule.chance(0.8)
        work = ask.store.buckets.create(name, deduplicate=deduplicate)
        try:
            await ask.change("create bucket", [write], work)
        except BucketAlreadyOwnedByYou:
            ask.refuse("create bucket: owned", [write])
            ask.observe_bucket(name, True, start)
        except REFUSED as error:
            ask.refuse(f"create bucket: {type(error).__name__}", [write])

    async def encrypt(self) -> None:
        """Have one of them encrypt what comes from now on, or not."""
        scheme = Scheme.SSE_S3 if self._ask.schedule.chance(0.5) else None
        work = self._ask.store.bucket_encryption.put(BUCKETS[-1], DefaultEncryption(scheme))
        await self._ask.write("encrypt bucket", BUCKETS[-1], [], done(work))

    async def delete(self) -> None:
        ask, start = self._ask, self._ask.now
        name = ask.random.choice(BUCKETS)
        write = ask.beliefs.buckets[name].begin(False, start)
        try:
            is_done = await ask.change(
                "delete bucket", [write], done(ask.store.buckets.delete(name))
            )
        except BucketNotFound:
            ask.refuse("delete bucket: not found", [write])
            ask.observe_bucket(name, False, start)
        except (BucketNotEmpty, *REFUSED) as error:
            ask.refuse(f"delete bucket: {type(error).__name__}", [write])
        else:
            for key in KEYS if is_done else ():
                ask.beliefs.objects[name, key].observe(
                    lambda v: v is None, start, ask.now, "its bucket was deleted"
                )


class UploadClient:
    def __init__(self, ask: Asker, copies: CopyClient) -> None:
        self._ask = ask
        self._copies = copies

    async def create(self) -> None:
        ask, start = self._ask, self._ask.now
        bucket, key = ask.place()
        operation, storage_class = ask.beliefs.next_operation(), ask.storage_class()
        work = ask.store.uploads.create(
            bucket,
            key,
            metadata={"op": str(operation)},
            encryption=ask.encryption(),
            storage_class=storage_class,
        )
        created = await ask.write("create upload", bucket, [], work)
        if created is not None:
            upload_id = created.id.text()
            parts = {
                number: Register[PartValue | None](f"part {number} of {upload_id}", None)
                for number in PART_NUMBERS
            }
            known = KnownUpload(
                bucket,
                key,
                upload_id,
                operation,
                parts,
                started=start,
                storage_class=storage_class,
            )
            ask.beliefs.uploads.append(known)

    async def put_part(self) -> None:
        ask, upload = self._ask, self._upload()
        if upload is None:
            return
        number, data = ask.random.choice(PART_NUMBERS), ask.data()
        etag = hashlib.md5(data).hexdigest()
        upload.data[etag] = data
        write = upload.parts[number].begin(PartValue(etag, data), ask.now)
        work = ask.store.uploads.put_part(
            upload.bucket, upload.key, upload.id, number, Body(ask.process, data, False)
        )
        try:
            await ask.write("put part", upload.bucket, [write], work)
        except UploadNotFound:
            ask.refuse("put part: no upload", [write])
            bucket = ask.beliefs.buckets[upload.bucket]
            is_over = upload.may_be_over or ask.beliefs.uploads_end
            if not is_over and not bucket.may_have_become(False, upload.started):
                raise Violated(f"upload {upload.id} is gone, and nobody ended it") from None

    async def copy_part(self) -> None:
        upload = self._upload()
        if upload is not None:
            await self._copies.copy_part(upload, self._ask.random.choice(PART_NUMBERS))

    async def complete(self) -> None:
        ask, upload = self._ask, self._upload()
        listed = self._list_parts(upload) if upload is not None else ()
        if upload is None or not listed:
            return
        start = ask.now
        upload.may_be_over = True
        register = ask.beliefs.objects[upload.bucket, upload.key]
        attempt = upload.completion(listed, register, start).begin()
        lines = [ListedPart(number, etag) for number, etag in listed]
        work = ask.store.completions.complete(upload.bucket, upload.key, upload.id, lines)
        try:
            completed = await ask.change("complete", [attempt], work)
        except (UploadNotFound, BucketNotFound, EntityTooSmall, *REFUSED) as error:
            ask.refuse(f"complete: {type(error).__name__}", [attempt])
            if isinstance(error, BucketNotFound):
                ask.observe_bucket(upload.bucket, False, start)
        except InvalidPart as error:
            ask.refuse("complete: invalid part", [attempt])
            wanted = dict(listed)[error.part_number]
            upload.parts[error.part_number].observe(
                lambda v: v is None or v.etag != wanted, start, ask.now, "was invalid"
            )
        else:
            if completed is not None:
                upload.complete_with(listed)
                self._observe_parts(upload, listed, start)

    async def abort(self) -> None:
        ask, upload = self._ask, self._upload()
        if upload is None:
            return
        upload.may_be_over = True
        work = done(ask.store.uploads.abort(upload.bucket, upload.key, upload.id))
        try:
            if await ask.write("abort", upload.bucket, [], work):
                upload.abort()
        except UploadNotFound:
            ask.beliefs.count("abort: no upload")

    def _upload(self) -> KnownUpload | None:
        """One of the youngest uploads, so that many clients meet at it."""
        uploads = self._ask.beliefs.uploads
        return self._ask.random.choice(uploads[-3:]) if uploads else None

    def _list_parts(self, upload: KnownUpload) -> PartList:
        """A list that clients may believe in, and now and then one that is wrong."""
        ask = self._ask
        listed = []
        for number in PART_NUMBERS:
            etags = [v.etag for v in upload.parts[number].acknowledged() if v is not None]
            if etags and not ask.schedule.chance(0.1):
                old = ask.schedule.chance(0.1)
                listed.append((number, ask.random.choice(etags) if old else etags[-1]))
        return tuple(listed)

    def _observe_parts(self, upload: KnownUpload, listed: PartList, start: int) -> None:
        for number, etag in listed:
            upload.parts[number].observe(
                _is_part(etag), start, self._ask.now, "was part of a completed object"
            )


def _is_part(etag: str) -> Callable[[PartValue | None], bool]:
    return lambda value: value is not None and value.etag == etag


def _is_listed_as(head: ObjectHead | None) -> Callable[[Value | None], bool]:
    if head is None:
        return lambda value: value is None
    return lambda value: value is not None and value.has_etag(head.etag)
