"""Deleting objects and versions, one or a thousand at a time.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from objectd.errors import (
    DamagedRecord,
    InvalidArgument,
    ObjectdError,
    ObjectLocked,
    ObjectNotFound,
    OperationAborted,
    PreconditionFailed,
    StoreBusy,
    StoreFull,
)
from objectd.model import keys
from objectd.model.records import Bucket, BucketName, Versioning
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import (
    Current,
    current,
    current_bucket,
    read_current,
    read_named,
    remove,
)
from objectd.objects.destroying import Permit
from objectd.objects.ids import version_id
from objectd.objects.versions import Deleted, Key, delete_version
from objectd.objects.writer import Batch

DELETED_A_COMMIT = 200
"""Some 4 ms of work, after which others have their turn."""

VERSIONED_A_COMMIT = 15
"""Each may move a payload, and so many of the largest that there may be fit into a commit."""


class Unwanted(msgspec.Struct, frozen=True):
    """What is to be deleted: a version for good, or for '' what is current. A version under a
    GOVERNANCE retention goes only with `bypass_governance`."""

    key: str
    version_id: str = ""
    conditions: Conditions = NO_CONDITIONS
    bypass_governance: bool = False


_Numbered = tuple[int, bytes, Unwanted]


async def delete_version_of(core: Core, bucket: Bucket, key: bytes, unwanted: Unwanted) -> Deleted:
    """As `Objects.delete` with a version. To be run under `shield`."""
    async with core.locks.holding(keys.object_(bucket.bucket_id, key)):
        return await core.writer.transact(
            lambda batch: _delete_version(core, batch, bucket, key, unwanted)
        )


async def delete_current(
    core: Core, bucket: str, name: BucketName, key: bytes, conditions: Conditions
) -> Deleted:
    """As `Objects.delete` without a version; the bucket's row is read with the object's. To be
    run under `shield`."""

    async def decide(batch: Batch) -> Deleted:
        return _remove(core, batch, await read_named(core, bucket, name, key), conditions)

    row_key = keys.object_(name.bucket_id, key)
    if not core.locks.take(row_key):
        await core.locks.acquire(row_key)
    try:
        return await core.writer.transact(decide)
    finally:
        core.locks.release(row_key)


async def delete_all(
    core: Core, bucket: Bucket, raw_keys: Sequence[bytes], unwanted: Sequence[Unwanted]
) -> list[Deleted | ObjectdError]:
    """As `Objects.delete_many`. To be run under `shield`."""
    done: dict[int, Deleted | ObjectdError] = {}
    wanted = list(zip(range(len(unwanted)), raw_keys, unwanted, strict=True))
    for group in _groups(bucket, wanted):
        row_keys = {keys.object_(bucket.bucket_id, key) for _, key, _ in group}
        async with core.locks.holding(*row_keys):
            try:
                done |= await core.writer.transact(partial(_delete, core, bucket, group))
            except (DamagedRecord, OperationAborted) as error:
                done |= {number: error for number, _, _ in group}
            except (StoreBusy, StoreFull) as error:
                if not done:
                    raise
                done |= {number: error for number, _, _ in group}
    return [done[number] for number in range(len(unwanted))]


def _groups(bucket: Bucket, wanted: Sequence[_Numbered]) -> Iterator[list[_Numbered]]:
    """What is done in one commit each, in which a key is read and changed once: first what is
    wanted first of each key, then what is wanted next."""
    times: Counter[bytes] = Counter()
    rounds: list[list[_Numbered]] = []
    for each in wanted:
        _, key, _ = each
        if times[key] == len(rounds):
            rounds.append([])
        rounds[times[key]].append(each)
        times[key] += 1
    size = VERSIONED_A_COMMIT if bucket.versioning else DELETED_A_COMMIT
    for group in rounds:
        yield from (group[start : start + size] for start in range(0, len(group), size))


async def _delete(
    core: Core, bucket: Bucket, group: Sequence[_Numbered], batch: Batch
) -> dict[int, Deleted | ObjectdError]:
    current_keys = [key for _, key, unwanted in group if not unwanted.version_id]
    found = await _read(core, bucket, current_keys)
    done: dict[int, Deleted | ObjectdError] = {}
    for number, key, unwanted in group:
        try:
            if unwanted.version_id:
                done[number] = await _delete_version(core, batch, bucket, key, unwanted)
            else:
                done[number] = _remove(core, batch, found[key], unwanted.conditions)
        except (
            DamagedRecord,
            InvalidArgument,
            ObjectLocked,
            ObjectNotFound,
            PreconditionFailed,
        ) as error:
            done[number] = error  # nothing was added to the batch for it
    return done


async def _read(core: Core, bucket: Bucket, raw_keys: Sequence[bytes]) -> dict[bytes, Current]:
    if bucket.versioning is Versioning.NEVER and raw_keys:
        row_keys = [keys.object_(bucket.bucket_id, key) for key in raw_keys]
        bucket_row, *rows = await core.metadata.get([keys.bucket(bucket.bucket_id), *row_keys])
        bucket = current_bucket(core, bucket.name, bucket_row)
        if bucket.versioning is Versioning.NEVER:
            found = zip(raw_keys, rows, strict=True)
            return {key: current(bucket, key, row) for key, row in found}
        if len(raw_keys) > VERSIONED_A_COMMIT:
            raise OperationAborted("versioning was enabled meanwhile: try again")
    return {key: await read_current(core, bucket, key) for key in raw_keys}


async def _delete_version(
    core: Core, batch: Batch, bucket: Bucket, key: bytes, unwanted: Unwanted
) -> Deleted:
    named = Key(bucket.name, bucket.bucket_id, key)
    permit = Permit(
        bypass_governance=unwanted.bypass_governance, damaged=not bucket.object_lock_enabled
    )
    return await delete_version(
        core, batch, named, unwanted.version_id, unwanted.conditions, permit
    )


def _remove(core: Core, batch: Batch, old: Current, conditions: Conditions) -> Deleted:
    old.check(conditions, old.bucket.name)
    marker = remove(core, batch, old)
    return Deleted(version_id(marker), True) if marker is not None else Deleted()
