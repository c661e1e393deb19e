"""Time limits on clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from objectd.web.limits import Deadlines

SWEEP_SECONDS = 0.5
"""How late a connection's deadline may be noticed."""

NEVER = float("inf")


class Expiring(Protocol):
    """Something that waits for a client until `expires`, on the clock of its sweep."""

    expires: float

    def out_of_time(self) -> None:
        """It is past `expires`, which is `NEVER` again."""


class Sweep:
    """The deadlines of all connections: one timer for however many there are.

    To move a deadline is then to set a number, which a connection does several times a request,
    and an idle connection holds no timer.
    """

    def __init__(self, clock: IReactorTime, connections: Iterable[Expiring]) -> None:
        self._clock = clock
        self._connections = connections
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = self._clock.callLater(SWEEP_SECONDS, self._sweep)
        now = self._clock.seconds()
        for connection in [each for each in self._connections if each.expires <= now]:
            connection.expires = NEVER
            connection.out_of_time()


def _nobody() -> None:
    """Is told of what nobody waits for any more."""


def _nothing() -> int:
    return 0


class Deadline:
    """A point in time after which `expired` is called, cheap to move.

    A connection moves its deadline several times a request. A timer in the reactor is
    therefore left alone while it is early: it looks again when it fires.
    """

    def __init__(self, clock: IReactorTime, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._at: float | None = None
        self._timer: IDelayedCall | None = None

    def set(self, seconds: float) -> None:
        self._at = self._clock.seconds() + seconds
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._fired)
        elif self._timer.getTime() > self._at:
            self._timer.reset(seconds)

    def clear(self) -> None:
        self._at = None

    def stop(self) -> None:
        """Clear it for good: nothing is left in the reactor, nor known of who is told."""
        self._at = None
        self._expired = _nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fired(self) -> None:
        self._timer = None
        if self._at is None:
            return
        remaining_seconds = self._at - self._clock.seconds()
        if remaining_seconds > 0:
            self._timer = self._clock.callLater(remaining_seconds, self._fired)
        else:
            self._at = None
            self._expired()


class Progress:
    """Watches a client that the server waits for: `stalled` is called, once, after the first
    window in which `moved_bytes` grew too little."""

    def __init__(
        self,
        clock: IReactorTime,
        deadlines: Deadlines,
        *,
        moved_bytes: Callable[[], int],
        stalled: Callable[[], None],
    ) -> None:
        self._window_bytes = deadlines.progress_bytes_per_second * deadlines.progress_window_seconds
        self._window_seconds = deadlines.progress_window_seconds
        self._moved_bytes = moved_bytes
        self._stalled = stalled
        self._deadline = Deadline(clock, self._window_ended)
        self._moved_bytes_before = 0

    def start(self) -> None:
        self._moved_bytes_before = self._moved_bytes()
        self._deadline.set(self._window_seconds)

    def pause(self) -> None:
        """The server waits no more; `start` may follow."""
        self._deadline.clear()

    def stop(self) -> None:
        """For good. Whoever was watched and who was told know of this, and would else be a cycle
        that holds a whole request until the garbage collector comes."""
        self._deadline.stop()
        self._moved_bytes, self._stalled = _nothing, _nobody

    def _window_ended(self) -> None:
        if self._moved_bytes() - self._moved_bytes_before < self._window_bytes:
            self._stalled()
        else:
            self.start()
