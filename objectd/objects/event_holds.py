"""Event holds: retention for so long after something that has not happened yet.

While a hold is on, the version is retained until its duration from now, whenever that is asked,
and never until an earlier date than one that was set, or that there was before. When it is
released that date stands still. So nothing here ever makes a date earlier but what goes past
GOVERNANCE, and a duration may become shorter in either mode: the date waits until the shorter
one has caught up with it, so that leaves no less than a release at that moment would have left.

What AWS says of holds, and answers with 400:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
"""

from __future__ import annotations

from msgspec import structs

from objectd.errors import InvalidArgument, ObjectLocked
from objectd.model.locks import Lock, Retention
from objectd.objects.destroying import Permit
from objectd.objects.periods import check_period, period_us


def check_hold(wanted: Lock) -> None:
    """Whether that can be asked for of any version. Raises `InvalidArgument`."""
    hold, duration = wanted.event_hold, wanted.event_hold_duration
    if hold is None and duration is None:
        return
    if wanted.retention is None:
        raise InvalidArgument("An event hold requires a retention mode.", name="Mode")
    if hold and duration is None:
        message = "An event hold that is ON requires a duration, in either days or years."
        raise InvalidArgument(message, name="EventHoldDuration")
    if duration is None:
        return
    if hold is False:
        message = "An event hold that is OFF has no duration: it ends with the one that it had."
        raise InvalidArgument(message, name="EventHoldDuration")
    if duration.days and duration.years:
        message = "An event hold has one duration, in either days or years."
        raise InvalidArgument(message, name="EventHoldDuration")
    check_period(duration, "Event hold duration")


def in_force(lock: Lock, latest_us: int) -> Retention | None:
    """The retention of a version; under an event hold, the one that it would have if that were
    released now."""
    retention, duration = lock.retention, lock.event_hold_duration
    if retention is None or duration is None:
        return retention
    return Retention(retention.mode, max(retention.until_us, latest_us + period_us(duration)))


def retained(old: Lock, wanted: Lock, permit: Permit, latest_us: int) -> Lock:
    """A lock with the retention and the event hold that are wanted, each as it is if nothing is
    said of it: a date of 0 says nothing, no retention says that there shall be none. To take it
    away leaves a hold that is on.

    A retention that binds may always get a later date, and its event hold be released. Raises
    `ObjectLocked`, and `InvalidArgument` for what the version lacks.
    """
    if wanted.event_hold_duration is not None and not (wanted.event_hold or old.event_hold):
        message = "There is no event hold that is ON, whose duration could be changed."
        raise InvalidArgument(message, name="EventHoldDuration")
    hold = old.event_hold if wanted.event_hold is None else wanted.event_hold
    duration = (wanted.event_hold_duration or old.event_hold_duration) if hold else None
    least_us = latest_us + period_us(duration) if duration is not None else 0
    before = in_force(old, latest_us)
    after = None
    if wanted.retention is not None:
        is_released = bool(old.event_hold) and not hold
        after = _later(before, wanted.retention, least_us, is_released)
    elif before is not None and hold:
        after = Retention(before.mode, least_us)
    is_more = wanted.retention is not None and _extends(after, before)
    if permit.is_bound_by(old) and not is_more:
        raise ObjectLocked("Access Denied because object protected by object lock.")
    return structs.replace(
        old,
        retention=after,
        event_hold=hold if after is not None else None,
        event_hold_duration=duration,
    )


def _later(
    before: Retention | None, wanted: Retention, least_us: int, is_released: bool
) -> Retention:
    """The date that is wanted, or that there was; of a hold that is released, the later one."""
    before_us = before.until_us if before is not None else 0
    until_us = max(wanted.until_us or before_us, least_us, before_us if is_released else 0)
    if not until_us:
        message = "An event hold that is OFF requires a retain until date."
        raise InvalidArgument(message, name="RetainUntilDate")
    return Retention(wanted.mode, until_us)


def _extends(after: Retention | None, before: Retention | None) -> bool:
    if after is None or before is None:
        return False
    return after.mode is before.mode and after.until_us >= before.until_us
