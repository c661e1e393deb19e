"""Writing compressed blobs: frames are made of the data on its way to the blob store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from zope.interface import implementer

from objectd.blobs.format import Data
from objectd.blobs.frames import Compressor, Frames, is_smaller
from objectd.errors import StoreFailed
from objectd.interfaces import IBlobWriter, RunInThread, SealedBlob

Create: TypeAlias = Callable[[int | None], Awaitable[IBlobWriter]]
"""Starts a blob of so many bytes; None: nobody knows how many."""

_THREAD_BYTES_MIN = 4 << 10
"""Compressing less takes no longer, at any level, than 2 ms."""

HELD_BYTES = 3 << 20
"""Of a body: what waits for the rest of its frame, a frame, and what was put into that."""


@implementer(IBlobWriter)
class CompressingWriter:
    """Holds back the first frame, and starts the blob when it knows how small that one gets: if
    not small enough, the blob is stored as it comes.

    So `inner` never hears of more bytes than it gets, and of how many wherever that can be known.
    Compresses in a thread, so that MD5 and the next bytes go on meanwhile.
    """

    def __init__(
        self, create: Create, size_bytes: int | None, level: int, run_in_thread: RunInThread
    ) -> None:
        self._create = create
        self._size_bytes = size_bytes
        self._compressor = Compressor(level)
        self._run_in_thread = run_in_thread
        self._inner: IBlobWriter | None = None
        self._is_plain = False

    @property
    def drive(self) -> int:
        return self._started().drive

    def frames(self) -> Frames | None:
        """The index, once it has finished; None if the blob is stored as it came."""
        return None if self._is_plain else self._compressor.frames()

    async def write(self, data: bytes) -> None:
        if self._is_plain:
            await self._write(data)
        else:
            for plain in self._compressor.cut(data):
                await self._add(plain)
            await self._hold_no_plain_data()

    async def finish(self) -> SealedBlob:
        rest = self._compressor.rest()
        if self._inner is None:
            self._size_bytes = len(rest)
            await self._add(rest)
        elif rest:
            await self._add(rest)
        return await self._started().finish()

    async def seal(self, identity: Mapping[str, Any]) -> None:
        await self._started().seal(identity)

    async def abort(self) -> None:
        self._compressor.rest()  # is held no longer than this
        if self._inner is not None:
            await self._inner.abort()

    async def _hold_no_plain_data(self) -> None:
        """What waits for the rest of a frame does so in vain once there will be none."""
        if self._is_plain:
            await self._write(self._compressor.rest())

    async def _add(self, plain: Data) -> None:
        """Store what makes a frame."""
        if self._is_plain:
            await self._write(plain)
            return
        frame = await self._frame(plain)
        if self._inner is None:
            self._is_plain = not is_smaller(len(plain), len(frame))
            self._inner = await self._create(self._stored_bytes(plain, frame))
        await self._write(plain if self._is_plain else frame)

    async def _frame(self, plain: Data) -> bytes:
        if len(plain) < _THREAD_BYTES_MIN:
            return self._compressor.frame(plain)
        return await self._run_in_thread(self._compressor.frame, plain)

    def _stored_bytes(self, plain: Data, frame: bytes) -> int | None:
        """How many bytes will be stored; None where only the first frame tells of them."""
        if self._is_plain:
            return self._size_bytes
        return len(frame) if self._size_bytes == len(plain) else None

    async def _write(self, data: Data) -> None:
        if data:
            await self._started().write(bytes(data))

    def _started(self) -> IBlobWriter:
        if self._inner is None:
            raise StoreFailed("the blob has not been started")
        return self._inner
