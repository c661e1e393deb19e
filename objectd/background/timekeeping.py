"""Keeping the trusted time while the server runs: what it has not marked, a reboot forgets."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from objectd.objects.trusted_time import Reading, TrustedTime

INTERVAL_SECONDS = 60.0

_log = Logger()


class Timekeeping:
    """Moves the mark on at every interval, and tells once of a wall clock that has jumped, and
    of one that is right again. What fails is logged, and tried again."""

    def __init__(self, time: TrustedTime, clock: IReactorTime) -> None:
        self._time = time
        self._clock = clock
        self._jumped = False
        self._running: Deferred[None] | None = None

    def start(self) -> None:
        self._running = Deferred.fromCoroutine(self._run())

    async def stop(self) -> None:
        """Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await running

    async def _run(self) -> None:
        try:
            while True:
                await self._advance()
                await deferLater(self._clock, INTERVAL_SECONDS)
        except CancelledError:
            return

    async def _advance(self) -> None:
        try:
            reading = await self._time.advance()
        except CancelledError:
            raise
        except Exception:
            _log.failure("the trusted time could not be moved on; locks last longer for it")
            return
        if reading.jumped is not self._jumped:
            self._jumped = reading.jumped
            _tell(reading)


def _tell(reading: Reading) -> None:
    if not reading.jumped:
        _log.info("the wall clock is in step with the trusted time again")
        return
    ahead_seconds = (reading.wall_us - reading.now_us) // 1_000_000
    _log.error(
        "the wall clock is {seconds} s ahead of the trusted time: it was set, or the machine was "
        "off for long. Locks end by the trusted time, and nothing that is due is removed until "
        "this is settled. If the wall clock is wrong, set it right. If it is right, stop the "
        "server and run: objectd clock confirm DATA_DIR",
        seconds=ahead_seconds,
        reading=reading,
    )
