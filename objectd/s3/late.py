"""Answers that take long: blanks keep the client waiting until there is a document.

CopyObject, UploadPartCopy and CompleteMultipartUpload may take longer than clients and proxies
wait for a sign of life. When one has not ended after a while, status 200 and the headers go
out, then the XML declaration, then blanks, which XML allows there, and at last the document.
One that fails by then has its error document inside the 200, as on AWS:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from objectd.protocol.messages import Headers, Response
from objectd.protocol.xml_text import XML_DECLARATION

_DECLARATION = XML_DECLARATION.encode()
_BLANK = b" "


async def in_time_or_late(
    making: Coroutine[Deferred[Any], Any, Response],
    clock: IReactorTime,
    *,
    patience_seconds: float,
    late_headers: Headers,
) -> Response:
    """The answer that `making` makes, if it does within `patience_seconds`; otherwise one
    whose body waits for it, with a blank every so many seconds.

    Cancelling this, or closing that body, cancels `making`.
    """
    answer = _Awaited(Deferred.fromCoroutine(making), clock)
    try:
        if await answer.is_there_within(patience_seconds):
            return answer.result()
    except BaseException:
        answer.cancel()
        raise
    body = _LateBody(answer, patience_seconds)
    return Response(
        200, late_headers, body, content_length=None, late_error_code=lambda: body.error_code
    )


class _Awaited:
    """A response that is being made, and that one coroutine waits for now and then."""

    def __init__(self, making: Deferred[Response], clock: IReactorTime) -> None:
        self._making = making
        self._clock = clock
        self._answers: list[Response] = []
        self._failures: list[Failure] = []
        self._waiting: Deferred[None] | None = None
        making.addCallbacks(self._answers.append, self._failures.append).addCallback(self._tell)

    async def is_there_within(self, seconds: float) -> bool:
        if not self._is_there:
            waiting: Deferred[None] = Deferred()
            self._waiting = waiting
            timer = self._clock.callLater(seconds, waiting.callback, None)
            try:
                await waiting
            finally:
                self._waiting = None
                if timer.active():
                    timer.cancel()
        return self._is_there

    def result(self) -> Response:
        """Only once it is there. Raises what kept it from being made."""
        if self._failures:
            self._failures[0].raiseException()
        return self._answers[0]

    def cancel(self) -> None:
        """Nobody wants it any more."""
        self._making.cancel()

    @property
    def _is_there(self) -> bool:
        return bool(self._answers or self._failures)

    def _tell(self, _: None) -> None:
        if self._waiting is not None:
            self._waiting.callback(None)


class _LateBody:
    """The XML declaration, blanks until the answer is there, and what remains of it."""

    def __init__(self, answer: _Awaited, interval_seconds: float) -> None:
        self._answer = answer
        self._interval_seconds = interval_seconds
        self._has_begun = False
        self._has_ended = False
        self.error_code = ""

    async def read(self) -> bytes:
        if self._has_ended:
            return b""
        if not self._has_begun:
            self._has_begun = True
            return _DECLARATION
        if not await self._answer.is_there_within(self._interval_seconds):
            return _BLANK
        self._has_ended = True
        response = self._answer.result()
        self.error_code = response.error_code
        if not isinstance(response.body, bytes):
            raise TypeError("only a document can come late")
        return response.body.removeprefix(_DECLARATION)

    def close(self) -> None:
        self._answer.cancel()
