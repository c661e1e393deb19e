"""Buckets: create, find, list and delete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import attrs
from msgspec import structs

from objectd.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    BucketNotFound,
    BucketStateInvalid,
)
from objectd.interfaces import ROOT_ACCOUNT, SCAN_ROWS_MAX, Absent, At, EmptyRange, Entry, Row, Scan
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import decode, encode
from objectd.model.records import (
    Bucket,
    BucketName,
    BucketTags,
    Incompatible,
    JournalKind,
    Live,
    Versioning,
)
from objectd.objects import features
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.names import check_bucket_name, utf8
from objectd.objects.remembered import Remembered
from objectd.objects.settings import LIST_BUCKETS_MAX
from objectd.objects.shield import shield
from objectd.objects.tag_rules import check_bucket_tags
from objectd.objects.usage import Usage, bucket_usage
from objectd.objects.writer import Batch

NO_TAGS: Mapping[str, str] = MappingProxyType({})


@attrs.frozen
class BucketPage:
    """Some buckets, by name; `more`: others come after the last."""

    buckets: Sequence[Bucket]
    more: bool


@attrs.frozen
class Buckets:
    """All buckets of a store. Names are unique in the store, not in an account."""

    _core: Core
    _names: Remembered[Row, BucketName] = attrs.field(factory=Remembered, init=False)

    async def create(
        self,
        name: str,
        *,
        account: int = ROOT_ACCOUNT,
        region: str = "us-east-1",
        deduplicate: bool = True,
        tags: Mapping[str, str] = NO_TAGS,
        object_lock: bool = False,
    ) -> Bucket:
        """Create an empty bucket. Of any number of callers at once, one succeeds. With
        `object_lock` it keeps versions, which may be locked.

        Raises `InvalidBucketName`, `InvalidTag`, `TooManyTags`, `BucketAlreadyOwnedByYou`,
        `BucketAlreadyExists`.
        """
        check_bucket_name(name)
        check_bucket_tags(tags)
        bucket = Bucket(
            bucket_id=self._core.ids.bucket(),
            name=name,
            owner=account,
            created_us=self._core.now_us(),
            region=region,
            deduplicate=deduplicate,
            versioning=Versioning.ENABLED if object_lock else Versioning.NEVER,
            object_lock_enabled=object_lock,
        )
        return await shield(self._create(bucket, tags))

    async def get(self, name: str) -> Bucket:
        """Raises `BucketNotFound`."""
        found = self.known(name) or await self.named(name)
        asked = (keys.bucket(found.bucket_id),)
        [row] = self._core.metadata.known(asked) or await self._core.metadata.get(asked)
        if row is None:
            raise BucketNotFound(name)
        return self._core.bucket_in(row)

    async def id_of(self, name: str) -> int:
        """Raises `BucketNotFound`."""
        return (await self.named(name)).bucket_id

    async def named(self, name: str) -> BucketName:
        """What the name alone tells. Raises `BucketNotFound`."""
        [row] = await self._core.metadata.get([keys.bucket_name(name)])
        if row is None:
            raise BucketNotFound(name)
        return self._name_in(row)

    def known(self, name: str) -> BucketName | None:
        """What `named` returns, if that can be told without waiting; None otherwise."""
        rows = self._core.metadata.known((keys.bucket_name(name),))
        row = rows[0] if rows else None
        return None if row is None else self._name_in(row)

    async def set_versioning(self, name: str, *, enabled: bool) -> None:
        """Have replaced and deleted versions kept from now on (`ENABLED`), or but for the null
        versions (`SUSPENDED`). What the bucket holds stays as it is.

        Every change that was decided before and is not committed yet is decided again. Raises
        `BucketNotFound`, `BucketStateInvalid`, `OperationAborted`.
        """
        wanted = Versioning.ENABLED if enabled else Versioning.SUSPENDED
        await shield(self.change(name, lambda bucket: structs.replace(bucket, versioning=wanted)))

    async def change(
        self,
        name: str,
        changed: Callable[[Bucket], Bucket],
        also: Callable[[Batch, Bucket], object] = lambda batch, bucket: None,
    ) -> None:
        """Give a bucket other settings. `changed` may refuse by raising, and may be called more
        than once. `also` adds to the commit what goes with them. To be run under `shield`.

        Raises `BucketNotFound`, `OperationAborted`, and `BucketStateInvalid` for what would leave
        locked versions without protection.
        """

        async def decide(batch: Batch) -> None:
            await self._change(batch, name, changed, also)

        async with self._core.locks.holding(keys.bucket_name(name)):
            await self._core.writer.transact(decide)

    async def list(
        self,
        *,
        account: int = ROOT_ACCOUNT,
        prefix: str = "",
        region: str = "",
        after_name: str = "",
        buckets_max: int = LIST_BUCKETS_MAX,
    ) -> BucketPage:
        """The buckets of an account, by name, from the one after `after_name` on; one whose
        record is damaged is left out."""
        start, stop = keys.span(keys.BUCKET_NAMES + utf8(prefix, "prefix"))
        if after_name:
            start = max(start, keys.bucket_name(after_name) + b"\0")
        found: list[Bucket] = []
        more = start < stop
        while more and len(found) <= buckets_max:
            limit = min(SCAN_ROWS_MAX, buckets_max + 1)
            page = await self._core.metadata.scan(Scan(start, stop, limit=limit))
            found += [
                bucket
                for bucket in await self._named(page.entries)
                if bucket.owner == account and region in ("", bucket.region)
            ]
            more = page.more
            if page.entries:
                start = page.entries[-1].key + b"\0"
        return BucketPage(found[:buckets_max], len(found) > buckets_max)

    async def delete(self, name: str) -> None:
        """Delete an empty bucket; uploads in progress are aborted, as AWS does.

        One commit that expects the bucket to be empty: it loses no object that anybody was
        told is stored. Raises `BucketNotFound`, `BucketNotEmpty`.
        """
        await shield(self._core.writer.transact(lambda batch: self._delete(batch, name)))

    async def usage(self, name: str) -> Usage:
        """Raises `BucketNotFound`."""
        return await bucket_usage(self._core.metadata, await self.id_of(name))

    async def _named(self, entries: Sequence[Entry]) -> Sequence[Bucket]:
        names = [decoded(BucketName, entry.key, entry.value) for entry in entries]
        row_keys = [keys.bucket(name.bucket_id) for name in names if name is not None]
        rows = await self._core.metadata.get(row_keys)
        found = (
            decoded(Bucket, key, row.value) if row is not None else None
            for key, row in zip(row_keys, rows, strict=True)
        )
        return [bucket for bucket in found if bucket is not None]

    async def _find(self, name: str) -> tuple[int, At]:
        key = keys.bucket_name(name)
        [row] = await self._core.metadata.get([key])
        if row is None:
            raise BucketNotFound(name)
        return self._name_in(row).bucket_id, At(key, row.revision)

    def _name_in(self, row: Row) -> BucketName:
        known = self._names.get(row)
        return self._names.keep(row, decode(BucketName, row.value)) if known is None else known

    async def _change(
        self,
        batch: Batch,
        name: str,
        changed: Callable[[Bucket], Bucket],
        also: Callable[[Batch, Bucket], object],
    ) -> None:
        bucket_id, found = await self._find(name)
        bucket_key = keys.bucket(bucket_id)
        [row] = await self._core.metadata.get([bucket_key])
        if row is None:
            raise BucketNotFound(name)
        old = self._core.bucket_in(row)
        new = changed(old)
        if new == old:
            return
        if old.object_lock_enabled or new.object_lock_enabled:
            _check_still_locks(new)
        batch.expect(found, At(bucket_key, row.revision))
        batch.put(bucket_key, encode(new))
        if not old.versioning:
            await _use_versions(self._core, batch, new)
        if new.versioning != old.versioning:
            batch.delete(keys.live(bucket_id, old.versioning))
            batch.put(keys.live(bucket_id, new.versioning), encode(Live()))
        if (new.versioning, new.lifecycle) != (old.versioning, old.lifecycle):
            versioned = new.versioning is not Versioning.NEVER
            batch.put(
                keys.bucket_name(name), encode(BucketName(bucket_id, versioned, new.lifecycle))
            )
        also(batch, new)
        self._core.journal(batch, JournalKind.BUCKET_CHANGED, bucket_id)

    async def _create(self, bucket: Bucket, tags: Mapping[str, str]) -> Bucket:
        async with self._core.locks.holding(keys.bucket_name(bucket.name)):
            return await self._core.writer.transact(lambda batch: self._put(batch, bucket, tags))

    async def _put(self, batch: Batch, bucket: Bucket, tags: Mapping[str, str]) -> Bucket:
        name_key = keys.bucket_name(bucket.name)
        [row] = await self._core.metadata.get([name_key])
        if row is not None:
            owner = await self._owner(decode(BucketName, row.value).bucket_id)
            if owner == bucket.owner:
                raise BucketAlreadyOwnedByYou(bucket.name)
            if owner is not None:
                raise BucketAlreadyExists(bucket.name)
        batch.expect(Absent(name_key))
        versioned = bucket.versioning is not Versioning.NEVER
        batch.put(name_key, encode(BucketName(bucket.bucket_id, versioned)))
        batch.put(keys.bucket(bucket.bucket_id), encode(bucket))
        await _use_versions(self._core, batch, bucket)
        batch.put(keys.live(bucket.bucket_id, bucket.versioning), encode(Live()))
        if tags:
            row_key = keys.configuration(bucket.bucket_id, keys.BUCKET_TAGS)
            batch.put(row_key, encode(BucketTags(dict(tags))))
        self._core.journal(batch, JournalKind.BUCKET_CREATED, bucket.bucket_id)
        return bucket

    async def _owner(self, bucket_id: int) -> int | None:
        """None if the bucket was deleted since its name was read."""
        [row] = await self._core.metadata.get([keys.bucket(bucket_id)])
        return decode(Bucket, row.value).owner if row is not None else None

    async def _delete(self, batch: Batch, name: str) -> None:
        bucket_id, found = await self._find(name)
        [row] = await self._core.metadata.get([keys.bucket(bucket_id)])
        if row is None:
            raise BucketNotFound(name)
        for prefix in (keys.objects(bucket_id), keys.versions(bucket_id)):
            start, stop = keys.span(prefix)
            if (await self._core.metadata.scan(Scan(start, stop, limit=1))).entries:
                raise BucketNotEmpty(name)
            batch.expect(EmptyRange(start, stop))
        batch.expect(found, At(keys.bucket(bucket_id), row.revision))
        batch.delete(keys.bucket_name(name))
        batch.delete(keys.bucket(bucket_id))
        batch.delete_range(*keys.span(keys.configurations(bucket_id)))
        for versioning in Versioning:
            batch.delete(keys.live(bucket_id, versioning))
        candidate = Candidate(self._core.now_us())
        batch.put(keys.bucket_candidate(bucket_id), encode(candidate))
        self._core.journal(batch, JournalKind.BUCKET_DELETED, bucket_id)


async def _use_versions(core: Core, batch: Batch, bucket: Bucket) -> None:
    """A program that knows no versions would lose them."""
    if bucket.versioning:
        await features.use(core, batch, Incompatible.VERSIONS)


def _check_still_locks(bucket: Bucket) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html: once
    enabled, it can neither be disabled nor versioning suspended."""
    if not bucket.object_lock_enabled or bucket.versioning is not Versioning.ENABLED:
        raise BucketStateInvalid(
            "An Object Lock configuration is present on this bucket, so the versioning state "
            "cannot be changed."
        )
