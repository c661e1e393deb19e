"""What a turn of the reactor sends to the other process."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from objectd.interfaces import ITurns
from objectd.metadata.outbox import Outbox


class Socket(FileDescriptor):
    """Takes so many bytes a system call."""

    connected = 1
    takes_bytes = 1 << 20

    def __init__(self) -> None:
        super().__init__(MemoryReactorClock())
        self.sent: list[bytes] = []
        self.socket = self

    def writeSomeData(self, data: bytes) -> int:
        return self.send(data)

    def send(self, data: bytes) -> int:
        self.sent.append(bytes(data[: self.takes_bytes]))
        return len(self.sent[-1])


@implementer(ITurns)
class Turns:
    def __init__(self) -> None:
        self.ends: list[Callable[[], object]] = []

    def at_end_of_turn(self, call: Callable[[], object]) -> None:
        self.ends.append(call)

    def end(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            end()


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.socket, self.turns = Socket(), Turns()
        self.outbox = Outbox(self.socket, self.turns)

    def put(self, *frames: bytes) -> None:
        for frame in frames:
            self.outbox.put(frame)

    def test_together(self) -> None:
        """The frames of a turn go with one system call at its end, in order."""
        self.put(b"1", b"2", b"3")
        self.assertEqual(self.socket.sent, [])
        self.turns.end()
        self.put(b"4")
        self.turns.end()
        self.turns.end()
        self.assertEqual(self.socket.sent, [b"123", b"4"])

    def test_at_once(self) -> None:
        """What must not wait for the end goes before it, and once."""
        self.put(b"1")
        self.outbox.send()
        self.put(b"2")
        self.turns.end()
        self.turns.end()
        self.assertEqual(self.socket.sent, [b"1", b"2"])

    def test_full(self) -> None:
        """What the socket does not take goes from Twisted's buffer, before all that follows."""
        self.socket.takes_bytes = 2
        self.put(b"123", b"45")
        self.turns.end()
        self.put(b"6")
        self.turns.end()
        self.socket.takes_bytes = 10
        self.socket.doWrite()
        self.assertEqual(b"".join(self.socket.sent), b"123456")

    def test_after_the_end(self) -> None:
        """Nothing is sent on a connection that was lost."""
        self.put(b"1")
        self.socket.connected = 0
        self.turns.end()
        self.assertEqual(self.socket.sent, [])

    def test_no_turns(self) -> None:
        """With another reactor each frame goes the way of Twisted's transports."""
        self.outbox = Outbox(self.socket, MemoryReactorClock())
        self.put(b"1", b"2")
        self.assertEqual(self.socket.sent, [])
        self.socket.doWrite()
        self.assertEqual(self.socket.sent, [b"12"])
