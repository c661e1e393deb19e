"""Object Lock over HTTP: PutObjectLockConfiguration, PutObjectRetention, PutObjectLegalHold, what
reads them, and the headers of other requests.

What was never written down of the answers is as it was recorded from AWS:
https://github.com/localstack/localstack/blob/main/tests/aws/services/s3/test_s3.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from objectd.model.records import DefaultRetention, Lock, Retention, RetentionMode
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.call import Answer, Call

_MODES = tuple(mode.name for mode in RetentionMode)
_HOLDS = ("ON", "OFF")
_MODE = "x-amz-object-lock-mode"
_UNTIL = "x-amz-object-lock-retain-until-date"
_LEGAL_HOLD = "x-amz-object-lock-legal-hold"
_BYPASS = "x-amz-bypass-governance-retention"

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
        }
        shown["Rule"] = {"DefaultRetention": retention}
    return Answer({"ObjectLockConfiguration": shown})


def _default_retention(rule: Document) -> DefaultRetention:
    default = cast("Document", rule.get("DefaultRetention") or {})
    if "DefaultEventHold" in default:
        raise _no_event_holds("PutObjectLockConfiguration", "DefaultEventHold")
    if "Mode" not in default or ("Days" in default) is ("Years" in default):
        raise S3Error("MalformedXML")
    return DefaultRetention(
        RetentionMode[str(default["Mode"])],
        _period(default, "Days"),
        _period(default, "Years"),
    )


def _period(default: Document, name: str) -> int:
    if name not in default:
        return 0
    period = cast("int", default[name])
    if period <= 0:
        message = "Default retention period must be a positive integer value."
        raise invalid_argument(name, str(period), message)
    return period


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
    """An empty document takes the retention away."""
    if Retention is None:
        raise S3Error("MalformedXML")
    await call.store.object_locks.put_retention(
        Bucket,
        Key,
        _retention(Retention),
        version_id=VersionId,
        bypass_governance=BypassGovernanceRetention,
    )
    return Answer()


async def get_object_retention(call: Call, *, Bucket: str, Key: str, VersionId: str = "") -> Answer:
    retention = await call.store.object_locks.retention(Bucket, Key, version_id=VersionId)
    return Answer(
        {"Retention": {"Mode": retention.mode.name, "RetainUntilDate": retention.until_us}}
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
    for name in ("EventHold", "EventHoldDuration"):
        if name in document:
            raise _no_event_holds("PutObjectRetention", name)
    if not document:
        return None
    if not {"Mode", "RetainUntilDate"} <= document.keys():
        raise S3Error("MalformedXML")
    mode = RetentionMode[str(document["Mode"])]
    return Retention(mode, cast("int", document["RetainUntilDate"]))


def _status(on: bool) -> str:
    return "ON" if on else "OFF"


def _no_event_holds(operation: str, member: str) -> S3Error:
    return S3Error("NotImplemented", f"{operation} does not implement {member}.")


# Headers


def given_lock(mode: str, until_us: int | None, legal_hold: str) -> Lock | None:
    """What the three headers of a request that makes an object say. Raises `S3Error`."""
    if legal_hold and legal_hold not in _HOLDS:
        message = "Legal Hold must be either of 'ON' or 'OFF'"
        raise invalid_argument(_LEGAL_HOLD, legal_hold, message)
    if bool(mode) is (until_us is None):
        message = f"{_UNTIL} and {_MODE} must both be supplied"
        raise invalid_argument(_UNTIL if mode else _MODE, "", message)
    if mode and mode not in _MODES:
        raise invalid_argument(_MODE, mode, "Unknown wormMode directive.")
    retention = None if until_us is None else Retention(RetentionMode[mode], until_us)
    if retention is None and not legal_hold:
        return None
    return Lock(retention, legal_hold == "ON" if legal_hold else None)


def shown_lock(lock: Lock | None) -> dict[str, object]:
    """What GET and HEAD tell of it."""
    if lock is None:
        return {}
    shown: dict[str, object] = {}
    if lock.retention is not None:
        shown["ObjectLockMode"] = lock.retention.mode.name
        shown["ObjectLockRetainUntilDate"] = lock.retention.until_us
    if lock.legal_hold is not None:
        shown["ObjectLockLegalHoldStatus"] = _status(lock.legal_hold)
    return shown


async def bypasses_governance(call: Call, bucket: str, given: bool | None) -> bool:
    """Whether a delete goes past GOVERNANCE. Who asks for it, or says that it does not, where no
    version can be locked is refused, as by AWS."""
    if given is not None and not (await call.store.buckets.get(bucket)).object_lock_enabled:
        message = f"{_BYPASS} is only applicable to Object Lock enabled buckets."
        raise invalid_argument(_BYPASS, str(given).lower(), message)
    return bool(given)
