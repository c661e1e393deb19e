"""The writer: tokens, lost answers, conflicts."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import (
    AnswerLost,
    Conflict,
    Fenced,
    OperationAborted,
    OutcomeUnknown,
    StoreBusy,
    StoreFailed,
)
from objectd.interfaces import Absent, Add, Append, Commit, Delete, Outcome, Put, Token
from objectd.metadata.memory import MemoryMetadata
from objectd.objects.writer import OUTCOME_RETRY_SECONDS, OUTCOME_SECONDS_MAX, Batch, Writer
from objectd.test.objects.cases import begin

ATTEMPTS_MAX = 5
OUTCOMES_MAX = int(OUTCOME_SECONDS_MAX / OUTCOME_RETRY_SECONDS)


class FarMetadata(MemoryMetadata):
    """A store whose answers may get lost: `before` and `after` run around each commit and
    may raise, `away` counts the questions for outcomes that it will not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None
        self.away = 0
        self.commits: list[Commit] = []

    async def commit(self, commit: Commit) -> int:
        self.commits.append(commit)
        self.before()
        revision = await super().commit(commit)
        self.after()
        return revision

    async def outcome(self, token: Token) -> Outcome:
        if self.away:
            self.away -= 1
            raise AnswerLost("away") if self.away % 2 else StoreBusy("busy")
        return await super().outcome(token)


def once(error: Exception) -> Callable[[], None]:
    """Raise it the first time."""
    errors = [error]

    def fail() -> None:
        if errors:
            raise errors.pop()

    return fail


def counting(n: int = 1) -> Batch:
    batch = Batch()
    batch.add(b"a", n)
    return batch


class WriterCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.metadata = FarMetadata()
        incarnation = self.successResultOf(ensureDeferred(self.metadata.begin_incarnation()))
        self.writer = Writer(
            self.metadata, incarnation, clock=self.clock, commit_attempts_max=ATTEMPTS_MAX
        )

    def count(self) -> int:
        [row] = self.successResultOf(ensureDeferred(self.metadata.get([b"a"])))
        return int.from_bytes(row.value, "big") if row else 0

    def commit(self) -> int:
        return self.successResultOf(begin(self.writer.commit(counting())))


class LostAnswerTests(WriterCase):
    def test_applied(self) -> None:
        """A commit whose answer is lost after it was applied is not applied again."""
        self.metadata.after = once(AnswerLost("gone"))
        revision = self.commit()
        self.assertEqual((self.count(), len(self.metadata.commits)), (1, 1))
        self.assertEqual(self.commit(), revision + 1)

    def test_not_applied(self) -> None:
        """A commit that never arrived is sent again with a new token."""
        self.metadata.before = once(AnswerLost("gone"))
        self.commit()
        one, other = self.metadata.commits
        self.assertEqual(self.count(), 1)
        self.assertNotEqual(one.token, other.token)

    def test_late_copy(self) -> None:
        """A copy that arrives after its outcome was asked for is refused."""
        self.metadata.before = once(AnswerLost("gone"))
        self.commit()
        late = begin(self.metadata.commit(self.metadata.commits[0]))
        self.failureResultOf(late)
        self.assertEqual(self.count(), 1)

    def test_away_for_a_while(self) -> None:
        """The outcome is asked for until somebody answers."""
        self.metadata.after = once(AnswerLost("gone"))
        self.metadata.away = OUTCOMES_MAX - 1
        committing = begin(self.writer.commit(counting()))
        self.clock.pump([OUTCOME_RETRY_SECONDS] * (OUTCOMES_MAX - 2))
        self.assertNoResult(committing)
        self.clock.advance(OUTCOME_RETRY_SECONDS)
        self.successResultOf(committing)
        self.assertEqual(self.count(), 1)

    def test_away_for_good(self) -> None:
        """An outcome that nobody tells for long is unknown."""
        self.metadata.after = once(AnswerLost("gone"))
        self.metadata.away = OUTCOMES_MAX
        committing = begin(self.writer.commit(counting()))
        self.clock.pump([OUTCOME_RETRY_SECONDS] * OUTCOMES_MAX)
        self.failureResultOf(committing, OutcomeUnknown)

    def test_fenced_meanwhile(self) -> None:
        """The outcome of one who was fenced meanwhile is unknown, though it was applied."""

        def lose() -> None:
            self.successResultOf(ensureDeferred(self.metadata.fence([self.writer.incarnation])))
            raise AnswerLost("gone")

        self.metadata.after = lose
        self.failureResultOf(begin(self.writer.commit(counting())), OutcomeUnknown)
        self.assertEqual(self.count(), 1)

    def test_fenced_before(self) -> None:
        """One who was fenced before applies nothing, and knows it."""
        self.successResultOf(ensureDeferred(self.metadata.fence([self.writer.incarnation])))
        self.failureResultOf(begin(self.writer.commit(counting())), Fenced)
        self.assertEqual(self.count(), 0)

    def test_failed(self) -> None:
        """After a store has failed, nobody knows."""
        self.metadata.after = once(StoreFailed("sync"))
        self.failureResultOf(begin(self.writer.commit(counting())), OutcomeUnknown)

    def test_busy(self) -> None:
        """A store that is busy has applied nothing, and says so."""
        self.metadata.before = once(StoreBusy("later"))
        self.failureResultOf(begin(self.writer.commit(counting())), StoreBusy)
        self.assertEqual(self.count(), 0)

    def test_lowest_unanswered(self) -> None:
        """A commit names the oldest one whose answer is still waited for."""
        self.commit()
        self.metadata.after = once(AnswerLost("gone"))
        self.metadata.away = 2
        waiting = begin(self.writer.commit(counting()))
        self.commit()
        self.clock.pump([OUTCOME_RETRY_SECONDS] * 2)
        self.successResultOf(waiting)
        self.commit()
        lowest = [(c.token.sequence, c.lowest_unanswered) for c in self.metadata.commits]
        self.assertEqual(lowest, [(1, 1), (2, 2), (3, 2), (4, 4)])


class TransactTests(WriterCase):
    def test_conflict(self) -> None:
        """A conflict leads to a new decision, from the reading on."""
        decisions: list[int] = []

        async def decide(batch: Batch) -> int:
            decisions.append(self.count())
            if len(decisions) < 3:
                batch.expect(Absent(b"i" + self.writer.incarnation.to_bytes(4, "big")))
            batch.add(b"a", 1)
            return len(decisions)

        self.assertEqual(self.successResultOf(begin(self.writer.transact(decide))), 3)
        self.assertEqual((decisions, self.count()), ([0, 0, 0], 1))

    def test_bounded(self) -> None:
        """One who loses every time gives up."""
        attempts: list[None] = []

        async def decide(batch: Batch) -> None:
            attempts.append(None)
            batch.expect(Absent(b"i" + self.writer.incarnation.to_bytes(4, "big")))
            batch.add(b"a", 1)

        self.failureResultOf(begin(self.writer.transact(decide)), OperationAborted)
        self.assertEqual(len(attempts), ATTEMPTS_MAX)

    def test_nothing_to_do(self) -> None:
        """A decision to change nothing commits nothing."""

        async def decide(batch: Batch) -> str:
            return "nothing"

        self.assertEqual(self.successResultOf(begin(self.writer.transact(decide))), "nothing")
        self.assertEqual(self.metadata.commits, [])

    def test_commit_raises_conflict(self) -> None:
        """A single commit tells its caller of a conflict."""
        batch = counting()
        batch.expect(Absent(b"i" + self.writer.incarnation.to_bytes(4, "big")))
        self.failureResultOf(begin(self.writer.commit(batch)), Conflict)


class BatchTests(SynchronousTestCase):
    def test_last_change_counts(self) -> None:
        """A later change of a row takes the place of an earlier one; counters are summed."""
        batch = Batch()
        batch.delete(b"k")
        batch.put(b"k", b"1")
        batch.put(b"l", b"1")
        batch.delete(b"l")
        for delta in (3, -1, 5):
            batch.add(b"a", delta)
        batch.add(b"b", 1)
        batch.add(b"b", -1)
        batch.append(b"j", b"x")
        for _ in range(2):
            batch.expect(Absent(b"k"))
        commit = batch.commit(Token(1, 2), 1)
        expected = (Put(b"k", b"1"), Delete(b"l"), Add(b"a", 7), Append(b"j", b"x"))
        self.assertEqual(commit, Commit(Token(1, 2), 1, expected, (Absent(b"k"),)))
