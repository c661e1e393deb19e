"""One request and its answer over treq, with bodies that stream both ways."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import cast

import attrs
from hyperlink import URL
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionLost, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers as HeaderFields
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from objectd.client.bodies import Body
from objectd.client.errors import ClientError, ConnectionBroken, Unreachable, Untrusted
from objectd.protocol.messages import Headers, HttpRequest
from objectd.streams import ByteStream

__all__ = ["Http", "Reply"]

HELD_BYTES_MAX = 1 << 20
"""What is kept of an answer that nobody takes; then the connection is not read."""

_STORED_ENCODING = b"X-Stored-Content-Encoding"
_NO_CONNECTION = (ConnectError, ConnectTimeout, DNSLookupError)
_CONNECTION_ERRORS = (
    *_NO_CONNECTION,
    ConnectionLost,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)

_TLS_REASONS = {
    "certificate verify failed": "its certificate is of no authority that is trusted; "
    "AWS_CA_BUNDLE or --ca-bundle names one",
    "wrong version number": "what answers does not speak TLS; it may be plain http://",
}


@attrs.frozen
class Reply:
    """The head of an answer, names in lower case, and its body, which must be closed."""

    status: int
    headers: Headers
    stream: ByteStream


class Http:
    """Sends requests through an agent. Nothing is repeated or followed here."""

    def __init__(self, agent: IAgent, clock: IReactorTime) -> None:
        self._treq = HTTPClient(_Verbatim(agent))
        self._clock = clock

    async def send(
        self, origin: bytes, request: HttpRequest, body: Body | None, *, idle_seconds: float
    ) -> Reply:
        """`origin` is scheme and authority. Raises `Untrusted`, `Unreachable`,
        `ConnectionBroken`, also when nothing moves for `idle_seconds`, and what reading the
        body raises."""
        watch = _Watch(self._clock, idle_seconds)
        producer = _Upload(body, watch) if body is not None and body.size_bytes else None
        fields = HeaderFields()
        for name, value in request.headers:
            if name != b"host":
                fields.addRawHeader(name, value)
        answer = _cancellable(
            self._treq.request(
                request.method,
                _Uri.from_text((origin + request.target).decode()),
                headers=fields,
                data=producer,
                allow_redirects=False,
                unbuffered=True,
                reactor=self._clock,  # type: ignore[arg-type]  # a clock is all that it is used as
            )
        )
        watch.start(answer.cancel)
        try:
            response = await answer
        except CancelledError:
            if not watch.expired:
                raise
            message = f"{origin.decode()} does not answer for {idle_seconds:g} seconds"
            raise ConnectionBroken(message) from None
        except RequestGenerationFailed as error:
            error.reasons[0].raiseException()
            raise
        except _CONNECTION_ERRORS as error:
            raise _broken(origin, error) from error
        finally:
            watch.stop()
        stream = _Download(_Watch(self._clock, idle_seconds))
        response.deliverBody(stream)
        return Reply(response.code, _received(response), stream)


class _Uri(URL):
    """An address that is encoded already. Doing it again takes a fifth of the time of a call,
    and refuses IPv6 addresses (hyperlink 21.0)."""

    def to_uri(self) -> _Uri:
        return self


@implementer(IAgent)
@attrs.frozen
class _Verbatim:
    """treq asks for gzip and takes it off. The bytes of an object are those that were stored,
    encoded or not, and its size and checksums are theirs; so treq does not learn of it."""

    _agent: IAgent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: HeaderFields | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803 - Twisted's name
    ) -> Deferred[IResponse]:
        if headers is not None:
            headers.removeHeader(b"Accept-Encoding")
        answer: Deferred[IResponse] = self._agent.request(method, uri, headers, bodyProducer)
        return answer.addCallback(_hide_encoding)


def _cancellable(answer: Deferred[IResponse]) -> Deferred[IResponse]:
    """The same answer, which ends in `CancelledError` when it is cancelled. Twisted's own ends
    in what that does to the stage that it is in: a host that is not found, a lost connection."""
    cancelled = False

    def cancel(told: Deferred[IResponse]) -> None:
        nonlocal cancelled
        cancelled = True
        answer.cancel()  # before anybody goes on, who may well ask for something else

    def tell(result: IResponse | Failure) -> None:
        if not cancelled:
            told.callback(cast("IResponse", result))

    told: Deferred[IResponse] = Deferred(cancel)
    answer.addBoth(tell)
    return told


def _hide_encoding(response: IResponse) -> IResponse:
    values = response.headers.getRawHeaders(b"Content-Encoding")
    if values is not None:
        response.headers.removeHeader(b"Content-Encoding")
        response.headers.setRawHeaders(_STORED_ENCODING, values)
    return response


def _received(response: IResponse) -> Headers:
    found = []
    for name, values in response.headers.getAllRawHeaders():
        # What stands under the name itself is what treq left of nothing.
        if name != b"Content-Encoding":
            seen = b"content-encoding" if name == _STORED_ENCODING else name.lower()
            found += [(seen, value) for value in values]
    if response.length is not UNKNOWN_LENGTH and b"content-length" not in dict(found):
        found.append((b"content-length", b"%d" % response.length))
    return tuple(found)


def _broken(origin: bytes, error: Exception) -> ClientError:
    cause = _innermost(error)
    if isinstance(cause, SSL.Error):
        reasons = [part[-1] for part in cause.args[0]] if cause.args else []
        told = ", ".join(_TLS_REASONS.get(reason, reason) for reason in reasons)
        return Untrusted(f"no TLS with {origin.decode()}: {told}")
    if isinstance(cause, _NO_CONNECTION):
        return Unreachable(f"no connection to {origin.decode()}: {_reason(cause)}")
    return ConnectionBroken(f"{origin.decode()}: {cause or type(cause).__name__}")


def _reason(error: Exception) -> str:
    """The system's words, where it is the system that says no."""
    number = getattr(error, "osError", None)
    return os.strerror(number) if isinstance(number, int) else str(error)


def _innermost(error: BaseException) -> BaseException:
    while reasons := getattr(error, "reasons", None):
        error = reasons[0].value
    return error


class _Watch:
    """Calls `expire` when nothing moves for too long."""

    def __init__(self, clock: IReactorTime, idle_seconds: float) -> None:
        self.expired = False
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._timer: IDelayedCall | None = None

    def start(self, expire: Callable[[], object]) -> None:
        def end() -> None:
            self.expired = True
            self._timer = None
            expire()

        self._timer = self._clock.callLater(self._idle_seconds, end)

    def touch(self) -> None:
        if self._timer is not None:
            self._timer.reset(self._idle_seconds)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@implementer(IBodyProducer)
class _Upload:
    """A stream on its way into a connection, at the connection's pace."""

    def __init__(self, body: Body, watch: _Watch) -> None:
        self.length = body.size_bytes
        self._stream = body.open()
        self._watch = watch
        self._work: Deferred[None] | None = None
        self._resumed: Deferred[None] | None = None
        self._stopped = False

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802
        over: Deferred[None] = Deferred()

        def end(result: Failure | None) -> None:
            self._stream.close()
            if not self._stopped:
                over.callback(cast(None, result))

        self._work = Deferred.fromCoroutine(self._send(consumer))
        self._work.addBoth(end)
        return over

    def pauseProducing(self) -> None:  # noqa: N802
        if self._resumed is None:
            self._resumed = Deferred()

    def resumeProducing(self) -> None:  # noqa: N802
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            self._watch.touch()
            resumed.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self._stopped = True
        if self._work is not None:
            self._work.cancel()

    async def _send(self, consumer: IConsumer) -> None:
        while piece := await self._stream.read():
            self._watch.touch()
            consumer.write(piece)
            if self._resumed is not None:
                await self._resumed


class _Download(Protocol):
    """The body of an answer, as a `ByteStream`."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._paused = False
        self._end: Exception | None = None
        self._over = False
        self._closed = False
        self._waiting: Deferred[None] | None = None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._closed:
            return
        self._pieces.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pauseProducing()  # type: ignore[attr-defined]  # it is a producer
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._over = True
        if reason.check(ResponseDone) is None:
            cause = _innermost(reason.value) if reason.value else "connection lost"
            self._end = ConnectionBroken(f"the answer broke off: {cause}")
        self._wake()

    async def read(self) -> bytes:
        while not self._pieces and not self._over:
            await self._more()
        if not self._pieces:
            if self._end is not None:
                raise self._end
            return b""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resumeProducing()  # type: ignore[attr-defined]  # it is a producer
        return data

    def close(self) -> None:
        self._closed = True
        self._pieces.clear()
        if not self._over and self.transport is not None:
            self.transport.loseConnection()

    async def _more(self) -> None:
        self._waiting = Deferred()
        self._watch.start(self._expire)
        try:
            await self._waiting
        finally:
            self._waiting = None
            self._watch.stop()

    def _expire(self) -> None:
        self._over = True
        self._end = ConnectionBroken("the answer does not go on")
        if self.transport is not None:
            self.transport.loseConnection()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
