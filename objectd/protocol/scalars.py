"""Numbers, truth values and times as S3 writes them in headers, queries and XML.

Times are microseconds since 1970 UTC. The `parse_*` functions raise `ValueError`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
# A listing shows a thousand times: looking them up takes a third of formatting them.
SECONDS_OF_MINUTE = [f"{n:02}.000Z" for n in range(60)]

INTEGER_MAX = (1 << 31) - 1
LONG_MAX = (1 << 63) - 1


def parse_integer(text: str) -> int:
    text = text.strip()
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a number")
    return int(text)


def parse_boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return lowered == "true"


def parse_timestamp(text: str) -> int:
    """From ISO 8601 (as in XML) or an HTTP date in any of its three forms."""
    text = text.strip()
    if text[:1].isdigit():
        return _since_epoch(_parse_iso_8601(text))
    try:
        return _since_epoch(parsedate_to_datetime(text))
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a date") from error


def http_date(time_us: int) -> str:
    """As in headers; fractions of a second are cut off."""
    return _http_date(time_us // SECOND_US)


def iso_8601_seconds(time_us: int) -> str:
    """As in bodies: AWS cuts off fractions of a second and writes .000Z all the same."""
    minutes, rest_us = divmod(time_us, MINUTE_US)
    return iso_8601_minute(minutes) + SECONDS_OF_MINUTE[rest_us // SECOND_US]


def iso_8601_milliseconds(time_us: int) -> str:
    minutes, rest_us = divmod(time_us, MINUTE_US)
    seconds, fraction_us = divmod(rest_us, SECOND_US)
    return f"{iso_8601_minute(minutes)}{seconds:02}.{fraction_us // 1000:03}Z"


@lru_cache(maxsize=1024)
def _http_date(seconds: int) -> str:
    # Of objects that are read for the first time, few have a time that is known.
    days, second = divmod(seconds, 86400)
    minutes, second = divmod(second, 60)
    return f"{_http_day(days)} {minutes // 60:02}:{minutes % 60:02}:{second:02} GMT"


@lru_cache(maxsize=1024)
def _http_day(days: int) -> str:
    return formatdate(days * 86400, usegmt=True)[: -len(" 00:00:00 GMT")]


@lru_cache(maxsize=1024)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * 86400, UTC).strftime("%Y-%m-%d")


@lru_cache(maxsize=4096)
def iso_8601_minute(minutes: int) -> str:
    """All that comes before the seconds."""
    days, minute = divmod(minutes, 24 * 60)
    return f"{_day(days)}T{minute // 60:02}:{minute % 60:02}:"


def _parse_iso_8601(text: str) -> datetime:
    if _ISO_8601.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a date")
    return datetime.fromisoformat(text)


def _since_epoch(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * SECOND_US + elapsed.microseconds
