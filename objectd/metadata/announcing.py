"""The owner's side of the shared table: every commit is announced before it may be seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from objectd.errors import AnswerLost, Conflict, ObjectdError, StoreFailed, WrittenInPart
from objectd.interfaces import (
    Append,
    Change,
    Commit,
    DeleteRange,
    ICommitGroups,
    IMetadataStore,
)
from objectd.metadata.forwarding import ForwardingMetadata
from objectd.metadata.slots import GENERATION, Slots
from objectd.model.keys import GROUPED, group


@implementer(ICommitGroups)
class AnnouncedMetadata(ForwardingMetadata):
    """A store of which other processes keep rows (`objectd.metadata.caching`).

    The words of what a commit changes are odd from before the store takes it up until it is
    durable and can be read (or is refused) and no other commit that changes them is under way;
    only then is it answered. They have grown by 2 for each of these commits but those that met
    a `Conflict`, which have changed nothing: what is kept stays good, and so is what the conflict
    tells.
    If nobody can tell what became of a commit (the store failed, the caller was cancelled) they
    stay odd: the owner that follows knows, and begins a new generation, as making this one does.

    Commits are taken in groups if the store can do so.

    `on_fenced` is called when incarnations have been fenced, before that is answered.
    """

    def __init__(
        self,
        store: IMetadataStore,
        slots: Slots,
        *,
        on_fenced: Callable[[Sequence[int]], object] = lambda incarnations: None,
    ) -> None:
        super().__init__(store)
        self._slots = slots
        self._on_fenced = on_fenced
        self._changing: dict[int, int] = {}
        self._changed: dict[int, int] = {}
        self._groups = store if ICommitGroups.providedBy(store) else None
        self._taken: list[Collection[int]] = []
        slots.renew()

    @override
    async def fence(self, incarnations: Sequence[int]) -> None:
        await super().fence(incarnations)
        self._on_fenced(incarnations)

    @override
    async def commit(self, commit: Commit) -> int:
        words = self._words(commit.changes)
        self._begin(words)
        try:
            revision = await self._store.commit(commit)
        except (StoreFailed, AnswerLost):
            raise
        except ObjectdError as error:
            self._end(words, changed=not isinstance(error, Conflict))
            raise
        self._end(words, changed=True)
        return revision

    def take(self, commit: Commit) -> int | None:
        if self._groups is None:
            return None
        words = self._words(commit.changes)
        self._begin(words)
        revision: int | None = self._groups.take(commit)
        if revision is None:
            self._end(words, changed=False)
        else:
            self._taken.append(words)
        return revision

    def taken(self) -> Deferred[None]:
        group, self._taken = self._taken, []
        if self._groups is None:
            return succeed(None)
        settled: Deferred[None] = self._groups.taken()
        return settled.addCallbacks(
            self._end_all, self._end_refused, callbackArgs=(group,), errbackArgs=(group,)
        )

    def _end_all(self, result: None, group: Sequence[Collection[int]]) -> None:
        for words in group:
            self._end(words, changed=True)

    def _end_refused(self, failure: Failure, group: Sequence[Collection[int]]) -> Failure:
        if failure.check(WrittenInPart) or not failure.check(StoreFailed, AnswerLost):
            self._end_all(None, group)
        return failure

    def _words(self, changes: Sequence[Change]) -> Collection[int]:
        """Which words stand for what these change. A range may be about any group, and so may
        be what an `Append` puts: they change the word that stands for all."""
        groups: set[bytes] = set()
        for change in changes:
            if type(change) is DeleteRange:
                if any(change.start[:1] <= bytes((tag,)) < change.stop for tag in GROUPED):
                    return (GENERATION,)
            elif type(change) is Append:
                if group(change.prefix) is not None:
                    return (GENERATION,)
            elif (named := group(change.key)) is not None:
                groups.add(named)
        if len(groups) == 1:
            return (self._slots.slot(groups.pop()),)
        return {self._slots.slot(named) for named in groups}

    def _begin(self, words: Collection[int]) -> None:
        changing = self._changing
        for index in words:
            under_way = changing.get(index, 0)
            changing[index] = under_way + 1
            if not under_way:
                self._slots.mark(index)

    def _end(self, words: Collection[int], *, changed: bool) -> None:
        changing, changed_by = self._changing, self._changed
        for index in words:
            commits = changed_by.pop(index, 0) + changed
            under_way = changing[index] - 1
            if under_way:
                changing[index] = under_way
                changed_by[index] = commits
                continue
            del changing[index]
            if commits:
                self._slots.clear(index, commits)
            else:
                self._slots.unmark(index)
