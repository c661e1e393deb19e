"""Which transitions a rule may have, and what AWS calls those that it may not.

AWS once refused to move anything to STANDARD_IA or ONEZONE_IA in its first 30 days. Its model
of `Transition` says today that 'the value can be 0 or any positive integer'; what is left of the
old rule are the days between two transitions of one rule.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Transition.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import attrs

from objectd.errors import ConfigurationMalformed, InvalidArgument, InvalidOperation
from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.objects.classes import Classes
from objectd.objects.lifecycle.limits import CALENDAR_DAY_US, check_date, check_kept
from objectd.objects.lifecycle.waterfall import DAYS_BETWEEN, TARGETS, depth, leads


@attrs.frozen
class _Step:
    """A transition: to this class, when so many days have passed. Dates count from 1970 on."""

    storage_class: str
    day: int


@attrs.frozen
class _Steps:
    """The transitions of a rule, of current versions or of noncurrent ones, with the names that
    messages have for them."""

    rule: LifecycleRule
    steps: Sequence[_Step]
    action: str
    field: str
    end: str

    def check(self, classes: Classes, end_day: int | None) -> None:
        """Those to which there is no other way, and all of them before the version ends."""
        for step in self.steps:
            classes.named(step.storage_class)
            if step.day < 0 and self.field != "Date":
                raise InvalidArgument(f"'{self.field}' in {self.action} action must be nonnegative")
        if len({step.storage_class for step in self.steps}) < len(self.steps):
            raise InvalidOperation(
                f"'StorageClass' must be different for '{self.action}' actions in same 'Rule' "
                f"with {_filter_text(self.rule)}"
            )
        for warm, cold in pairwise(sorted(self.steps, key=_depth)):
            self._check_order(warm, cold)
        if end_day is not None and any(step.day >= end_day for step in self.steps):
            raise InvalidArgument(
                f"'{self.field}' in the {self.end} action for {_filter_text(self.rule)} must be "
                f"greater than '{self.field}' in the {self.action} action"
            )

    def _check_order(self, warm: _Step, cold: _Step) -> None:
        if not leads(warm.storage_class, cold.storage_class):
            raise InvalidArgument(
                f"there is no transition from {warm.storage_class} to {cold.storage_class}"
            )
        where = _filter_text(self.rule)
        what = (
            f"'{self.field}' in the '{self.action}' action for StorageClass "
            f"'{cold.storage_class}' for {where} must be"
        )
        other = f"in the '{self.action}' action for StorageClass '{warm.storage_class}'"
        if cold.day <= warm.day:
            raise InvalidArgument(f"{what} greater than '{self.field}' {other} for {where}")
        least = DAYS_BETWEEN.get(warm.storage_class, 0)
        if cold.day - warm.day < least:
            raise InvalidArgument(f"{what} {least} days more than '{where}' {other}")


def check_transitions(rule: LifecycleRule, classes: Classes) -> None:
    """Raises `ConfigurationMalformed`, `InvalidArgument`, `InvalidOperation`, and
    `UnknownStorageClass` for a class of AWS that this store has not."""
    wanted = [each.storage_class for each in rule.transitions]
    wanted += [each.storage_class for each in rule.noncurrent_transitions]
    for name in wanted:
        if name not in TARGETS:
            raise ConfigurationMalformed(f"there is no transition to {name!r}")
    _check_current(rule, classes)
    _check_noncurrent(rule, classes)


def _check_current(rule: LifecycleRule, classes: Classes) -> None:
    if not rule.transitions:
        return
    for each in rule.transitions:
        if (each.days is None) is (each.date_us is None):
            raise ConfigurationMalformed("a transition has either Days or Date")
        check_date(each.date_us)
    by_date = rule.transitions[0].date_us is not None
    if any((each.date_us is not None) is not by_date for each in rule.transitions):
        raise InvalidOperation(_mixed(rule, "Transition"))
    if (rule.expire_days if by_date else rule.expire_date_us) is not None:
        raise InvalidOperation(_mixed(rule, "Expiration and Transition"))
    steps = [
        _Step(each.storage_class, each.days or _calendar_day(each.date_us) or 0)
        for each in rule.transitions
    ]
    end_day = _calendar_day(rule.expire_date_us) if by_date else rule.expire_days
    field = "Date" if by_date else "Days"
    _Steps(rule, steps, "Transition", field, "Expiration").check(classes, end_day)


def _check_noncurrent(rule: LifecycleRule, classes: Classes) -> None:
    for each in rule.noncurrent_transitions:
        check_kept(rule, each.kept)
    steps = [_Step(each.storage_class, each.days) for each in rule.noncurrent_transitions]
    _Steps(
        rule, steps, "NoncurrentVersionTransition", "NoncurrentDays", "NoncurrentVersionExpiration"
    ).check(classes, rule.noncurrent_days)


def _calendar_day(date_us: int | None) -> int | None:
    return None if date_us is None else date_us // CALENDAR_DAY_US


def _depth(step: _Step) -> int:
    return depth(step.storage_class)


def _mixed(rule: LifecycleRule, actions: str) -> str:
    return (
        f"Found mixed 'Date' and 'Days' based {actions} actions in lifecycle rule for "
        f"{_filter_text(rule)}"
    )


def _filter_text(rule: LifecycleRule) -> str:
    """What AWS calls the filter of a rule in messages."""
    wanted: LifecycleFilter = rule.filter
    if rule.is_v1:
        return f"prefix '{wanted.prefix or ''}'"
    told = [
        *([] if wanted.prefix is None else [f"prefix={wanted.prefix}"]),
        *(f"tag={{key={key}, value={value}}}" for key, value in wanted.tags.items()),
        *([] if wanted.size_above is None else [f"objectsizegreaterthan={wanted.size_above}"]),
        *([] if wanted.size_below is None else [f"objectsizelessthan={wanted.size_below}"]),
    ]
    return f"filter '({' and '.join(told)})'"
