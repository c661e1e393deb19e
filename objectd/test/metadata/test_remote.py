"""A metadata store behind its owner's socket, connected in memory."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from objectd.errors import (
    AnswerLost,
    CommitInvalid,
    Conflict,
    CounterLimitReached,
    DamagedRecord,
    Fenced,
    ObjectdError,
    StoreBusy,
    StoreFailed,
    StoreFull,
    TokenReused,
)
from objectd.interfaces import (
    COMMIT_BYTES_MAX,
    Add,
    At,
    Commit,
    Expectation,
    Host,
    IMetadataStore,
    Present,
    Put,
    Row,
    Token,
)
from objectd.metadata import frames
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.memory import MemoryMetadata
from objectd.metadata.remote import (
    PATIENCE_SECONDS,
    READ_SECONDS_MAX,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
    RemoteMetadata,
)
from objectd.metadata.slots import Slots
from objectd.process.owner import OwnerFactory
from objectd.test.metadata.announced import GroupedMetadata
from objectd.testing.metadata import make_metadata_store_tests


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Connects to an owner's factory; bytes move when the clock goes on."""

    def __init__(self, factory: OwnerFactory, clock: Clock) -> None:
        self._factory = factory
        self._clock = clock
        self.pumps: list[iosim.IOPump] = []
        self.refusing = False

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        if self.refusing:
            return fail(ConnectError())
        client = protocolFactory.buildProtocol(iosim.FakeAddress())
        server = self._factory.buildProtocol(iosim.FakeAddress())
        assert client is not None
        pump = iosim.connect(
            server,
            iosim.FakeTransport(server, isServer=True),
            client,
            iosim.FakeTransport(client, isServer=False),
        )
        self.pumps.append(pump)
        self._pump(pump)
        return succeed(client)

    def lose(self) -> None:
        """Break the connection, with whatever is on its way."""
        pump = self.pumps.pop()
        for transport in (pump.clientIO, pump.serverIO):
            transport.getOutBuffer()
            transport.disconnecting = True
        pump.flush()

    def _pump(self, pump: iosim.IOPump) -> None:
        pump.flush()
        self._clock.callLater(0.001, self._pump, pump)


async def open_remote(host: Host) -> IMetadataStore:
    assert isinstance(host.clock, Clock)
    return RemoteMetadata(MemoryEndpoint(OwnerFactory(MemoryMetadata()), host.clock), host.clock)


RemoteMetadataTests = make_metadata_store_tests(
    f"{__name__}.RemoteMetadataTests", open_remote, durable=False
)


class SlowMetadata(MemoryMetadata):
    """Answers `get` when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Deferred[None]] = []
        self.cancelled = 0

    def known(self, keys: Any) -> None:
        """Nothing, without waiting."""

    async def get(self, keys: Any) -> list[Row | None]:
        waiting: Deferred[None] = Deferred(self._cancel)
        self.asked.append(waiting)
        await waiting
        return await super().get(keys)

    def _cancel(self, waiting: Deferred[None]) -> None:
        self.cancelled += 1


class SlowCommits(MemoryMetadata):
    """Applies a commit when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: Deferred[None] = Deferred()

    async def commit(self, commit: Commit) -> int:
        await self.waiting
        return await super().commit(commit)


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.backing = SlowMetadata()
        self.endpoint = MemoryEndpoint(OwnerFactory(self.backing), self.clock)
        self.store = RemoteMetadata(self.endpoint, self.clock)

    def begun(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        deferred = Deferred.fromCoroutine(coroutine)
        self.clock.advance(0.001)
        return deferred

    def test_answers_come_in_any_order(self) -> None:
        """A later request may be answered before an earlier one."""
        first = self.begun(self.store.get([b"a"]))
        second = self.begun(self.store.get([b"b", b"c"]))
        self.backing.asked[1].callback(None)
        self.clock.advance(0.001)
        self.assertEqual(self.successResultOf(second), [None, None])
        self.assertNoResult(first)
        self.backing.asked[0].callback(None)
        self.clock.advance(0.001)
        self.assertEqual(self.successResultOf(first), [None])

    def test_commits_that_cannot_be_sent(self) -> None:
        """A commit that does not fit into a frame is refused here, and nobody is asked."""
        token = Token(1, 1)
        for change in (Put(b"k", bytes(COMMIT_BYTES_MAX)), Add(b"c", 1 << 64)):
            refused = self.begun(self.store.commit(Commit(token, 1, (change,))))
            self.failureResultOf(refused, CommitInvalid)
        self.assertEqual(self.endpoint.pumps, [])

    def test_lost_connection(self) -> None:
        """A read whose answer was lost is sent again over a new connection."""
        lost = self.begun(self.store.get([b"a"]))
        self.endpoint.lose()
        self.assertNoResult(lost)
        self.clock.pump([RETRY_SECONDS_MIN, 0.001])
        self.backing.asked[-1].callback(None)
        self.clock.advance(0.001)
        self.assertEqual(self.successResultOf(lost), [None])

    def test_reads_are_tried_again_for_a_while(self) -> None:
        """A read fails with `AnswerLost` when its time is over, and not before."""
        self.endpoint.refusing = True
        get = self.begun(self.store.get([b"a"]))
        self.clock.pump([0.1] * int(READ_SECONDS_MAX / 0.1 - 1))
        self.assertNoResult(get)
        self.clock.pump([0.1] * int(RETRY_SECONDS_MAX / 0.1 + 2))
        self.failureResultOf(get, AnswerLost)

    def test_owner_that_does_not_answer(self) -> None:
        """What is not answered for long is lost, on a connection that is kept; an answer that
        comes too late is nobody's."""
        get = self.begun(self.store.get([b"a"]))
        self.clock.pump([PATIENCE_SECONDS, PATIENCE_SECONDS])
        self.assertEqual(len(self.backing.asked), 1)
        self.clock.pump([PATIENCE_SECONDS, 0.001])
        self.failureResultOf(get, AnswerLost)
        self.backing.asked[0].callback(None)
        self.clock.advance(0.001)
        self.assertEqual(self.successResultOf(self.begun(self.store.begin_incarnation())), 1)
        self.assertEqual(len(self.endpoint.pumps), 1)

    def test_lost_commit(self) -> None:
        """A commit whose answer is lost was applied all the same, and can be asked for."""
        number = self.successResultOf(self.begun(self.store.begin_incarnation()))
        token = Token(number, 1)
        commit = Deferred.fromCoroutine(self.store.commit(Commit(token, 1, (Put(b"k", b""),))))
        pump = self.endpoint.pumps[-1]
        pump.server.dataReceived(pump.clientIO.getOutBuffer())
        self.endpoint.lose()
        self.failureResultOf(commit, AnswerLost)
        outcome = self.successResultOf(self.begun(self.store.outcome(token)))
        self.assertGreater(outcome.revision, 0)

    def test_reads_of_a_lost_client_are_cancelled(self) -> None:
        """The owner stops reading for whoever is gone."""
        self.begun(self.store.get([b"a"]))
        self.endpoint.lose()
        self.assertEqual(self.backing.cancelled, 1)

    def test_commits_of_a_lost_client_are_not(self) -> None:
        """The owner carries on with a commit whose asker is gone, to its very end."""
        slow = SlowCommits()
        slots = Slots(bytearray(16))
        endpoint = MemoryEndpoint(OwnerFactory(AnnouncedMetadata(slow, slots)), self.clock)
        store = RemoteMetadata(endpoint, self.clock)
        number = self.successResultOf(self.begun(store.begin_incarnation()))
        commit = self.begun(store.commit(Commit(Token(number, 1), 1, (Put(b"okey", b""),))))
        endpoint.lose()
        self.failureResultOf(commit, AnswerLost)
        self.assertEqual(slots.words[1] % 2, 1)
        slow.waiting.callback(None)
        self.assertEqual(slots.words[1] % 2, 0)

    def test_owner_out_of_reach(self) -> None:
        """Where nobody listens the answer is `AnswerLost`, until somebody does."""
        self.endpoint.refusing = True
        self.failureResultOf(self.begun(self.store.begin_incarnation()), AnswerLost)
        self.endpoint.refusing = False
        self.successResultOf(self.begun(self.store.begin_incarnation()))

    def test_cancelled_caller_disturbs_nobody(self) -> None:
        """A cancelled call takes nothing with it, and its late answer is dropped."""
        cancelled, kept = (self.begun(self.store.get([key])) for key in (b"a", b"b"))
        cancelled.cancel()
        for waiting in self.backing.asked:
            waiting.callback(None)
        self.clock.advance(0.001)
        self.assertEqual(self.successResultOf(kept), [None])
        self.failureResultOf(cancelled)

    def test_in_flight_both_sides(self) -> None:
        """Up to `IN_FLIGHT_MAX` calls wait at a time; one more is refused at once."""
        waiting = [self.begun(self.store.get([b"a"])) for _ in range(frames.IN_FLIGHT_MAX)]
        self.failureResultOf(self.begun(self.store.get([b"a"])), StoreBusy)
        for asked in self.backing.asked:
            asked.callback(None)
        self.clock.advance(0.001)
        for deferred in waiting:
            self.assertEqual(self.successResultOf(deferred), [None])

    def test_close_waits_for_answers(self) -> None:
        """Close lets what is under way finish, then drops the connection."""
        get = self.begun(self.store.get([b"a"]))
        closing = self.begun(self.store.close())
        self.assertNoResult(closing)
        self.backing.asked[0].callback(None)
        self.clock.advance(0.001)
        self.assertEqual(self.successResultOf(get), [None])
        self.successResultOf(closing)
        self.failureResultOf(self.begun(self.store.get([b"a"])), StoreFailed)

    def test_nonsense_drops_the_connection(self) -> None:
        """A frame that is no request costs its sender the connection and nobody else."""
        get = self.begun(self.store.get([b"a"]))
        pump = self.endpoint.pumps[-1]
        pump.clientIO.write(frames.frame(9, b"nonsense"))
        self.clock.advance(0.001)
        self.assertTrue(pump.clientIO.disconnected)
        self.assertNoResult(get)


class GroupTests(SynchronousTestCase):
    """Commits that come together, to a store that takes groups."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.backing = GroupedMetadata()
        self.endpoint = MemoryEndpoint(OwnerFactory(self.backing), self.clock)
        self.store = RemoteMetadata(self.endpoint, self.clock)
        begun = Deferred.fromCoroutine(self.store.begin_incarnation())
        self.clock.advance(0.001)
        self.incarnation = self.successResultOf(begun)

    def commits(self, *expect: Expectation) -> list[Deferred[int]]:
        """Three, of which the second has expectations."""
        sent = [
            Commit(Token(self.incarnation, n), 0, (Put(b"%d" % n, b""),), expect * (n == 1))
            for n in range(3)
        ]
        answers = [Deferred.fromCoroutine(self.store.commit(each)) for each in sent]
        self.clock.advance(0.001)
        return answers

    def test_one_answer(self) -> None:
        """They are answered when all are durable, but for one that is refused."""
        first, refused, last = self.commits(Present(b"none"))
        self.failureResultOf(refused, Conflict)
        self.assertNoResult(first)
        [group] = self.backing.groups
        group.callback(None)
        self.clock.advance(0.001)
        revisions: list[int] = [self.successResultOf(first), self.successResultOf(last)]
        self.assertEqual(revisions, [2, 3])

    def test_failed(self) -> None:
        """Each is told if the store fails."""
        answers = self.commits()
        self.backing.groups[0].errback(StoreFailed("the disk"))
        self.clock.advance(0.001)
        for answer in answers:
            self.failureResultOf(answer, StoreFailed)

    def test_lost(self) -> None:
        """Who has gone is not told, and those who gave up disturb nobody."""
        given_up, *answers = self.commits()
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        self.endpoint.lose()
        for answer in answers:
            self.failureResultOf(answer, AnswerLost)
        self.backing.groups[0].callback(None)
        self.clock.advance(0.001)


class FrameTests(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=40)), st.integers(1, 30))
    def test_any_cut(self, messages: list[bytes], size: int) -> None:
        """Messages come out as they went in, however the stream is cut."""
        stream = b"".join(frames.frame(n, message) for n, message in enumerate(messages))
        reader = frames.FrameReader()
        found: list[tuple[int, bytes]] = []
        for start in range(0, len(stream), size):
            found += reader.feed(stream[start : start + size])
        self.assertEqual(found, list(enumerate(messages)))

    def test_length_both_sides(self) -> None:
        """A length over `FRAME_BYTES_MAX` is refused before its bytes are there."""
        largest = frames.FRAME_BYTES_MAX
        head = largest.to_bytes(4, "big") + bytes(8)
        self.assertEqual(list(frames.FrameReader().feed(head)), [])
        head = (largest + 1).to_bytes(4, "big") + bytes(8)
        self.assertRaises(frames.FrameTooLong, list, frames.FrameReader().feed(head))

    def test_errors_cross(self) -> None:
        """Every error of the contract arrives as itself, with all that it carries."""
        for error in (
            AnswerLost("x"),
            CommitInvalid("x"),
            StoreBusy("x"),
            StoreFailed("x"),
            StoreFull("x"),
            Conflict([(At(b"k", 1), b"k", Row(b"v", 2)), (At(b"l", 1), b"l", None)]),
            Conflict([(At(b"k", 1), b"k", None)], {b"k": None, b"l": Row(b"v", 2)}),
            CounterLimitReached(b"c", 2, 1),
            CounterLimitReached(b"c", -(1 << 64), 1),
            Fenced(7),
            TokenReused(Token(1, 2)),
        ):
            arrived = self._across(error)
            self.assertIs(type(arrived), type(error))
            self.assertEqual((str(arrived), vars(arrived)), (str(error), vars(error)))
        self.assertIsInstance(self._across(DamagedRecord("counter", "short")), DamagedRecord)

    def test_unnamed_errors(self) -> None:
        """An error outside the contract leaves its asker uncertain."""
        self.assertIsInstance(self._across(RuntimeError("bug")), AnswerLost)

    def test_bugs_are_answered(self) -> None:
        """A store that fails in a way of its own is logged, and its asker is not left alone."""

        class Broken(MemoryMetadata):
            def known(self, keys: Any) -> list[Row | None]:
                raise RuntimeError("bug")

            async def get(self, keys: Any) -> list[Row | None]:
                return self.known(keys)

        clock = Clock()
        store = RemoteMetadata(MemoryEndpoint(OwnerFactory(Broken()), clock), clock)
        get = Deferred.fromCoroutine(store.get([b"k"]))
        clock.pump([0.5] * 30)
        self.failureResultOf(get, AnswerLost)
        self.assertGreater(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_bugs_in_groups_are_answered(self) -> None:
        """So is one who commits, and what is read after it is carried out."""

        class Broken(GroupedMetadata):
            def take(self, commit: Commit) -> int | None:
                raise RuntimeError("bug")

        clock = Clock()
        store = RemoteMetadata(MemoryEndpoint(OwnerFactory(Broken()), clock), clock)
        commit = Deferred.fromCoroutine(store.commit(Commit(Token(1, 1), 1, ())))
        get = Deferred.fromCoroutine(store.get([b"k"]))
        clock.pump([0.5] * 4)
        self.failureResultOf(commit, AnswerLost)
        self.assertEqual(self.successResultOf(get), [None])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def _across(self, error: Exception) -> ObjectdError:
        answer = frames.decode_answer(frames.encode_message(frames.from_error(error)))
        self.assertIsInstance(answer, frames.Failure)
        assert isinstance(answer, frames.Failure)
        return frames.to_error(answer)
