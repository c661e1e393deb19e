"""Buckets: create, find, list and delete them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from objectd.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    BucketNotFound,
)
from objectd.interfaces import ROOT_ACCOUNT, SCAN_ROWS_MAX, Absent, At, EmptyRange, Entry, Row, Scan
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Bucket, BucketName, Candidate, JournalKind, Live
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.names import check_bucket_name, utf8
from objectd.objects.remembered import Remembered
from objectd.objects.settings import LIST_BUCKETS_MAX
from objectd.objects.shield import shield
from objectd.objects.usage import Usage, bucket_usage
from objectd.objects.writer import Batch


@attrs.frozen
class BucketPage:
    """Some buckets, by name; `more`: others come after the last."""

    buckets: Sequence[Bucket]
    more: bool


@attrs.frozen
class Buckets:
    """All buckets of a store. Names are unique in the store, not in an account."""

    _core: Core
    _names: Remembered[Row, int] = attrs.field(factory=Remembered, init=False)
    _records: Remembered[Row, Bucket] = attrs.field(factory=Remembered, init=False)

    async def create(
        self,
        name: str,
        *,
        account: int = ROOT_ACCOUNT,
        region: str = "us-east-1",
        deduplicate: bool = True,
    ) -> Bucket:
        """Create an empty bucket. Of any number of callers at once, one succeeds.

        Raises `InvalidBucketName`, `BucketAlreadyOwnedByYou`, `BucketAlreadyExists`.
        """
        check_bucket_name(name)
        bucket = Bucket(
            bucket_id=self._core.ids.bucket(),
            name=name,
            owner=account,
            created_us=self._core.now_us(),
            region=region,
            deduplicate=deduplicate,
        )
        return await shield(self._create(bucket))

    async def get(self, name: str) -> Bucket:
        """Raises `BucketNotFound`."""
        bucket_id = await self.id_of(name)
        [row] = await self._core.metadata.get([keys.bucket(bucket_id)])
        if row is None:
            raise BucketNotFound(name)
        known = self._records.get(row)
        return self._records.keep(row, decode(Bucket, row.value)) if known is None else known

    async def id_of(self, name: str) -> int:
        """Raises `BucketNotFound`."""
        [row] = await self._core.metadata.get([keys.bucket_name(name)])
        if row is None:
            raise BucketNotFound(name)
        return self._id_in(row)

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
        return self._id_in(row), At(key, row.revision)

    def _id_in(self, row: Row) -> int:
        known = self._names.get(row)
        if known is None:
            known = self._names.keep(row, decode(BucketName, row.value).bucket_id)
        return known

    async def _create(self, bucket: Bucket) -> Bucket:
        async with self._core.locks.holding(keys.bucket_name(bucket.name)):
            return await self._core.writer.transact(lambda batch: self._put(batch, bucket))

    async def _put(self, batch: Batch, bucket: Bucket) -> Bucket:
        name_key = keys.bucket_name(bucket.name)
        [row] = await self._core.metadata.get([name_key])
        if row is not None:
            owner = await self._owner(decode(BucketName, row.value).bucket_id)
            if owner == bucket.owner:
                raise BucketAlreadyOwnedByYou(bucket.name)
            if owner is not None:
                raise BucketAlreadyExists(bucket.name)
        batch.expect(Absent(name_key))
        batch.put(name_key, encode(BucketName(bucket.bucket_id)))
        batch.put(keys.bucket(bucket.bucket_id), encode(bucket))
        batch.put(keys.live(bucket.bucket_id), encode(Live()))
        self._core.journal(batch, JournalKind.BUCKET_CREATED, bucket.bucket_id)
        return bucket

    async def _owner(self, bucket_id: int) -> int | None:
        """None if the bucket was deleted since its name was read."""
        [row] = await self._core.metadata.get([keys.bucket(bucket_id)])
        return decode(Bucket, row.value).owner if row is not None else None

    async def _delete(self, batch: Batch, name: str) -> None:
        bucket_id, found = await self._find(name)
        for prefix in (keys.objects(bucket_id), keys.versions(bucket_id)):
            start, stop = keys.span(prefix)
            if (await self._core.metadata.scan(Scan(start, stop, limit=1))).entries:
                raise BucketNotEmpty(name)
            batch.expect(EmptyRange(start, stop))
        batch.expect(found)
        batch.delete(keys.bucket_name(name))
        batch.delete(keys.bucket(bucket_id))
        batch.delete(keys.live(bucket_id))
        candidate = Candidate(self._core.now_us())
        batch.put(keys.bucket_candidate(bucket_id), encode(candidate))
        self._core.journal(batch, JournalKind.BUCKET_DELETED, bucket_id)
