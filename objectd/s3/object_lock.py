"""Object Lock over HTTP: PutObjectLockConfiguration, PutObjectRetention, PutObjectLegalHold, what
reads them, and the headers of other requests.

What was never written down of the answers is as it was recorded from AWS:
https://github.com/localstack/localstack/blob/main/tests/aws/services/s3/test_s3.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from objectd.model.locks import DefaultRetention, EventHoldDuration, Lock, Retention, RetentionMode
from objectd.model.records import ObjectTail
from objectd.objects import ObjectStore
from objectd.objects.periods import check_period
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.call import Answer, Call

_MODES = tuple(mode.name for mode in RetentionMode)
_HOLDS = ("ON", "OFF")
_MODE = "x-amz-object-lock-mode"
_UNTIL = "x-amz-object-lock-retain-until-date"
_LEGAL_HOLD = "x-amz-object-lock-legal-hold"
_EVENT_HOLD = "x-amz-object-lock-event-hold"
_DURATION_DAYS = "x-amz-object-lock-event-hold-duration-days"
_DURATION_YEARS = "x-amz-object-lock-event-hold-duration-years"
_BYPASS = "x-amz-bypass-governance-retention"

_NO_MODE = "An event hold requires a retention mode: GOVERNANCE or COMPLIANCE."

Document = Mapping[str, object]


# The configuration of a bucket


async def put_object_lock_configuration(
    call: Call, *, Bucket: str, ObjectLockConfiguration: Document | None = None
) -> Answer:
    configuration = ObjectLockConfiguration or {}
    if "ObjectLockEnabled" not in configuration:
        raise S3Error("MalformedXML")
    default = None
    if "Rule" in configuration:
        default = _default_retention(cast("Document", configuration["Rule"]))
    await call.store.object_locks.configure(Bucket, default)
    return Answer()


async def get_object_lock_configuration(call: Call, *, Bucket: str) -> Answer:
    default = await call.store.object_locks.configuration(Bucket)
    shown: dict[str, object] = {"ObjectLockEnabled": "Enabled"}
    if default is not None:
        retention = {
            "Mode": default.mode.name,
            "Days": default.days or None,
            "Years": default.years or None,
            "DefaultEventHold": _shown_duration(default.event_hold),
        }
        shown["Rule"] = {"DefaultRetention": retention}
    return Answer({"ObjectLockConfiguration": shown})


def _default_retention(rule: Document) -> DefaultRetention:
    """A period, an event hold, or both.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ObjectLockRule.html"""
    default = cast("Document", rule.get("DefaultRetention") or {})
    if "Mode" not in default:
        raise S3Error("MalformedXML")
    event_hold = _duration(default, "DefaultEventHold")
    days = years = 0
    if event_hold is None or "Days" in default or "Years" in default:
        days, years = _period(default, "Default retention period")
    return DefaultRetention(RetentionMode[str(default["Mode"])], days, years, event_hold)


def _duration(document: Document, name: str) -> EventHoldDuration | None:
    if name not in document:
        return None
    return EventHoldDuration(
        *_period(cast("Document", document[name] or {}), "Event hold duration")
    )


def _period(document: Document, what: str) -> tuple[int, int]:
    """Days and years, one of which there must be; the other one is 0."""
    if ("Days" in document) is ("Years" in document):
        raise S3Error("MalformedXML")
    days, years = (cast("int | None", document.get(name)) for name in ("Days", "Years"))
    return _positive("Days", days, what), _positive("Years", years, what)


def _positive(name: str, period: int | None, what: str) -> int:
    if period is not None and period <= 0:
        raise invalid_argument(name, str(period), f"{what} must be a positive integer value.")
    return period or 0


# The lock of a version


async def put_object_retention(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    Retention: Document | None = None,
    VersionId: str = "",
    BypassGovernanceRetention: bool = False,
) -> Answer:
    """An empty document takes the retention away. One that says nothing of an event hold leaves
    it as it is."""
    if Retention is None:
        raise S3Error("MalformedXML")
    await call.store.object_locks.put_retention(
        Bucket,
        Key,
        _retention(Retention),
        event_hold=Retention["EventHold"] == "ON" if "EventHold" in Retention else None,
        event_hold_duration=_duration(Retention, "EventHoldDuration"),
        version_id=VersionId,
        bypass_governance=BypassGovernanceRetention,
    )
    return Answer()


async def get_object_retention(call: Call, *, Bucket: str, Key: str, VersionId: str = "") -> Answer:
    lock = await call.store.object_locks.retained(Bucket, Key, version_id=VersionId)
    retention = cast("Retention", lock.retention)
    return Answer(
        {
            "Retention": {
                "Mode": retention.mode.name,
                "RetainUntilDate": retention.until_us,
                "EventHold": None if lock.event_hold is None else _status(lock.event_hold),
                "EventHoldDuration": _shown_duration(lock.event_hold_duration),
            }
        }
    )


async def put_object_legal_hold(
    call: Call, *, Bucket: str, Key: str, LegalHold: Document | None = None, VersionId: str = ""
) -> Answer:
    if LegalHold is None or "Status" not in LegalHold:
        raise S3Error("MalformedXML")
    on = LegalHold["Status"] == "ON"
    await call.store.object_locks.put_legal_hold(Bucket, Key, on=on, version_id=VersionId)
    return Answer()


async def get_object_legal_hold(
    call: Call, *, Bucket: str, Key: str, VersionId: str = ""
) -> Answer:
    on = await call.store.object_locks.legal_hold(Bucket, Key, version_id=VersionId)
    return Answer({"LegalHold": {"Status": _status(on)}})


def _retention(document: Document) -> Retention | None:
    if not document:
        return None
    is_about_hold = not document.keys().isdisjoint(("EventHold", "EventHoldDuration"))
    if is_about_hold and "Mode" not in document:
        raise invalid_argument("Mode", "", _NO_MODE)
    if not is_about_hold and not {"Mode", "RetainUntilDate"} <= document.keys():
        raise S3Error("MalformedXML")
    return _dated(str(document["Mode"]), cast("int | None", document.get("RetainUntilDate")))


def _dated(mode: str, until_us: int | None) -> Retention:
    """0 stands for a date that is not given, so the one that it would be, as long past, is the
    moment before."""
    return Retention(RetentionMode[mode], 0 if until_us is None else until_us or -1)


def _status(on: bool) -> str:
    return "ON" if on else "OFF"


def _shown_duration(duration: EventHoldDuration | None) -> dict[str, object] | None:
    if duration is None:
        return None
    return {"Days": duration.days or None, "Years": duration.years or None}


# Headers


GIVEN = (
    "ObjectLockEventHold",
    "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears",
    "ObjectLockLegalHoldStatus",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
)
"""The headers that lock what a request makes."""


def given_lock(given: Mapping[str, Any]) -> Lock | None:
    """What the headers of a request that makes an object say. Raises `S3Error`, and
    `InvalidArgument` for a duration that is too large."""
    mode: str = given.get("ObjectLockMode", "")
    until_us: int | None = given.get("ObjectLockRetainUntilDate")
    legal_hold: str = given.get("ObjectLockLegalHoldStatus", "")
    event_hold: str = given.get("ObjectLockEventHold", "")
    days: int | None = given.get("ObjectLockEventHoldDurationDays")
    years: int | None = given.get("ObjectLockEventHoldDurationYears")
    _check_hold(_LEGAL_HOLD, legal_hold, "Legal Hold")
    _check_hold(_EVENT_HOLD, event_hold, "Event Hold")
    duration = _given_duration(event_hold, days, years)
    if event_hold and not mode:
        raise invalid_argument(_MODE, "", _NO_MODE)
    if bool(mode) is (until_us is None) and event_hold != "ON":
        message = f"{_UNTIL} and {_MODE} must both be supplied"
        raise invalid_argument(_UNTIL if mode else _MODE, "", message)
    if mode and mode not in _MODES:
        raise invalid_argument(_MODE, mode, "Unknown wormMode directive.")
    if not mode and not legal_hold:
        return None
    return Lock(
        _dated(mode, until_us) if mode else None,
        legal_hold == "ON" if legal_hold else None,
        event_hold == "ON" if event_hold else None,
        duration,
    )


def _check_hold(header: str, status: str, what: str) -> None:
    if status and status not in _HOLDS:
        raise invalid_argument(header, status, f"{what} must be either of 'ON' or 'OFF'")


def _given_duration(
    event_hold: str, days: int | None, years: int | None
) -> EventHoldDuration | None:
    """One duration, in days or in years, if the hold is on; none otherwise."""
    if event_hold != "ON":
        if days is None and years is None:
            return None
        message = f"A duration requires {_EVENT_HOLD} to be ON"
        raise invalid_argument(_EVENT_HOLD, event_hold, message)
    if (days is None) is (years is None):
        message = f"Exactly one of {_DURATION_DAYS} and {_DURATION_YEARS} must be supplied"
        raise invalid_argument(_DURATION_DAYS, "" if days is None else str(days), message)
    what = "Event hold duration"
    duration = EventHoldDuration(
        _positive(_DURATION_DAYS, days, what), _positive(_DURATION_YEARS, years, what)
    )
    check_period(duration, what, _DURATION_DAYS, _DURATION_YEARS)
    return duration


def shown_lock(lock: Lock | None) -> dict[str, object]:
    """What GET and HEAD tell of it. Of a date that an event hold moves on it has the earliest one:
    `shown_date` goes before that."""
    if lock is None:
        return {}
    shown: dict[str, object] = {}
    if lock.retention is not None:
        shown["ObjectLockMode"] = lock.retention.mode.name
        shown["ObjectLockRetainUntilDate"] = lock.retention.until_us
    if lock.legal_hold is not None:
        shown["ObjectLockLegalHoldStatus"] = _status(lock.legal_hold)
    if lock.event_hold is not None:
        shown["ObjectLockEventHold"] = _status(lock.event_hold)
    if lock.event_hold_duration is not None:
        shown["ObjectLockEventHoldDurationDays"] = lock.event_hold_duration.days or None
        shown["ObjectLockEventHoldDurationYears"] = lock.event_hold_duration.years or None
    return shown


async def shown_date(store: ObjectStore, tail: ObjectTail) -> dict[str, object]:
    """Until when a version is retained if that is told by time, as under an event hold.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html#object-lock-inv-report
    """
    lock = tail.lock
    if lock is None or not lock.event_hold:
        return {}
    retention = (await store.object_locks.in_force(lock)).retention
    return {} if retention is None else {"ObjectLockRetainUntilDate": retention.until_us}


async def bypasses_governance(call: Call, bucket: str, given: bool | None) -> bool:
    """Whether a delete goes past GOVERNANCE. Who asks for it, or says that it does not, where no
    version can be locked is refused, as by AWS."""
    if given is not None and not (await call.store.buckets.get(bucket)).object_lock_enabled:
        message = f"{_BYPASS} is only applicable to Object Lock enabled buckets."
        raise invalid_argument(_BYPASS, str(given).lower(), message)
    return bool(given)
