"""Which retention a version may get, and which one its bucket gives it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from msgspec import structs

from objectd.errors import InvalidArgument, InvalidOperation
from objectd.model.records import Bucket, DefaultRetention, Lock, ObjectTail, Retention
from objectd.objects.core import Core
from objectd.objects.settings import RETENTION_DAYS_MAX, RETENTION_YEARS_MAX
from objectd.objects.trusted_time import Reading, TrustedTime

_DAY_US = 86_400_000_000
_YEAR_DAYS = 365
"""Of whatever year: the page above counts so."""

_NO_LOCK = Lock()


def check_default(default: DefaultRetention) -> None:
    """Raises `InvalidArgument`."""
    for name, value, most in (
        ("Days", default.days, RETENTION_DAYS_MAX),
        ("Years", default.years, RETENTION_YEARS_MAX),
    ):
        if value < 0:
            raise _bad_period(name, value, "must be a positive integer value.")
        if value > most:
            raise _bad_period(name, value, "too large.")
    if bool(default.days) == bool(default.years):
        name = "Years" if default.years else "Days"
        raise _bad_period(name, default.days, "must be a positive integer value.")


def _bad_period(name: str, value: int, what: str) -> InvalidArgument:
    return InvalidArgument(f"Default retention period {what}", name=name, value=str(value))


def with_default(bucket: Bucket, tail: ObjectTail, made_us: int) -> ObjectTail:
    """A new version as it will be kept: one without a retention of its own has the bucket's, as
    if that had been asked for when it was made."""
    default, lock = bucket.default_retention, tail.lock or _NO_LOCK
    if default is None or lock.retention is not None:
        return tail
    until_us = made_us + (default.days + _YEAR_DAYS * default.years) * _DAY_US
    lock = structs.replace(lock, retention=Retention(default.mode, until_us))
    return structs.replace(tail, lock=lock)


async def check_lock(core: Core, bucket: Bucket, lock: Lock) -> None:
    """What a new version shall be locked with. Raises `InvalidArgument` for a date that is past,
    and `InvalidOperation` for a bucket without Object Lock."""
    if lock.retention is not None:
        check_date(lock.retention, await TrustedTime(core).reading())
    require_object_lock(bucket)


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
