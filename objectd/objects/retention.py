"""Which retention a version may get, and which one its bucket gives it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from msgspec import structs

from objectd.errors import InvalidArgument, InvalidOperation
from objectd.model.locks import DefaultRetention, Lock, Retention
from objectd.model.records import Bucket, Incompatible, ObjectTail
from objectd.objects import features
from objectd.objects.core import Core
from objectd.objects.destroying import NO_PERMIT
from objectd.objects.event_holds import check_hold, retained
from objectd.objects.periods import check_period, period_us
from objectd.objects.trusted_time import Reading, TrustedTime

_NO_LOCK = Lock()


def check_default(default: DefaultRetention) -> None:
    """A period, an event hold, or both. Raises `InvalidArgument`."""
    if default.event_hold is not None:
        check_period(default.event_hold, "Event hold duration")
    if default.event_hold is None or default.days or default.years:
        check_period(default, "Default retention period")


def with_default(bucket: Bucket, tail: ObjectTail, made_us: int) -> ObjectTail:
    """A new version as it will be kept: one without a retention of its own has the bucket's, as
    if that had been asked for when it was made."""
    default, lock = bucket.default_retention, tail.lock or _NO_LOCK
    if default is None or lock.retention is not None:
        return tail
    wanted = Lock(
        Retention(default.mode, made_us + period_us(default)),
        event_hold=True if default.event_hold is not None else None,
        event_hold_duration=default.event_hold,
    )
    return structs.replace(tail, lock=retained(lock, wanted, NO_PERMIT, made_us))


async def new_lock(core: Core, bucket: Bucket, wanted: Lock) -> Lock:
    """What a new version will be locked with, of what is asked for: under an event hold the date
    may be 0. Raises `InvalidArgument` for a date that is past, and what is wrong with an event
    hold, and `InvalidOperation` for a bucket without Object Lock."""
    check_hold(wanted)
    lock = wanted
    if wanted.retention is not None:
        time = await TrustedTime(core).reading()
        if wanted.retention.until_us or wanted.event_hold is None:
            check_date(wanted.retention, time)
        lock = retained(Lock(legal_hold=wanted.legal_hold), wanted, NO_PERMIT, time.latest_us)
    require_object_lock(bucket)
    if lock.event_hold:
        await features.ensure(core, Incompatible.EVENT_HOLDS)
    return lock


def check_date(retention: Retention, time: Reading) -> None:
    """Raises `InvalidArgument` for one that would be over already."""
    if retention.until_us <= time.latest_us:
        raise InvalidArgument(
            "The retain until date must be in the future!",
            name="RetainUntilDate",
            value=str(retention.until_us),
        )


def require_object_lock(bucket: Bucket) -> None:
    """Raises `InvalidOperation`."""
    if not bucket.object_lock_enabled:
        raise InvalidOperation("Bucket is missing Object Lock Configuration")
