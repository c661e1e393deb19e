"""To which storage classes rules move what, and when, by AWS's user guide.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
    TransitionMinimum,
)
from objectd.model.records import ObjectHead, Versioning
from objectd.objects.lifecycle.rules import (
    MOVED_BYTES_MIN,
    Current,
    CurrentMarker,
    Deed,
    Fate,
    InProgress,
    Noncurrent,
    Rules,
    State,
)
from objectd.test.objects.lifecycle.cases import DAY_US, at, rule

CREATED = "2014-01-15 10:30"
LARGE_BYTES = 1 << 20
ALWAYS = at("2100-01-01")


def head(
    storage_class: str = "STANDARD", size_bytes: int = LARGE_BYTES, *, is_marker: bool = False
) -> ObjectHead:
    return ObjectHead(
        size_bytes, at(CREATED), "", b"v" * 12, 0, storage_class, is_delete_marker=is_marker
    )


def current(storage_class: str = "STANDARD", size_bytes: int = LARGE_BYTES) -> Current:
    return Current(head(storage_class, size_bytes), {})


def to(storage_class: str, days: int = 30) -> LifecycleRule:
    return rule(f"to {storage_class}", transitions=(Transition(storage_class, days),))


class DueTests(SynchronousTestCase):
    def assert_due(
        self,
        rules: Sequence[LifecycleRule],
        state: State,
        expected: str,
        *,
        now: str = "2100-01-01",
        minimum: TransitionMinimum = TransitionMinimum.ALL_CLASSES_128K,
        versioning: Versioning = Versioning.NEVER,
    ) -> None:
        """The class that it gets now, or what else is done; '' for nothing."""
        found = Rules(rules, DAY_US, minimum, versioning)
        fate = found.due(b"logs/a", state, at(now))
        self.assertEqual(_short(fate), expected)

    def test_days(self) -> None:
        """A current version is moved at the midnight after its days; with 0 days at the next."""
        for days, before, from_ in (
            (30, "2014-02-14 23:59", "2014-02-15"),
            (0, "2014-01-15 23:59", "2014-01-16"),
        ):
            rules = [to("GLACIER", days)]
            self.assert_due(rules, current(), "", now=before)
            self.assert_due(rules, current(), "GLACIER", now=from_)
        self.assert_due([to("GLACIER")], InProgress(at(CREATED)), "")

    def test_date(self) -> None:
        """With a date it is moved then."""
        date = (Transition("GLACIER", date_us=at("2014-03-01")),)
        self.assert_due([rule(transitions=date)], current(), "", now="2014-02-28 23:59")
        self.assert_due([rule(transitions=date)], current(), "GLACIER", now="2014-03-01")

    def test_noncurrent(self) -> None:
        """A noncurrent version is moved days after it was replaced, and the newest so many keep
        their class."""
        rules = [rule(noncurrent_transitions=(NoncurrentTransition("GLACIER", 3, 2),))]
        for newer_count, expected in ((0, ""), (1, ""), (2, "GLACIER"), (3, "GLACIER")):
            state = Noncurrent(head(), {}, at("2014-06-01 10:30"), newer_count)
            self.assert_due(rules, state, "", now="2014-06-04 23:59")
            self.assert_due(rules, state, expected, now="2014-06-05")
        self.assert_due(rules, current(), "")
        self.assert_due([to("GLACIER")], Noncurrent(head(), {}, at(CREATED), 5), "")

    def test_markers(self) -> None:
        """Delete markers, current or not, have no class."""
        any_size = LifecycleFilter(size_below=1)
        rules = [
            rule("1", any_size, noncurrent_transitions=(NoncurrentTransition("GLACIER", 0),)),
            rule("2", any_size, transitions=(Transition("GLACIER", 0),)),
        ]
        marker = head(size_bytes=0, is_marker=True)
        self.assert_due(rules, Noncurrent(marker, {}, at(CREATED), 1), "")
        self.assert_due(rules, CurrentMarker(marker, is_alone=True), "")

    def test_downwards(self) -> None:
        """Nothing is moved to a class that is as warm as its own."""
        classes = (
            "STANDARD",
            "STANDARD_IA",
            "INTELLIGENT_TIERING",
            "ONEZONE_IA",
            "GLACIER_IR",
            "GLACIER",
            "DEEP_ARCHIVE",
        )
        for number, source in enumerate(classes):
            for other, target in enumerate(classes[1:], 1):
                is_moved = number < other and (source, target) != ("ONEZONE_IA", "GLACIER_IR")
                expected = target if is_moved else ""
                self.assert_due([to(target)], current(source), expected)
        self.assert_due([to("STANDARD_IA")], current("REDUCED_REDUNDANCY"), "STANDARD_IA")

    def test_coldest(self) -> None:
        """Of several moves that are due the one to the coldest class is made."""
        both = [to("GLACIER"), to("STANDARD_IA")]
        for rules in (both, both[::-1]):
            self.assert_due(rules, current(), "GLACIER")
        steps = (Transition("STANDARD_IA", 30), Transition("GLACIER", 60))
        self.assert_due([rule(transitions=steps)], current(), "STANDARD_IA", now="2014-03-16")
        self.assert_due([rule(transitions=steps)], current(), "GLACIER", now="2014-03-17")

    def test_small(self) -> None:
        """What has less than 128 KiB stays, unless the rule says of which size it is, or archives
        take any size."""
        for size_bytes in (0, 1, MOVED_BYTES_MIN - 1):
            state = current("STANDARD", size_bytes)
            for name in ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"):
                archive = name if name in ("GLACIER", "DEEP_ARCHIVE") else ""
                self.assert_due([to(name)], state, "")
                self.assert_due([to(name)], state, archive, minimum=TransitionMinimum.VARIES)
                for wanted in (
                    LifecycleFilter(size_below=1 << 30),
                    LifecycleFilter(size_above=size_bytes - 1),
                ):
                    self.assert_due([structs.replace(to(name), filter=wanted)], state, name)
        self.assert_due([to("STANDARD_IA")], current("STANDARD", MOVED_BYTES_MIN), "STANDARD_IA")

    def test_filters(self) -> None:
        """A rule moves what it is about."""
        for wanted, expected in (
            (LifecycleFilter(prefix="logs/"), "GLACIER"),
            (LifecycleFilter(prefix="tmp/"), ""),
            (LifecycleFilter(tags={"a": "1"}), ""),
            (LifecycleFilter(size_above=LARGE_BYTES), ""),
        ):
            self.assert_due([structs.replace(to("GLACIER"), filter=wanted)], current(), expected)
        self.assert_due([structs.replace(to("GLACIER"), enabled=False)], current(), "")

    def test_end_first(self) -> None:
        """What goes for good is not moved; what gets a marker above it is."""
        rules = [to("GLACIER"), rule("end", expire_days=30)]
        other = Current(structs.replace(head(), version_is_null=False), {})
        for versioning, null, with_id in (
            (Versioning.NEVER, "EXPIRE", "EXPIRE"),
            (Versioning.SUSPENDED, "EXPIRE", "GLACIER"),
            (Versioning.ENABLED, "GLACIER", "GLACIER"),
        ):
            self.assert_due(rules, current(), null, versioning=versioning)
            self.assert_due(rules, other, with_id, versioning=versioning)
            self.assert_due(rules, current("GLACIER"), "EXPIRE", versioning=versioning)
        later = [to("GLACIER"), rule("end", expire_days=31)]
        self.assert_due(later, current(), "GLACIER", now="2014-02-15")
        old = Noncurrent(head(), {}, at(CREATED), 0)
        gone = rule(noncurrent_days=1, noncurrent_transitions=(NoncurrentTransition("GLACIER", 0),))
        for versioning in Versioning:
            self.assert_due([gone], old, "DELETE_NONCURRENT", versioning=versioning)

    def test_expiration_told(self) -> None:
        """When a version expires has nothing to do with where it is moved before."""
        rules = [to("GLACIER", 1), rule("end", expire_days=30)]
        for each in (rules, rules[1:]):
            fate = Rules(each, DAY_US).fate(b"a", current())
            assert fate is not None
            self.assertEqual((fate.deed, fate.due_us), (Deed.EXPIRE, at("2014-02-15")))
        self.assertIsNone(Rules(rules[:1], DAY_US).fate(b"a", current()))

    def test_prefixes(self) -> None:
        """What may be moved is looked for."""
        found = Rules(
            [
                rule("1", LifecycleFilter(prefix="a"), transitions=(Transition("GLACIER", 1),)),
                rule(
                    "2",
                    LifecycleFilter(prefix="b"),
                    noncurrent_transitions=(NoncurrentTransition("GLACIER", 1, 7),),
                ),
            ],
            DAY_US,
        )
        self.assertEqual(found.prefixes_of_objects, [b"a"])
        self.assertEqual(found.prefixes_of_versions, [b"b"])
        self.assertEqual(found.kept_max, 7)

    def test_ahead(self) -> None:
        """The moves that lie ahead lead downwards, from the one that is due, and up to the end."""
        rules = Rules(
            [
                to("STANDARD_IA", 10),
                to("GLACIER", 20),
                to("GLACIER_IR", 30),
                to("DEEP_ARCHIVE", 40),
                rule("end", expire_days=50),
            ],
            DAY_US,
        )
        for now, expected in (
            ("2014-01-15", ["STANDARD_IA", "GLACIER", "DEEP_ARCHIVE"]),
            ("2014-02-05", ["GLACIER", "DEEP_ARCHIVE"]),
            ("2014-02-26", ["DEEP_ARCHIVE"]),
        ):
            found = rules.moves(b"a", current(), at(now))
            self.assertEqual([fate.storage_class for fate in found], expected)
        ended = Rules([to("GLACIER", 50), rule("end", expire_days=50)], DAY_US)
        self.assertEqual(ended.moves(b"a", current(), at(CREATED)), [])


def _short(fate: Fate | None) -> str:
    if fate is None:
        return ""
    return fate.storage_class or fate.deed.name
