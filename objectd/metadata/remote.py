"""A metadata store in another process, over a socket to its owner (`objectd.process.owner`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import IStreamClientEndpoint, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from objectd.errors import AnswerLost, StoreBusy, StoreFailed
from objectd.interfaces import Commit, IMetadataStore, Outcome, Row, ScanPage, Token
from objectd.metadata import frames
from objectd.metadata.frames import Answer, FrameReader, Request
from objectd.metadata.limits import check_commit
from objectd.metadata.scanning import Scan

_A = TypeVar("_A", frames.Number, frames.Done, frames.Rows, frames.Page, frames.Became)


@implementer(IMetadataStore)
class RemoteMetadata:
    """Sends each call at once and matches the answers; many are on their way together.

    Connects when it is first called, and again after the connection was lost: what was
    under way then fails with `AnswerLost`. At most `frames.IN_FLIGHT_MAX` calls wait at a time,
    further ones are refused with `StoreBusy`.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint
        self._connection: _Connection | None = None
        self._connecting: list[Deferred[_Connection]] = []
        self._closed = False

    async def begin_incarnation(self, above: int = 0) -> int:
        return (await self._ask(frames.BeginIncarnation(above), frames.Number)).number

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._ask(frames.Fence(tuple(incarnations)), frames.Done)

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return (await self._ask(frames.Get(tuple(keys)), frames.Rows)).rows

    async def scan(
        self,
        start: bytes,
        stop: bytes,
        *,
        limit: int,
        reverse: bool = False,
        prefix: bytes = b"",
        delimiter: bytes = b"",
        head_bytes: int | None = None,
    ) -> ScanPage:
        scan = Scan(start, stop, limit, reverse, prefix, delimiter, head_bytes)
        return (await self._ask(scan, frames.Page)).page

    async def commit(self, commit: Commit) -> int:
        check_commit(commit)
        return (await self._ask(frames.Apply(commit), frames.Number)).number

    async def outcome(self, token: Token) -> Outcome:
        return (await self._ask(frames.AskOutcome(token), frames.Became)).outcome

    async def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            await self._connection.finish()

    async def _ask(self, request: Request, answer_type: type[_A]) -> _A:
        if self._closed:
            raise StoreFailed("the metadata store is closed")
        connection = self._connection
        if connection is None or connection.lost:
            connection = await self._connected()
        answer = await connection.ask(request)
        if isinstance(answer, frames.Failure):
            raise frames.to_error(answer)
        if not isinstance(answer, answer_type):
            raise AnswerLost(f"the owner answered {type(request).__name__} with {answer!r}")
        return answer

    def _connected(self) -> Deferred[_Connection]:
        """The connection, from the one attempt that all callers share."""
        waiter: Deferred[_Connection] = Deferred()
        self._connecting.append(waiter)
        if len(self._connecting) == 1:
            Deferred.fromCoroutine(self._connect())
        return waiter

    async def _connect(self) -> None:
        connection = _Connection()
        try:
            await connectProtocol(self._endpoint, connection)
        except Exception as error:  # whatever it is, the owner is out of reach
            for waiter in self._taken_waiters():
                waiter.errback(AnswerLost(f"cannot reach the metadata owner: {error}"))
            return
        self._connection = connection
        for waiter in self._taken_waiters():
            waiter.callback(connection)
        if self._closed:
            connection.finish()

    def _taken_waiters(self) -> list[Deferred[_Connection]]:
        waiters, self._connecting = self._connecting, []
        return waiters


class _Connection(Protocol):
    transport: ITransport

    def __init__(self) -> None:
        self.lost = False
        self._reader = FrameReader()
        self._waiting: dict[int, Deferred[Answer]] = {}
        self._last_id = 0
        self._finishing: list[Deferred[None]] = []

    def ask(self, request: Request) -> Deferred[Answer]:
        """Send a request; its caller may cancel the Deferred, which disturbs nobody."""
        if self.lost or self._finishing:
            raise AnswerLost("the connection to the metadata owner was lost")
        if len(self._waiting) >= frames.IN_FLIGHT_MAX:
            raise StoreBusy(f"{frames.IN_FLIGHT_MAX} calls wait for the metadata owner")
        self._last_id += 1
        answer = self._waiting[self._last_id] = Deferred()
        self.transport.write(frames.frame(self._last_id, frames.encode_message(request)))
        return answer

    def finish(self) -> Deferred[None]:
        """Close the connection when every request is answered; fires when it is closed."""
        finished: Deferred[None] = Deferred()
        if self.lost:
            finished.callback(None)
            return finished
        self._finishing.append(finished)
        self._close_if_finished()
        return finished

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        try:
            for request_id, message in self._reader.feed(data):
                self._waiting.pop(request_id).callback(frames.decode_answer(message))
        except (frames.FrameTooLong, KeyError, msgspec.MsgspecError):
            self.transport.loseConnection()
        self._close_if_finished()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self.lost = True
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.errback(AnswerLost("the connection to the metadata owner was lost"))
        for finished in self._finishing:
            finished.callback(None)

    def _close_if_finished(self) -> None:
        if self._finishing and not self._waiting:
            self.transport.loseConnection()
