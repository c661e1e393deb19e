"""How this process changes the metadata: batches, tokens, lost answers, conflicts."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from objectd.errors import (
    AnswerLost,
    Conflict,
    OperationAborted,
    OutcomeUnknown,
    StoreBusy,
    StoreFailed,
    TokenReused,
)
from objectd.interfaces import (
    Add,
    Append,
    Change,
    Commit,
    Delete,
    DeleteRange,
    Expectation,
    IMetadataStore,
    Outcome,
    OutcomeKind,
    Put,
    Token,
)
from objectd.model import keys

_T = TypeVar("_T")

OUTCOME_SECONDS_MAX = 15.0
OUTCOME_RETRY_SECONDS = 1.0


class Batch:
    """Changes and expectations that will be one commit. A key is changed once: a later
    `put` or `delete` of it takes the place of an earlier one; `add`s and `count`s are summed."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Change] = {}
        self._counters: dict[bytes, int] = {}
        self._usage: dict[int, tuple[int, int]] = {}
        self._others: list[Change] = []
        self._expect: dict[Expectation, None] = {}

    def put(self, key: bytes, value: bytes) -> None:
        self._rows[key] = Put(key, value)

    def delete(self, key: bytes) -> None:
        self._rows[key] = Delete(key)

    def delete_range(self, start: bytes, stop: bytes) -> None:
        self._others.append(DeleteRange(start, stop))

    def add(self, key: bytes, delta: int) -> None:
        self._counters[key] = self._counters.get(key, 0) + delta

    def count(self, bucket_id: int, *, objects: int, size_bytes: int) -> None:
        """The bucket gets, or with negative numbers loses, so much (`objectd.objects.usage`).
        Their keys are made when all is summed: a put over something mostly needs one or none."""
        had_objects, had_bytes = self._usage.get(bucket_id, (0, 0))
        self._usage[bucket_id] = had_objects + objects, had_bytes + size_bytes

    def append(self, prefix: bytes, value: bytes) -> None:
        self._others.append(Append(prefix, value))

    def expect(self, *expectations: Expectation) -> None:
        for expectation in expectations:
            self._expect[expectation] = None

    def __len__(self) -> int:
        return len(self._rows) + len(self._counters) + len(self._usage) + len(self._others)

    def commit(self, token: Token, lowest_unanswered: int) -> Commit:
        adds = [Add(key, delta) for key, delta in self._counters.items() if delta]
        shard = token.incarnation
        for bucket_id, (objects, size_bytes) in self._usage.items():
            if objects:
                adds.append(Add(keys.usage(bucket_id, shard, keys.USAGE_OBJECTS), objects))
            if size_bytes:
                adds.append(Add(keys.usage(bucket_id, shard, keys.USAGE_BYTES), size_bytes))
        changes = (*self._rows.values(), *adds, *self._others)
        return Commit(token, lowest_unanswered, changes, tuple(self._expect))


class Writer:
    """Commits on behalf of one incarnation.

    Its coroutines must not be cancelled half-way: callers run them under `shield`.
    """

    def __init__(
        self,
        metadata: IMetadataStore,
        incarnation: int,
        *,
        clock: IReactorTime,
        commit_attempts_max: int,
    ) -> None:
        self.incarnation = incarnation
        self._metadata = metadata
        self._clock = clock
        self._attempts_max = commit_attempts_max
        self._sequences = itertools.count(1)
        self._unanswered: dict[int, None] = {}

    async def commit(self, batch: Batch) -> int:
        """Commit once and know what became of it, also when the answer gets lost.

        Raises `OutcomeUnknown` if that cannot be found out. After any other error nothing
        was applied, nor will be: `Conflict`, `CounterLimitReached`, `CommitInvalid`,
        `StoreBusy`, `StoreFull`, `Fenced`.
        """
        while True:
            sequence = next(self._sequences)
            self._unanswered[sequence] = None
            token = Token(self.incarnation, sequence)
            try:
                lowest = next(iter(self._unanswered))
                return await self._metadata.commit(batch.commit(token, lowest))
            except AnswerLost:
                outcome = await self._outcome(token)
            except (StoreFailed, TokenReused) as error:
                raise OutcomeUnknown(str(error)) from error
            finally:
                del self._unanswered[sequence]
            if outcome.kind is OutcomeKind.APPLIED:
                return outcome.revision
            if outcome.kind is OutcomeKind.UNKNOWN:
                raise OutcomeUnknown(f"incarnation {self.incarnation} was fenced meanwhile")

    async def transact(self, decide: Callable[[Batch], Awaitable[_T]]) -> _T:
        """Read, decide, commit; again from the reading on if somebody was faster.

        `decide` reads what it needs, fills the batch with changes and with expectations of
        all that it relied on, and returns the result. It runs anew for each attempt. A
        batch without changes is not committed. Raises `OperationAborted` after
        `commit_attempts_max` attempts.
        """
        for _ in range(self._attempts_max):
            batch = Batch()
            result = await decide(batch)
            if not len(batch):
                return result
            try:
                await self.commit(batch)
            except Conflict:
                continue
            return result
        raise OperationAborted("others kept changing the same rows: try again")

    async def _outcome(self, token: Token) -> Outcome:
        deadline = self._clock.seconds() + OUTCOME_SECONDS_MAX
        while self._clock.seconds() < deadline:
            try:
                return await self._metadata.outcome(token)
            except (AnswerLost, StoreBusy):
                await deferLater(self._clock, OUTCOME_RETRY_SECONDS)
            except StoreFailed as error:
                raise OutcomeUnknown(str(error)) from error
        raise OutcomeUnknown("the metadata store stayed away after a commit was sent to it")
