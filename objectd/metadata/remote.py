"""A metadata store in another process, over a socket to its owner (`objectd.process.owner`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from objectd.errors import AnswerLost, Fenced, StoreBusy, StoreFailed
from objectd.interfaces import (
    COMMIT_BYTES_MAX,
    Commit,
    IMetadataStore,
    Outcome,
    Row,
    Scan,
    ScanPage,
    Token,
)
from objectd.metadata import frames
from objectd.metadata.frames import Answer, Epoch, FrameReader, Request, Told, encode_message
from objectd.metadata.limits import check_commit
from objectd.metadata.outbox import Outbox
from objectd.metadata.scanning import check_scans

READ_SECONDS_MAX = 10.0
"""How long a read is tried again whose answer was lost."""

PATIENCE_SECONDS = 5.0
"""An answer that has not come after twice this time, or three times, is taken for lost."""

CLOSE_SECONDS_MAX = 2.0
"""How long `close` waits for answers."""

RETRY_SECONDS_MIN = 0.02
RETRY_SECONDS_MAX = 1.0

_A = TypeVar(
    "_A", frames.Number, frames.Done, frames.Rows, frames.Page, frames.Pages, frames.Became
)


@implementer(IMetadataStore)
class RemoteMetadata:
    """Sends each call at once and matches the answers; many are on their way together.

    Connects when it is first called, and again after the connection was lost. While the owner
    is away, connecting and asking may well succeed: what is sent waits for the next owner.
    Reads whose answer was lost are sent again, for `READ_SECONDS_MAX` at most; everything else
    fails with `AnswerLost`, and is never sent twice. At most `frames.IN_FLIGHT_MAX` calls wait
    at a time, further ones are refused with `StoreBusy`.

    With an `incarnation` it says whose it is, answers the owner's epochs when `reads_over`
    fires (`objectd.process.epochs`), and from the first call on keeps connected, since the
    owner waits for the answers of every incarnation. `on_fenced` is called when the owner takes
    its process for gone: it can commit nothing any more.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        *,
        incarnation: int | None = None,
        reads_over: Callable[[], Awaitable[None]] | None = None,
        on_fenced: Callable[[Fenced], object] = lambda error: None,
    ) -> None:
        self._endpoint = endpoint
        self._on_fenced = on_fenced
        self._clock = clock
        self._incarnation = incarnation
        self._reads_over = reads_over
        self._connection: _Connection | None = None
        self._connecting: list[Deferred[_Connection]] = []
        self._reconnecting: IDelayedCall | None = None
        self._closed = False

    async def begin_incarnation(self, above: int = 0) -> int:
        return (
            await self._ask(encode_message(frames.BeginIncarnation(above)), frames.Number)
        ).number

    async def fence(self, incarnations: Sequence[int]) -> None:
        await self._ask(encode_message(frames.Fence(tuple(incarnations))), frames.Done)

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        return (await self._read(frames.Get(tuple(keys)), frames.Rows)).rows

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return None

    async def scan(self, scan: Scan) -> ScanPage:
        return (await self._read(scan, frames.Page)).page

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        check_scans(scans)
        return (await self._read(frames.Scans(tuple(scans)), frames.Pages)).pages

    async def commit(self, commit: Commit) -> int:
        message = _encoded(commit)
        connection = self._usable() or await self._connected()
        answer = await connection.ask(message)
        if type(answer) is int:  # the revision, told with others
            return answer
        return self._checked(answer, frames.Number).number

    async def outcome(self, token: Token) -> Outcome:
        return (await self._ask(encode_message(frames.AskOutcome(token)), frames.Became)).outcome

    async def close(self) -> None:
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            self._reconnecting = None
        if self._connection is not None:
            await self._connection.finish()

    async def _read(self, request: Request, answer_type: type[_A]) -> _A:
        """Ask, again and again while answers are lost: a read may be done twice."""
        message = encode_message(request)
        deadline = self._clock.seconds() + READ_SECONDS_MAX
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                return await self._ask(message, answer_type)
            except AnswerLost:
                if self._clock.seconds() >= deadline:
                    raise
            await deferLater(self._clock, pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)

    async def _ask(self, message: bytes, answer_type: type[_A]) -> _A:
        connection = self._usable() or await self._connected()
        return self._checked(await connection.ask(message), answer_type)

    def _usable(self) -> _Connection | None:
        """The connection, if there is one."""
        if self._closed:
            raise StoreFailed("the metadata store is closed")
        connection = self._connection
        return None if connection is None or connection.lost else connection

    def _checked(self, answer: Answer | int, answer_type: type[_A]) -> _A:
        if isinstance(answer, answer_type):
            return answer
        if isinstance(answer, frames.Failure):
            error = frames.to_error(answer)
            if isinstance(error, Fenced):
                self._on_fenced(error)
            raise error
        raise AnswerLost(f"the owner answered with {answer!r}, not {answer_type.__name__}")

    # The connection

    def _connected(self) -> Deferred[_Connection]:
        """The connection, from the one attempt that all callers share."""
        if len(self._connecting) >= frames.IN_FLIGHT_MAX:
            raise StoreBusy(f"{frames.IN_FLIGHT_MAX} calls wait for the metadata owner")
        waiter: Deferred[_Connection] = Deferred()
        self._connecting.append(waiter)
        if len(self._connecting) == 1:
            Deferred.fromCoroutine(self._connect())
        return waiter

    async def _connect(self) -> None:
        connection = _Connection(self._clock, self._epoch, self._lost)
        try:
            await self._endpoint.connect(_Once(connection))
        except Exception as error:  # whatever it is, the owner is out of reach
            self._lost()
            for waiter in self._taken_waiters():
                waiter.errback(AnswerLost(f"cannot reach the metadata owner: {error}"))
            return
        self._connection = connection
        if self._incarnation is not None:
            connection.tell(frames.Hello(self._incarnation))
        for waiter in self._taken_waiters():
            waiter.callback(connection)
        if self._closed:
            connection.finish()

    def _taken_waiters(self) -> list[Deferred[_Connection]]:
        waiters, self._connecting = self._connecting, []
        return waiters

    def _lost(self) -> None:
        if self._incarnation is not None and self._reconnecting is None and not self._closed:
            self._reconnecting = self._clock.callLater(RETRY_SECONDS_MAX, self._reconnect)

    def _reconnect(self) -> None:
        self._reconnecting = None
        connected = self._connection is not None and not self._connection.lost
        if not connected and not self._connecting:
            self._connected().addErrback(lambda failure: None)  # `_lost` tries again

    async def _epoch(self, connection: _Connection, epoch: Epoch) -> None:
        if self._reads_over is not None:
            await self._reads_over()
        connection.tell(frames.EpochOver(epoch.number))


class _Once(Factory):
    """For one connection, of which nothing is logged."""

    noisy = False

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: object) -> _Connection:  # noqa: N802
        return self._connection


class _Connection(Protocol):
    transport: ITCPTransport
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        epoch: Callable[[_Connection, Epoch], Coroutine[Deferred[Any], Any, None]],
        on_lost: Callable[[], object],
    ) -> None:
        self.lost = False
        self._clock = clock
        self._epoch = epoch
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._waiting: dict[int, Deferred[Answer | int]] = {}
        self._last_id = frames.TOLD
        self._overdue_id = self._due_id = frames.TOLD
        self._looking: IDelayedCall | None = None
        self._finishing: list[Deferred[None]] = []

    def connectionMade(self) -> None:  # noqa: N802
        self._outbox = Outbox(self.transport, self._clock)

    def ask(self, message: bytes) -> Deferred[Answer | int]:
        """Send a request; its caller may cancel the Deferred, which disturbs nobody."""
        if self.lost or self._finishing:
            raise AnswerLost("the connection to the metadata owner was lost")
        if len(self._waiting) >= frames.IN_FLIGHT_MAX:
            raise StoreBusy(f"{frames.IN_FLIGHT_MAX} calls wait for the metadata owner")
        self._last_id = request_id = self._last_id + 1
        answer = self._waiting[request_id] = Deferred()
        if self._looking is None:
            self._looking = self._clock.callLater(PATIENCE_SECONDS, self._give_up_overdue)
        self._outbox.put(frames.frame(request_id, message))
        return answer

    def tell(self, told: Told) -> None:
        """Send what has no answer; after the connection was lost, nothing."""
        if not self.lost:
            self._outbox.put(frames.frame(frames.TOLD, encode_message(told)))

    def finish(self) -> Deferred[None]:
        """Close the connection when every request is answered; fires when it is closed."""
        finished: Deferred[None] = Deferred()
        if self.lost:
            finished.callback(None)
            return finished
        if not self._finishing:
            giving_up = self._clock.callLater(CLOSE_SECONDS_MAX, self.transport.abortConnection)
            finished.addCallback(lambda _: giving_up.cancel() if giving_up.active() else None)
        self._finishing.append(finished)
        self._close_if_finished()
        return finished

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        try:
            for request_id, message in self._reader.feed(data):
                answer = frames.decode_answer(message)
                if isinstance(answer, frames.Committed):
                    self._committed(answer.revisions)
                elif isinstance(answer, Epoch):
                    Deferred.fromCoroutine(self._epoch(self, answer))
                elif (waiting := self._waiting.pop(request_id, None)) is not None:
                    waiting.callback(answer)
        except (frames.FrameTooLong, msgspec.MsgspecError) as error:
            self._log.error("the metadata owner sends nonsense: {error}", error=error)
            self.transport.loseConnection()
        if self._finishing:
            self._close_if_finished()

    def _committed(self, revisions: dict[int, int]) -> None:
        waiting = self._waiting
        for request_id, revision in revisions.items():
            if (commit := waiting.pop(request_id, None)) is not None:
                commit.callback(revision)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self.lost = True
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._on_lost()
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.errback(AnswerLost("the connection to the metadata owner was lost"))
        for finished in self._finishing:
            finished.callback(None)

    def _give_up_overdue(self) -> None:
        """Called every `PATIENCE_SECONDS` while there are calls, so that none costs a timer of
        its own."""
        self._looking = None
        for request_id in [n for n in self._waiting if n <= self._overdue_id]:
            self._waiting.pop(request_id).errback(AnswerLost("the metadata owner does not answer"))
        self._overdue_id, self._due_id = self._due_id, self._last_id
        if self._waiting and self._looking is None:
            self._looking = self._clock.callLater(PATIENCE_SECONDS, self._give_up_overdue)
        if self._finishing:
            self._close_if_finished()

    def _close_if_finished(self) -> None:
        if not self._waiting:
            self._outbox.send()
            self.transport.loseConnection()


def _encoded(commit: Commit) -> bytes:
    """A commit for its way to the owner, who checks it: here is only looked at what could not
    be sent. Raises `CommitInvalid`."""
    try:
        message = encode_message(frames.Apply(commit))
    except OverflowError:
        check_commit(commit)
        raise
    if len(message) > COMMIT_BYTES_MAX:
        check_commit(commit)
    return message
