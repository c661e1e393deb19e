"""Several coroutines at once, never more than so many."""

from __future__ import annotations

from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
)
from typing import TypeAlias, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

__all__ = ["for_each", "in_order"]

_T = TypeVar("_T")
_R = TypeVar("_R")
Work: TypeAlias = Callable[[_T], Coroutine[Deferred[object], object, _R]]


async def for_each(
    items: AsyncIterable[_T] | Iterable[_T], work: Work[_T, None], *, at_once: int
) -> None:
    """Work on each item, on up to `at_once` at the same time.

    At the first failure, and when cancelled, what is under way is cancelled and waited for.
    """
    crew = _Crew()
    try:
        async for item in _each(items):
            await crew.below(at_once)
            crew.add(Deferred.fromCoroutine(work(item)))
        await crew.below(1)
    finally:
        await crew.dismiss()


class _Crew:
    """What is under way. The first failure is raised where somebody waits."""

    def __init__(self) -> None:
        self._under_way: dict[Deferred[None], None] = {}
        self._failure: Failure | None = None
        self._changed: Deferred[None] | None = None

    def add(self, task: Deferred[None]) -> None:
        def end(result: Failure | None) -> None:
            self._under_way.pop(task, None)
            if isinstance(result, Failure) and self._failure is None:
                self._failure = result
            changed, self._changed = self._changed, None
            if changed is not None:
                changed.callback(None)

        self._under_way[task] = None
        task.addBoth(end)

    async def below(self, count: int) -> None:
        """Wait until fewer than `count` are under way."""
        while self._failure is None and len(self._under_way) >= count:
            await self._change()
        if self._failure is not None:
            self._failure.raiseException()

    async def dismiss(self) -> None:
        for task in list(self._under_way):
            task.cancel()
        while self._under_way:
            await self._change()

    async def _change(self) -> None:
        self._changed = Deferred()
        await self._changed


async def in_order(
    items: Iterable[_T], work: Work[_T, _R], *, at_once: int
) -> AsyncGenerator[_R, None]:
    """The results of work on the items, in their order, while up to `at_once` are worked on.

    Results that wait for their turn count too, so memory is bounded. Close it (`aclosing`):
    that cancels what is under way.
    """
    queue: deque[Deferred[_R]] = deque()
    try:
        for item in items:
            if len(queue) >= at_once:
                yield await queue.popleft()
            queue.append(Deferred.fromCoroutine(work(item)))
        while queue:
            yield await queue.popleft()
    finally:
        for task in queue:
            task.addErrback(_not_wanted)
            task.cancel()


def _not_wanted(failure: Failure) -> None:
    """Another failure is on its way, or nobody wants the result; a cancelled task says so."""
    failure.trap(CancelledError, Exception)


async def _each(items: AsyncIterable[_T] | Iterable[_T]) -> AsyncIterator[_T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
