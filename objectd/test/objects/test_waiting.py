"""Reads that are waited for, locks on keys, and work that outlives its caller."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import BadDigest, StoreFailed
from objectd.objects.locks import KeyLocks
from objectd.objects.reads import Reads
from objectd.objects.shield import Outdated, shield


class ReadsTests(SynchronousTestCase):
    @given(st.lists(st.sampled_from(("begin", "end oldest", "end newest", "wait")), max_size=20))
    def test_law(self, events: list[str]) -> None:
        """`drained` fires just when the last read that began before it has ended."""
        reads = Reads()
        open_: list[int] = []
        waiting: list[tuple[set[int], Deferred[None]]] = []
        for event in [*events, *["end oldest"] * len(events)]:
            if event == "begin":
                open_.append(reads.begin())
            elif event == "wait":
                waiting.append((set(open_), ensureDeferred(reads.drained())))
            elif open_:
                reads.end(open_.pop(0 if event == "end oldest" else -1))
            for before, drained in waiting:
                self.assertEqual(drained.called, not before & set(open_))

    def test_end_twice(self) -> None:
        """A read that ends twice ends once."""
        reads = Reads()
        one, other = reads.begin(), reads.begin()
        drained = ensureDeferred(reads.drained())
        reads.end(one)
        reads.end(one)
        self.assertNoResult(drained)
        reads.end(other)
        self.successResultOf(drained)

    def test_cancelled(self) -> None:
        """One who gives up waiting does not disturb the others."""
        reads = Reads()
        ticket = reads.begin()
        one, other = ensureDeferred(reads.drained()), ensureDeferred(reads.drained())
        one.cancel()
        self.failureResultOf(one, CancelledError)
        reads.end(ticket)
        self.successResultOf(other)


class KeyLocksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.locks = KeyLocks()
        self.order: list[str] = []

    def work(self, name: str, *keys: bytes, until: Deferred[None] | None = None) -> Deferred[None]:
        async def hold() -> None:
            async with self.locks.holding(*keys):
                self.order.append(name)
                if until is not None:
                    await until

        return ensureDeferred(hold())

    def test_queue(self) -> None:
        """Who wants a key that is held waits, and gets it in the order of asking."""
        gates = [Deferred[None]() for _ in range(3)]
        works = [self.work(str(n), b"a", until=gate) for n, gate in enumerate(gates)]
        for n, gate in enumerate(gates):
            self.assertEqual(self.order, [str(m) for m in range(n + 1)])
            gate.callback(None)
        for work in works:
            self.successResultOf(work)

    def test_other_keys(self) -> None:
        """Other keys are free."""
        gate = Deferred[None]()
        self.work("a", b"a", until=gate)
        self.successResultOf(self.work("b", b"b"))

    def test_done_at_once(self) -> None:
        """Many that wait, and are done as soon as they hold the key, leave it free."""
        gate = Deferred[None]()
        first = self.work("first", b"a", until=gate)
        others = [self.work("other", b"a") for _ in range(5000)]
        gate.callback(None)
        for work in (first, *others):
            self.successResultOf(work)
        self.successResultOf(self.work("last", b"a"))
        self.assertEqual(self.locks._waiting, {})

    def test_several(self) -> None:
        """Those who want the same keys in any order never block each other for ever."""
        gate = Deferred[None]()
        self.work("c", b"c", until=gate)
        works = [self.work("abc", b"a", b"b", b"c"), self.work("cba", b"c", b"b", b"a", b"a")]
        gate.callback(None)
        for work in works:
            self.successResultOf(work)

    def test_cancelled(self) -> None:
        """One who gives up waiting leaves the queue, and the keys that it had."""
        gate = Deferred[None]()
        self.work("b", b"b", until=gate)
        cancelled = self.work("ab", b"a", b"b")
        waiting = self.work("a", b"a")
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.successResultOf(waiting)
        gate.callback(None)
        self.successResultOf(self.work("last", b"a", b"b"))
        self.assertEqual(self.locks._waiting, {})

    def test_failed(self) -> None:
        """A key is free again after what held it has failed."""
        gate = Deferred[None]()
        failing = self.work("a", b"a", until=gate)
        gate.errback(ValueError("no"))
        self.failureResultOf(failing, ValueError)
        self.successResultOf(self.work("last", b"a"))


class ShieldTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.gate = Deferred[int]()

        async def work() -> int:
            return await self.gate

        self.shielded = shield(work())

    def test_result(self) -> None:
        """The result of the work is the result."""
        self.gate.callback(7)
        self.assertEqual(self.successResultOf(self.shielded), 7)

    def test_failure(self) -> None:
        """The failure of the work is the failure."""
        self.gate.errback(ValueError("no"))
        self.failureResultOf(self.shielded, ValueError)

    def test_cancelled(self) -> None:
        """Cancelling ends the wait; the work goes on to its end, and nobody is told."""
        self.shielded.cancel()
        self.failureResultOf(self.shielded, CancelledError)
        self.assertFalse(self.gate.called)
        self.gate.callback(7)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancelled_failure(self) -> None:
        """What fails after nobody waits for it any more is logged."""
        self.shielded.cancel()
        self.failureResultOf(self.shielded, CancelledError)
        self.gate.errback(ValueError("no"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_cancelled_refusal(self) -> None:
        """An answer to a client that is gone is no failure of the server's."""
        self.shielded.cancel()
        self.failureResultOf(self.shielded, CancelledError)
        self.gate.errback(BadDigest("MD5", "a", "b"))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancelled_outdated(self) -> None:
        """Nor is it that another look would have had to be taken."""
        self.shielded.cancel()
        self.failureResultOf(self.shielded, CancelledError)
        self.gate.errback(Outdated())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancelled_trouble(self) -> None:
        """A store that fails is, whoever waits."""
        self.shielded.cancel()
        self.failureResultOf(self.shielded, CancelledError)
        self.gate.errback(StoreFailed("no"))
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_cancelled_late(self) -> None:
        """Cancelling what is done changes nothing."""
        self.gate.callback(7)
        self.shielded.cancel()
        self.assertEqual(self.successResultOf(self.shielded), 7)
