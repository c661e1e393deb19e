"""A cached store over one that announces its commits, answered when a test tells it to."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from objectd.errors import ObjectdError
from objectd.interfaces import (
    Change,
    Commit,
    Expectation,
    ICommitGroups,
    Row,
    Token,
)
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.caching import (
    CachedMetadata,
)
from objectd.metadata.memory import MemoryMetadata
from objectd.metadata.slots import Slots
from objectd.model import keys

_T = TypeVar("_T")

OBJECT = keys.object_(1, b"key")
PAYLOAD = keys.payload(1, b"key")
OTHER = keys.object_(1, b"other")
LIVE = keys.live(1)


def table(slots: int = 50) -> Slots:
    return Slots(bytearray(8 * (1 + slots)))


class SteppedMetadata(MemoryMetadata):
    """Reads what it is asked for at once, and answers when it is told to; so with commits,
    which are seen when they are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.held = False
        self.reads: list[Deferred[None]] = []
        self.commits: list[Deferred[None]] = []

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        rows = await super().get(keys)
        if self.held:
            self.reads.append(Deferred())
            await self.reads[-1]
        return rows

    async def commit(self, commit: Commit) -> int:
        if self.held:
            self.commits.append(Deferred())
            await self.commits[-1]
        return await super().commit(commit)


@implementer(ICommitGroups)
class GroupedMetadata(MemoryMetadata):
    """Takes commits in groups, which are durable when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[Deferred[None]] = []

    def take(self, commit: Commit) -> int | None:
        try:
            self.commit(commit).send(None)
        except StopIteration as applied:
            revision: int = applied.value
            return revision
        except ObjectdError:
            return None
        raise AssertionError("it waits")

    def taken(self) -> Deferred[None]:
        self.groups.append(Deferred())
        return self.groups[-1]


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.slots = table()
        self.backing = SteppedMetadata()
        self.owner = AnnouncedMetadata(self.backing, self.slots)
        self.store = CachedMetadata(self.owner, self.slots)
        self.incarnation = self.run_now(self.owner.begin_incarnation())
        self.sequence = 0

    def begin(self, work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
        return Deferred.fromCoroutine(work)

    def run_now(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        return self.successResultOf(self.begin(work))

    def commit(self, *changes: Change, expect: tuple[Expectation, ...] = ()) -> Deferred[int]:
        self.sequence += 1
        token = Token(self.incarnation, self.sequence)
        return self.begin(self.owner.commit(Commit(token, 1, changes, expect)))

    def get(self, *asked: bytes) -> list[Row | None]:
        return self.run_now(self.store.get(asked))

    def is_kept(self, *asked: bytes) -> bool:
        """`get` is answered without the store."""
        self.backing.held, held = True, self.backing.held
        count = len(self.backing.reads)
        self.begin(self.store.get(asked))
        self.backing.held = held
        return len(self.backing.reads) == count

    def word(self, key: bytes) -> int:
        named = keys.group(key)
        assert named is not None
        return self.slots.words[self.slots.slot(named)]
