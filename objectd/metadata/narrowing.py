"""Finding the next row behind very many deleted ones, a little at a time.

RocksDB gives up after so many deleted rows and does not say how far it came. So a smaller
part of the range is tried: one that can be read to its end without finding anything is done
with, and the search goes on behind it. Parts end first at keys that were deleted lately (see
`objectd.metadata.emptied`), then where halving the range cuts it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from msgspec import structs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from objectd.interfaces import Scan, ScanPage

FIRST_STEP_BITS = 8
STEP_BITS = 2
_DIGITS = 128

TURN_SECONDS = 0.002
"""After so long others have their turn; a part that takes longest takes about as much."""


class Turns:
    """Lets others have their turn, first at once and then whenever ours has lasted for long
    enough: many parts are done with in much less."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._ends = float("-inf")

    async def pause(self) -> None:
        if self._clock.seconds() >= self._ends:
            await deferLater(self._clock, 0)
            self._ends = self._clock.seconds() + TURN_SECONDS


class PutMeanwhile:
    """The lowest key that was put into a range since a scan of it began."""

    def __init__(self, start: bytes, stop: bytes) -> None:
        self._start = start
        self._stop = stop
        self.lowest: bytes | None = None

    def note(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            if self._start <= key < self._stop and (self.lowest is None or key < self.lowest):
                self.lowest = key


async def page_behind_deletions(
    scan: Scan,
    read: Callable[[Scan, int], ScanPage],
    pause: Callable[[], Awaitable[object]],
    put_meanwhile: PutMeanwhile,
    borders: Iterable[bytes] = (),
) -> ScanPage:
    """The page of a scan whose first try came upon nothing before it gave up.

    `read` reads a part of the range; where its second argument is n, it may pass 2**n times
    as many deleted rows as usual. Between two parts there is a `pause`, in which rows may be
    put, also into parts that were empty: so what is returned is read in one go at the end,
    from the first key on that can be there. `borders` are in order, and in the range.
    """
    if not scan.reverse:
        scan = await _behind_empty_parts(scan, read, pause, borders)
    shared = _shared(scan.start, scan.stop)
    low, high = _number(scan.start, shared), _number(scan.stop, shared)
    width, step_bits, patience = high - low, FIRST_STEP_BITS, 0
    if scan.reverse:
        width = 0  # a range that is read downwards cannot be cut: RocksDB goes on below it
    while True:
        await pause()
        border = low + width
        part = structs.replace(scan, stop=_key(border, shared)) if low < border < high else scan
        page = read(part, patience)
        if page.more and not page.entries:
            patience += width == 0  # where nothing lies between, only going further helps
            width >>= step_bits
            continue
        first = _first_key(page, part, put_meanwhile.lowest)
        if first is None and part is not scan:
            scan, low = structs.replace(scan, start=part.stop), border
            width, step_bits = width << STEP_BITS, STEP_BITS
            continue
        if scan.reverse or first is None or (part is scan and put_meanwhile.lowest is None):
            return page
        put_meanwhile.lowest = None
        scan = structs.replace(scan, start=first)
        whole = read(scan, patience)
        if whole.entries or not whole.more:
            return whole
        low = _number(first, shared)  # it was put, and deleted again


async def _behind_empty_parts(
    scan: Scan,
    read: Callable[[Scan, int], ScanPage],
    pause: Callable[[], Awaitable[object]],
    borders: Iterable[bytes],
) -> Scan:
    for border in borders:
        await pause()
        page = read(structs.replace(scan, stop=border), 0)
        if page.entries or page.more:
            break
        scan = structs.replace(scan, start=border)
    return scan


def _first_key(page: ScanPage, part: Scan, put: bytes | None) -> bytes | None:
    """The first key that can be there up to the end of a part."""
    found = [entry.key for entry in page.entries[:1]]
    if put is not None and put < part.stop:
        found.append(put)
    return min(found, default=None)


def _shared(start: bytes, stop: bytes) -> bytes:
    """What both begin with."""
    for n, (a, b) in enumerate(zip(start, stop, strict=False)):
        if a != b:
            return start[:n]
    return min(start, stop)


def _number(key: bytes, shared: bytes) -> int:
    return int.from_bytes(key[len(shared) :][:_DIGITS].ljust(_DIGITS, b"\0"), "big")


def _key(number: int, shared: bytes) -> bytes:
    return shared + number.to_bytes(_DIGITS, "big").rstrip(b"\0")
