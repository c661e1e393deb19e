"""Blocking calls, in threads, that outlive the coroutines that made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, succeed

from objectd.errors import StoreFailed
from objectd.interfaces import HasLines, RunInThread

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Gate:
    """Lets calls into threads until it is closed, and knows when the last one is over."""

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._run_in_thread = run_in_thread
        self._inside = 0
        self._closed = False
        self._empty: Deferred[None] = Deferred()

    def __call__(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        """Raises `StoreFailed` once the gate is closed."""
        self.require_open()
        self._inside += 1
        return self._run_in_thread(function, *args, **kwargs).addBoth(self._leave)

    def require_open(self) -> None:
        """Raises `StoreFailed` once the gate is closed."""
        if self._closed:
            raise StoreFailed("the blob store is closed")

    def _leave(self, result: _T) -> _T:
        self._inside -= 1
        if self._closed and not self._inside:
            self._empty.callback(None)
        return result

    def close(self) -> Deferred[None]:
        """Let nobody in any more; fires when nobody is inside. Once only."""
        self._closed = True
        return self._empty if self._inside else succeed(None)


class Lane:
    """Runs one call at a time, in the order in which they were asked for.

    A thread cannot be stopped, so cancelling ends only the wait: the call goes on, and what
    was asked for after it (closing the descriptor that it uses, say) still comes after it.
    """

    def __init__(self, run_in_thread: RunInThread) -> None:
        self._run_in_thread = run_in_thread
        self._turn = DeferredLock()

    def call(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        """Call it in a thread."""
        answer: Deferred[_T] = Deferred()
        done = self._turn.run(self._run_in_thread, function, *args, **kwargs)
        done.addCallbacks(answer.callback, answer.errback)
        return answer

    def finally_(self, function: Callable[[], None]) -> Deferred[None]:
        """Call it in this thread, which it must not block, once all calls so far are over."""
        return self._turn.run(function)


def in_line(run_in_thread: RunInThread) -> RunInThread:
    """Calls in threads, one after the other: by the pool itself if it can, for that is quicker."""
    if isinstance(run_in_thread, HasLines):
        return run_in_thread.line()
    return Lane(run_in_thread).call
