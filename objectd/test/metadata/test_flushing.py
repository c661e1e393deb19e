"""Group commit, with a disk that counts what is written and takes as long as a test says."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed
from objectd.interfaces import RunInThread
from objectd.metadata.flushing import (
    CROWD,
    CROWD_SECONDS_EACH,
    CROWD_SECONDS_MAX,
    OTHER_SYNCS_MAX,
    QUICK_SECONDS,
    SLOW_SECONDS,
    THREAD_SYNCS,
    TRIAL_SECONDS,
    TRIAL_SYNCS,
    Flushes,
    Quickness,
)
from objectd.metadata.processors import ProcessorWaits
from objectd.objects.opening import run_at_once
from objectd.test.metadata.threads import HandDrivenThread

QUICK, OTHER, SLOW = QUICK_SECONDS / 2, 2 * TRIAL_SECONDS, 2 * SLOW_SECONDS


class QuicknessTests(SynchronousTestCase):
    def on_trial(self, quickness: Quickness | None = None) -> Quickness:
        quickness = quickness or Quickness()
        for _ in range(THREAD_SYNCS):
            self.assertFalse(quickness.in_place)
            quickness.took_in_thread(TRIAL_SECONDS)
        self.assertTrue(quickness.in_place)
        return quickness

    def proved(self) -> Quickness:
        quickness = self.on_trial()
        quickness.took_in_place(QUICK_SECONDS)
        self.assertTrue(quickness.in_place)
        return quickness

    def test_trial(self) -> None:
        """If none is quick on trial, or one is slow, there are many in threads again."""
        quickness = self.on_trial()
        for _ in range(TRIAL_SYNCS):
            self.assertTrue(quickness.in_place)
            quickness.took_in_place(OTHER)
        self.on_trial(quickness)
        quickness.took_in_place(SLOW)
        self.on_trial(quickness)

    def test_no_trial(self) -> None:
        """Where no sync in a thread may have been quick, none is done in place; one is enough."""
        quickness = Quickness()
        for seconds in [OTHER] * THREAD_SYNCS + [SLOW] * (THREAD_SYNCS - 1):
            quickness.took_in_thread(seconds)
            self.assertFalse(quickness.in_place)
        quickness.took_in_thread(TRIAL_SECONDS)
        self.assertTrue(quickness.in_place)

    def test_one_slow_sync(self) -> None:
        """One slow sync is enough, and then the disk has to prove itself anew."""
        quickness = self.proved()
        quickness.took_in_place(SLOW_SECONDS)
        self.assertTrue(quickness.in_place)
        quickness.took_in_place(SLOW)
        self.on_trial(quickness)

    def test_others(self) -> None:
        """Some that are not quick prove nothing, as long as there are quick ones among them."""
        quickness = self.proved()
        for _ in range(3):
            for _ in range(OTHER_SYNCS_MAX - 1):
                quickness.took_in_place(OTHER)
            quickness.took_in_place(QUICK)
        self.assertTrue(quickness.in_place)
        for _ in range(OTHER_SYNCS_MAX):
            self.assertTrue(quickness.in_place)
            quickness.took_in_place(OTHER)
        self.assertFalse(quickness.in_place)

    @settings(deadline=None)
    @given(st.lists(st.sampled_from((QUICK, QUICK, QUICK, OTHER, SLOW)), max_size=300))
    def test_slow_syncs_in_place(self, took: list[float]) -> None:
        """Between two slow syncs in place there are many in threads."""
        quickness = Quickness()
        in_threads = 0
        for seconds in took:
            if not quickness.in_place:
                in_threads += 1
                quickness.took_in_thread(seconds)
                continue
            if seconds == SLOW:
                self.assertGreaterEqual(in_threads, THREAD_SYNCS)
                in_threads = 0
            quickness.took_in_place(seconds)


class ProcessorWaitsTests(SynchronousTestCase):
    def test_told(self) -> None:
        """What the kernel says, in nanoseconds, is told in seconds; where it says nothing, 0."""
        path = self.mktemp()
        for told, seconds in (("3 2500000000 1\n", 2.5), ("", 0.0), ("3 x 1\n", 0.0)):
            Path(path).write_text(told)
            waits = ProcessorWaits(path)
            self.assertEqual(waits.seconds(), seconds)
            waits.close()
            self.assertEqual(waits.seconds(), 0.0)
        self.assertEqual(ProcessorWaits(path + "none").seconds(), 0.0)


class Disk:
    """A log: how much of it was written, and how much a sync has covered."""

    def __init__(self, clock: Clock, run_in_thread: RunInThread | None = None) -> None:
        self.clock = clock
        self.thread = HandDrivenThread()
        self.written = self.synced = self.published = self.syncs = 0
        self.sync_seconds = QUICK
        self.waits_seconds = self.waited_seconds = 0.0
        self.error: Exception | None = None
        self.failures: list[Exception] = []
        self.flushes: Flushes[int] = Flushes(
            take_state=lambda: self.written,
            sync=self.sync,
            publish=self.publish,
            on_failure=self.failures.append,
            run_in_thread=run_in_thread or self.thread,
            clock=clock,
            processor_waits=lambda: self.waited_seconds,
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
        self.waited_seconds += self.waits_seconds

    def publish(self, state: int) -> None:
        if not self.published <= state <= self.synced:
            raise AssertionError(f"{state} is published after {self.published} of {self.synced}")
        self.published = state

    def go_on(self) -> None:
        """Whatever was begun ends."""
        while self.thread.waiting or self.clock.getDelayedCalls():
            while self.thread.waiting:
                self.thread.run()
            self.clock.advance(CROWD_SECONDS_MAX)

    def prove_quick(self) -> None:
        for _ in range(THREAD_SYNCS):
            self.write()
            self.thread.run()
        self.write()
        self.clock.advance(0)


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

    def test_busy_processors(self) -> None:
        """What the thread waits for a processor meanwhile is not the disk's doing."""
        self.disk.sync_seconds, self.disk.waits_seconds = SLOW, SLOW - QUICK
        for _ in range(2 * OTHER_SYNCS_MAX):
            waiting = self.disk.write()
            self.clock.advance(0)
            self.successResultOf(waiting)

    def test_a_crowd_shares_a_flush(self) -> None:
        """After a flush for which many waited, the next one waits a while for others, longer for
        more, but not after one for which few waited."""
        for number in (CROWD - 1, CROWD, 1000):
            for _ in range(number):
                self.disk.write()
            self.clock.advance(0)
            self.assertEqual(self.disk.published, self.disk.written)
            put_off = min(number * CROWD_SECONDS_EACH, CROWD_SECONDS_MAX) - QUICK
            waiting = self.disk.write()
            if number >= CROWD:
                self.clock.advance(put_off * 0.9)
                self.assertNoResult(waiting)
                self.clock.advance(put_off * 0.1 + 1e-9)
            self.clock.advance(0)
            self.successResultOf(waiting)

    def test_clock_set_back(self) -> None:
        """A crowd does not wait longer because the clock was set back."""
        for _ in range(CROWD):
            self.disk.write()
        self.clock.advance(0)
        self.clock.rightNow -= 3600
        waiting = self.disk.write()
        self.clock.advance(CROWD_SECONDS_MAX)
        self.successResultOf(waiting)

    def test_at_once(self) -> None:
        """Where what should run in a thread is run at once, so is every flush, however quick."""
        disk = Disk(self.clock, run_at_once)
        for _ in range(2 * THREAD_SYNCS):
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
