"""One stream of pieces for several consumers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects.tee import Consumer, Tee


class Slow:
    """Takes what it is handed when the test says so."""

    def __init__(self) -> None:
        self.handed: list[bytes] = []
        self.taken: list[bytes] = []
        self._at_work: deque[Deferred[None]] = deque()

    def consume(self, pieces: Sequence[bytes]) -> Deferred[None]:
        self.handed += pieces
        work: Deferred[None] = Deferred()
        self._at_work.append(work)
        return work.addCallback(lambda _: self.taken.extend(pieces))

    def finish(self) -> None:
        self._at_work.popleft().callback(None)

    def fail(self) -> None:
        self._at_work.popleft().errback(ZeroDivisionError())


class TeeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.quick, self.slow = Slow(), Slow()
        self.tee = Tee(Consumer(self.quick.consume), Consumer(self.slow.consume))

    def put(self, piece: bytes, held_bytes_max: int) -> Deferred[None]:
        return Deferred.fromCoroutine(self.tee.put(piece, held_bytes_max=held_bytes_max))

    def test_apart(self) -> None:
        """A consumer goes on whatever the other one does."""
        for piece in (b"a", b"b", b"c"):
            self.successResultOf(self.put(piece, 3))
            self.quick.finish()
        self.assertEqual((self.quick.taken, self.slow.taken), ([b"a", b"b", b"c"], []))

    def test_batches(self) -> None:
        """What came while a consumer was busy it is handed at once, in order."""
        for piece in (b"a", b"b", b"c"):
            self.successResultOf(self.put(piece, 3))
        self.slow.finish()
        self.assertEqual(self.slow.taken, [b"a"])
        self.slow.finish()
        self.assertEqual(self.slow.taken, [b"a", b"b", b"c"])

    def test_bounded(self) -> None:
        """A put returns when the slowest consumer holds no more than allowed."""
        self.successResultOf(self.put(b"aa", 2))
        put = self.put(b"bb", 2)
        self.quick.finish()
        self.quick.finish()
        self.assertNoResult(put)
        self.slow.finish()
        self.successResultOf(put)

    def test_drained(self) -> None:
        """At the end every consumer has had everything."""
        self.successResultOf(self.put(b"a", 1))
        drained = Deferred.fromCoroutine(self.tee.drain())
        self.quick.finish()
        self.assertNoResult(drained)
        self.slow.finish()
        self.successResultOf(drained)
        self.assertEqual(self.slow.taken, [b"a"])

    def test_failure(self) -> None:
        """What a consumer raises ends a put that waits, and every later one."""
        put = self.put(b"a", 0)
        self.slow.fail()
        self.failureResultOf(put, ZeroDivisionError)
        self.failureResultOf(self.put(b"b", 9), ZeroDivisionError)

    def test_cancelled(self) -> None:
        """After a stop nothing more is handed on, and who is at work is cancelled."""
        self.successResultOf(self.put(b"a", 9))
        put = self.put(b"b", 0)
        put.cancel()
        self.failureResultOf(put, CancelledError)
        self.tee.stop()
        self.assertEqual((self.quick.taken, self.slow.taken), ([], []))

    def test_calls_at_once(self) -> None:
        """A consumer that may be called so often is handed more before it is done, in order;
        its bytes are held until it is."""
        self.tee = Tee(Consumer(self.quick.consume, calls_max=2))
        for piece in (b"a", b"b", b"c", b"d"):
            self.successResultOf(self.put(piece, 4))
        self.assertEqual(self.quick.handed, [b"a", b"b"])
        put = self.put(b"e", 2)
        self.quick.finish()
        self.assertEqual(self.quick.handed, [b"a", b"b", b"c", b"d", b"e"])
        self.assertNoResult(put)
        self.quick.finish()
        self.assertNoResult(put)
        self.quick.finish()
        self.successResultOf(put)
        self.assertEqual(self.quick.taken, self.quick.handed)

    def test_failure_among_calls_at_once(self) -> None:
        """A consumer that failed once is not called again, whatever its other calls do."""
        self.tee = Tee(Consumer(self.quick.consume, calls_max=2))
        for piece in (b"a", b"b", b"c"):
            self.successResultOf(self.put(piece, 3))
        self.quick.fail()
        self.quick.finish()
        self.failureResultOf(self.put(b"d", 9), ZeroDivisionError)
        self.assertEqual(self.quick.handed, [b"a", b"b"])
