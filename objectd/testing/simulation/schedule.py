"""The order of all that happens in a simulation, decided by a seed."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from random import Random
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

_P = ParamSpec("_P")
_T = TypeVar("_T")

LONG_DELAY_PROBABILITY = 0.08
"""Most races need one step that stays behind while many others go ahead."""

LONG_DELAY_FACTOR = 25.0

EPOCH_US = 1_700_000_000_000_000
"""What the wall clock shows at the first step. Each step takes a microsecond."""

STEP_BACK_US = 5_000
"""So far the wall clock may be behind."""


class ProcessDied(Exception):
    """What the code of a dead process gets from everything that it waits for."""


class Schedule:
    """Runs steps one at a time, each after a delay that the seed decides.

    `now` counts the steps so far: of two moments, the one with the smaller number was first.
    """

    def __init__(self, random: Random, trace: Callable[[str], object] | None = None) -> None:
        self.random = random
        self.now = 0
        self._trace = trace
        self._time = 0.0
        self._order = itertools.count()
        self._steps: list[tuple[float, int, str, Callable[[], object]]] = []

    def add(self, label: str, run: Callable[[], object], *, delay: float | None = None) -> None:
        """Have `run` called as one step; `delay` is in mean lengths of a step."""
        if delay is None:
            delay = self.random.random() * 2
            if self.random.random() < LONG_DELAY_PROBABILITY:
                delay *= LONG_DELAY_FACTOR
        heapq.heappush(self._steps, (self._time + delay, next(self._order), label, run))

    def step(self) -> bool:
        """Run the next step; False if there is none."""
        if not self._steps:
            return False
        self._time, _, label, run = heapq.heappop(self._steps)
        self.now += 1
        self.note(label)
        run()
        return True

    def note(self, line: str) -> None:
        """Leave a line in the trace."""
        if self._trace is not None:
            self._trace(f"{self.now:6} {line}")

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


class Process:
    """One process: what it waits for is a step, and when it dies it does nothing more."""

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name = name
        self.alive = True
        self.schedule = schedule
        self._waiting: dict[Deferred[Any], None] = {}

    def wait(
        self, label: str, action: Callable[[], _T], *, delay: float | None = None
    ) -> Deferred[_T]:
        """Do `action` in a later step, and give its result. Cancelling ends only the wait."""

        def run() -> None:
            if self.alive:
                self.answer(deferred, action)

        deferred: Deferred[_T] = self.expect()
        self.schedule.add(f"{self.name}: {label}", run, delay=delay)
        return deferred

    def expect(self) -> Deferred[_T]:
        """Something that will be given to `answer`, unless the process dies before."""
        if not self.alive:
            return fail(ProcessDied(self.name))
        deferred: Deferred[_T] = Deferred()
        self._waiting[deferred] = None
        return deferred

    def answer(self, deferred: Deferred[_T], action: Callable[[], _T]) -> None:
        if self._waiting.pop(deferred, self) is self:
            return
        try:
            result = action()
        except Exception:
            deferred.errback()
        else:
            deferred.callback(result)

    def die(self) -> None:
        """Stop where it stands. Its coroutines unwind, but reach nothing any more."""
        self.alive = False
        waiting, self._waiting = self._waiting, {}
        for deferred in waiting:
            deferred.errback(ProcessDied(self.name))

    async def pause(self, label: str, *, delay: float | None = None) -> None:
        await self.wait(label, lambda: None, delay=delay)

    def run_in_thread(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        return self.wait("thread", lambda: function(*args, **kwargs))


class StepClock(Clock):
    """A clock for timeouts: whoever waits for it is called in a step of its own."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def callLater(  # noqa: N802
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002 - as `Clock` names it
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        call = super().callLater(delay, callable, *args, **kw)
        self._process.schedule.add(f"{self._process.name}: timer", lambda: self.advance(delay))
        return call
