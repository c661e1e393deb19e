"""The time by which locks end, which no setting of the wall clock brings forward.

The row `w` is a mark: at a moment of the machine's own clock it was so late. What has passed since
is added; a reboot takes nothing away, and adds nothing. The wall clock is followed where it is
ahead of that by a little, as it is after a reboot: by an hour at most between two boots, however
many steps that takes. One that is further ahead has *jumped*, or the machine was off for longer
than that: nothing here can tell which. Trusted time then goes on without the wall clock, so locks
last longer, never shorter; work that destroys by date must stop (`jumped`), until an operator has
said that the wall clock is right (`confirm`). One that is behind is nothing to follow.

The owner of the store moves the mark on (`advance`); whoever needs the time reads it.
"""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from objectd.errors import DamagedRecord
from objectd.interfaces import Absent, At, Row
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import ClockMark
from objectd.objects.core import Core
from objectd.objects.shield import shield
from objectd.objects.uptime import Uptime
from objectd.objects.writer import Batch

FOLLOWED_US_MAX = 3600 * 1_000_000
"""How far a wall clock that is ahead is followed, in all, from one boot to the next."""

_log = Logger()


@attrs.frozen
class Reading:
    """`now_us` is the trusted time, at which the wall clock says `wall_us`."""

    now_us: int
    wall_us: int
    followed_us: int = 0
    jumped: bool = False

    @property
    def latest_us(self) -> int:
        """The later of the two. A promise that something will be kept for so long begins here:
        it is kept by the trusted time, whichever of the two is right."""
        return max(self.now_us, self.wall_us)


def read(mark: ClockMark | None, wall_us: int, uptime: Uptime) -> Reading:
    """What a mark says of the time. Without one, as in a new store, the wall clock is right."""
    if mark is None:
        return Reading(wall_us, wall_us)
    steady_us, followed_us = mark.trusted_us, 0
    if mark.boot_id == uptime.boot_id:
        steady_us += max(0, uptime.us - mark.boottime_us)
        followed_us = mark.followed_us
    ahead_us = wall_us - steady_us
    if ahead_us <= 0:
        return Reading(steady_us, wall_us, followed_us)
    if followed_us + ahead_us <= FOLLOWED_US_MAX:
        return Reading(wall_us, wall_us, followed_us + ahead_us)
    return Reading(steady_us, wall_us, followed_us, jumped=True)


@attrs.frozen
class TrustedTime:
    """The trusted time of a store: the same for all processes that have it open."""

    _core: Core

    async def now_us(self) -> int:
        """Microseconds since 1970 UTC. Never earlier than before. Raises `DamagedRecord`."""
        return (await self.reading()).now_us

    async def jumped(self) -> bool:
        """Whether nothing may be destroyed because it is said to be due. Raises `DamagedRecord`."""
        return (await self.reading()).jumped

    async def reading(self) -> Reading:
        """Raises `DamagedRecord`."""
        [row] = await self._core.metadata.get([keys.CLOCK_MARK])
        return self._read(row, self._core.uptime())

    async def advance(self) -> Reading:
        """Move the mark on to now. A later start cannot know of time that was not marked.
        Raises `DamagedRecord`."""
        return await shield(self._core.writer.transact(self._advance))

    async def confirm(self) -> Reading:
        """The wall clock is right: trusted time is what it says, and a mark that is damaged is
        put again. Back is a way to go, too: that only makes locks last longer."""
        return await shield(self._core.writer.transact(self._confirm))

    def _read(self, row: Row | None, uptime: Uptime) -> Reading:
        mark = decode(ClockMark, row.value) if row is not None else None
        return read(mark, self._core.now_us(), uptime)

    async def _advance(self, batch: Batch) -> Reading:
        key, uptime = keys.CLOCK_MARK, self._core.uptime()
        [row] = await self._core.metadata.get([key])
        reading = self._read(row, uptime)
        batch.expect(At(key, row.revision) if row is not None else Absent(key))
        _put(batch, reading, uptime)
        return reading

    async def _confirm(self, batch: Batch) -> Reading:
        wall_us, uptime = self._core.now_us(), self._core.uptime()
        reading = Reading(wall_us, wall_us)
        _put(batch, reading, uptime)
        return reading


def _put(batch: Batch, reading: Reading, uptime: Uptime) -> None:
    mark = ClockMark(reading.now_us, uptime.boot_id, uptime.us, reading.followed_us)
    batch.put(keys.CLOCK_MARK, encode(mark))


async def advance_or_say_why(time: TrustedTime) -> None:
    """At the start of a store. One whose mark is damaged opens, and its locks do not end."""
    try:
        await time.advance()
    except DamagedRecord as error:
        _log.error("{error}: no lock ends until the clock is confirmed", error=error)
