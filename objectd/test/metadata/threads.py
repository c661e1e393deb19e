"""A thread that a test drives by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred


class HandDrivenThread:
    """Runs a call when the test says so."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()

    def __call__(self, function: Callable[..., Any], /, *args: Any, **kw: Any) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        self.waiting.append((partial(function, *args, **kw), result))
        return result

    def run(self) -> None:
        """Let the oldest call run and return."""
        function, result = self.waiting.popleft()
        result.callback(function())

    def fail(self, error: Exception) -> None:
        """Let the oldest call fail without having run."""
        self.waiting.popleft()[1].errback(error)
