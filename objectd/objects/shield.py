"""Coroutines that go on when whoever waits for them gives up."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from objectd.errors import CommitInvalid, DamagedBlob, DamagedRecord, ObjectdError, StoreFailed

_T = TypeVar("_T")
_log = Logger()

_TROUBLE = (CommitInvalid, DamagedBlob, DamagedRecord, StoreFailed)
"""Errors that are nobody's doing but the store's."""


def shield(work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
    """Run `work` now, whatever becomes of the Deferred that is returned.

    Cancelling that Deferred ends the wait with `CancelledError` and nothing else; if `work`
    then fails, that is logged, since nobody is left to see it: with a traceback, unless it is
    an answer that somebody who waited would have got.
    """
    inner = Deferred.fromCoroutine(work)
    abandoned = False

    def abandon(outer: Deferred[_T]) -> None:
        nonlocal abandoned
        abandoned = True

    outer: Deferred[_T] = Deferred(abandon)

    def succeeded(result: _T) -> None:
        if not abandoned:
            outer.callback(result)

    def failed(failure: Failure) -> None:
        if abandoned and failure.check(ObjectdError) and not failure.check(*_TROUBLE):
            _log.info("work that nobody waits for any more: {error}", error=failure.value)
        elif abandoned:
            _log.failure("work that nobody waits for any more failed", failure)
        else:
            outer.errback(failure)

    inner.addCallbacks(succeeded, failed)
    return outer
