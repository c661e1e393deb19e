"""Object Lock: what keeps versions from being destroyed, until when, and who may change that.

Whether a version may go is decided in `objectd.objects.destroying`, by the time of
`objectd.objects.trusted_time`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
"""

from __future__ import annotations

import attrs
from msgspec import structs

from objectd.errors import (
    BucketStateInvalid,
    DamagedRecord,
    ObjectLockConfigurationNotFound,
    ObjectNotLocked,
)
from objectd.model.locks import DefaultRetention, EventHoldDuration, Lock, Retention
from objectd.model.records import (
    Bucket,
    Incompatible,
    JournalKind,
    ObjectHead,
    ObjectTail,
    Versioning,
)
from objectd.objects import features
from objectd.objects.buckets import Buckets
from objectd.objects.core import Core
from objectd.objects.destroying import Permit
from objectd.objects.event_holds import check_hold, in_force, retained
from objectd.objects.retention import check_date, check_default, require_object_lock
from objectd.objects.shield import shield
from objectd.objects.trusted_time import TrustedTime
from objectd.objects.versions import Versions

_NO_LOCK = Lock()


@attrs.frozen
class ObjectLocks:
    """Object Lock of all buckets, and the locks of all versions."""

    _core: Core
    _buckets: Buckets
    _versions: Versions

    async def configure(self, bucket: str, default: DefaultRetention | None = None) -> None:
        """Enable Object Lock for good, and say what versions without a retention of their own
        get from now on. Those that are there stay as they are.

        Raises `BucketNotFound`, `InvalidArgument`, `BucketStateInvalid` for a bucket whose
        versioning is not enabled, `OperationAborted`.
        """
        if default is not None:
            check_default(default)

        def configured(found: Bucket) -> Bucket:
            if found.versioning is not Versioning.ENABLED:
                raise BucketStateInvalid(
                    "Versioning must be 'Enabled' on the bucket to apply a Object Lock "
                    "configuration"
                )
            return structs.replace(found, object_lock_enabled=True, default_retention=default)

        if default is not None and default.event_hold is not None:
            await features.ensure(self._core, Incompatible.EVENT_HOLDS)
        await shield(self._buckets.change(bucket, configured))

    async def configuration(self, bucket: str) -> DefaultRetention | None:
        """What versions get without a retention of their own. Raises `BucketNotFound`,
        `ObjectLockConfigurationNotFound` where Object Lock is not enabled."""
        found = await self._buckets.get(bucket)
        if not found.object_lock_enabled:
            raise ObjectLockConfigurationNotFound(bucket)
        return found.default_retention

    async def put_retention(
        self,
        bucket: str,
        key: str,
        retention: Retention | None,
        *,
        event_hold: bool | None = None,
        event_hold_duration: EventHoldDuration | None = None,
        version_id: str = "",
        bypass_governance: bool = False,
    ) -> str:
        """Give a version, the newest one for '', this retention or none; return its id. Put it
        under an event hold, release it from that, or change the duration of the one that it is
        under; the date of `retention` may then be 0, which leaves it to the hold.

        A retention that is not over may always get a later end, and a hold be released. Under
        GOVERNANCE anything else takes `bypass_governance`, under COMPLIANCE there is nothing
        else. Raises `ObjectLocked`, `InvalidArgument` for a date that is past and for what is
        wrong with an event hold, `InvalidOperation` for a bucket without Object Lock, and as
        `Objects.head`.
        """
        await self._require_configured(bucket)
        wanted = Lock(retention, event_hold=event_hold, event_hold_duration=event_hold_duration)
        check_hold(wanted)
        time = await TrustedTime(self._core).reading()
        is_about_hold = event_hold is not None or event_hold_duration is not None
        if retention is not None and (retention.until_us or not is_about_hold):
            check_date(retention, time)
        if event_hold:
            await features.ensure(self._core, Incompatible.EVENT_HOLDS)
        permit = Permit(time.now_us, bypass_governance)

        def changed(head: ObjectHead, tail: ObjectTail) -> tuple[ObjectHead, ObjectTail]:
            lock = retained(tail.lock or _NO_LOCK, wanted, permit, time.latest_us)
            return head, structs.replace(tail, lock=lock)

        kind = JournalKind.OBJECT_LOCK_CHANGED
        return await self._versions.amend(bucket, key, version_id, changed, kind)

    async def put_legal_hold(self, bucket: str, key: str, *, on: bool, version_id: str = "") -> str:
        """Hold a version, the newest one for '', until it is let go again; return its id.
        Nothing bypasses a hold. Raises `InvalidOperation` for a bucket without Object Lock, and
        as `Objects.head`."""
        await self._require_configured(bucket)

        def changed(head: ObjectHead, tail: ObjectTail) -> tuple[ObjectHead, ObjectTail]:
            lock = structs.replace(tail.lock or _NO_LOCK, legal_hold=on)
            return head, structs.replace(tail, lock=lock)

        kind = JournalKind.OBJECT_LOCK_CHANGED
        return await self._versions.amend(bucket, key, version_id, changed, kind)

    async def retained(self, bucket: str, key: str, *, version_id: str = "") -> Lock:
        """The lock of a version that has a retention, over or not, as it is `in_force`. Raises
        `ObjectNotLocked` if it has none, `InvalidOperation` for a bucket without Object Lock, and
        as `Objects.head`."""
        lock = await self.in_force(await self._lock(bucket, key, version_id))
        if lock.retention is None:
            raise ObjectNotLocked(f"{bucket}/{key} has no retention")
        return lock

    async def in_force(self, lock: Lock) -> Lock:
        """A lock with its retention as it is now: under an event hold, as if that were released.
        Whoever only looks is not refused for a damaged clock: the wall clock tells then."""
        if not lock.event_hold:
            return lock
        try:
            latest_us = (await TrustedTime(self._core).reading()).latest_us
        except DamagedRecord:
            latest_us = self._core.now_us()
        return structs.replace(lock, retention=in_force(lock, latest_us))

    async def legal_hold(self, bucket: str, key: str, *, version_id: str = "") -> bool:
        """Whether a version is held. Raises `ObjectNotLocked` if nobody ever said so or not, and
        as `retention`."""
        lock = await self._lock(bucket, key, version_id)
        if lock.legal_hold is None:
            raise ObjectNotLocked(f"{bucket}/{key} never had a legal hold")
        return lock.legal_hold

    async def _lock(self, bucket: str, key: str, version_id: str) -> Lock:
        await self._require_configured(bucket)
        _, tail = await self._versions.find(bucket, key, version_id)
        return tail.lock or _NO_LOCK

    async def _require_configured(self, bucket: str) -> None:
        require_object_lock(await self._buckets.get(bucket))
