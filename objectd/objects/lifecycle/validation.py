"""Which rules a bucket may have, and what AWS calls those that it may not.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Sequence

from objectd.errors import ConfigurationMalformed, InvalidArgument, InvalidOperation
from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.objects.classes import Classes
from objectd.objects.lifecycle.limits import check_date, check_kept
from objectd.objects.lifecycle.transition_validation import check_transitions
from objectd.objects.names import utf8
from objectd.objects.settings import KEY_BYTES_MAX
from objectd.objects.tag_rules import check_tags

RULES_MAX = 1000
RULE_ID_CHARS_MAX = 255


def check_rules(rules: Sequence[LifecycleRule], classes: Classes) -> None:
    """Raises `ConfigurationMalformed` for what does not fit AWS's schema, `InvalidArgument`
    for a value out of its range, `InvalidOperation` for what does not go together, `InvalidTag`,
    `TooManyTags`, and `UnknownStorageClass` for a class that is none of the store's."""
    if not 1 <= len(rules) <= RULES_MAX:
        raise ConfigurationMalformed(f"a lifecycle has 1 to {RULES_MAX} rules")
    if len({rule.is_v1 for rule in rules}) > 1:
        raise InvalidOperation(
            "Base level prefix cannot be used in V2, prefixes are only supported in the Filter."
        )
    for rule in rules:
        _check_rule(rule, classes)
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidArgument("Rule ID must be unique. Found same ID for more than one rule")


def _check_rule(rule: LifecycleRule, classes: Classes) -> None:
    if len(rule.id) > RULE_ID_CHARS_MAX:
        raise InvalidArgument(f"ID length should not exceed allowed limit of {RULE_ID_CHARS_MAX}")
    utf8(rule.id, "ID")
    _check_filter(rule)
    _check_expiration(rule)
    _check_noncurrent(rule)
    _check_abort(rule)
    check_transitions(rule, classes)
    has_transitions = rule.transitions or rule.noncurrent_transitions
    if not has_transitions and not any(map(_is_given, _actions(rule))):
        raise InvalidOperation("At least one action needs to be specified in a rule.")


def _actions(rule: LifecycleRule) -> Sequence[int | None]:
    return (
        rule.expire_days,
        rule.expire_date_us,
        rule.expire_markers,
        rule.noncurrent_days,
        rule.abort_days,
    )


def _is_given(value: int | None) -> bool:
    return value is not None


def _check_filter(rule: LifecycleRule) -> None:
    wanted = rule.filter
    if rule.is_v1 and wanted != LifecycleFilter(prefix=wanted.prefix or ""):
        raise ConfigurationMalformed("a rule without a filter has a prefix and nothing else")
    if len(utf8(wanted.prefix or "", "Prefix")) > KEY_BYTES_MAX:
        raise InvalidOperation(f"The maximum size of a prefix is {KEY_BYTES_MAX}.")
    check_tags(wanted.tags)
    above, below = wanted.size_above, wanted.size_below
    if above is not None and above < 0:
        raise InvalidArgument("'ObjectSizeGreaterThan' must not be negative")
    if below is not None and below < 1:
        raise InvalidArgument("'ObjectSizeLessThan' must be a positive integer")
    if above is not None and below is not None and above >= below:
        raise InvalidOperation("'ObjectSizeGreaterThan' must be less than 'ObjectSizeLessThan'")


def _check_expiration(rule: LifecycleRule) -> None:
    given = (rule.expire_days, rule.expire_date_us, rule.expire_markers)
    if sum(map(_is_given, given)) > 1:
        raise ConfigurationMalformed("an expiration is one of Days, Date and a delete marker's")
    _check_days(rule.expire_days, "'Days' for Expiration action")
    check_date(rule.expire_date_us)
    if rule.expire_markers is not None and rule.filter.tags:
        raise InvalidOperation("ExpiredObjectDeleteMarker cannot be specified with Tags.")


def _check_noncurrent(rule: LifecycleRule) -> None:
    _check_days(rule.noncurrent_days, "'NoncurrentDays' for NoncurrentVersionExpiration action")
    if rule.noncurrent_kept is not None and rule.noncurrent_days is None:
        raise ConfigurationMalformed("NewerNoncurrentVersions needs NoncurrentDays")
    check_kept(rule, rule.noncurrent_kept)


def _check_abort(rule: LifecycleRule) -> None:
    if rule.abort_days is None:
        return
    _check_days(rule.abort_days, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action")
    if rule.filter.tags:
        raise InvalidOperation("AbortIncompleteMultipartUpload cannot be specified with Tags.")
    if rule.filter.size_above is not None or rule.filter.size_below is not None:
        raise InvalidOperation(
            "AbortIncompleteMultipartUpload cannot be specified with Object Size."
        )


def _check_days(days: int | None, what: str) -> None:
    if days is not None and days < 1:
        raise InvalidArgument(f"{what} must be a positive integer")
