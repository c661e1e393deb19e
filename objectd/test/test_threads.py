"""Blocking calls in threads."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import (
    Barrier,
    Event,
    Lock,
    Thread,
    active_count,
    current_thread,
    get_native_id,
    main_thread,
)
from typing import Any
from unittest import skipUnless

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from objectd.threads import Threads

WAIT_SECONDS = 10.0


@implementer(IReactorFromThreads)
class Answers:
    """What threads hand to the reactor, kept until the test takes it."""

    def __init__(self) -> None:
        self.handed: deque[Callable[[], Any]] = deque()

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002
        self.handed.append(partial(callable, *args, **kwargs))

    def take(self) -> None:
        while self.handed:
            self.handed.popleft()()


class ThreadsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Answers()
        self.threads = Threads(self.reactor, 3, "test")

    def test_results_come_in_the_thread_of_the_reactor(self) -> None:
        """What a call returns or raises waits until the reactor takes it."""

        def call(a: int, *, b: int) -> tuple[int, int, Thread]:
            return a, b, current_thread()

        returned = self.threads(call, 1, b=2)
        raised = self.threads(int, "nonsense")
        self.threads.stop()
        self.assertNoResult(returned)
        self.reactor.take()
        *given, thread = self.successResultOf(returned)
        self.assertEqual(given, [1, 2])
        self.assertIsNot(thread, main_thread())
        self.failureResultOf(raised, ValueError)

    @skipUnless(sys.platform == "linux", "threads have no priority of their own elsewhere")
    def test_nice(self) -> None:
        """Threads stand back, and nothing else of the process does."""
        before = os.getpriority(os.PRIO_PROCESS, 0)
        nice = Threads(self.reactor, 1, "nice", niceness=3)
        found = nice(lambda: os.getpriority(os.PRIO_PROCESS, get_native_id()))
        nice.stop()
        self.reactor.take()
        self.assertEqual(self.successResultOf(found), min(before + 3, 19))
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, 0), before)

    def test_calls_at_once(self) -> None:
        """As many calls run at once as there may be threads."""
        together = Barrier(3)
        met = [self.threads(together.wait, WAIT_SECONDS) for _ in range(3)]
        self.threads.stop()
        self.reactor.take()
        self.assertEqual(sorted(self.successResultOf(each) for each in met), [0, 1, 2])

    def test_more_calls_than_threads(self) -> None:
        """Calls for which there is no thread wait for one, and all are answered."""
        go_on = Event()

        def name() -> str:
            go_on.wait(WAIT_SECONDS)
            return current_thread().name

        names = [self.threads(name) for _ in range(20)]
        go_on.set()
        self.threads.stop()
        self.reactor.take()
        self.assertLessEqual(len({self.successResultOf(name) for name in names}), 3)

    def test_cancelled_call(self) -> None:
        """A call whose caller does not wait any more ends all the same, and disturbs nobody."""
        ended: list[str] = []
        go_on = Event()

        def call() -> None:
            go_on.wait(WAIT_SECONDS)
            ended.append("cancelled")

        cancelled = self.threads(call)
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        go_on.set()
        self.threads.stop()
        self.reactor.take()
        self.assertEqual(ended, ["cancelled"])

    def test_no_thread_before_a_call(self) -> None:
        """Threads are started when there is something to do, not before."""
        before = active_count()
        self.threads.stop()
        self.assertEqual(active_count(), before)


class LineTests(SynchronousTestCase):
    """Calls that are made one after the other."""

    def setUp(self) -> None:
        self.reactor = Answers()
        self.threads = Threads(self.reactor, 2, "test")
        self.go_on = Event()

    def hold(self) -> None:
        self.go_on.wait(WAIT_SECONDS)

    def test_order(self) -> None:
        """Calls of a line are made in order, one at a time, without a turn of the reactor
        between them; each is answered."""
        line = self.threads.line()
        made: list[int] = []
        at_work = Lock()

        def call(number: int) -> int:
            self.assertTrue(at_work.acquire(blocking=False))
            made.append(number)
            at_work.release()
            return number

        held = line(self.hold)
        answers = [line(call, number) for number in range(50)]
        self.go_on.set()
        self.threads.stop()
        self.assertEqual(made, list(range(50)))
        self.assertNoResult(held)
        self.reactor.take()
        self.assertEqual([self.successResultOf(each) for each in answers], made)

    def test_begins_again(self) -> None:
        """A line that had nothing to do goes on with the next call."""
        line = self.threads.line()
        ended = Event()
        for _ in range(20):
            ended.clear()
            line(ended.set)
            self.assertTrue(ended.wait(WAIT_SECONDS))
        self.threads.stop()

    def test_failure(self) -> None:
        """What a call raises is its own answer, and the next one is made."""
        line = self.threads.line()
        failing, fine = line(int, "nonsense"), line(int, "1")
        self.threads.stop()
        self.reactor.take()
        self.failureResultOf(failing, ValueError)
        self.assertEqual(self.successResultOf(fine), 1)

    def test_lines_beside_each_other(self) -> None:
        """Two lines go on at the same time."""
        together = Barrier(2)
        met = [self.threads.line()(together.wait, WAIT_SECONDS) for _ in range(2)]
        self.threads.stop()
        self.reactor.take()
        self.assertEqual(sorted(self.successResultOf(each) for each in met), [0, 1])

    def test_others_go_first(self) -> None:
        """A line with much to do lets a call go first that waits for a thread."""
        threads = Threads(self.reactor, 1, "test")
        line = threads.line()
        made: list[str] = []
        ended = Event()
        line(self.hold)
        line(made.append, "line")
        line(ended.set)
        threads(made.append, "other")
        self.go_on.set()
        self.assertTrue(ended.wait(WAIT_SECONDS))
        threads.stop()
        self.assertEqual(made, ["other", "line"])
