"""The lock of a data directory."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed
from objectd.process.directory import locked


class Locking(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.clock = Clock()
        self.held = AsyncExitStack()
        self.addCleanup(lambda: self.successResultOf(Deferred.fromCoroutine(self.held.aclose())))

    def lock(self) -> Deferred[int]:
        entering = self.held.enter_async_context(locked(self.directory, self.clock))
        return Deferred.fromCoroutine(entering)

    def test_free(self) -> None:
        """One that nobody has is had at once."""
        self.successResultOf(self.lock())

    def test_taken(self) -> None:
        """A second server waits a moment, and is then told whose directory it is."""
        self.successResultOf(self.lock())
        waiting = self.lock()
        self.assertNoResult(waiting)
        self.clock.pump([0.1] * 60)
        error = self.failureResultOf(waiting, StoreFailed)
        self.assertIn(f"{self.directory} is in use by another server", str(error.value))

    def test_given_back(self) -> None:
        """Whoever waits has it when the other is gone."""
        self.successResultOf(self.lock())
        first, self.held = self.held, AsyncExitStack()
        waiting = self.lock()
        self.successResultOf(Deferred.fromCoroutine(first.aclose()))
        self.clock.advance(1)
        self.successResultOf(waiting)
