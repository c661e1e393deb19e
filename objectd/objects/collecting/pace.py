"""How fast background work may go, so that requests do not wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

BURST_SECONDS = 0.1
"""What this much time allows is unlinked at once."""


class Pace(Protocol):
    """What background work asks on its way."""

    def seconds(self) -> float:
        """The time, of which only differences mean anything."""

    async def step(self) -> None:
        """Awaited between any two steps: others may go first."""

    def portions(self, sizes_bytes: Sequence[int]) -> AsyncIterator[slice]:
        """Files of these sizes are to be unlinked: slices of them, in order, each when it may
        be done."""


class AtOnce:
    """For a store that nobody else uses: time does not pass, and there is no limit."""

    def seconds(self) -> float:
        return 0.0

    async def step(self) -> None:
        return None

    async def portions(self, sizes_bytes: Sequence[int]) -> AsyncIterator[slice]:
        yield slice(0, len(sizes_bytes))


AT_ONCE = AtOnce()


@attrs.define
class Beside:
    """For a store that is being served: the reactor gets a turn between two steps, and no more
    files or bytes are unlinked in a second than the limits say; 0 is no limit.

    Whoever shares one shares its limits. Over any time they hold but for one portion: what
    `BURST_SECONDS` allow, or a single file, however large, which is paid for afterwards.
    """

    _clock: IReactorTime
    files_per_second: int = 0
    bytes_per_second: int = 0
    _paid_until: float = attrs.field(default=0.0, init=False)

    def seconds(self) -> float:
        return self._clock.seconds()

    async def step(self) -> None:
        await deferLater(self._clock, 0)

    async def portions(self, sizes_bytes: Sequence[int]) -> AsyncIterator[slice]:
        start = 0
        while start < len(sizes_bytes):
            cost = self._cost(sizes_bytes[start])
            stop = start + 1
            while stop < len(sizes_bytes):
                more = cost + self._cost(sizes_bytes[stop])
                if more > BURST_SECONDS:
                    break
                cost, stop = more, stop + 1
            await self._turn(cost)
            yield slice(start, stop)
            start = stop

    def _cost(self, size_bytes: int) -> float:
        """How many seconds' worth of the limits one file is."""
        by_count = 1 / self.files_per_second if self.files_per_second else 0.0
        by_size = size_bytes / self.bytes_per_second if self.bytes_per_second else 0.0
        return max(by_count, by_size)

    async def _turn(self, cost: float) -> None:
        """Wait until what was unlinked before is paid for; whoever comes next pays for this."""
        now = self._clock.seconds()
        start = max(now, self._paid_until)
        self._paid_until = start + cost
        if start > now:
            await deferLater(self._clock, start - now)
