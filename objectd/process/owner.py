"""The metadata owner's side of its socket: serves any `IMetadataStore` to other processes."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import msgspec
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from objectd.errors import ObjectdError, StoreFailed
from objectd.interfaces import ICommitGroups, IMetadataStore, Scan
from objectd.metadata import frames
from objectd.metadata.frames import Answer, FrameReader, Request, Told
from objectd.metadata.outbox import Outbox
from objectd.process.epochs import Epochs

_Work = Coroutine[Deferred[Any], Any, Answer]


class OwnerFactory(Factory):
    """Builds the protocol of each connection to one store, which stays open behind them."""

    noisy = False

    def __init__(
        self, store: IMetadataStore, epochs: Epochs | None = None, *, turns: object = None
    ) -> None:
        """`turns` is the reactor, which may tell of its turns (`ITurns`)."""
        self._store = store
        self._epochs = epochs or Epochs(store)
        self._turns = turns

    def buildProtocol(self, addr: object) -> OwnerProtocol:  # noqa: N802
        return OwnerProtocol(self._store, self._epochs, self._turns)


@implementer(IPushProducer)
class OwnerProtocol(Protocol):
    """Answers the requests of one connection, each as soon as it can.

    It stops reading while `frames.IN_FLIGHT_MAX` requests are under way or the other end
    does not take its answers. When the connection goes, reads under way are cancelled and
    everything else runs to its end. What can be answered at once, as most reads can, takes no
    Deferred; commits that came together wait together; and the answers of one turn of the
    reactor go together.
    """

    transport: FileDescriptor
    _log = Logger()

    def __init__(self, store: IMetadataStore, epochs: Epochs, turns: object) -> None:
        self._store = store
        self._groups = store if ICommitGroups.providedBy(store) else None
        self._epochs = epochs
        self._turns = turns
        self._incarnation: int | None = None
        self._reader = FrameReader()
        self._under_way: dict[int, Deferred[None] | None] = {}
        self._connected = True
        self._reading = True
        self._answers_pile_up = False

    def connectionMade(self) -> None:  # noqa: N802
        self.transport.registerProducer(self, True)
        self._outbox = Outbox(self.transport, self._turns)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        taken: dict[int, int] = {}
        try:
            for request_id, message in self._reader.feed(data):
                request = frames.decode_request(message)
                if self._take(request_id, request, taken):
                    continue
                if request_id == frames.TOLD or isinstance(request, Told):
                    self._hear(request)
                else:
                    self._begin(request_id, request)
        except (frames.FrameTooLong, msgspec.MsgspecError) as error:
            self._log.error("a client of the metadata owner sends nonsense: {error}", error=error)
            self._outbox.send()
            self.transport.loseConnection()
        finally:
            if taken:
                self._await_taken(taken)
        self._read_or_wait()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._connected = False
        if self._incarnation is not None:
            self._epochs.lost(self._incarnation, self._ask_epoch)
        for answering in list(self._under_way.values()):
            if answering is not None:
                answering.cancel()

    def pauseProducing(self) -> None:  # noqa: N802
        self._answers_pile_up = True
        self._read_or_wait()

    def resumeProducing(self) -> None:  # noqa: N802
        self._answers_pile_up = False
        self._read_or_wait()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection goes: `connectionLost` follows."""

    # Epochs

    def _hear(self, told: Request | Told) -> None:
        match told:
            case frames.Hello():
                self._incarnation = told.incarnation
                self._epochs.connected(told.incarnation, self._ask_epoch)
            case frames.EpochOver() if self._incarnation is not None:
                self._epochs.answered(self._incarnation, told.number)
            case _:
                raise msgspec.ValidationError(f"{type(told).__name__} in the wrong place")

    def _ask_epoch(self, number: int) -> None:
        if self._connected:
            self._send(frames.TOLD, frames.encode_message(frames.Epoch(number)))

    # Commits in groups

    def _take(self, request_id: int, request: Request | Told, taken: dict[int, int]) -> bool:
        """Whether it is a commit that was taken, or has its answer."""
        if type(request) is not frames.Apply or self._groups is None or request_id == frames.TOLD:
            return False
        try:
            revision = self._groups.take(request.commit)
        except Exception as error:
            self._answer(request_id, self._refusal(request, error))
            return True
        if revision is None:
            return False
        taken[request_id] = revision
        self._under_way[request_id] = None
        return True

    def _await_taken(self, taken: dict[int, int]) -> None:
        groups = self._groups
        if groups is not None:
            groups.taken().addCallbacks(
                self._committed, self._not_committed, callbackArgs=(taken,), errbackArgs=(taken,)
            )

    def _committed(self, result: None, taken: dict[int, int]) -> None:
        for request_id in taken:
            del self._under_way[request_id]
        if self._connected:
            self._send(frames.TOLD, frames.encode_message(frames.Committed(taken)))
            self._read_or_wait()

    def _not_committed(self, failure: Failure, taken: dict[int, int]) -> None:
        error: Any = failure.value
        refusal = self._refusal("a group of commits", error)
        for request_id in taken:
            del self._under_way[request_id]
            if self._connected:
                self._answer(request_id, refusal)
        self._read_or_wait()

    # Requests

    def _begin(self, request_id: int, request: Request) -> None:
        if type(request) is frames.Get and self._read(request_id, request):
            return
        work = self._result(request)
        try:
            waited = work.send(None)
        except StopIteration as done:
            self._answer(request_id, done.value)
        except Exception as error:
            self._answer(request_id, self._refusal(request, error))
        else:
            self._wait(request_id, request, work, waited)

    def _read(self, request_id: int, request: frames.Get) -> bool:
        """Whether the rows could be told at once, as most can, or have failed to be read."""
        try:
            rows = self._store.known(request.keys)
        except Exception as error:
            self._answer(request_id, self._refusal(request, error))
            return True
        if rows is not None:
            self._answer(request_id, frames.Rows(rows))
        return rows is not None

    def _wait(self, request_id: int, request: Request, work: _Work, waited: Deferred[Any]) -> None:
        is_read = isinstance(request, frames.Get | Scan | frames.Scans)
        self._under_way[request_id] = waited if is_read else None
        waited.addBoth(self._go_on, request_id, request, work)

    def _go_on(self, result: Any, request_id: int, request: Request, work: _Work) -> None:
        """What the work waited for is there, or has failed."""
        try:
            failed = isinstance(result, Failure)
            waited = work.throw(result.value) if failed else work.send(result)
        except StopIteration as done:
            answer: Answer = done.value
        except CancelledError:
            del self._under_way[request_id]
            return
        except Exception as error:
            answer = self._refusal(request, error)
        else:
            self._wait(request_id, request, work, waited)
            return
        del self._under_way[request_id]
        if self._connected:
            self._answer(request_id, answer)
            self._read_or_wait()

    def _refusal(self, request: Request | str, error: Exception) -> frames.Failure:
        if not isinstance(error, ObjectdError):  # a bug: the asker must know that it knows nothing
            self._log.failure("the metadata store failed at {request}", request=request)
        return frames.from_error(error)

    async def _result(self, request: Request) -> Answer:
        store = self._store
        match request:
            case frames.Get():
                return frames.Rows(await store.get(request.keys))
            case frames.Apply():
                return frames.Number(await store.commit(request.commit))
            case Scan():
                return frames.Page(await store.scan(request))
            case frames.Scans():
                return frames.Pages(await store.scans(request.scans))
            case frames.AskOutcome():
                return frames.Became(await store.outcome(request.token))
            case frames.BeginIncarnation():
                return frames.Number(await store.begin_incarnation(request.above))
            case frames.Fence():
                await store.fence(request.incarnations)
                return frames.Done()

    def _answer(self, request_id: int, answer: Answer) -> None:
        message = frames.encode_message(answer)
        if len(message) > frames.FRAME_BYTES_MAX - 8:
            error = StoreFailed(f"an answer of {len(message)} bytes: ask for fewer rows at once")
            message = frames.encode_message(frames.from_error(error))
        self._send(request_id, message)

    def _send(self, request_id: int, message: bytes) -> None:
        self._outbox.put(frames.frame(request_id, message))

    def _read_or_wait(self) -> None:
        room = len(self._under_way) < frames.IN_FLIGHT_MAX and not self._answers_pile_up
        if room == self._reading or not self._connected:
            return
        self._reading = room
        if room:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()
