"""Which transitions are accepted, with AWS's messages for those that are not."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import (
    ConfigurationMalformed,
    InvalidArgument,
    InvalidOperation,
    ObjectdError,
    UnknownStorageClass,
)
from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
    TransitionMinimum,
)
from objectd.model.records import Incompatible
from objectd.objects.classes import NAMES, Classes, ClassSettings
from objectd.objects.lifecycle.limits import CALENDAR_DAY_US, NONCURRENT_KEPT_MAX
from objectd.objects.lifecycle.validation import check_rules
from objectd.objects.lifecycle.waterfall import TARGETS, leads
from objectd.test.objects.cases import StoreCase

RULE = LifecycleRule("rule", True, LifecycleFilter(prefix="logs/"))
CLASSES = Classes.made({"INTELLIGENT_TIERING": ClassSettings()}, {"": 0})
Days = Mapping[str, int]


class TransitionTests(SynchronousTestCase):
    def accepted(self, rule: LifecycleRule) -> None:
        check_rules([rule], CLASSES)

    def refused(self, error: type[ObjectdError], rule: LifecycleRule, says: str = "") -> None:
        raised: ObjectdError = self.assertRaises(error, check_rules, [rule], CLASSES)
        self.assertIn(says, str(raised))

    def each(self, days: Days, end: int | None = None) -> list[LifecycleRule]:
        """The same rule for current versions, by days and by dates, and for noncurrent ones."""
        dates = {name: day * CALENDAR_DAY_US for name, day in days.items()}
        return [
            structs.replace(RULE, transitions=by_days(days), expire_days=end),
            structs.replace(
                RULE,
                transitions=tuple(Transition(name, date_us=date) for name, date in dates.items()),
                expire_date_us=end and end * CALENDAR_DAY_US,
            ),
            structs.replace(RULE, noncurrent_transitions=noncurrent(days), noncurrent_days=end),
        ]

    def each_accepted(self, days: Days, end: int | None = None) -> None:
        for rule in self.each(days, end):
            self.accepted(rule)

    def each_refused(
        self, error: type[ObjectdError], days: Days, end: int | None = None, says: str = ""
    ) -> None:
        for rule in self.each(days, end):
            self.refused(error, rule, says)

    def test_targets(self) -> None:
        """To all classes of AWS's model, and no others, from the first day on."""
        for name in NAMES:
            if name in TARGETS:
                self.each_accepted({name: 0})
            else:
                self.each_refused(ConfigurationMalformed, {name: 0})
        self.each_refused(ConfigurationMalformed, {"": 0})
        self.each_refused(ConfigurationMalformed, {"FROZEN": 0})

    def test_not_here(self) -> None:
        """A class that an operator has not configured is refused by its name."""
        rule = structs.replace(RULE, transitions=(Transition("INTELLIGENT_TIERING", days=1),))
        error = self.assertRaises(
            UnknownStorageClass, check_rules, [rule], Classes.made({}, {"": 0})
        )
        self.assertIn("INTELLIGENT_TIERING", str(error))

    def test_days(self) -> None:
        """Days are not negative."""
        self.refused(
            InvalidArgument,
            structs.replace(RULE, transitions=(Transition("GLACIER", days=-1),)),
            "'Days' in Transition action must be nonnegative",
        )
        self.refused(
            InvalidArgument,
            structs.replace(RULE, noncurrent_transitions=(NoncurrentTransition("GLACIER", -1),)),
            "'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative",
        )

    def test_time(self) -> None:
        """A transition has days or a date, which is a midnight."""
        for transition in (
            Transition("GLACIER"),
            Transition("GLACIER", days=1, date_us=CALENDAR_DAY_US),
        ):
            rule = structs.replace(RULE, transitions=(transition,))
            self.refused(ConfigurationMalformed, rule)
        off = Transition("GLACIER", date_us=CALENDAR_DAY_US + 1)
        self.refused(
            InvalidArgument,
            structs.replace(RULE, transitions=(off,)),
            "'Date' must be at midnight GMT",
        )

    def test_mixed(self) -> None:
        """All that a rule does to current versions is by days, or by dates."""
        by_day, by_date = Transition("GLACIER", days=1), Transition("DEEP_ARCHIVE", date_us=0)
        for rule, actions in (
            (structs.replace(RULE, transitions=(by_day, by_date)), "Transition"),
            (
                structs.replace(RULE, transitions=(by_day,), expire_date_us=0),
                "Expiration and Transition",
            ),
            (
                structs.replace(RULE, transitions=(by_date,), expire_days=9),
                "Expiration and Transition",
            ),
        ):
            says = (
                f"Found mixed 'Date' and 'Days' based {actions} actions in lifecycle rule for "
                "filter '(prefix=logs/)'"
            )
            self.refused(InvalidOperation, rule, says)
        self.accepted(structs.replace(RULE, transitions=(by_date,), noncurrent_days=1))
        self.accepted(structs.replace(RULE, transitions=(by_date,), expire_markers=True))

    def test_same_class(self) -> None:
        """A class is named once."""
        twice = (Transition("GLACIER", days=1), Transition("GLACIER", days=2))
        says = "'StorageClass' must be different for 'Transition' actions in same 'Rule' with "
        self.refused(InvalidOperation, structs.replace(RULE, transitions=twice), says)
        noncurrent_twice = (NoncurrentTransition("GLACIER", 1), NoncurrentTransition("GLACIER", 2))
        self.refused(
            InvalidOperation, structs.replace(RULE, noncurrent_transitions=noncurrent_twice)
        )

    def test_order(self) -> None:
        """Colder classes come later, in whatever order they are written."""
        self.each_accepted({"GLACIER_IR": 30, "STANDARD_IA": 0})
        for same in (0, 200):
            self.each_refused(
                InvalidArgument, {"GLACIER": 200, "DEEP_ARCHIVE": same}, says="must be greater than"
            )
        self.each_refused(InvalidArgument, {"ONEZONE_IA": 1, "GLACIER_IR": 100})
        self.each_accepted({"STANDARD_IA": 1, "INTELLIGENT_TIERING": 31, "GLACIER": 32})

    def test_days_between(self) -> None:
        """30 days lie behind an infrequent access, and 90 behind a glacier."""
        for warm, cold, least in (
            ("STANDARD_IA", "GLACIER", 30),
            ("STANDARD_IA", "ONEZONE_IA", 30),
            ("ONEZONE_IA", "DEEP_ARCHIVE", 30),
            ("GLACIER_IR", "GLACIER", 90),
            ("GLACIER", "DEEP_ARCHIVE", 90),
            ("INTELLIGENT_TIERING", "GLACIER", 1),
        ):
            self.each_accepted({warm: 5, cold: 5 + least})
            if least > 1:
                says = f"must be {least} days more than 'filter '(prefix=logs/)''"
                self.each_refused(InvalidArgument, {warm: 5, cold: 4 + least}, says=says)

    def test_end(self) -> None:
        """What a rule moves ends later."""
        self.each_accepted({"STANDARD_IA": 1, "GLACIER": 31}, 32)
        for end in (30, 31):
            self.each_refused(
                InvalidArgument, {"STANDARD_IA": 1, "GLACIER": 31}, end, "must be greater than"
            )

    def test_kept(self) -> None:
        """1 to 100 noncurrent versions keep their class, by a rule with a filter."""
        for kept, fits in ((0, False), (1, True), (NONCURRENT_KEPT_MAX, True), (101, False)):
            transition = NoncurrentTransition("GLACIER", 1, kept)
            rule = structs.replace(RULE, noncurrent_transitions=(transition,))
            if fits:
                self.accepted(rule)
            else:
                self.refused(InvalidArgument, rule)
        v1 = structs.replace(RULE, is_v1=True)
        for kept_by_v1, error in ((None, None), (1, InvalidOperation)):
            transition = NoncurrentTransition("GLACIER", 1, kept_by_v1)
            rule = structs.replace(v1, noncurrent_transitions=(transition,))
            if error is None:
                self.accepted(rule)
            else:
                self.refused(error, rule)

    def test_filter_text(self) -> None:
        """Messages name the filter."""
        late = structs.replace(RULE, transitions=by_days({"GLACIER": 3}), expire_days=3)
        sizes = "objectsizegreaterthan=1 and objectsizelessthan=2"
        for changed, says in (
            (
                {"filter": LifecycleFilter("a", {"b": "c"}, 1, 2)},
                f"filter '(prefix=a and tag={{key=b, value=c}} and {sizes})'",
            ),
            ({"filter": LifecycleFilter()}, "filter '()'"),
            ({"is_v1": True}, "prefix 'logs/'"),
        ):
            self.refused(InvalidArgument, structs.replace(late, **changed), says)

    def test_waterfall(self) -> None:
        """No class leads to itself, nor there and back; all lead to the archives beneath them."""
        for source in NAMES:
            for target in NAMES:
                self.assertFalse(leads(source, target) and leads(target, source))
                self.assertFalse(leads(source, "FROZEN") or leads("FROZEN", target))
            self.assertIs(leads(source, "DEEP_ARCHIVE"), source != "DEEP_ARCHIVE")


class ConfigurationTests(StoreCase):
    def test_put(self) -> None:
        """Transitions are kept as they were put, and no program that does not know them opens
        the store any more."""
        rule = structs.replace(RULE, transitions=by_days({"GLACIER": 3}))
        put = self.ok(self.store.lifecycles.put("photos", [rule], TransitionMinimum.VARIES))
        self.assertEqual(self.ok(self.store.lifecycles.get("photos")), put)
        self.assertEqual((put.rules, put.minimum), ((rule,), TransitionMinimum.VARIES))
        self.assertTrue(self.features() & Incompatible.STORAGE_CLASSES)

    def test_without(self) -> None:
        """A lifecycle without transitions asks nothing of those who open the store."""
        self.ok(self.store.lifecycles.put("photos", [structs.replace(RULE, expire_days=1)]))
        self.assertFalse(self.features() & Incompatible.STORAGE_CLASSES)


def by_days(days: Days) -> tuple[Transition, ...]:
    return tuple(Transition(name, days=day) for name, day in days.items())


def noncurrent(days: Days) -> tuple[NoncurrentTransition, ...]:
    return tuple(NoncurrentTransition(name, day) for name, day in days.items())
