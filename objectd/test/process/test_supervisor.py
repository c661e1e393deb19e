"""The supervisor with children that exist in memory only, and a clock."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from objectd.process import control
from objectd.process.children import Child, ChildFailed
from objectd.process.control import Begin, Command, Event, Frames, encode
from objectd.process.supervisor import (
    DEATHS_MAX,
    PING_SECONDS,
    PINGS_MAX,
    READY_SECONDS_MAX,
    WORKER_STOP_SECONDS,
    Supervisor,
    restart_delay,
)

KILL = 9


@attrs.define(eq=False)
class Process:
    """The transport of a child: what it was told, and how it ends."""

    child: Child
    sockets: Sequence[int]
    lives: bool = True
    heard: list[Command] = attrs.Factory(list)
    _frames: Frames[Command] = attrs.field(
        factory=lambda: Frames(control.decode_command), init=False
    )

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        self.heard += self._frames.feed(data)

    def signalProcess(self, number: int) -> None:
        self.die(number)

    def tell(self, event: Event) -> None:
        self.child.childDataReceived(control.EVENTS, encode(event))

    def die(self, number: int = KILL) -> None:
        self._end(ProcessTerminated(signal=number))

    def end(self) -> None:
        self._end(ProcessDone(0))

    def fail(self, message: str) -> None:
        self.tell(control.Failed(message))
        self._end(ProcessTerminated(exitCode=1))

    def _end(self, how: Exception) -> None:
        self.lives = False
        self.child.processEnded(Failure(how))


class Supervising(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.processes: list[Process] = []
        self.announced: list[str] = []
        self.given_up: list[Exception] = []
        self.incarnation = 100
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)
        self.supervisor = Supervisor(
            [50],
            [[10, 20], [11, 21]],
            spawn=self.spawn,
            begin=self.begin,
            clock=self.clock,
            announce=self.announced.append,
            give_up=self.given_up.append,
        )
        self.starting = Deferred.fromCoroutine(self.supervisor.start())

    def spawn(self, child: Child, sockets: Sequence[int]) -> None:
        process = Process(child, sockets)
        child.transport = process  # type: ignore[assignment]  # it has all that is used
        self.processes.append(process)

    def begin(self, role: str, living: Sequence[int]) -> Begin:
        return Begin(role, b"", "/data", (), 2, tuple(living))

    def alive(self, role: str) -> list[Process]:
        return [each for each in self.processes if each.lives and each.child.role == role]

    @property
    def owner(self) -> Process:
        [owner] = self.alive(control.OWNER)
        return owner

    def workers(self) -> list[Process]:
        return self.alive(control.WORKER)

    def take_all(self) -> None:
        """The owner does what it was asked for."""
        heard, self.owner.heard[:] = list(self.owner.heard), []
        for command in heard:
            if isinstance(command, control.TakeIncarnation):
                self.incarnation += 1
                self.owner.tell(control.Incarnation(self.incarnation))
            elif isinstance(command, control.Fence):
                self.owner.tell(control.Fenced(command.incarnation))

    def start(self) -> None:
        self.owner.tell(control.Ready())
        self.take_all()
        for worker in self.workers():
            worker.tell(control.Ready())
        self.successResultOf(self.starting)

    def test_start(self) -> None:
        """All are spawned at once; the workers are numbered when the owner is ready; when all
        are ready, the start is over."""
        self.assertEqual([[50], [10, 20], [11, 21]], [each.sockets for each in self.processes])
        first, second = self.workers()
        self.assertEqual([self.begin("worker", [])], first.heard)
        self.owner.tell(control.Announce("a key"))
        self.owner.tell(control.Ready())
        self.take_all()
        self.assertEqual([control.Incarnation(101)], first.heard[1:])
        self.assertEqual([control.Incarnation(102)], second.heard[1:])
        first.tell(control.Ready())
        self.assertNoResult(self.starting)
        second.tell(control.Ready())
        self.successResultOf(self.starting)
        self.assertEqual(["a key"], self.announced)

    def test_start_fails(self) -> None:
        """The first that cannot start says why, for all."""
        self.owner.fail("the disk is damaged")
        error = self.failureResultOf(self.starting, ChildFailed)
        self.assertEqual("the disk is damaged", str(error.value))

    def test_worker_dies(self) -> None:
        """It is replaced at once on its sockets, under a new incarnation; its old is fenced."""
        self.start()
        self.workers()[0].die()
        self.clock.advance(0)
        successor = self.workers()[-1]
        self.assertEqual([10, 20], successor.sockets)
        self.assertEqual([control.Fence(101), control.TakeIncarnation()], self.owner.heard)
        self.take_all()
        self.assertEqual([control.Incarnation(103)], successor.heard[1:])

    def test_owner_dies(self) -> None:
        """Its successor is told who lives, and asked for all that was not done."""
        self.start()
        dead = self.owner
        self.workers()[0].die()
        self.clock.advance(0)
        self.assertEqual([control.Fence(101), control.TakeIncarnation()], dead.heard[-2:])
        dead.die()
        self.clock.advance(0)
        self.assertEqual([self.begin("owner", [102])], self.owner.heard)
        self.owner.tell(control.Ready())
        asked = self.owner.heard[1:]
        self.assertEqual({control.Fence(101), control.TakeIncarnation()}, set(asked))

    def test_number_for_nobody(self) -> None:
        """An incarnation that was taken for a worker that died meanwhile is fenced."""
        self.owner.tell(control.Ready())
        for worker in self.workers():
            worker.die()
        self.owner.tell(control.Incarnation(101))
        self.assertIn(control.Fence(101), self.owner.heard)

    def test_dies_again_and_again(self) -> None:
        """The pauses grow, and after some deaths in a row it is given up."""
        self.start()
        for death in range(1, DEATHS_MAX):
            self.workers()[-1].die()
            before = len(self.processes)
            if restart_delay(death):
                self.clock.advance(restart_delay(death) - 0.01)
                self.assertEqual(before, len(self.processes))
            self.clock.advance(0.02)
            self.assertEqual(before + 1, len(self.processes))
        self.assertEqual([], self.given_up)
        self.workers()[-1].die()
        [error] = self.given_up
        self.assertIn("worker-2 died of signal 9", str(error))

    def test_settled(self) -> None:
        """Who was ready for a while has not died in a row."""
        self.start()
        for _ in range(2 * DEATHS_MAX):
            self.clock.advance(2)
            self.workers()[-1].die()
            self.clock.advance(0)
            self.take_all()
            self.workers()[-1].tell(control.Ready())
        self.assertEqual([], self.given_up)

    def test_never_ready(self) -> None:
        """Who hangs while it starts is killed."""
        owner = self.owner
        self.clock.advance(READY_SECONDS_MAX)
        self.assertFalse(owner.lives)

    def test_stuck(self) -> None:
        """Who does not answer pings any more is killed and replaced; who does is not."""
        self.start()
        stuck, well = self.workers()
        for _ in range(PINGS_MAX + 1):
            self.assertTrue(stuck.lives)
            self.clock.advance(PING_SECONDS)
            for each in (self.owner, well):
                each.tell(control.Pong())
        self.assertFalse(stuck.lives)
        self.assertTrue(well.lives)

    def test_replace(self) -> None:
        """Workers are replaced one after the other, and retire when their successors are
        ready, which is not taken for a death."""
        self.start()
        first, second = self.workers()
        replacing = Deferred.fromCoroutine(self.supervisor.replace_workers())
        self.take_all()
        third = self.workers()[-1]
        self.assertEqual([10, 20], third.sockets)
        self.assertNotIn(control.Stop(None), first.heard)
        third.tell(control.Ready())
        self.assertEqual(control.Stop(None), first.heard[-1])
        self.assertNotIn(control.Stop(None), second.heard)
        self.take_all()
        self.workers()[-1].tell(control.Ready())
        self.successResultOf(replacing)
        first.end()
        second.end()
        self.clock.advance(1)
        self.assertEqual(2, len(self.workers()))
        self.assertIn(control.Fence(101), self.owner.heard)

    def test_replacement_fails(self) -> None:
        """The first successor that cannot start leaves the others as they are."""
        self.start()
        before = self.workers()
        replacing = Deferred.fromCoroutine(self.supervisor.replace_workers())
        self.workers()[-1].fail("no such certificate")
        self.failureResultOf(replacing, ChildFailed)
        self.clock.advance(1)
        self.assertEqual(before, self.workers())

    def test_stop(self) -> None:
        """The workers are stopped first, and then the owner."""
        self.start()
        stopping = Deferred.fromCoroutine(self.supervisor.stop(7.0))
        for worker in self.workers():
            self.assertEqual(control.Stop(7.0), worker.heard[-1])
            self.assertNotIn(control.Stop(0.0), self.owner.heard)
            worker.end()
        self.assertEqual(control.Stop(0.0), self.owner.heard[-1])
        self.owner.end()
        self.successResultOf(stopping)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stop_of_the_stuck(self) -> None:
        """Who has not ended in time is killed."""
        self.start()
        stopping = Deferred.fromCoroutine(self.supervisor.stop(7.0))
        self.clock.advance(7.0 + WORKER_STOP_SECONDS)
        self.assertEqual([], self.workers())
        self.owner.end()
        self.successResultOf(stopping)

    def test_stop_while_replacing(self) -> None:
        """Nobody is spawned once the server stops."""
        self.start()
        replacing = Deferred.fromCoroutine(self.supervisor.replace_workers())
        stopping = Deferred.fromCoroutine(self.supervisor.stop(7.0))
        spawned = len(self.processes)
        self.assertEqual(control.Stop(7.0), self.workers()[-1].heard[-1])
        self.workers()[-1].tell(control.Ready())
        for worker in self.workers():
            worker.end()
        self.owner.end()
        self.successResultOf(stopping)
        self.successResultOf(replacing)
        self.assertEqual(spawned, len(self.processes))

    def test_stop_while_starting(self) -> None:
        """A start that is cut short leaves nobody behind."""
        self.starting.cancel()
        self.failureResultOf(self.starting)
        stopping = Deferred.fromCoroutine(self.supervisor.stop(7.0))
        for process in list(self.processes):
            process.end()
        self.successResultOf(stopping)
        self.assertEqual([], self.clock.getDelayedCalls())


class Relaying(SynchronousTestCase):
    def test_lines(self) -> None:
        """What a child writes is logged in whole lines, as many at once as have come."""
        logged: list[str] = []
        child = Child(control.WORKER, "worker-1", _Nobody())
        child._log_lines = logged.append
        child.childDataReceived(2, b"one\ntw\xc3")
        child.childDataReceived(2, b"\xb6\nthree\nfour")
        child.processEnded(Failure(ProcessDone(0)))
        self.assertEqual(["one", "twö\nthree", "four"], logged)


class _Nobody:
    def told(self, child: Child, event: Event) -> None: ...

    def ended(self, child: Child, how: str) -> None: ...
