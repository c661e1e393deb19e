"""What the actions of a rule have in common: what they may count, and from when on they may act."""

from __future__ import annotations

from objectd.errors import InvalidArgument, InvalidOperation
from objectd.model.lifecycle import LifecycleRule

NONCURRENT_KEPT_MAX = 100
CALENDAR_DAY_US = 86_400_000_000
"""Dates are midnights of the calendar, however long a day is that rules count in."""


def check_date(date_us: int | None) -> None:
    """Raises `InvalidArgument`."""
    if date_us is not None and date_us % CALENDAR_DAY_US:
        raise InvalidArgument("'Date' must be at midnight GMT")


def check_kept(rule: LifecycleRule, kept: int | None) -> None:
    """Of `NewerNoncurrentVersions`. Raises `InvalidArgument`, `InvalidOperation`."""
    if kept is None:
        return
    if not 1 <= kept <= NONCURRENT_KEPT_MAX:
        raise InvalidArgument(
            f"'NewerNoncurrentVersions' must be between 1 and {NONCURRENT_KEPT_MAX}"
        )
    if rule.is_v1:
        raise InvalidOperation("NewerNoncurrentVersions can only be specified with a Filter.")
