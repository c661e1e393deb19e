"""Keeping the trusted time while the server runs: what it has not marked, a reboot forgets."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from objectd.background.running import Running, tried
from objectd.objects.trusted_time import Reading, TrustedTime

INTERVAL_SECONDS = 60.0

_log = Logger()


class Timekeeping:
    """Moves the mark on at every interval, and tells once of a wall clock that has jumped, and
    of one that is right again. What fails is logged, and tried again."""

    def __init__(self, time: TrustedTime, clock: IReactorTime) -> None:
        self._time = time
        self._running = Running(clock)
        self._jumped = False

    def start(self) -> None:
        self._running.start_every(INTERVAL_SECONDS, self._advance)

    async def stop(self) -> None:
        """Idempotent."""
        await self._running.stop()

    async def _advance(self) -> None:
        failure = "the trusted time could not be moved on; locks last longer for it"
        reading = await tried(self._time.advance(), failure)
        if reading is not None and reading.jumped is not self._jumped:
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
