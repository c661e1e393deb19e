"""How clients of a simulated store ask, and what they make of the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from objectd.errors import (
    AnswerLost,
    BucketNotFound,
    ConditionalConflict,
    Fenced,
    IncompleteBody,
    OperationAborted,
    OutcomeUnknown,
    StoreFailed,
    StoreFull,
)
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.store import ObjectStore
from objectd.testing.simulation.beliefs import BUCKETS, KEYS, Beliefs
from objectd.testing.simulation.keys import STORES_KEY
from objectd.testing.simulation.schedule import Process
from objectd.testing.simulation.storage_classes import any_class

_T = TypeVar("_T")

CANCEL_PROBABILITY = 0.06

UNKNOWN = (OutcomeUnknown, CancelledError)
"""After one of these a client does not know whether what it asked for was done."""

REFUSED = (
    AnswerLost,
    ConditionalConflict,
    Fenced,
    IncompleteBody,
    OperationAborted,
    StoreFailed,
    StoreFull,
)
"""After one of these it knows that nothing was done, nor will be."""


class Undecided(Protocol):
    """A write that was asked for: what an answer, or its absence, says of it."""

    def acknowledge(self, now: int) -> None: ...
    def refuse(self, now: int) -> None: ...
    def give_up(self, now: int) -> None: ...


class Asker:
    """What all clients in one process share. What they asked for is in `undecided` until
    the process is over."""

    def __init__(
        self, beliefs: Beliefs, process: Process, store: ObjectStore, undecided: list[Undecided]
    ) -> None:
        self.beliefs = beliefs
        self.process = process
        self.store = store
        self.schedule = beliefs.schedule
        self.random = beliefs.schedule.random
        self._undecided = undecided

    @property
    def now(self) -> int:
        return self.schedule.now

    async def write(
        self,
        what: str,
        bucket: str,
        writes: Sequence[Undecided],
        work: Coroutine[Deferred[Any], Any, _T],
    ) -> _T | None:
        """Write into a bucket, which must be there for it."""
        start = self.now
        try:
            done = await self.change(what, writes, work)
        except BucketNotFound:
            self.refuse(f"{what}: no bucket", writes)
            self.observe_bucket(bucket, False, start)
            return None
        except REFUSED as error:
            self.refuse(f"{what}: {type(error).__name__}", writes)
            return None
        if done is not None:
            self.observe_bucket(bucket, True, start)
        return done

    async def change(
        self,
        what: str,
        writes: Sequence[Undecided],
        work: Coroutine[Deferred[Any], Any, _T],
    ) -> _T | None:
        """The answer, or None if it is not known what became of it."""
        self.schedule.note(f"{self.process.name}: begins to {what}")
        asked = Deferred.fromCoroutine(work)
        if self.schedule.chance(CANCEL_PROBABILITY):
            self.schedule.add(f"{self.process.name}: a client goes away", asked.cancel)
        self._undecided += writes
        try:
            answer = await asked
        except UNKNOWN as error:
            self.beliefs.count(f"{what}: {type(error).__name__}")
            return None
        for write in writes:
            write.acknowledge(self.now)
        self.schedule.note(f"{self.process.name}: did {what}")
        self.beliefs.count(what)
        return answer

    def refuse(self, what: str, writes: Sequence[Undecided]) -> None:
        self.schedule.note(f"{self.process.name}: {what}")
        self.beliefs.count(what)
        for write in writes:
            write.refuse(self.now)

    def observe_bucket(self, name: str, is_there: bool, start: int) -> None:
        self.beliefs.buckets[name].observe(
            lambda value: value is is_there,
            start,
            self.now,
            "was found" if is_there else "was not found",
        )

    def place(self) -> tuple[str, str]:
        return self.random.choices(BUCKETS, (4, 1))[0], self.random.choices(KEYS, (6, 2, 1))[0]

    def data(self) -> bytes:
        """Small, or large and perhaps what others store too; now and then it would get smaller
        if it were compressed."""
        if self.schedule.chance(0.25):
            return b"small" * self.random.randint(0, 1)
        times = 3 if self.schedule.chance(0.25) else 1
        if self.schedule.chance(0.7):
            return b"what many have in common %d" % self.random.randint(0, 1) * times
        return b"something large that nobody else has %d" % self.beliefs.next_operation() * times

    def storage_class(self) -> str:
        return any_class(self.random)

    def encryption(self) -> EncryptionWanted | None:
        """Seldom: most of what is known of blobs and manifests is the same of encrypted ones."""
        return STORES_KEY if self.schedule.chance(0.1) else None


async def done(work: Awaitable[object]) -> bool:
    """True once the work is done: an answer for work that has none."""
    await work
    return True


class Body:
    """A body that comes in pieces, and may break off."""

    def __init__(self, process: Process, data: bytes, broken: bool) -> None:
        self._process = process
        half = len(data) // 2
        self._pieces = [piece for piece in (data[:half], data[half:]) if piece]
        self._broken = broken

    async def read(self) -> bytes:
        await self._process.pause("sends a piece")
        if not self._pieces and self._broken:
            raise IncompleteBody("the client went away")
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None:
        self._pieces = []
