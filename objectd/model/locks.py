"""The values of Object Lock, as records of buckets, versions and uploads hold them."""

from __future__ import annotations

import enum

import msgspec


class RetentionMode(enum.IntEnum):
    """GOVERNANCE gives way to who asks for it and may, COMPLIANCE to nobody."""

    GOVERNANCE = 1
    COMPLIANCE = 2


class Retention(msgspec.Struct, frozen=True, array_like=True, gc=False):
    mode: RetentionMode
    until_us: int


class EventHoldDuration(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Either days or years, as it was set; the other one is 0."""

    days: int = 0
    years: int = 0


class DefaultRetention(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Either days or years, as it was set; the other one is 0, as both are where there is only
    an event hold."""

    mode: RetentionMode
    days: int = 0
    years: int = 0
    event_hold: EventHoldDuration | None = None


class Lock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why a version may not be destroyed. The two holds are None if they were never on or off.
    While the event hold is on there is its duration, and a retention whose date is the earliest
    one that there can be (`objectd.objects.event_holds`)."""

    retention: Retention | None = None
    legal_hold: bool | None = None
    event_hold: bool | None = None
    event_hold_duration: EventHoldDuration | None = None
