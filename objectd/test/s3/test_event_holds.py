"""Event holds over the wire: documents, headers, and what is answered to wrong ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from twisted.internet.task import Clock
from typing_extensions import override

from objectd.blobs.memory import MemoryBlobs
from objectd.metadata.memory import MemoryMetadata
from objectd.objects.opening import run_at_once
from objectd.objects.store import open_store
from objectd.objects.uptime import Uptime
from objectd.test.s3.object_lock_case import (
    CONTENT,
    LATER,
    NOW,
    TOMORROW,
    WHERE,
    ObjectLockCase,
    retained,
    rule,
)
from objectd.testing.s3 import MemoryServer, result_of

DAY = timedelta(days=1)
YEAR = 365 * DAY
WEEK = {"Days": 7}
HOLD, DAYS, YEARS = (
    "x-amz-object-lock-event-hold",
    "x-amz-object-lock-event-hold-duration-days",
    "x-amz-object-lock-event-hold-duration-years",
)

LOCK = {
    "ObjectLockMode": "COMPLIANCE",
    "ObjectLockEventHold": "ON",
    "ObjectLockEventHoldDurationYears": 1,
}


def held(duration: dict[str, int], mode: str = "COMPLIANCE", **more: object) -> dict[str, Any]:
    return {"Mode": mode, "EventHold": "ON", "EventHoldDuration": duration, **more}


def released(mode: str = "COMPLIANCE", **more: object) -> dict[str, Any]:
    return {"Mode": mode, "EventHold": "OFF", **more}


class EventHoldCase(ObjectLockCase):
    """With a clock that stands still."""

    @override
    def make_server(self) -> MemoryServer:
        self.now = NOW
        opening = open_store(
            MemoryMetadata(),
            MemoryBlobs(),
            clock=Clock(),
            run_in_thread=run_at_once,
            now_us=lambda: round(self.now.timestamp() * 1_000_000),
            uptime=lambda: Uptime("boot", round((self.now - NOW).total_seconds() * 1_000_000)),
        )
        return MemoryServer(store=result_of(opening))

    def assert_shown(self, wanted: dict[str, Any]) -> None:
        """By GetObjectRetention, and by GET and HEAD, on the short way and on the long one."""
        self.assertEqual(self.s3.get_object_retention(**WHERE)["Retention"], wanted)
        duration = wanted.get("EventHoldDuration", {})
        headers = {
            "ObjectLockMode": wanted["Mode"],
            "ObjectLockRetainUntilDate": wanted["RetainUntilDate"],
            "ObjectLockEventHold": wanted["EventHold"],
            "ObjectLockEventHoldDurationDays": duration.get("Days"),
            "ObjectLockEventHoldDurationYears": duration.get("Years"),
        }
        for found in (
            self.s3.get_object(**WHERE),
            self.s3.get_object(**WHERE, Range="bytes=0-0"),
            self.s3.head_object(**WHERE),
            self.s3.head_object(**WHERE, PartNumber=1),
        ):
            self.assertEqual({name: found.get(name) for name in headers}, headers)

    def delete(self, **more: Any) -> None:
        self.s3.delete_object(**WHERE, VersionId=self.version, **more)

    def not_deleted(self, **more: Any) -> None:
        named = {**WHERE, "VersionId": self.version}
        self.refused(403, "AccessDenied", "delete_object", **named, **more)


class RetentionTests(EventHoldCase):
    def test_life(self) -> None:
        """It is put, moves the date on, is released, and what it leaves ends."""
        self.put(held({"Years": 1}))
        self.assert_shown(held({"Years": 1}, RetainUntilDate=NOW + YEAR))
        self.now += YEAR
        self.assert_shown(held({"Years": 1}, RetainUntilDate=NOW + 2 * YEAR))
        self.not_deleted(BypassGovernanceRetention=True)
        self.put(released())
        for _ in range(2):
            self.assert_shown(released(RetainUntilDate=NOW + 2 * YEAR))
            self.not_deleted()
            self.now += YEAR - timedelta(microseconds=1)
        self.now += timedelta(microseconds=2)
        self.delete()

    def test_dates(self) -> None:
        """A date that comes with it is the earliest one, at either end."""
        self.put(held({"Days": 1}, RetainUntilDate=LATER))
        self.assert_shown(held({"Days": 1}, RetainUntilDate=LATER))
        self.put(released(RetainUntilDate=TOMORROW))
        self.assert_shown(released(RetainUntilDate=LATER))
        self.put(released(RetainUntilDate=NOW + YEAR))
        self.assert_shown(released(RetainUntilDate=NOW + YEAR))

    def test_duration(self) -> None:
        """It is changed while the hold is on; the date does not go back for it."""
        self.put(held({"Days": 1}))
        self.put({"Mode": "COMPLIANCE", "EventHoldDuration": WEEK})
        self.assert_shown(held(WEEK, RetainUntilDate=NOW + 7 * DAY))
        self.put(held({"Days": 1}))
        self.assert_shown(held({"Days": 1}, RetainUntilDate=NOW + 7 * DAY))

    def test_left_alone(self) -> None:
        """A retention that does not speak of it leaves it on."""
        self.put(held({"Days": 1}))
        self.put(retained(LATER))
        self.assert_shown(held({"Days": 1}, RetainUntilDate=LATER))

    def test_compliance(self) -> None:
        self.put(held(WEEK))
        for more in ({}, {"BypassGovernanceRetention": True}):
            self.denied({}, **more)
            self.denied(held(WEEK, "GOVERNANCE"), **more)
            self.denied(released("GOVERNANCE"), **more)
            self.denied(held({"Days": 1}, RetainUntilDate=LATER), **more)

    def test_governance(self) -> None:
        """Its bypass goes past a hold, which an empty document leaves on all the same."""
        self.put(held(WEEK, "GOVERNANCE", RetainUntilDate=NOW + YEAR))
        bypass = {"BypassGovernanceRetention": True}
        self.denied({})
        self.put({}, **bypass)
        self.assert_shown(held(WEEK, "GOVERNANCE", RetainUntilDate=NOW + 7 * DAY))
        self.not_deleted()
        lines = [{"Key": "a", "VersionId": self.version}]
        delete = {"Bucket": "safe", "Delete": {"Objects": lines}}
        [error] = self.s3.delete_objects(**delete)["Errors"]
        self.assertEqual((error["Key"], error["Code"]), ("a", "AccessDenied"))
        self.assertEqual(self.s3.delete_objects(**delete, **bypass)["Deleted"], lines)

    def test_wrong(self) -> None:
        """What AWS's troubleshooting page names, and what is said of it."""
        one = {"Days": 1}
        for wrong, name, words in (
            ({"EventHold": "ON", "EventHoldDuration": one}, "Mode", "requires a retention mode"),
            ({"EventHold": "OFF"}, "Mode", "requires a retention mode"),
            ({"EventHoldDuration": one}, "Mode", "requires a retention mode"),
            ({"Mode": "GOVERNANCE", "EventHold": "ON"}, "EventHoldDuration", "requires a duration"),
            (
                {"Mode": "GOVERNANCE", "EventHoldDuration": one},
                "EventHoldDuration",
                "no event hold that is ON",
            ),
            (released(EventHoldDuration=one), "EventHoldDuration", "has no duration"),
            (released(), "RetainUntilDate", "requires a retain until date"),
            (held({"Days": 0}), "Days", "must be a positive integer"),
            (held({"Years": -1}), "Years", "must be a positive integer"),
            (held({"Days": 36_501}), "Days", "too large"),
            (held({"Years": 101}), "Years", "too large"),
            (held(one, RetainUntilDate=NOW), "RetainUntilDate", "in the future"),
            (held(one, RetainUntilDate=datetime(1970, 1, 1)), "RetainUntilDate", "in the future"),
        ):
            error = self.refused(
                400, "InvalidArgument", "put_object_retention", **WHERE, Retention=wrong
            )
            self.assertEqual(error["ArgumentName"], name, error)
            self.assertIn(words, error["Message"])
        for malformed in (
            held({}),
            held({"Days": 1, "Years": 1}),
            {**held(one), "EventHold": "on"},
            held(one, "governance"),
        ):
            put = {**WHERE, "Retention": malformed}
            self.refused(400, "MalformedXML", "put_object_retention", **put)
        self.assertNotIn("ObjectLockMode", self.s3.head_object(**WHERE))

    def test_limits(self) -> None:
        for good in ({"Days": 1}, {"Days": 36_500}, {"Years": 1}, {"Years": 100}):
            self.put(held(good))

    def test_no_object_lock(self) -> None:
        self.s3.put_object(Bucket="photos", Key="a", Body=CONTENT)
        put = {"Bucket": "photos", "Key": "a", "Retention": held(WEEK)}
        error = self.refused(400, "InvalidRequest", "put_object_retention", **put)
        self.assertEqual(error["Message"], "Bucket is missing Object Lock Configuration")


class DefaultTests(EventHoldCase):
    def configure(self, **default: object) -> None:
        wanted = rule(**default)
        self.s3.put_object_lock_configuration(Bucket="safe", ObjectLockConfiguration=wanted)
        found = self.s3.get_object_lock_configuration(Bucket="safe")
        self.assertEqual(found["ObjectLockConfiguration"], wanted)

    def test_default(self) -> None:
        """A default has a hold, alone or beside a period; what is put gets both."""
        self.configure(Mode="COMPLIANCE", DefaultEventHold={"Days": 1})
        self.s3.put_object(**WHERE, Body=CONTENT)
        self.assert_shown(held({"Days": 1}, RetainUntilDate=TOMORROW))
        self.configure(Mode="GOVERNANCE", Years=1, DefaultEventHold=WEEK)
        self.s3.put_object(Bucket="safe", Key="b", Body=CONTENT)
        head = self.s3.head_object(Bucket="safe", Key="b")
        self.assertEqual(head["ObjectLockRetainUntilDate"], NOW + YEAR)
        self.assertEqual(head["ObjectLockEventHoldDurationDays"], 7)

    def test_own(self) -> None:
        """A request that says what it wants gets that."""
        self.configure(Mode="COMPLIANCE", DefaultEventHold=WEEK)
        lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": TOMORROW}
        self.s3.put_object(**WHERE, Body=CONTENT, **lock)
        head = self.s3.head_object(**WHERE)
        self.assertEqual({name: head[name] for name in lock}, lock)
        self.assertNotIn("ObjectLockEventHold", head)

    def test_wrong(self) -> None:
        for default in (
            {"DefaultEventHold": WEEK},
            {"Mode": "GOVERNANCE", "DefaultEventHold": {}},
            {"Mode": "GOVERNANCE", "DefaultEventHold": {"Days": 1, "Years": 1}},
            {"Mode": "GOVERNANCE", "Days": 1, "Years": 1, "DefaultEventHold": WEEK},
        ):
            put = {"Bucket": "safe", "ObjectLockConfiguration": rule(**default)}
            self.refused(400, "MalformedXML", "put_object_lock_configuration", **put)
        for name, value, words in (
            ("Days", 0, "positive"),
            ("Years", -1, "positive"),
            ("Days", 36_501, "too large"),
            ("Years", 101, "too large"),
        ):
            wrong = rule(Mode="GOVERNANCE", DefaultEventHold={name: value})
            put = {"Bucket": "safe", "ObjectLockConfiguration": wrong}
            error = self.refused(400, "InvalidArgument", "put_object_lock_configuration", **put)
            self.assertEqual((error["ArgumentName"], error["ArgumentValue"]), (name, str(value)))
            self.assertIn(words, error["Message"])


class HeaderTests(EventHoldCase):
    """The headers of requests that make objects."""

    def makers(self, where: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
        return [
            ("put_object", {**where, "Body": CONTENT}),
            ("copy_object", {**where, "CopySource": "/safe/a"}),
            ("create_multipart_upload", where),
        ]

    def test_put(self) -> None:
        self.s3.put_object(**WHERE, Body=CONTENT, **LOCK)
        self.assert_shown(held({"Years": 1}, RetainUntilDate=NOW + YEAR))
        more = {"ObjectLockRetainUntilDate": NOW + 2 * YEAR}
        self.s3.put_object(**WHERE, Body=CONTENT, **LOCK, **more)
        self.assert_shown(held({"Years": 1}, RetainUntilDate=NOW + 2 * YEAR))

    def test_off(self) -> None:
        lock = {**LOCK, "ObjectLockEventHold": "OFF", "ObjectLockRetainUntilDate": TOMORROW}
        del lock["ObjectLockEventHoldDurationYears"]
        self.s3.put_object(**WHERE, Body=CONTENT, **lock)
        self.assert_shown(released(RetainUntilDate=TOMORROW))

    def test_copy(self) -> None:
        """A copy has what it is given, and nothing of its source's hold."""
        self.s3.put_object(Bucket="safe", Key="b", Body=b"b", **LOCK)
        self.s3.copy_object(**WHERE, CopySource="/safe/b")
        self.assertNotIn("ObjectLockEventHold", self.s3.head_object(**WHERE))
        self.s3.copy_object(**WHERE, CopySource="/safe/b", **LOCK)
        self.assert_shown(held({"Years": 1}, RetainUntilDate=NOW + YEAR))

    def test_upload(self) -> None:
        upload = self.s3.create_multipart_upload(**WHERE, **LOCK)["UploadId"]
        named = {**WHERE, "UploadId": upload}
        self.now += DAY
        part = self.s3.upload_part(**named, PartNumber=1, Body=CONTENT)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.s3.complete_multipart_upload(**named, MultipartUpload=parts)
        self.assert_shown(held({"Years": 1}, RetainUntilDate=NOW + YEAR + DAY))

    def test_append(self) -> None:
        """An append locks nothing."""
        append = {**WHERE, "Body": CONTENT, "WriteOffsetBytes": 1, **LOCK}
        self.refused(400, "InvalidRequest", "put_object", **append)

    def test_no_object_lock(self) -> None:
        for operation, arguments in self.makers({"Bucket": "photos", "Key": "a"}):
            error = self.refused(400, "InvalidRequest", operation, **arguments, **LOCK)
            self.assertEqual(error["Message"], "Bucket is missing Object Lock Configuration")

    def test_wrong(self) -> None:
        """Each that is wrong, before the bucket is looked at."""
        mode, hold = "ObjectLockMode", "ObjectLockEventHold"
        days, years = "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears"
        for wrong, name in (
            ({hold: "ON", days: 1}, "x-amz-object-lock-mode"),
            ({hold: "OFF"}, "x-amz-object-lock-mode"),
            ({mode: "GOVERNANCE", hold: "OFF"}, "x-amz-object-lock-retain-until-date"),
            ({mode: "GOVERNANCE", hold: "on", days: 1}, HOLD),
            ({mode: "governance", hold: "ON", days: 1}, "x-amz-object-lock-mode"),
            ({mode: "GOVERNANCE", hold: "ON"}, DAYS),
            ({mode: "GOVERNANCE", hold: "ON", days: 1, years: 1}, DAYS),
            ({mode: "GOVERNANCE", hold: "ON", days: 0}, DAYS),
            ({mode: "GOVERNANCE", hold: "ON", years: 0}, YEARS),
            ({mode: "GOVERNANCE", hold: "ON", days: 36_501}, DAYS),
            ({mode: "GOVERNANCE", hold: "ON", years: 101}, YEARS),
            ({mode: "GOVERNANCE", hold: "OFF", days: 1}, HOLD),
            ({mode: "GOVERNANCE", days: 1}, HOLD),
            ({days: 1}, HOLD),
        ):
            for bucket in ("safe", "photos"):
                for operation, arguments in self.makers({"Bucket": bucket, "Key": "new"}):
                    error = self.refused(400, "InvalidArgument", operation, **arguments, **wrong)
                    self.assertEqual(error["ArgumentName"], name, wrong)
        past = {"ObjectLockRetainUntilDate": NOW}
        for operation, arguments in self.makers({"Bucket": "safe", "Key": "new"}):
            self.refused(400, "InvalidArgument", operation, **arguments, **LOCK, **past)
