"""Lifecycle configurations over the wire, and the headers that tell of them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import Row
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic, error_document
from objectd.testing.s3 import MemoryServer

Rule = dict[str, Any]
RULE: Rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
TAG = {"Key": "a", "Value": "1"}

TEXT = st.text(
    st.characters(codec="utf-8", categories=("L", "N")) | st.sampled_from("/-_ <&>"), max_size=20
)
TAGS = st.dictionaries(
    st.text("abc123", min_size=1, max_size=5), st.text("abc 123", max_size=5), max_size=3
)
DAYS = st.integers(1, (1 << 31) - 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@st.composite
def filters(draw: st.DrawFn, *, for_uploads: bool = False) -> dict[str, Any]:
    """Any filter that AWS takes."""
    above, below = draw(st.integers(0, 1 << 40)), draw(st.integers((1 << 40) + 1, 1 << 50))
    conditions: list[tuple[str, object]] = [("Prefix", draw(TEXT))]
    if not for_uploads:
        conditions += [("ObjectSizeGreaterThan", above), ("ObjectSizeLessThan", below)]
        drawn = draw(TAGS).items()
        conditions += [("Tag", {"Key": key, "Value": value}) for key, value in drawn]
    chosen = draw(st.lists(st.sampled_from(conditions), unique_by=repr, max_size=4))
    if len(chosen) <= 1:
        return dict(chosen)
    tags: list[object] = [value for name, value in chosen if name == "Tag"]
    others: dict[str, Any] = {name: value for name, value in chosen if name != "Tag"}
    return {"And": {**others, **({"Tags": tags} if tags else {})}}


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Any configuration that AWS takes."""
    is_v1 = draw(st.booleans())
    found: list[Rule] = []
    for number in range(draw(st.integers(1, 4))):
        rule: Rule = {
            "ID": f"{draw(TEXT)}{number}",
            "Status": draw(st.sampled_from(["Enabled", "Disabled"])),
        }
        if draw(st.booleans()):
            rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": draw(DAYS)}
        if is_v1:
            rule["Prefix"] = draw(TEXT)
        else:
            rule["Filter"] = draw(filters(for_uploads="AbortIncompleteMultipartUpload" in rule))
        dates = st.integers(0, 40_000).map(lambda n: EPOCH + timedelta(n))
        rule["Expiration"] = draw(
            st.fixed_dictionaries({"Days": DAYS}) | st.fixed_dictionaries({"Date": dates})
        )
        noncurrent: dict[str, int] = {"NoncurrentDays": draw(DAYS)}
        if not is_v1 and draw(st.booleans()):
            noncurrent["NewerNoncurrentVersions"] = draw(st.integers(1, 100))
        if draw(st.booleans()):
            rule["NoncurrentVersionExpiration"] = noncurrent
        found.append(rule)
    return found


class ConfigurationTests(WireTestCase):
    def put(self, *wanted: Rule, **arguments: object) -> dict[str, Any]:
        configuration = {"Rules": list(wanted)}
        answer: dict[str, Any] = self.s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET, LifecycleConfiguration=configuration, **arguments
        )
        return answer

    def shown(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.s3.get_bucket_lifecycle_configuration(
            Bucket=BUCKET
        )["Rules"]
        return found

    def refused(self, code: str, *wanted: Rule, status: int = 400, **arguments: object) -> str:
        """Nothing changes; returns the message."""
        before = self.contents()
        error = self.assertRaises(ClientError, self.put, *wanted, **arguments)
        answer = error.response
        found = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
        self.assertEqual(found, (code, status), wanted)
        self.assertEqual(self.contents(), before)
        return str(error.response["Error"]["Message"])

    def send_document(self, document: str) -> str:
        """The code that a document is answered with; '' for none."""
        body = (
            '<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{document}</LifecycleConfiguration>"
        ).encode()
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        request = authentic(
            "PUT",
            f"/{BUCKET}?lifecycle",
            {"content-md5": md5},
            payload=hashlib.sha256(body).hexdigest(),
        )
        response = self.send(request, body).response
        return "" if response.status == 200 else error_document(response)["Code"]

    def test_none(self) -> None:
        """A bucket has no lifecycle until it is given one, and none after it was deleted."""
        for _ in range(2):
            error = self.assertRaises(ClientError, self.shown)
            self.assertEqual(error.response["Error"]["Code"], "NoSuchLifecycleConfiguration")
            self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 404)
            self.put(RULE)
            self.assertEqual(self.shown(), [RULE])
            answer = self.s3.delete_bucket_lifecycle(Bucket=BUCKET)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.s3.delete_bucket_lifecycle(Bucket=BUCKET)

    def test_no_bucket(self) -> None:
        """There is none without a bucket."""
        for operation, arguments in (
            ("get_bucket_lifecycle_configuration", {}),
            ("delete_bucket_lifecycle", {}),
            (
                "put_bucket_lifecycle_configuration",
                {"LifecycleConfiguration": {"Rules": [RULE]}},
            ),
        ):
            error = self.assertRaises(
                ClientError, getattr(self.s3, operation), Bucket="absent", **arguments
            )
            self.assertEqual(error.response["Error"]["Code"], "NoSuchBucket")

    def test_deprecated(self) -> None:
        """The operations of before 2016 are the same under other names."""
        old: Rule = {"ID": "r", "Status": "Enabled", "Prefix": "x/", "Expiration": {"Days": 1}}
        self.s3.put_bucket_lifecycle(Bucket=BUCKET, LifecycleConfiguration={"Rules": [old]})
        self.assertEqual(self.s3.get_bucket_lifecycle(Bucket=BUCKET)["Rules"], [old])
        self.assertEqual(self.shown(), [old])

    def test_malformed(self) -> None:
        """What AWS's schema does not allow is MalformedXML."""
        bare: Rule = {"Status": "Enabled", "Expiration": {"Days": 1}}
        self.refused("MalformedXML")
        self.refused("MalformedXML", bare)
        self.refused("MalformedXML", {**RULE, "Prefix": "x"})
        self.refused("MalformedXML", {**RULE, "Status": "enabled"})
        date = datetime(2030, 1, 1, tzinfo=UTC)
        for expiration in (
            {},
            {"Days": 1, "Date": date},
            {"Days": 1, "ExpiredObjectDeleteMarker": True},
            {"Date": date, "ExpiredObjectDeleteMarker": False},
        ):
            self.refused("MalformedXML", {**RULE, "Expiration": expiration})
        wrong: Sequence[Rule] = (
            {"Prefix": "x", "Tag": TAG},
            {"ObjectSizeGreaterThan": 1, "ObjectSizeLessThan": 5},
            {"And": {}},
            {"And": {"Prefix": "x"}},
            {"And": {"Tags": [TAG]}},
        )
        for wanted in wrong:
            self.refused("MalformedXML", {**RULE, "Filter": wanted})
        for noncurrent in ({}, {"NewerNoncurrentVersions": 3}):
            self.refused("MalformedXML", {**RULE, "NoncurrentVersionExpiration": noncurrent})
        self.refused("MalformedXML", {**RULE, "AbortIncompleteMultipartUpload": {}})

    def test_rules_max(self) -> None:
        """1,000 rules are allowed and 1,001 are not."""
        many = [{**RULE, "ID": str(n)} for n in range(1001)]
        self.put(*many[:1000])
        self.assertEqual(self.shown(), many[:1000])
        self.refused("MalformedXML", *many)

    def test_documents(self) -> None:
        """Whatever is not just the document is refused."""
        rule = "<Rule><Filter/><Status>Enabled</Status>{}</Rule>"
        days = "<Expiration><Days>1</Days></Expiration>"
        self.assertEqual(self.send_document(rule.format(days)), "")
        for wrong in (
            "",
            rule.format(""),
            rule.format(days + days),
            rule.format(days + "<Else/>"),
            rule.format("<Expiration><Days>one</Days></Expiration>"),
            rule.format("<Expiration><Date>20300101</Date></Expiration>"),
        ):
            self.assertIn(self.send_document(wrong), ("MalformedXML", "InvalidRequest"), wrong)

    def test_invalid_arguments(self) -> None:
        """A value that is out of its range is InvalidArgument."""
        for changed in (
            {"ID": "x" * 256},
            {"Expiration": {"Days": 0}},
            {"Expiration": {"Days": -1}},
            {"Expiration": {"Date": datetime(2030, 1, 1, 12, tzinfo=UTC)}},
            {"NoncurrentVersionExpiration": {"NoncurrentDays": 0}},
            {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 0}},
            {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}},
            {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}},
            {"Filter": {"ObjectSizeGreaterThan": -1}},
            {"Filter": {"ObjectSizeLessThan": 0}},
        ):
            self.assertTrue(self.refused("InvalidArgument", {**RULE, **changed}))
        message = self.refused("InvalidArgument", RULE, RULE)
        self.assertIn("Rule ID must be unique", message)
        self.put({**RULE, "ID": "x" * 255})

    def test_invalid_requests(self) -> None:
        """What does not go together is InvalidRequest."""
        nothing = {name: value for name, value in RULE.items() if name != "Expiration"}
        abort = {**nothing, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
        old = {"ID": "old", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}
        kept = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}
        for wanted in (
            [nothing],
            [{**abort, "Filter": {"Tag": TAG}}],
            [{**abort, "Filter": {"ObjectSizeGreaterThan": 1}}],
            [{**RULE, "Expiration": {"ExpiredObjectDeleteMarker": True}, "Filter": {"Tag": TAG}}],
            [{**RULE, "Filter": {"And": {"Tags": [TAG, TAG]}}}],
            [{**RULE, "Filter": {"Prefix": "x" * 1025}}],
            [{**RULE, "Filter": {"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}}}],
            [{**old, "NoncurrentVersionExpiration": kept}],
            [RULE, old],
        ):
            self.assertTrue(self.refused("InvalidRequest", *wanted))

    def test_invalid_tags(self) -> None:
        """Tags that no object may have are refused as such."""
        self.refused("InvalidTag", {**RULE, "Filter": {"Tag": {"Key": "aws:x", "Value": ""}}})
        many = [{"Key": str(n), "Value": ""} for n in range(11)]
        self.refused("BadRequest", {**RULE, "Filter": {"And": {"Tags": many}}})

    def test_transitions(self) -> None:
        """There are no other storage classes yet, so what speaks of them is refused by name."""
        for name, transition in (
            ("Transitions", {"Days": 1, "StorageClass": "GLACIER"}),
            ("NoncurrentVersionTransitions", {"NoncurrentDays": 1, "StorageClass": "GLACIER"}),
        ):
            rule = {**RULE, name: [transition]}
            self.assertIn(name, self.refused("NotImplemented", rule, status=501))

    def test_transition_minimum(self) -> None:
        """The default that AWS has is accepted and shown, another one is refused."""
        header = "TransitionDefaultMinimumObjectSize"
        default = {header: "all_storage_classes_128K"}
        self.assertEqual(self.put(RULE, **default)[header], default[header])
        shown = self.s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)
        self.assertEqual(shown[header], default[header])
        other = {header: "varies_by_storage_class"}
        self.assertIn(header, self.refused("NotImplemented", RULE, status=501, **other))

    def test_id_given(self) -> None:
        """A rule without an id is given one."""
        self.put(*({**RULE, "ID": ""} for _ in range(2)))
        ids = [rule["ID"] for rule in self.shown()]
        self.assertEqual(len(set(ids)), 2)
        self.assertTrue(all(ids))

    def test_not_signed(self) -> None:
        """Without a digest the document is refused."""
        request = authentic("PUT", f"/{BUCKET}?lifecycle")
        self.assertEqual(self.send(request).response.status, 400)


class RoundTripTests(SynchronousTestCase):
    @settings(max_examples=50)
    @given(rules())
    def test_get_is_put(self, wanted: list[Rule]) -> None:
        """Any configuration is shown as it was put."""
        s3 = MemoryServer().client()
        s3.create_bucket(Bucket="photos")
        s3.put_bucket_lifecycle_configuration(
            Bucket="photos", LifecycleConfiguration={"Rules": wanted}
        )
        shown = s3.get_bucket_lifecycle_configuration(Bucket="photos")["Rules"]
        self.assertEqual([_plain(rule) for rule in shown], [_plain(rule) for rule in wanted])


def _plain(rule: Rule) -> Rule:
    """With tags in any order."""
    tags = rule.get("Filter", {}).get("And", {}).get("Tags", [])
    tags.sort(key=repr)
    return rule


class HeaderTests(WireTestCase):
    """`x-amz-expiration`, `x-amz-abort-date` and `x-amz-abort-rule-id`."""

    def put(self, *wanted: Rule) -> None:
        self.s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET, LifecycleConfiguration={"Rules": list(wanted)}
        )

    def expirations(self, key: str) -> set[str | None]:
        """What all ways to look at an object tell."""
        return {
            self.s3.get_object(Bucket=BUCKET, Key=key).get("Expiration"),
            self.s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=0-0").get("Expiration"),
            self.s3.head_object(Bucket=BUCKET, Key=key).get("Expiration"),
            self.s3.head_object(Bucket=BUCKET, Key=key, PartNumber=1).get("Expiration"),
        }

    def expected(self, days: int, rule_id: str) -> str:
        """For an object that is put now."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        date = (today + timedelta(days + 1)).strftime("%a, %d %b %Y 00:00:00 GMT")
        return f'expiry-date="{date}", rule-id="{rule_id}"'

    def test_object(self) -> None:
        """Whatever makes or shows an object tells when it expires, and by which rule."""
        self.put({**RULE, "ID": "old & gone", "Expiration": {"Days": 10}})
        expected = self.expected(10, "old%20%26%20gone")
        put = self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        large = self.s3.put_object(Bucket=BUCKET, Key="b", Body=b"x" * 100_000)
        source = {"Bucket": BUCKET, "Key": "a"}
        copied = self.s3.copy_object(Bucket=BUCKET, Key="c", CopySource=source)
        part = self.s3.upload_part(
            Bucket=BUCKET, Key="parts", UploadId=self.upload_id, PartNumber=1, Body=b"x"
        )
        completed = self.s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key="parts",
            UploadId=self.upload_id,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        for answer in (put, large, copied, completed):
            self.assertEqual(answer["Expiration"], expected)
        for key in ("kept", "a", "b", "c", "parts"):
            self.assertEqual(self.expirations(key), {expected})

    def test_changed(self) -> None:
        """What is told is what the present rules say."""
        self.assertEqual(self.expirations("kept"), {None})
        for days in (3, 4):
            self.put({**RULE, "Expiration": {"Days": days}})
            self.assertEqual(self.expirations("kept"), {self.expected(days, "r")})
        self.put({**RULE, "Status": "Disabled"})
        self.assertEqual(self.expirations("kept"), {None})
        self.s3.delete_bucket_lifecycle(Bucket=BUCKET)
        self.assertEqual(self.expirations("kept"), {None})

    def test_filter(self) -> None:
        """Only rules that are about the object count, and of these the one that is due first."""
        self.put(
            {**RULE, "ID": "prefix", "Filter": {"Prefix": "a"}, "Expiration": {"Days": 5}},
            {**RULE, "ID": "tag", "Filter": {"Tag": TAG}, "Expiration": {"Days": 3}},
            {
                **RULE,
                "ID": "size",
                "Filter": {"ObjectSizeGreaterThan": 5},
                "Expiration": {"Days": 4},
            },
        )
        self.assertEqual(self.expirations("kept"), {self.expected(4, "size")})
        self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        self.assertEqual(self.expirations("a"), {self.expected(5, "prefix")})
        self.s3.put_object_tagging(Bucket=BUCKET, Key="a", Tagging={"TagSet": [TAG]})
        self.assertEqual(self.expirations("a"), {self.expected(3, "tag")})
        put = self.s3.put_object(Bucket=BUCKET, Key="z", Body=b"x")
        self.assertNotIn("Expiration", put)

    def test_versions(self) -> None:
        """What is told is about the current version, whichever way it is asked for; nothing is of
        others."""
        self.put({**RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}})
        versioning = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioning)
        older = self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        newer = self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"y")
        for answer, expected in ((older, None), (newer, self.expected(1, "r"))):
            version = answer["VersionId"]
            for show in (self.s3.get_object, self.s3.head_object):
                shown = show(Bucket=BUCKET, Key="a", VersionId=version)
                self.assertEqual(shown.get("Expiration"), expected)

    def test_cost(self) -> None:
        """A bucket without rules pays nothing, and one with rules reads them once."""
        metadata = self.server.store.core.metadata
        asked: list[Sequence[bytes]] = []
        get = metadata.get

        async def counted(keys: Sequence[bytes]) -> list[Row | None]:
            asked.append(keys)
            return await get(keys)

        def cost() -> int:
            asked.clear()
            self.s3.put_object(Bucket=BUCKET, Key="kept", Body=b"x")
            self.s3.get_object(Bucket=BUCKET, Key="kept")
            self.s3.head_object(Bucket=BUCKET, Key="kept")
            self.s3.get_object(Bucket=BUCKET, Key="kept", Range="bytes=0-0")
            self.assertFalse(any(key[:1] == b"s" for keys in asked for key in keys))
            return len(asked)

        self.patch(metadata, "get", counted)
        without = cost()
        self.put(RULE)
        self.s3.head_object(Bucket=BUCKET, Key="kept")
        self.assertEqual(cost(), without)

    def test_date(self) -> None:
        """A date is told as it is."""
        date = datetime(2030, 1, 1, tzinfo=UTC)
        self.put({**RULE, "Expiration": {"Date": date}})
        expected = 'expiry-date="Tue, 01 Jan 2030 00:00:00 GMT", rule-id="r"'
        self.assertEqual(self.expirations("kept"), {expected})

    def test_upload(self) -> None:
        """An upload tells when it is aborted, if a rule says so."""
        abort: Rule = {
            "ID": "a/b",
            "Status": "Enabled",
            "Filter": {"Prefix": "p"},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
        self.put(abort)
        created = self.s3.create_multipart_upload(Bucket=BUCKET, Key="parts")
        parts = self.s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=created["UploadId"])
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for answer in (created, parts):
            self.assertEqual(answer["AbortDate"], today + timedelta(8))
            self.assertEqual(answer["AbortRuleId"], "a%2Fb")
        other = self.s3.create_multipart_upload(Bucket=BUCKET, Key="other")
        self.assertNotIn("AbortDate", other)
        self.assertEqual(self.expirations("kept"), {None})
