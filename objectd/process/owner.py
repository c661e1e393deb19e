"""The metadata owner's side of its socket: serves any `IMetadataStore` to other processes."""

from __future__ import annotations

import msgspec
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from objectd.errors import ObjectdError, StoreFailed
from objectd.interfaces import IMetadataStore
from objectd.metadata import frames
from objectd.metadata.frames import Answer, FrameReader, Request
from objectd.metadata.scanning import Scan


class OwnerFactory(Factory):
    """Builds the protocol of each connection to one store, which stays open behind them."""

    noisy = False

    def __init__(self, store: IMetadataStore) -> None:
        self._store = store

    def buildProtocol(self, addr: object) -> OwnerProtocol:  # noqa: N802
        return OwnerProtocol(self._store)


@implementer(IPushProducer)
class OwnerProtocol(Protocol):
    """Answers the requests of one connection, each as soon as it can.

    It stops reading while `frames.IN_FLIGHT_MAX` requests are under way or the other end
    does not take its answers. When the connection goes, reads under way are cancelled and
    commits run to their end.
    """

    transport: FileDescriptor
    _log = Logger()

    def __init__(self, store: IMetadataStore) -> None:
        self._store = store
        self._reader = FrameReader()
        self._under_way: dict[int, Deferred[None]] = {}
        self._connected = True
        self._reading = True
        self._answers_pile_up = False

    def connectionMade(self) -> None:  # noqa: N802
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        try:
            for request_id, message in self._reader.feed(data):
                self._begin(request_id, frames.decode_request(message))
        except (frames.FrameTooLong, msgspec.MsgspecError) as error:
            self._log.error("a client of the metadata owner sends nonsense: {error}", error=error)
            self.transport.loseConnection()
            return
        self._read_or_wait()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._connected = False
        for answering in list(self._under_way.values()):
            answering.cancel()

    def pauseProducing(self) -> None:  # noqa: N802
        self._answers_pile_up = True
        self._read_or_wait()

    def resumeProducing(self) -> None:  # noqa: N802
        self._answers_pile_up = False
        self._read_or_wait()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection goes: `connectionLost` follows."""

    def _begin(self, request_id: int, request: Request) -> None:
        answering = Deferred.fromCoroutine(self._answer(request_id, request))
        if not answering.called:
            self._under_way[request_id] = answering

    async def _answer(self, request_id: int, request: Request) -> None:
        try:
            message = frames.encode_message(await self._result(request))
        except CancelledError:
            return
        except ObjectdError as error:
            message = frames.encode_message(frames.from_error(error))
        except Exception as error:  # a bug: the asker must know that it knows nothing
            self._log.failure("the metadata store failed at {request}", request=request)
            message = frames.encode_message(frames.from_error(error))
        self._under_way.pop(request_id, None)
        if self._connected:
            self._send(request_id, message)
            self._read_or_wait()

    async def _result(self, request: Request) -> Answer:
        store = self._store
        match request:
            case frames.Get():
                return frames.Rows(await store.get(request.keys))
            case frames.Apply():
                return frames.Number(await store.commit(request.commit))
            case Scan():
                return frames.Page(
                    await store.scan(
                        request.start,
                        request.stop,
                        limit=request.limit,
                        reverse=request.reverse,
                        prefix=request.prefix,
                        delimiter=request.delimiter,
                        head_bytes=request.head_bytes,
                    )
                )
            case frames.AskOutcome():
                return frames.Became(await store.outcome(request.token))
            case frames.BeginIncarnation():
                return frames.Number(await store.begin_incarnation(request.above))
            case frames.Fence():
                await store.fence(request.incarnations)
                return frames.Done()

    def _send(self, request_id: int, message: bytes) -> None:
        if len(message) > frames.FRAME_BYTES_MAX - 8:
            error = StoreFailed(f"an answer of {len(message)} bytes: ask for fewer rows at once")
            message = frames.encode_message(frames.from_error(error))
        self.transport.write(frames.frame(request_id, message))

    def _read_or_wait(self) -> None:
        room = len(self._under_way) < frames.IN_FLIGHT_MAX and not self._answers_pile_up
        if room == self._reading or not self._connected:
            return
        self._reading = room
        if room:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()
