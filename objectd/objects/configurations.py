"""What a bucket is told about itself: one record of each kind, beside the bucket's own.

What every request for an object needs lies in `Bucket`; what only some ask for lies here.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from objectd.errors import BucketNotFound
from objectd.interfaces import Present
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.lifecycle import Lifecycle, LifecyclePass
from objectd.model.records import BucketTags, JournalKind, Record
from objectd.objects.buckets import Buckets
from objectd.objects.core import Core
from objectd.objects.shield import shield
from objectd.objects.writer import Batch

_R = TypeVar("_R", bound=Record)

_NAMES: dict[type[Record], bytes] = {
    BucketTags: keys.BUCKET_TAGS,
    Lifecycle: keys.LIFECYCLE,
    LifecyclePass: keys.LIFECYCLE_PASS,
}
"""What the rows of each kind are called."""


def configuration_key(bucket_id: int, kind: type[Record]) -> bytes:
    """Where a bucket's configuration of this kind is."""
    return keys.configuration(bucket_id, _NAMES[kind])


def configuration_kind(name: bytes) -> type[Record] | None:
    """What the rows of this name hold; None if no kind has it."""
    return next((kind for kind, its in _NAMES.items() if its == name), None)


@attrs.frozen
class Configurations:
    """The configurations of all buckets."""

    _core: Core
    _buckets: Buckets

    async def get(self, bucket: str, kind: type[_R]) -> _R | None:
        """Raises `BucketNotFound`."""
        bucket_id = await self._buckets.id_of(bucket)
        [row] = await self._core.metadata.get([keys.configuration(bucket_id, _NAMES[kind])])
        return decode(kind, row.value) if row is not None else None

    async def put(self, bucket: str, configuration: Record) -> None:
        """Durable on return. Raises `BucketNotFound`, `OperationAborted`."""
        await self._set(bucket, type(configuration), configuration)

    async def delete(self, bucket: str, kind: type[Record]) -> None:
        """That there is none is no error. Raises `BucketNotFound`, `OperationAborted`."""
        await self._set(bucket, kind, None)

    async def _set(self, bucket: str, kind: type[Record], value: Record | None) -> None:
        core, bucket_id = self._core, await self._buckets.id_of(bucket)
        bucket_key, row_key = keys.bucket(bucket_id), keys.configuration(bucket_id, _NAMES[kind])

        async def decide(batch: Batch) -> None:
            if (await core.metadata.get([bucket_key]))[0] is None:
                raise BucketNotFound(bucket)
            batch.expect(Present(bucket_key))
            if value is None:
                batch.delete(row_key)
            else:
                batch.put(row_key, encode(value))
            core.journal(batch, JournalKind.BUCKET_CHANGED, bucket_id)

        await shield(core.writer.transact(decide))
