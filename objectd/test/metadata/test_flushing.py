"""Group commit, with a disk that counts what is written and takes as long as a test says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed
from objectd.interfaces import RunInThread
from objectd.metadata.flushing import (
    CROWD_SECONDS_MIN,
    OTHER_SYNCS_MAX,
    QUICK_SECONDS,
    QUICK_SYNCS_MIN,
    SLOW_SECONDS,
    Flushes,
    Quickness,
)
from objectd.objects.opening import run_at_once
from objectd.test.metadata.threads import HandDrivenThread

QUICK, OTHER, SLOW = QUICK_SECONDS / 2, 2 * QUICK_SECONDS, 2 * SLOW_SECONDS


class QuicknessTests(SynchronousTestCase):
    def proved(self) -> Quickness:
        quickness = Quickness()
        for _ in range(QUICK_SYNCS_MIN):
            self.assertFalse(quickness.is_proved)
            quickness.took(QUICK)
        self.assertTrue(quickness.is_proved)
        return quickness

    def test_one_slow_sync(self) -> None:
        """One slow sync is enough, and then the disk has to prove itself anew."""
        quickness = self.proved()
        quickness.took(SLOW_SECONDS)
        self.assertTrue(quickness.is_proved)
        quickness.took(SLOW)
        for _ in range(QUICK_SYNCS_MIN):
            self.assertFalse(quickness.is_proved)
            quickness.took(QUICK)
        self.assertTrue(quickness.is_proved)

    def test_others(self) -> None:
        """Some that are not quick prove nothing, as long as there are quick ones among them."""
        quickness = self.proved()
        for _ in range(3):
            for _ in range(OTHER_SYNCS_MAX - 1):
                quickness.took(OTHER)
            quickness.took(QUICK)
        self.assertTrue(quickness.is_proved)
        for _ in range(OTHER_SYNCS_MAX):
            self.assertTrue(quickness.is_proved)
            quickness.took(OTHER)
        self.assertFalse(quickness.is_proved)

    @settings(deadline=None)
    @given(st.lists(st.sampled_from((QUICK, QUICK, QUICK, OTHER, SLOW)), max_size=300))
    def test_slow_syncs_in_place(self, took: list[float]) -> None:
        """Between two slow syncs in place there are as many quick ones as prove a disk quick."""
        quickness = Quickness()
        quick = 0
        for seconds in took:
            if quickness.is_proved and seconds == SLOW:
                self.assertGreaterEqual(quick, QUICK_SYNCS_MIN)
                quick = 0
            quick += seconds == QUICK
            quickness.took(seconds)


class Disk:
    """A log: how much of it was written, and how much a sync has covered."""

    def __init__(self, clock: Clock, run_in_thread: RunInThread | None = None) -> None:
        self.clock = clock
        self.thread = HandDrivenThread()
        self.written = self.synced = self.published = self.syncs = 0
        self.sync_seconds = QUICK
        self.error: Exception | None = None
        self.failures: list[Exception] = []
        self.flushes: Flushes[int] = Flushes(
            take_state=lambda: self.written,
            sync=self.sync,
            publish=self.publish,
            on_failure=self.failures.append,
            run_in_thread=run_in_thread or self.thread,
            clock=clock,
        )

    def write(self) -> Deferred[None]:
        self.written += 1
        self.flushes.written()
        return self.flushes.durable()

    def sync(self) -> None:
        if self.error is not None:
            raise self.error
        self.synced = self.written
        self.syncs += 1
        self.clock.rightNow += self.sync_seconds

    def publish(self, state: int) -> None:
        if not self.published <= state <= self.synced:
            raise AssertionError(f"{state} is published after {self.published} of {self.synced}")
        self.published = state

    def go_on(self) -> None:
        """Whatever was begun ends."""
        while self.thread.waiting or self.clock.getDelayedCalls():
            while self.thread.waiting:
                self.thread.run()
            self.clock.advance(CROWD_SECONDS_MIN)

    def prove_quick(self) -> None:
        for _ in range(QUICK_SYNCS_MIN):
            self.write()
            self.thread.run()


class InPlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.disk = Disk(self.clock)
        self.disk.prove_quick()

    def test_one_turn(self) -> None:
        """One sync in the next turn covers what was written in this one."""
        first, second = self.disk.write(), self.disk.write()
        self.assertNoResult(first)
        self.assertEqual(len(self.disk.thread.waiting), 0)
        self.clock.advance(0)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(self.disk.published, self.disk.written)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_written_by_who_goes_on(self) -> None:
        """Who goes on after a flush and writes at once waits for the next."""
        before = self.disk.syncs
        again: list[Deferred[None]] = []

        def write_again(_: None) -> None:
            again.append(self.disk.write())
            self.assertNoResult(again[0])

        self.disk.write().addCallback(write_again)
        self.clock.advance(0)
        self.successResultOf(again[0])
        self.assertEqual(self.disk.syncs, before + 2)

    def test_slow(self) -> None:
        """After a slow sync the next ones are done in a thread again."""
        self.disk.sync_seconds = SLOW
        self.disk.write()
        self.clock.advance(0)
        waiting = self.disk.write()
        self.assertEqual(len(self.disk.thread.waiting), 1)
        self.assertNoResult(waiting)
        self.disk.thread.run()
        self.successResultOf(waiting)

    def test_at_once(self) -> None:
        """Where what should run in a thread is run at once, so is every flush, however quick."""
        disk = Disk(self.clock, run_at_once)
        for _ in range(2 * QUICK_SYNCS_MIN):
            self.successResultOf(disk.write())

    def test_failure(self) -> None:
        """A sync that fails in place fails who waits, and all who come later."""
        self.disk.error = OSError(5, "Input/output error")
        waiting = self.disk.write(), self.disk.write()
        self.clock.advance(0)
        for each in waiting:
            self.failureResultOf(each, StoreFailed)
        self.assertEqual([type(error) for error in self.disk.failures], [StoreFailed])
        self.assertRaises(StoreFailed, self.disk.write)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failed_before(self) -> None:
        """What fails before a flush in place begins is not synced any more."""
        waiting = self.disk.write()
        synced = self.disk.synced
        self.disk.flushes.fail(OSError(5, "Input/output error"))
        self.failureResultOf(waiting, StoreFailed)
        self.clock.advance(0)
        self.assertEqual(self.disk.synced, synced)

    def test_cancelled(self) -> None:
        """Who does not wait any longer disturbs nobody."""
        cancelled, kept = self.disk.write(), self.disk.write()
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.clock.advance(0)
        self.successResultOf(kept)


class OrderTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(
        proved=st.booleans(),
        steps=st.lists(st.tuples(st.integers(0, 5), st.sampled_from((QUICK, OTHER, SLOW)))),
    )
    def test_any_order(self, *, proved: bool, steps: list[tuple[int, float]]) -> None:
        """Whatever comes in which order, and however long syncs take: who is told that it is
        durable finds it synced and published, in the order of asking, and nobody is forgotten."""
        clock = Clock()
        disk = Disk(clock)
        if proved:
            disk.prove_quick()
        asked: list[int] = []
        told: list[int] = []

        def ask(waiting: Deferred[None], *, again: bool = False) -> None:
            number, written = len(asked), disk.written
            asked.append(number)

            def go_on(_: None) -> None:
                self.assertGreaterEqual(min(disk.synced, disk.published), written)
                told.append(number)
                if again:
                    ask(disk.write())

            waiting.addCallback(go_on)

        for step, seconds in steps:
            disk.sync_seconds = seconds
            if step < 3:
                ask(disk.write(), again=step == 2)
            elif step == 3:
                ask(disk.flushes.durable())
            elif step == 4 and disk.thread.waiting:
                disk.thread.run()
            else:
                clock.advance(0)
        disk.go_on()
        self.assertEqual(sorted(told), asked)
        self.assertEqual(disk.flushes.waiting, 0)
