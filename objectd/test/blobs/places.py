"""Disk stores on a file system in memory, and threads that move when they are told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from objectd.blobs.disk import DiskBlobs
from objectd.interfaces import RunInThread
from objectd.test.blobs.lossy import LossyFiles

_P = ParamSpec("_P")
_T = TypeVar("_T")


def at_once(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
    """A `RunInThread` that calls in this thread."""
    return execute(function, *args, **kwargs)


class Threads:
    """A `RunInThread` whose calls wait until `step`."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def __call__(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        answer: Deferred[_T] = Deferred()

        def call() -> None:
            execute(function, *args, **kwargs).chainDeferred(answer)

        self._waiting.append(call)
        return answer

    def __len__(self) -> int:
        return len(self._waiting)

    def step(self) -> None:
        """Let the call that waits longest happen."""
        self._waiting.popleft()()

    def delay(self) -> None:
        """Let the call that waits longest be the last of those that wait."""
        self._waiting.rotate(-1)

    def run(self) -> None:
        """Let everything happen, also what comes of it."""
        while self._waiting:
            self.step()


class LossyPlace:
    """A disk store of one or more drives on `LossyFiles`."""

    def __init__(self, drives: int = 1) -> None:
        self.files = LossyFiles()
        self.clock = Clock()
        self.paths = [f"/drive{number}" for number in range(drives)]

    def open(self, run_in_thread: RunInThread = at_once) -> DiskBlobs:
        return DiskBlobs.opened(
            self.paths,
            files=self.files,
            clock=self.clock,
            run_in_thread=run_in_thread,
            reserve_bytes=1000,
            sync_bytes=100_000,
        )

    def close(self) -> None:
        self.files = LossyFiles()
