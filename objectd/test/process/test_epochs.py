"""Epochs: who has to answer, and when an epoch is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.memory import MemoryMetadata
from objectd.metadata.remote import RETRY_SECONDS_MAX, RemoteMetadata
from objectd.metadata.slots import Slots
from objectd.objects.reads import Reads
from objectd.process.epochs import Epochs
from objectd.process.owner import OwnerFactory
from objectd.test.metadata.test_remote import MemoryEndpoint


class EpochTests(SynchronousTestCase):
    """An owner, incarnation 1, and two workers behind its socket."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.backing = MemoryMetadata()
        self._own_store()
        self.own = self.begun()
        self.endpoints: dict[int, MemoryEndpoint] = {}
        self.stores: dict[int, RemoteMetadata] = {}
        self.reads = {number: Reads() for number in (self.begun(), self.begun())}
        self.first, self.second = self.reads

    def _own_store(self) -> None:
        self.epochs = Epochs(self.backing)
        self.served = AnnouncedMetadata(
            self.backing, Slots(bytearray(16)), on_fenced=self.epochs.fenced
        )

    def begun(self) -> int:
        return self.successResultOf(Deferred.fromCoroutine(self.served.begin_incarnation()))

    def connect(self, number: int, over: Callable[[], Awaitable[None]] | None = None) -> None:
        endpoint = MemoryEndpoint(OwnerFactory(self.served, self.epochs), self.clock)
        store = RemoteMetadata(
            endpoint,
            self.clock,
            incarnation=number,
            reads_over=over or self.reads[number].drained,
        )
        self.endpoints[number], self.stores[number] = endpoint, store
        get = Deferred.fromCoroutine(store.get([b"key"]))
        self.clock.advance(0.001)
        self.successResultOf(get)

    def epoch(self) -> Deferred[None]:
        passed = Deferred.fromCoroutine(self.epochs.passed(self.own))
        self.clock.advance(0.001)
        return passed

    def goes_on(self, seconds: float = 0.001) -> None:
        self.clock.pump([seconds, 0.001])

    def test_nobody_else(self) -> None:
        """Without others an epoch is over at once."""
        for number in self.reads:
            self.successResultOf(Deferred.fromCoroutine(self.served.fence([number])))
        self.successResultOf(self.epoch())

    def test_reads_that_began_before(self) -> None:
        """It ends with the last read that had begun, and not with those that begin later."""
        ticket = self.reads[self.first].begin()
        for number in self.reads:
            self.connect(number)
        epoch = self.epoch()
        self.reads[self.second].begin()
        self.assertNoResult(epoch)
        self.reads[self.first].end(ticket)
        self.goes_on()
        self.successResultOf(epoch)

    def test_not_connected(self) -> None:
        """An incarnation that is not fenced is waited for though it never said hello."""
        self.connect(self.first)
        epoch = self.epoch()
        self.assertNoResult(epoch)
        self.connect(self.second)
        self.goes_on()
        self.successResultOf(epoch)

    def test_fenced_meanwhile(self) -> None:
        """A process that is gone is waited for no longer."""
        self.connect(self.first)
        epoch = self.epoch()
        self.successResultOf(Deferred.fromCoroutine(self.served.fence([self.second])))
        self.successResultOf(epoch)

    def test_fenced_before_it_is_known(self) -> None:
        """One that is fenced while the store is being read is not waited for either."""
        self.connect(self.first)
        self.epochs.fenced([self.second])  # its row is still there
        self.successResultOf(self.epoch())

    def test_joined_meanwhile(self) -> None:
        """An incarnation that is taken after an epoch began is not waited for."""
        for number in self.reads:
            self.connect(number)
        ticket = self.reads[self.first].begin()
        epoch = self.epoch()
        self.begun()
        self.reads[self.first].end(ticket)
        self.goes_on()
        self.successResultOf(epoch)

    def test_lost_connection(self) -> None:
        """A process whose connection is lost connects by itself, and is asked again."""
        for number in self.reads:
            self.connect(number)
        ticket = self.reads[self.first].begin()
        epoch = self.epoch()
        self.endpoints[self.first].lose()
        self.reads[self.first].end(ticket)
        self.goes_on()
        self.assertNoResult(epoch)
        self.goes_on(RETRY_SECONDS_MAX)
        self.successResultOf(epoch)

    def test_late_loss(self) -> None:
        """The loss of an old connection does not make a newer one forgotten."""
        forgotten: list[int] = []
        heard: list[int] = []
        old = forgotten.append
        self.epochs.connected(self.first, old)
        self.epochs.connected(self.first, heard.append)
        self.epochs.lost(self.first, old)
        self.epoch()
        self.assertEqual(len(heard), 1)

    def test_new_owner(self) -> None:
        """A new owner waits for those that its predecessor let in, and takes no answer of
        theirs to that one for an answer to itself."""
        for number in self.reads:
            self.connect(number)
        tickets = {number: reads.begin() for number, reads in self.reads.items()}
        self.epoch()
        self._own_store()
        self.own = self.begun()
        self.successResultOf(Deferred.fromCoroutine(self.served.fence([1])))
        epoch = self.epoch()
        for number, reads in self.reads.items():
            reads.end(tickets[number])
        self.goes_on()
        self.assertNoResult(epoch)
        for number in self.reads:
            self.connect(number)
        self.goes_on()
        self.successResultOf(epoch)

    def test_each_epoch_takes_its_own_look(self) -> None:
        """An answer to one epoch does not end a later one, whose reads may be others."""
        self.successResultOf(Deferred.fromCoroutine(self.served.fence([self.second])))
        reads = self.reads[self.first]
        self.connect(self.first)
        early = reads.begin()
        one = self.epoch()
        late = reads.begin()
        other = self.epoch()
        reads.end(early)
        self.goes_on()
        self.successResultOf(one)
        self.assertNoResult(other)
        reads.end(late)
        self.goes_on()
        self.successResultOf(other)

    def test_given_up(self) -> None:
        """Whoever gives up waiting disturbs nobody."""
        epoch, other = self.epoch(), self.epoch()
        epoch.cancel()
        self.failureResultOf(epoch)
        for number in self.reads:
            self.connect(number)
        self.goes_on()
        self.successResultOf(other)
