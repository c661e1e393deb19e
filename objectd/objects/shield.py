"""Coroutines that go on when whoever waits for them gives up."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from objectd.errors import CommitInvalid, DamagedBlob, DamagedRecord, ObjectdError, StoreFailed

_T = TypeVar("_T")
_log = Logger()

_TROUBLE = (CommitInvalid, DamagedBlob, DamagedRecord, StoreFailed)
"""Errors that are nobody's doing but the store's."""


class Outdated(Exception):
    """What was decided on is not so any more. Whoever waits looks again, or leaves it; if nobody
    does, nothing is wrong."""


def shield(work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
    """Run `work` now, whatever becomes of the Deferred that is returned.

    Cancelling that Deferred ends the wait with `CancelledError` and nothing else; if `work`
    then fails, that is logged, since nobody is left to see it: with a traceback, unless it is
    an answer that somebody who waited would have got.
    """
    shielded = _Shielded(work)
    shielded.go_on(None)
    return shielded.outer


class _Shielded(Generic[_T]):
    """`work` under way. Its steps are taken here: as a Deferred of its own, between it and
    `outer`, it would cost every small write some microseconds."""

    def __init__(self, work: Coroutine[Deferred[Any], Any, _T]) -> None:
        self.outer: Deferred[_T] = Deferred(self._abandon)
        self._work = work
        self._abandoned = False

    def go_on(self, result: object) -> None:
        """What `work` waited for is there, or failed."""
        try:
            if isinstance(result, Failure):
                waits_for = result.throwExceptionIntoGenerator(self._work)
            else:
                waits_for = self._work.send(None)
        except StopIteration as end:
            if not self._abandoned:
                self.outer.callback(end.value)
        except BaseException:
            self._failed(Failure())
        else:
            waits_for.addBoth(self.go_on)

    def _abandon(self, outer: Deferred[_T]) -> None:
        self._abandoned = True

    def _failed(self, failure: Failure) -> None:
        if not self._abandoned:
            self.outer.errback(failure)
        elif failure.check(ObjectdError, Outdated) and not failure.check(*_TROUBLE):
            _log.info("work that nobody waits for any more: {error}", error=failure.value)
        else:
            _log.failure("work that nobody waits for any more failed", failure)
