"""Lifecycle configurations over the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.lifecycle_case import RULE, TAG, LifecycleCase, Rule
from objectd.test.s3.wire import BUCKET, authentic, error_document, refusal
from objectd.testing.s3 import MemoryServer

TEXT = st.text(
    st.characters(codec="utf-8", categories=("L", "N")) | st.sampled_from("/-_ <&>"), max_size=20
)
TAGS = st.dictionaries(
    st.text("abc123", min_size=1, max_size=5), st.text("abc 123", max_size=5), max_size=3
)
DAYS = st.integers(1, (1 << 31) - 1)
CLASSES = st.sampled_from(["STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"])
COLD: Rule = {"ID": "cold", "Status": "Enabled", "Filter": {"Prefix": "x/"}}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def glacier(days: int) -> Rule:
    return {"Days": days, "StorageClass": "GLACIER"}


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
        if draw(st.booleans()):
            when = "Days" if "Days" in rule["Expiration"] else "Date"
            before = 0 if when == "Days" else EPOCH - timedelta(100)
            rule["Transitions"] = [{when: before, "StorageClass": draw(CLASSES)}]
        if draw(st.booleans()):
            moved: dict[str, object] = {"NoncurrentDays": 0, "StorageClass": draw(CLASSES)}
            moved |= {name: kept for name, kept in noncurrent.items() if name != "NoncurrentDays"}
            rule["NoncurrentVersionTransitions"] = [moved]
        found.append(rule)
    return found


class ConfigurationTests(LifecycleCase):
    def shown(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.s3.get_bucket_lifecycle_configuration(
            Bucket=BUCKET
        )["Rules"]
        return found

    def refused(self, code: str, *wanted: Rule, status: int = 400, **arguments: object) -> str:
        """Nothing changes; returns the message."""
        before = self.contents()
        elements = refusal(self, status, code, partial(self.put, *wanted), **arguments)
        self.assertEqual(self.contents(), before)
        return str(elements["Message"])

    def code_of(self, document: str) -> str:
        """The code that a document is answered with; '' for none."""
        body = (
            '<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{document}</LifecycleConfiguration>"
        ).encode()
        response = self.send_document(f"/{BUCKET}?lifecycle", body).response
        return "" if response.status == 200 else error_document(response)["Code"]

    def test_none(self) -> None:
        """A bucket has no lifecycle until it is given one, and none after it was deleted."""
        for _ in range(2):
            refusal(self, 404, "NoSuchLifecycleConfiguration", self.shown)
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
            call = getattr(self.s3, operation)
            refusal(self, 404, "NoSuchBucket", call, Bucket="absent", **arguments)

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
        self.assertEqual(self.code_of(rule.format(days)), "")
        for wrong in (
            "",
            rule.format(""),
            rule.format(days + days),
            rule.format(days + "<Else/>"),
            rule.format("<Expiration><Days>one</Days></Expiration>"),
            rule.format("<Expiration><Date>20300101</Date></Expiration>"),
        ):
            self.assertIn(self.code_of(wrong), ("MalformedXML", "InvalidRequest"), wrong)

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

    def test_transitions_malformed(self) -> None:
        """Transitions that AWS's schema does not allow."""
        date = datetime(2030, 1, 1, tzinfo=UTC)
        for transition in (
            {},
            {"Days": 1},
            {"StorageClass": "GLACIER"},
            {"Days": 1, "Date": date, "StorageClass": "GLACIER"},
            {"Days": 1, "StorageClass": "STANDARD"},
            {"Days": 1, "StorageClass": "REDUCED_REDUNDANCY"},
            {"Days": 1, "StorageClass": "glacier"},
        ):
            self.refused("MalformedXML", {**COLD, "Transitions": [transition]})
        for noncurrent in (
            {},
            {"NoncurrentDays": 1},
            {"StorageClass": "GLACIER"},
            {"NewerNoncurrentVersions": 1, "StorageClass": "GLACIER"},
            {"NoncurrentDays": 1, "StorageClass": "STANDARD"},
        ):
            self.refused("MalformedXML", {**COLD, "NoncurrentVersionTransitions": [noncurrent]})

    def test_transitions_invalid(self) -> None:
        """Transitions to which no value, or no other action, may lead."""
        midday = datetime(2030, 1, 1, 12, tzinfo=UTC)
        for transitions in (
            [{"Days": -1, "StorageClass": "GLACIER"}],
            [{"Date": midday, "StorageClass": "GLACIER"}],
            [glacier(30), {"Days": 59, "StorageClass": "DEEP_ARCHIVE"}],
            [glacier(30), {"Days": 30, "StorageClass": "STANDARD_IA"}],
        ):
            self.assertTrue(self.refused("InvalidArgument", {**COLD, "Transitions": transitions}))
        late = {**COLD, "Transitions": [glacier(30)], "Expiration": {"Days": 30}}
        message = self.refused("InvalidArgument", late)
        self.assertEqual(
            message,
            "'Days' in the Expiration action for filter '(prefix=x/)' must be greater than 'Days' "
            "in the Transition action",
        )
        for noncurrent in (
            {"NoncurrentDays": -1},
            {"NoncurrentDays": 1, "NewerNoncurrentVersions": 0},
            {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101},
        ):
            transition = {**noncurrent, "StorageClass": "GLACIER"}
            rule = {**COLD, "NoncurrentVersionTransitions": [transition]}
            self.refused("InvalidArgument", rule)

    def test_transitions_together(self) -> None:
        """Transitions that do not go together."""
        date = datetime(2030, 1, 1, tzinfo=UTC)
        by_date = {"Date": date, "StorageClass": "DEEP_ARCHIVE"}
        old = {"ID": "old", "Status": "Enabled", "Prefix": ""}
        kept = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1, "StorageClass": "GLACIER"}
        for rule in (
            {**COLD, "Transitions": [glacier(1), glacier(2)]},
            {**COLD, "Transitions": [glacier(1), by_date]},
            {**COLD, "Transitions": [glacier(1)], "Expiration": {"Date": date}},
            {**old, "NoncurrentVersionTransitions": [kept]},
        ):
            self.assertTrue(self.refused("InvalidRequest", rule))

    def test_transitions_elsewhere(self) -> None:
        """A class of AWS that this store does not have is refused by its name."""
        rule = {**COLD, "Transitions": [{"Days": 1, "StorageClass": "INTELLIGENT_TIERING"}]}
        self.assertIn("INTELLIGENT_TIERING", self.refused("InvalidStorageClass", rule))

    def test_transition_minimum(self) -> None:
        """What happens to small objects is said with the rules, and shown again."""
        header = "TransitionDefaultMinimumObjectSize"
        for value in ("varies_by_storage_class", "all_storage_classes_128K"):
            self.assertEqual(self.put(RULE, **{header: value})[header], value)
            shown = self.s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)
            self.assertEqual(shown[header], value)
        self.assertEqual(self.put(RULE)[header], "all_storage_classes_128K")
        self.refused("InvalidArgument", RULE, TransitionDefaultMinimumObjectSize="64K")

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
