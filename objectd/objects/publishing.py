"""Making ingested bytes part of the store: sharing a twin's blob, or publishing one's own.

A blob of one's own is sealed before the commit that refers to it, and removed only by one
who knows that no commit does: after success with a twin's blob, or after a refusal. Whoever
does not know (a lost answer, a fenced or failed store) leaves the file to the sweep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
from twisted.logger import Logger

from objectd.errors import Fenced, ObjectdError, OutcomeUnknown
from objectd.interfaces import At
from objectd.model import keys
from objectd.model.records import (
    Bucket,
    InBlob,
    InRow,
    Nothing,
    ObjectHead,
    ObjectTail,
    Source,
    Upload,
)
from objectd.objects import references
from objectd.objects.core import Core
from objectd.objects.identities import part_identity, version_identity
from objectd.objects.ingest import Ingested
from objectd.objects.staging import StagedBlob
from objectd.objects.writer import Batch

_T = TypeVar("_T")
_log = Logger()


@attrs.frozen
class Placement:
    """On whose behalf bytes are stored: `ref` makes the referrer's key from a blob's id,
    `identity` is sealed into the blob for the day the metadata is lost, and `locked` are the
    keys that the commit will change and others may want to."""

    account: int
    deduplicate: bool
    ref: Callable[[bytes], bytes]
    identity: dict[str, object]
    locked: tuple[bytes, ...]


def version_placement(
    bucket: Bucket, key: bytes, head: ObjectHead, tail: ObjectTail, ingested: Ingested
) -> Placement:
    """Of all bytes of a version."""
    return Placement(
        account=bucket.owner,
        deduplicate=bucket.deduplicate and tail.encryption is None,
        ref=lambda blob: keys.version_ref(blob, head.version),
        identity=version_identity(bucket.name, key, head, tail, ingested.salt),
        locked=(keys.object_(bucket.bucket_id, key),),
    )


def part_placement(
    bucket: Bucket, key: bytes, upload: Upload, ingested: Ingested, *, number: int, attempt: bytes
) -> Placement:
    """Of those of a part with that number, which `attempt` will hold."""
    uid, encryption = upload.upload, upload.encryption
    return Placement(
        account=bucket.owner,
        deduplicate=bucket.deduplicate and encryption is None,
        ref=lambda blob: keys.part_ref(blob, attempt),
        identity=part_identity(
            bucket.name, key, uid, number, ingested.etag, encryption, ingested.salt
        ),
        locked=(keys.part(uid, number),),
    )


async def publish(
    core: Core,
    ingested: Ingested,
    placement: Placement,
    decide: Callable[[Batch, Source], Awaitable[_T]],
) -> _T:
    """Commit what `decide` puts in the batch together with the reference to the bytes.

    As `Writer.transact`, with the place of the bytes as a second argument, and holding the
    locks of `placement.locked`. Must be run under `shield`. On return, whatever it raises,
    the bytes are referred to or dropped, or may be referred to (`OutcomeUnknown`),
    or are left to the sweep by a process that is `Fenced`.
    """
    staged = ingested.staged
    if staged is None:
        source = InRow() if ingested.payload else Nothing()
        async with core.locks.holding(*placement.locked):
            return await core.writer.transact(lambda batch: decide(batch, source))
    blob = b""

    async def attempt(batch: Batch) -> _T:
        nonlocal blob
        blob = await _refer(core, batch, staged, placement)
        return await decide(batch, InBlob(blob))

    try:
        if await _twin(core, staged, placement) is None:
            await staged.seal(placement.identity)  # slow, so before the locks
        async with core.locks.holding(*placement.locked):
            result = await core.writer.transact(attempt)
    except (OutcomeUnknown, Fenced):
        raise
    except BaseException:
        await _drop(staged)
        raise
    if blob != staged.uid:
        await _drop(staged)
    return result


async def _refer(core: Core, batch: Batch, staged: StagedBlob, placement: Placement) -> bytes:
    twin = None if staged.sealed else await _twin(core, staged, placement)
    if twin is not None:
        return references.share(batch, twin, placement.ref)
    await staged.seal(placement.identity)
    record = staged.record(placement.account)
    return references.publish_blob(batch, staged, record, placement.ref, placement.deduplicate)


async def _twin(core: Core, staged: StagedBlob, placement: Placement) -> tuple[bytes, At] | None:
    if not placement.deduplicate:
        return None
    record = staged.record(placement.account)
    return await references.twin_of(core.metadata, record)


async def _drop(staged: StagedBlob) -> None:
    try:
        await staged.drop()
    except ObjectdError:
        uid = staged.uid.hex()
        _log.failure("blob {uid}, which nothing refers to, stays until the sweep", uid=uid)
