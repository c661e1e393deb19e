"""The one way in which a version comes to an end.

Whatever makes a version go for good (a delete of it, what takes its place, a lifecycle) calls
`destroy`, which lets its bytes go, and refuses where the version is locked. Nothing else releases
the bytes of a version; a test looks for that.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from objectd.errors import ObjectLocked
from objectd.model.locks import Lock, RetentionMode
from objectd.model.records import InRow, ObjectHead, ObjectTail
from objectd.objects import annotation_rows, references, usage
from objectd.objects.core import Core
from objectd.objects.trusted_time import TrustedTime
from objectd.objects.writer import Batch

_LOCKED = "Access Denied because object protected by object lock."
_DAMAGED = "The version is damaged, and nobody can tell whether it is locked."

Known: TypeAlias = tuple[ObjectHead, ObjectTail] | None
"""A version, or None for one that is damaged."""


@attrs.frozen
class Permit:
    """What may be destroyed besides versions without a lock.

    `now_us` is the trusted time; as long as it is not known, no retention is over. `damaged`: what
    cannot be read, too, which may be so only where no version was ever locked.
    """

    now_us: int = 0
    bypass_governance: bool = False
    damaged: bool = False

    async def timed(self, core: Core, known: Known) -> Permit:
        """With the time, if whether this may be destroyed depends on it. Raises
        `DamagedRecord`."""
        lock = known[1].lock if known is not None else None
        if lock is None or lock.retention is None:
            return self
        return attrs.evolve(self, now_us=await TrustedTime(core).now_us())

    def check(self, lock: Lock | None) -> None:
        """Raises `ObjectLocked`."""
        if lock is not None and (lock.legal_hold or self.is_bound_by(lock)):
            raise ObjectLocked(_LOCKED)

    def is_bound_by(self, lock: Lock) -> bool:
        """Its retention is not over yet, as it never is under an event hold, and may not be
        bypassed. The bypass goes past an event hold, too: of holds only the legal one does not
        give way to it, says AWS.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html#object-lock-managing-bypass
        """
        retention = lock.retention
        if retention is None or (not lock.event_hold and retention.until_us <= self.now_us):
            return False
        return retention.mode is not RetentionMode.GOVERNANCE or not self.bypass_governance


NO_PERMIT = Permit()
DAMAGED_TOO = Permit(damaged=True)


def destroy(
    core: Core,
    batch: Batch,
    bucket_id: int,
    payload_key: bytes,
    known: Known,
    permit: Permit,
) -> None:
    """A version, or a delete marker, lets its bytes go; `payload_key` is where they are if they
    are in a row, and `known` None if the version is damaged. Its own row is the caller's, who
    expects it as it was read. Raises `ObjectLocked`, before anything is changed."""
    if known is None:
        if not permit.damaged:
            raise ObjectLocked(_DAMAGED)
        batch.delete(payload_key)  # it may have had one
        return
    head, tail = known
    if head.is_delete_marker:
        return
    if tail.lock is not None:
        permit.check(tail.lock)
    if type(tail.source) is InRow:  # most are, and a put over one takes 3 % less without the calls
        batch.delete(payload_key)
    else:
        references.release_source(batch, payload_key, head.version, tail.source, core.now_us())
    if tail.annotations:
        annotation_rows.release(batch, head.version, tail)
    usage.subtract(batch, bucket_id, head)
