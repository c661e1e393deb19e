"""What rules say, by the tables and examples of AWS's user guide.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.model.records import ObjectHead
from objectd.objects.lifecycle.rules import (
    Current,
    CurrentMarker,
    Deed,
    InProgress,
    Noncurrent,
    Rules,
    State,
    due_us,
)
from objectd.test.objects.lifecycle.cases import DAY_US, at, rule

CREATED = "2014-01-15 10:30"


def head(created: str = CREATED, size_bytes: int = 10, *, is_marker: bool = False) -> ObjectHead:
    size_bytes = 0 if is_marker else size_bytes
    return ObjectHead(size_bytes, at(created), "", b"v" * 12, 0, is_delete_marker=is_marker)


def current(created: str = CREATED, size_bytes: int = 10, **tags: str) -> Current:
    return Current(head(created, size_bytes), tags)


def noncurrent(since: str, newer_count: int = 0, **tags: str) -> Noncurrent:
    return Noncurrent(head("2014-01-01 10:30"), tags, at(since), newer_count)


def marker(created: str = CREATED, *, is_alone: bool = True) -> CurrentMarker:
    return CurrentMarker(head(created, is_marker=True), is_alone)


class DueTests(SynchronousTestCase):
    def test_examples(self) -> None:
        """AWS's examples: the days are added, and the next midnight is the time."""
        for start, days, due in (
            ("2014-01-15 10:30", 3, "2014-01-19 00:00"),
            ("2014-01-15 00:00", 3, "2014-01-19 00:00"),
            ("2014-01-15 23:59", 3, "2014-01-19 00:00"),
            ("2014-12-31 12:00", 1, "2015-01-02 00:00"),
            ("2016-02-28 00:01", 1, "2016-03-01 00:00"),
        ):
            self.assertEqual(due_us(at(start), days, DAY_US), at(due), (start, days))

    @given(st.integers(0, 1 << 52), st.integers(1, 36_500), st.integers(1, DAY_US))
    def test_law(self, start_us: int, days: int, day_us: int) -> None:
        """What is due is so at a midnight, after all of its days, and within one more; however
        long a day is."""
        due = due_us(start_us, days, day_us)
        self.assertEqual(due % day_us, 0)
        self.assertGreater(due, start_us + days * day_us)
        self.assertLessEqual(due, start_us + (days + 1) * day_us)


class FateTests(SynchronousTestCase):
    def assert_fate(
        self,
        rules: list[LifecycleRule],
        state: State,
        expected: tuple[Deed, str, str] | None,
        key: str = "logs/a",
    ) -> None:
        """What happens, when, and by which rule."""
        fate = Rules(rules, DAY_US).fate(key.encode(), state)
        found = fate and (fate.deed, fate.due_us, fate.rule.id)
        wanted = expected and (expected[0], at(expected[1]), expected[2])
        self.assertEqual(found, wanted)

    def test_days(self) -> None:
        """A current version expires days after it was put."""
        rules = [rule(expire_days=3)]
        self.assert_fate(rules, current(), (Deed.EXPIRE, "2014-01-19 00:00", "rule"))
        self.assert_fate(rules, noncurrent(CREATED), None)
        self.assert_fate(rules, InProgress(at(CREATED)), None)

    def test_date(self) -> None:
        """With a date it expires then, whenever it was put: also after that date."""
        rules = [rule(expire_date_us=at("2014-02-01"))]
        for created in ("2013-01-01 10:30", "2014-06-01 10:30"):
            self.assert_fate(rules, current(created), (Deed.EXPIRE, "2014-02-01 00:00", "rule"))

    def test_noncurrent(self) -> None:
        """AWS's example: put on the 1st, replaced on the 15th at 10:30, and after 3 days as a
        noncurrent version it is due on the 19th."""
        rules = [rule(noncurrent_days=3)]
        expected = (Deed.DELETE_NONCURRENT, "2014-01-19 00:00", "rule")
        self.assert_fate(rules, noncurrent("2014-01-15 10:30"), expected)
        self.assert_fate(rules, current(), None)
        self.assert_fate(rules, marker(), None)

    def test_newer_noncurrent(self) -> None:
        """The newest so many noncurrent versions stay, however old they are."""
        rules = [rule(noncurrent_days=3, noncurrent_kept=2)]
        expected = (Deed.DELETE_NONCURRENT, "2014-01-19 00:00", "rule")
        for newer_count, fate in ((0, None), (1, None), (2, expected), (3, expected)):
            self.assert_fate(rules, noncurrent(CREATED, newer_count), fate)

    def test_noncurrent_marker(self) -> None:
        """A delete marker that others came after is a noncurrent version like another."""
        state = Noncurrent(head(is_marker=True), {}, at(CREATED), 0)
        expected = (Deed.DELETE_NONCURRENT, "2014-01-19 00:00", "rule")
        self.assert_fate([rule(noncurrent_days=3)], state, expected)

    def test_markers(self) -> None:
        """A delete marker with nothing beneath it goes as soon as there is one, by a rule about
        these, and by any other expiration when it is old enough."""
        for rules, due in (
            ([rule(expire_markers=True)], CREATED),
            ([rule(expire_days=3)], "2014-01-19 00:00"),
            ([rule(expire_date_us=at("2014-02-01"))], "2014-02-01 00:00"),
        ):
            self.assert_fate(rules, marker(), (Deed.DELETE_MARKER, due, "rule"))
            self.assert_fate(rules, marker(is_alone=False), None)
        self.assert_fate([rule(expire_markers=False)], marker(), None)
        self.assert_fate([rule(expire_markers=True)], current(), None)

    def test_uploads(self) -> None:
        """An upload is aborted days after it was begun."""
        expected = (Deed.ABORT, "2014-01-23 00:00", "rule")
        self.assert_fate([rule(abort_days=7)], InProgress(at(CREATED)), expected)
        self.assert_fate([rule(abort_days=7)], current(), None)

    def test_disabled(self) -> None:
        """A rule that is disabled does nothing."""
        disabled = structs.replace(rule(expire_days=3), enabled=False)
        self.assert_fate([disabled], current(), None)

    def test_filters(self) -> None:
        """Prefix, tags and sizes, both of them exclusive, and all of them together."""
        tagged = current(a="1", b="2")
        for wanted, state, fits in (
            (LifecycleFilter(), current(), True),
            (LifecycleFilter(prefix=""), current(), True),
            (LifecycleFilter(prefix="logs/"), current(), True),
            (LifecycleFilter(prefix="logs/a"), current(), True),
            (LifecycleFilter(prefix="logs/ab"), current(), False),
            (LifecycleFilter(prefix="tmp/"), current(), False),
            (LifecycleFilter(tags={"a": "1"}), tagged, True),
            (LifecycleFilter(tags={"a": "1", "b": "2"}), tagged, True),
            (LifecycleFilter(tags={"a": "2"}), tagged, False),
            (LifecycleFilter(tags={"a": "1", "c": "3"}), tagged, False),
            (LifecycleFilter(tags={"a": "1"}), current(), False),
            (LifecycleFilter(size_above=9), current(), True),
            (LifecycleFilter(size_above=10), current(), False),
            (LifecycleFilter(size_below=11), current(), True),
            (LifecycleFilter(size_below=10), current(), False),
            (LifecycleFilter("logs/", {"a": "1"}, 9, 11), tagged, True),
            (LifecycleFilter("tmp/", {"a": "1"}, 9, 11), tagged, False),
        ):
            expected = (Deed.EXPIRE, "2014-01-19 00:00", "rule") if fits else None
            self.assert_fate([rule("rule", wanted, expire_days=3)], state, expected)

    def test_filters_of_markers(self) -> None:
        """A delete marker has no tags and no bytes."""
        for wanted, fits in (
            (LifecycleFilter(tags={"a": "1"}), False),
            (LifecycleFilter(size_above=0), False),
            (LifecycleFilter(size_below=1), True),
        ):
            expected = (Deed.DELETE_MARKER, "2014-01-19 00:00", "rule") if fits else None
            self.assert_fate([rule("rule", wanted, expire_days=3)], marker(), expected)

    def test_conflicts(self) -> None:
        """Of overlapping rules the shorter expiration is honoured; among equals, the first."""
        everything, logs = LifecycleFilter(prefix=""), LifecycleFilter(prefix="logs/")
        year = rule("year", everything, expire_days=365)
        month = rule("month", logs, expire_days=30)
        expected = (Deed.EXPIRE, "2014-02-15 00:00", "month")
        for rules in ([year, month], [month, year]):
            self.assert_fate(rules, current(), expected)
            self.assert_fate(rules, current(), (Deed.EXPIRE, "2015-01-16 00:00", "year"), "tmp/a")
        again = structs.replace(month, id="again")
        self.assert_fate([year, again, month], current(), (*expected[:2], "again"))
        tagged = rule("tagged", LifecycleFilter(tags={"a": "1"}), expire_days=7)
        week = (Deed.EXPIRE, "2014-01-23 00:00", "tagged")
        self.assert_fate([month, tagged], current(a="1"), week)
        dated = rule("dated", expire_date_us=at("2014-01-17"))
        self.assert_fate([month, dated], current(), (Deed.EXPIRE, "2014-01-17 00:00", "dated"))

    def test_versioned_example(self) -> None:
        """AWS's example for versioned buckets: a marker is put after 60 days, noncurrent versions
        go 30 days later but for the newest 5, and then the marker goes."""
        rules = [
            rule("60", expire_days=60),
            rule("30", noncurrent_days=30, noncurrent_kept=5),
            rule("markers", expire_markers=True),
        ]
        self.assert_fate(rules, current(), (Deed.EXPIRE, "2014-03-17 00:00", "60"))
        self.assert_fate(rules, noncurrent(CREATED, 4), None)
        expected = (Deed.DELETE_NONCURRENT, "2014-02-15 00:00", "30")
        self.assert_fate(rules, noncurrent(CREATED, 5), expected)
        self.assert_fate(rules, marker(), (Deed.DELETE_MARKER, CREATED, "markers"))

    def test_prefixes(self) -> None:
        """Only what some rule may be about is looked for."""
        found = Rules(
            [
                rule("1", LifecycleFilter(prefix="b/"), expire_days=1),
                rule("2", LifecycleFilter(prefix="b/c/"), expire_days=1),
                rule("3", LifecycleFilter(prefix="a"), noncurrent_days=1),
                rule("4", LifecycleFilter(prefix="ü"), abort_days=1),
                structs.replace(rule("5", expire_days=1), enabled=False),
            ],
            DAY_US,
        )
        self.assertEqual(found.prefixes_of_objects, [b"b/"])
        self.assertEqual(found.prefixes_of_versions, [b"a", b"b/"])
        self.assertEqual(found.prefixes_of_uploads, ["ü".encode()])
