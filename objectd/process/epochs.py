"""Knowing when every read of every process is over that could still need a file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import attrs
from twisted.internet.defer import Deferred

from objectd.interfaces import SCAN_ROWS_MAX, IMetadataStore, Scan
from objectd.model import keys

Ask = Callable[[int], object]
"""Send an epoch's number to a process, which answers when its reads are over."""


@attrs.frozen(eq=False)
class _Epoch:
    number: int
    missing: set[int]
    over: Deferred[None]


class Epochs:
    """The owner's view of the incarnations that are not fenced, and of their connections.

    `passed` begins an epoch: each such incarnation is told its number, and answers when all
    reads have ended that it had begun when it heard of it. Why nobody is forgotten:

    - Who has to answer is read from the store, where an incarnation has its row from before
      its process reads anything until that process is known to be gone: not from who happens
      to be connected. So it is also right in an owner that has just been started. A process
      that is not connected at the moment connects again and is then asked.
    - An incarnation that the store does not show yet need not answer: its process learns its
      number only when the row is durable, so all its reads begin after what the caller of
      `passed` waits for became visible.
    - One that is fenced is waited for no longer: its process is gone, and its reads with it.
    - A connection that is lost before the answer came loses the answer. The next one of that
      incarnation is asked again; reads that have ended need not end twice.
    - Numbers mean something on one connection to one owner only, so that an answer to an
      owner that died is never taken for one to its successor. Within it, whoever answers a
      number has answered all lower ones.
    """

    def __init__(self, store: IMetadataStore) -> None:
        self._store = store
        self._numbers = itertools.count(1)
        self._connected: dict[int, Ask] = {}
        self._under_way: list[_Epoch] = []
        self._fenced: set[int] = set()

    async def passed(self, own: int) -> None:
        """Wait for the reads of all incarnations but this one that began before the call."""
        # Whoever was fenced since the store was read will not be heard of any more.
        others = await self._unfenced() - {own} - self._fenced
        if not others:
            return
        epoch = _Epoch(next(self._numbers), others, Deferred(self._forget))
        self._under_way.append(epoch)
        for incarnation in sorted(others):
            if incarnation in self._connected:
                self._connected[incarnation](epoch.number)
        await epoch.over

    def connected(self, incarnation: int, ask: Ask) -> None:
        """A process of this incarnation is there, over a new connection."""
        self._connected[incarnation] = ask
        numbers = [e.number for e in self._under_way if incarnation in e.missing]
        if numbers:
            ask(max(numbers))

    def lost(self, incarnation: int, ask: Ask) -> None:
        """That connection is gone; there may be a newer one already."""
        if self._connected.get(incarnation) == ask:
            del self._connected[incarnation]

    def answered(self, incarnation: int, number: int) -> None:
        self._none_missing(incarnation, number)

    def fenced(self, incarnations: Sequence[int]) -> None:
        """Their processes are gone."""
        self._fenced.update(incarnations)
        for incarnation in incarnations:
            self._none_missing(incarnation, None)

    def _none_missing(self, incarnation: int, number: int | None) -> None:
        for epoch in list(self._under_way):
            if number is None or epoch.number <= number:
                epoch.missing.discard(incarnation)
                if not epoch.missing and epoch in self._under_way:
                    self._under_way.remove(epoch)
                    epoch.over.callback(None)

    def _forget(self, over: Deferred[None]) -> None:
        self._under_way = [epoch for epoch in self._under_way if epoch.over is not over]

    async def _unfenced(self) -> set[int]:
        found: set[int] = set()
        start, stop = keys.span(keys.INCARNATIONS)
        while True:
            page = await self._store.scan(Scan(start, stop, limit=SCAN_ROWS_MAX))
            found.update(keys.incarnation_number(entry.key) for entry in page.entries)
            if not page.more:
                return found
            start = page.entries[-1].key + b"\0"
