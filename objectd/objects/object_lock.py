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
    ObjectLockConfigurationNotFound,
    ObjectLocked,
    ObjectNotLocked,
)
from objectd.model.records import (
    Bucket,
    DefaultRetention,
    JournalKind,
    Lock,
    ObjectHead,
    ObjectTail,
    Retention,
    Versioning,
)
from objectd.objects.buckets import Buckets
from objectd.objects.core import Core
from objectd.objects.destroying import Permit
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
        version_id: str = "",
        bypass_governance: bool = False,
    ) -> str:
        """Give a version, the newest one for '', this retention or none; return its id.

        A retention that is not over may always get a later end. Under GOVERNANCE anything else
        takes `bypass_governance`, under COMPLIANCE there is nothing else. Raises `ObjectLocked`,
        `InvalidArgument` for a date that is past, `InvalidOperation` for a bucket without Object
        Lock, and as `Objects.head`.
        """
        await self._require_configured(bucket)
        time = await TrustedTime(self._core).reading()
        if retention is not None:
            check_date(retention, time)
        permit = Permit(time.now_us, bypass_governance)

        def changed(head: ObjectHead, tail: ObjectTail) -> tuple[ObjectHead, ObjectTail]:
            lock = tail.lock or _NO_LOCK
            if permit.is_bound_by(lock.retention) and not _extends(retention, lock.retention):
                raise ObjectLocked("Access Denied because object protected by object lock.")
            lock = structs.replace(lock, retention=retention)
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

    async def retention(self, bucket: str, key: str, *, version_id: str = "") -> Retention:
        """Of a version, over or not. Raises `ObjectNotLocked` if it has none, `InvalidOperation`
        for a bucket without Object Lock, and as `Objects.head`."""
        lock = await self._lock(bucket, key, version_id)
        if lock.retention is None:
            raise ObjectNotLocked(f"{bucket}/{key} has no retention")
        return lock.retention

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


def _extends(new: Retention | None, old: Retention | None) -> bool:
    if new is None or old is None:
        return False
    return new.mode is old.mode and new.until_us >= old.until_us
