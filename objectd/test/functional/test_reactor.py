"""The children's reactor, with Twisted's own as the oracle, and Twisted's tests of descriptors."""

from __future__ import annotations

import socket
import struct
from itertools import product
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHalfCloseableProtocol, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.internet.test.test_core import SystemEventTestsBuilder
from twisted.internet.test.test_fdset import ReactorFDSetTestsBuilder
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from typing_extensions import override
from zope.interface import implementer

from objectd.process.reactor import QuietEPollReactor
from objectd.service.child import QUIETER

ANSWER = bytes(range(256)) * 10_000
"""More than a socket takes at once, so that it is written by the reactor."""

_RESET = struct.pack("ii", 1, 0)


class Fault(Exception):
    """What a protocol raises here."""


@implementer(IHalfCloseableProtocol)
class Recording(Protocol):
    """Writes down what it is told, answers the first data, and raises where it is asked to."""

    transport: ITCPTransport

    def __init__(self, reactor: Any, fails_in: str) -> None:
        self._reactor = reactor
        self._fails_in = fails_in
        self.events: list[object] = []

    def _told(self, name: str, detail: object = None) -> None:
        self.events.append((name, detail))
        if name == "connectionLost":
            self._reactor.callLater(0, self._reactor.stop)
        if name == self._fails_in:
            raise Fault

    @override
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(ANSWER)
        self._told("dataReceived", data)

    def readConnectionLost(self) -> None:
        self.transport.loseConnection()
        self._told("readConnectionLost")

    def writeConnectionLost(self) -> None:
        self._told("writeConnectionLost")

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._told("connectionLost", reason.type)


class SameEvents(ReactorBuilder, SynchronousTestCase):
    def _seen(self, reactor_type: Any, fails_in: str, ending: str) -> tuple[object, ...]:
        """What a protocol is told, what its client gets, and which errors are logged."""
        self.reactorFactory = reactor_type
        reactor: Any = self.buildReactor()
        protocol = Recording(reactor, fails_in)
        factory = ServerFactory.forProtocol(lambda: protocol)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with socket.create_connection(("127.0.0.1", port.getHost().port)) as client:
            client.sendall(b"data")
            if ending == "half":
                client.shutdown(socket.SHUT_WR)
            elif ending == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            if ending != "half":
                client.close()
            else:
                client.setblocking(False)
                reactor.callLater(0, self._take, reactor, client)
            self.runReactor(reactor, timeout=30)
        return protocol.events, [each.type for each in self.flushLoggedErrors()]

    def _take(self, reactor: Any, client: socket.socket) -> None:
        try:
            while client.recv(1 << 20):
                pass
        except BlockingIOError:
            reactor.callLater(0, self._take, reactor, client)
        except OSError:
            pass

    def test_children_have_it(self) -> None:
        """A child runs on it where the first process has Twisted's."""
        self.assertEqual(QUIETER[EPollReactor.__module__], QuietEPollReactor.__module__)

    def test_every_end(self) -> None:
        """A protocol is told the same of each end of its connection, and what it raises is
        logged and ends the connection, as with Twisted's own reactor."""
        names = ("", "dataReceived", "readConnectionLost", "connectionLost")
        for case in product(names, ("close", "half", "reset")):
            expected = self._seen(EPollReactor, *case)
            self.assertEqual(expected, self._seen(QuietEPollReactor, *case), case)


class TurnTests(ReactorBuilder, SynchronousTestCase):
    reactorFactory = QuietEPollReactor  # noqa: N815

    def test_end_of_turn(self) -> None:
        """What is asked for in a turn is done once, before the reactor waits, and in the turn's
        order; what one of it raises is logged, and a call that it schedules is made in time."""
        reactor: Any = self.buildReactor()
        done: list[str] = []

        def fail() -> None:
            raise Fault

        def last() -> None:
            done.append("last")
            reactor.callLater(0, reactor.stop)

        def turn() -> None:
            reactor.at_end_of_turn(fail)
            reactor.at_end_of_turn(lambda: done.append("first"))
            reactor.at_end_of_turn(lambda: reactor.at_end_of_turn(last))
            done.append("turn")

        reactor.callLater(0, turn)
        self.runReactor(reactor, timeout=30)
        self.assertEqual(done, ["turn", "first", "last"])
        self.assertEqual(len(self.flushLoggedErrors(Fault)), 1)


class QuietFDSetTests(ReactorFDSetTestsBuilder, SynchronousTestCase):
    reactorFactory = QuietEPollReactor  # noqa: N815

    def test_lostFileDescriptor(self) -> None:
        """Epoll does not tell of these: Twisted skips this for its own reactor, by its name."""
        self.patch(self, "reactorFactory", EPollReactor)
        self.assertRaises(SkipTest, super().test_lostFileDescriptor)


class QuietSystemEventTests(SystemEventTestsBuilder, SynchronousTestCase):
    reactorFactory = QuietEPollReactor  # noqa: N815
