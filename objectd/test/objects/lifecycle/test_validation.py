"""Which lifecycle rules are accepted."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import (
    BucketNotFound,
    ConfigurationMalformed,
    InvalidArgument,
    InvalidOperation,
    InvalidTag,
    ObjectdError,
    TooManyTags,
)
from objectd.model import keys
from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.objects.classes import Classes
from objectd.objects.lifecycle.limits import CALENDAR_DAY_US, NONCURRENT_KEPT_MAX
from objectd.objects.lifecycle.validation import RULE_ID_CHARS_MAX, RULES_MAX, check_rules
from objectd.objects.settings import KEY_BYTES_MAX, TAGS_MAX
from objectd.test.objects.cases import StoreCase

ALL = LifecycleFilter()
RULE = LifecycleRule("rule", True, ALL, expire_days=1)
NO_ACTION = LifecycleRule("rule", True, ALL)
CLASSES = Classes.made({}, {"": 0})


def check(rules: Sequence[LifecycleRule]) -> None:
    check_rules(rules, CLASSES)


class RuleTests(SynchronousTestCase):
    def accepted(self, rule: LifecycleRule = RULE, **fields: object) -> None:
        check([structs.replace(rule, **fields)])

    def refused(
        self, error: type[ObjectdError], rule: LifecycleRule = RULE, **fields: object
    ) -> None:
        self.assertRaises(error, check, [structs.replace(rule, **fields)])

    def test_count(self) -> None:
        """A lifecycle has 1 to 1,000 rules."""
        rules = [structs.replace(RULE, id=str(n)) for n in range(RULES_MAX + 1)]
        check(rules[:RULES_MAX])
        self.assertRaises(ConfigurationMalformed, check, rules)
        self.assertRaises(ConfigurationMalformed, check, [])

    def test_id(self) -> None:
        """An id has up to 255 characters, and no two rules have the same."""
        self.accepted(id="ä" * RULE_ID_CHARS_MAX)
        self.refused(InvalidArgument, id="ä" * (RULE_ID_CHARS_MAX + 1))
        self.refused(InvalidArgument, id="\ud800")
        self.assertRaises(InvalidArgument, check, [RULE, RULE])

    def test_days(self) -> None:
        """Each number of days is at least 1."""
        for field in ("expire_days", "noncurrent_days", "abort_days"):
            self.accepted(NO_ACTION, **{field: 1})
            self.refused(InvalidArgument, NO_ACTION, **{field: 0})
            self.refused(InvalidArgument, NO_ACTION, **{field: -1})

    def test_date(self) -> None:
        """A date is a midnight UTC."""
        self.accepted(NO_ACTION, expire_date_us=20_000 * CALENDAR_DAY_US)
        for off_us in (-1, 1, CALENDAR_DAY_US // 2):
            date_us = 20_000 * CALENDAR_DAY_US + off_us
            self.refused(InvalidArgument, NO_ACTION, expire_date_us=date_us)

    def test_one_expiration(self) -> None:
        """Days, a date and delete markers exclude each other."""
        fields: dict[str, object] = {
            "expire_days": 1,
            "expire_date_us": CALENDAR_DAY_US,
            "expire_markers": False,
        }
        for name in fields:
            self.accepted(NO_ACTION, **{name: fields[name]})
            for other in fields.keys() - {name}:
                both = {name: fields[name], other: fields[other]}
                self.refused(ConfigurationMalformed, NO_ACTION, **both)

    def test_kept(self) -> None:
        """1 to 100 noncurrent versions are kept, by rules with days and a filter."""
        rule = structs.replace(NO_ACTION, noncurrent_days=1)
        for kept in (1, NONCURRENT_KEPT_MAX):
            self.accepted(rule, noncurrent_kept=kept)
        for kept in (0, -1, NONCURRENT_KEPT_MAX + 1):
            self.refused(InvalidArgument, rule, noncurrent_kept=kept)
        self.refused(ConfigurationMalformed, noncurrent_kept=1)
        v1 = structs.replace(rule, filter=LifecycleFilter(prefix=""), is_v1=True)
        self.accepted(v1)
        self.refused(InvalidOperation, v1, noncurrent_kept=1)

    def test_action(self) -> None:
        """A rule does something."""
        self.refused(InvalidOperation, NO_ACTION)

    def test_sizes(self) -> None:
        """Sizes are not negative and leave room for an object between them."""
        for above, below in ((0, None), (None, 1), (0, 1), (5, 6), (0, 1 << 50)):
            self.accepted(filter=LifecycleFilter(size_above=above, size_below=below))
        for above, below in ((-1, None), (None, 0), (None, -1)):
            wanted = LifecycleFilter(size_above=above, size_below=below)
            self.refused(InvalidArgument, filter=wanted)
        for above, below in ((1, 1), (2, 1)):
            wanted = LifecycleFilter(size_above=above, size_below=below)
            self.refused(InvalidOperation, filter=wanted)

    def test_prefix(self) -> None:
        """A prefix is no longer than a key may be, in bytes."""
        self.accepted(filter=LifecycleFilter(prefix="ä" * (KEY_BYTES_MAX // 2)))
        self.refused(
            InvalidOperation, filter=LifecycleFilter(prefix="ä" * (KEY_BYTES_MAX // 2) + "x")
        )

    def test_tags(self) -> None:
        """Tags are such as objects may have, and as many."""
        self.accepted(filter=LifecycleFilter(tags={str(n): "" for n in range(TAGS_MAX)}))
        many = LifecycleFilter(tags={str(n): "" for n in range(TAGS_MAX + 1)})
        self.refused(TooManyTags, filter=many)
        self.refused(InvalidTag, filter=LifecycleFilter(tags={"": "x"}))

    def test_uploads(self) -> None:
        """Uploads have no tags and no size to go by."""
        rule = structs.replace(NO_ACTION, abort_days=1)
        self.accepted(rule, filter=LifecycleFilter(prefix="x"))
        for wanted in (
            LifecycleFilter(tags={"a": "1"}),
            LifecycleFilter(size_above=1),
            LifecycleFilter(size_below=1),
        ):
            self.refused(InvalidOperation, rule, filter=wanted)

    def test_markers(self) -> None:
        """Delete markers have no tags to go by."""
        for value in (True, False):
            rule = structs.replace(NO_ACTION, expire_markers=value)
            self.accepted(rule)
            self.refused(InvalidOperation, rule, filter=LifecycleFilter(tags={"a": "1"}))

    def test_v1(self) -> None:
        """A rule of the old kind has a prefix only, and is among its like."""
        v1 = structs.replace(RULE, id="v1", filter=LifecycleFilter(prefix="x"), is_v1=True)
        self.accepted(v1)
        self.refused(ConfigurationMalformed, v1, filter=LifecycleFilter(tags={"a": "1"}))
        self.refused(ConfigurationMalformed, v1, filter=LifecycleFilter())
        self.assertRaises(InvalidOperation, check, [RULE, v1])


class ConfigurationTests(StoreCase):
    def test_put(self) -> None:
        """What was put is there until it is replaced or deleted; a rule without an id gets one."""
        lifecycles = self.store.lifecycles
        self.assertIsNone(self.ok(lifecycles.get("photos")))
        put = self.ok(lifecycles.put("photos", [structs.replace(RULE, id=""), RULE]))
        self.assertEqual(self.ok(lifecycles.get("photos")), put)
        [named, same] = put.rules
        self.assertTrue(named.id)
        self.assertEqual((structs.replace(named, id="rule"), same), (RULE, RULE))
        again = self.ok(lifecycles.put("photos", [RULE]))
        self.assertNotEqual(again.uid, put.uid)
        self.assertEqual(self.ok(lifecycles.get("photos")), again)
        self.ok(lifecycles.delete("photos"))
        self.ok(lifecycles.delete("photos"))
        self.assertIsNone(self.ok(lifecycles.get("photos")))

    def test_refused(self) -> None:
        """Wrong rules leave those that are there, and there are none without a bucket."""
        put = self.ok(self.store.lifecycles.put("photos", [RULE]))
        self.refused(InvalidOperation, self.store.lifecycles.put("photos", [NO_ACTION]))
        self.assertEqual(self.ok(self.store.lifecycles.get("photos")), put)
        for work in (
            self.store.lifecycles.put("albums", [RULE]),
            self.store.lifecycles.get("albums"),
            self.store.lifecycles.delete("albums"),
        ):
            self.refused(BucketNotFound, work)

    def test_versioning(self) -> None:
        """Rules and versioning are told of independently."""
        uid = self.ok(self.store.lifecycles.put("photos", [RULE])).uid
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        named = self.ok(self.store.buckets.named("photos"))
        self.assertEqual((named.versioned, named.lifecycle), (True, uid))
        self.ok(self.store.lifecycles.delete("photos"))
        named = self.ok(self.store.buckets.named("photos"))
        self.assertEqual((named.versioned, named.lifecycle), (True, b""))

    def test_bucket_deleted(self) -> None:
        """The rules go with the bucket."""
        self.ok(self.store.lifecycles.put("photos", [RULE]))
        self.ok(self.store.buckets.delete("photos"))
        self.assertEqual(self.rows(keys.CONFIGURATIONS), [])
        self.ok(self.store.buckets.create("photos"))
        self.assertIsNone(self.ok(self.store.lifecycles.get("photos")))
