"""Many small objects in few commits: for filling a store, where each alone would take long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from objectd.errors import EntityTooLarge
from objectd.model import keys
from objectd.model.records import (
    NO_HEADERS,
    Bucket,
    Headers,
    InRow,
    Nothing,
    ObjectHead,
    ObjectTail,
)
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import NOTHING_DECLARED
from objectd.objects.core import Core
from objectd.objects.current import current, current_bucket, replace, require_unversioned
from objectd.objects.encryption import require_unencrypted
from objectd.objects.names import check_metadata, key_bytes
from objectd.objects.shield import shield
from objectd.objects.writer import Batch

OBJECTS_A_COMMIT = 250
"""Some 10 ms of work, during which the process does nothing else."""

BYTES_A_COMMIT = 4 << 20


@attrs.frozen
class SmallObject:
    """`body` is at most `ObjectSettings.inline_bytes_max` bytes."""

    key: str
    body: bytes
    headers: Headers = NO_HEADERS
    metadata: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Loads:
    """Stores objects by the hundred. Each becomes what a put of it would have made."""

    _core: Core
    _buckets: Buckets

    async def put_all(self, bucket: str, objects: Iterable[SmallObject]) -> int:
        """Store the objects, one after the other, in place of those that have their keys;
        return how many there were.

        Those of one commit are stored together or not at all. If it fails half-way, some
        first ones of the objects are stored, and storing all once more does no harm.
        Raises `BucketNotFound`, `KeyTooLong`, `EntityTooLarge`, `MetadataTooLarge`,
        `OperationAborted`, `StoreFull`, and `InvalidOperation` for a bucket with versioning.
        """
        place = await self._buckets.get(bucket)
        stored = 0
        for group in _groups(objects, self._core.settings.inline_bytes_max):
            await shield(self._put(place, group))
            stored += len(group)
        return stored

    async def _put(self, bucket: Bucket, group: Mapping[bytes, SmallObject]) -> None:
        core = self._core
        bucket_id = bucket.bucket_id
        records = [self._record(bucket, object_) for object_ in group.values()]
        wanted = [keys.bucket(bucket_id), *(keys.object_(bucket_id, key) for key in group)]

        async def decide(batch: Batch) -> None:
            bucket_row, *rows = await core.metadata.get(wanted)
            place = current_bucket(core, bucket.name, bucket_row)
            require_unversioned(place, "loaded in bulk")
            require_unencrypted(place, None, "loaded in bulk")
            for key, row, (head, tail) in zip(group, rows, records, strict=True):
                replace(core, batch, current(place, key, row), head, tail, payload=group[key].body)

        await core.writer.transact(decide)

    def _record(self, bucket: Bucket, object_: SmallObject) -> tuple[ObjectHead, ObjectTail]:
        core = self._core
        ingested = core.intake.take_whole(object_.body, NOTHING_DECLARED, size_bytes=None)
        head = ObjectHead(
            size_bytes=ingested.size_bytes,
            modified_us=core.now_us(),
            etag=ingested.etag,
            version=core.ids.uid(),
            owner=bucket.owner,
            checksum_algorithm=ingested.checksum.algorithm,
            checksum_kind=ingested.checksum.kind,
        )
        source = InRow() if object_.body else Nothing()
        metadata = dict(object_.metadata)
        return head, ObjectTail(source, object_.headers, metadata, (ingested.checksum,))


def _groups(
    objects: Iterable[SmallObject], inline_bytes_max: int
) -> Iterator[dict[bytes, SmallObject]]:
    """What goes into each commit, by key: a commit cannot put the same key twice."""
    group: dict[bytes, SmallObject] = {}
    group_bytes = 0
    for object_ in objects:
        key = key_bytes(object_.key)
        check_metadata(object_.metadata)
        size_bytes = len(object_.body)
        if size_bytes > inline_bytes_max:
            raise EntityTooLarge(size_bytes, inline_bytes_max)
        full = len(group) == OBJECTS_A_COMMIT or group_bytes + size_bytes > BYTES_A_COMMIT
        if full or key in group:
            yield group
            group, group_bytes = {}, 0
        group[key] = object_
        group_bytes += size_bytes
    if group:
        yield group
