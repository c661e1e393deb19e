"""One lock for each key that is being changed in this process."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred


class KeyLocks:
    """Writers of one key queue here instead of failing each other's expectations. The locks
    only save work: what is right is decided by the expectations of the commits.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Deferred[None]] | None] = {}
        """For each key that is taken, who waits for it."""
        self._released: deque[bytes] = deque()
        self._handing_over = False

    def take(self, key: bytes) -> bool:
        """Whether the lock was free, and is now the caller's."""
        if key in self._waiting:
            return False
        self._waiting[key] = None
        return True

    async def acquire(self, key: bytes) -> None:
        if self.take(key):
            return
        waiting = self._waiting[key]
        if waiting is None:
            waiting = self._waiting[key] = deque()
        turn: Deferred[None] = Deferred(waiting.remove)
        waiting.append(turn)
        await turn

    def release(self, key: bytes) -> None:
        """Hand the lock to the next in the queue.

        Who gets it may be done at once and release in turn, hundreds of times over: that
        must be a loop here, not a recursion, so only the outermost call hands over.
        """
        if not self._waiting[key]:
            del self._waiting[key]
            return
        self._released.append(key)
        if self._handing_over:
            return
        self._handing_over = True
        try:
            while self._released:
                self._hand_over(self._released.popleft())
        finally:
            self._handing_over = False

    def holding(self, *keys: bytes) -> _Holding:
        """`async with locks.holding(a, b):` acquires in key order, so nobody deadlocks."""
        return _Holding(self, sorted(set(keys)))

    def _hand_over(self, key: bytes) -> None:
        waiting = self._waiting[key]
        if waiting:
            waiting.popleft().callback(None)
        else:
            del self._waiting[key]


class _Holding:
    def __init__(self, locks: KeyLocks, keys: list[bytes]) -> None:
        self._locks = locks
        self._keys = keys
        self._held: list[bytes] = []

    async def __aenter__(self) -> None:
        try:
            for key in self._keys:
                if not self._locks.take(key):
                    await self._locks.acquire(key)
                self._held.append(key)
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *exception: object) -> None:
        self._release()

    def _release(self) -> None:
        while self._held:
            self._locks.release(self._held.pop())
