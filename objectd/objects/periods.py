"""Periods of Object Lock: so many days, or so many years.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_EventHoldDuration.html
"""

from __future__ import annotations

from typing import Protocol

from objectd.errors import InvalidArgument
from objectd.objects.settings import RETENTION_DAYS_MAX, RETENTION_YEARS_MAX

_DAY_US = 86_400_000_000
_YEAR_DAYS = 365
"""Of whatever year: AWS does not count leap years.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html#object-lock-troubleshooting-years-condition-key
"""


class Period(Protocol):
    """Either days or years; the other one is 0."""

    @property
    def days(self) -> int: ...

    @property
    def years(self) -> int: ...


def period_us(period: Period) -> int:
    return (period.days + _YEAR_DAYS * period.years) * _DAY_US


def check_period(period: Period, what: str, days: str = "Days", years: str = "Years") -> None:
    """`days` and `years` are what the two are called. Raises `InvalidArgument`."""
    for name, value, most in (
        (days, period.days, RETENTION_DAYS_MAX),
        (years, period.years, RETENTION_YEARS_MAX),
    ):
        if value < 0:
            raise _bad(name, value, f"{what} must be a positive integer value.")
        if value > most:
            raise _bad(name, value, f"{what} too large.")
    if bool(period.days) == bool(period.years):
        name = years if period.years else days
        raise _bad(name, period.days, f"{what} must be a positive integer value.")


def _bad(name: str, value: int, message: str) -> InvalidArgument:
    return InvalidArgument(message, name=name, value=str(value))
