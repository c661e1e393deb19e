"""When a request is sent again, and how long to wait before."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import attrs

from objectd.protocol.calls import Refusal

__all__ = ["Patience", "is_passing", "is_repeatable", "was_not_done"]

_PASSING_STATUSES = frozenset({500, 502, 503, 504})
_PASSING_CODES = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
)
_CONDITIONS = frozenset({"IfMatch", "IfNoneMatch", "IfMatchLastModifiedTime", "IfMatchSize"})
_READING_METHODS = frozenset({"GET", "HEAD"})


@attrs.frozen
class Patience:
    """How often a request is sent, and how long between. `idle_seconds` is how long nothing
    may move; operations that the server works on before it answers get `work_seconds`."""

    attempts_max: int = 6
    backoff_seconds: float = 0.2
    backoff_seconds_max: float = 20
    idle_seconds: float = 60
    work_seconds: float = 900

    def pause_seconds(self, attempt: int, random: Random, retry_after_seconds: float) -> float:
        """Before the attempt after `attempt` (from 1): any time up to a limit that doubles, so
        that clients that were refused together do not come back together."""
        limit = min(self.backoff_seconds_max, self.backoff_seconds * 2 ** (attempt - 1))
        return retry_after_seconds + random.uniform(0, limit)


def is_passing(refusal: Refusal) -> bool:
    """The same request may succeed later."""
    return refusal.status in _PASSING_STATUSES or refusal.code in _PASSING_CODES


def was_not_done(refusal: Refusal) -> bool:
    """The server says that it did not even begin."""
    return refusal.status == 503 or refusal.code == "SlowDown"


def is_repeatable(method: str, operation: str, arguments: Mapping[str, object]) -> bool:
    """Whether a request that may have been carried out can be sent again: it must then say
    the same again, not that its own condition does not hold any more."""
    if method in _READING_METHODS:
        return True
    if operation == "RenameObject":
        return "ClientToken" in arguments
    return "WriteOffsetBytes" not in arguments and not _CONDITIONS & arguments.keys()
