"""What is visible and answered when, flush by flush."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import Conflict, CounterLimitReached, StoreBusy, StoreFailed
from objectd.interfaces import (
    Absent,
    Add,
    Change,
    Commit,
    Delete,
    EmptyRange,
    Host,
    Present,
    Put,
    Row,
    Scan,
    Token,
)
from objectd.metadata import rocksdb
from objectd.metadata.flushing import CROWD, CROWD_SECONDS_EACH, CROWD_SECONDS_MAX
from objectd.metadata.rocksdb import Settings, open_store
from objectd.test.metadata.threads import HandDrivenThread


class GroupCommitTests(SynchronousTestCase):
    """What is visible and answered when, flush by flush."""

    def setUp(self) -> None:
        self.thread = HandDrivenThread()
        self.failures: list[Exception] = []
        directory = Path(self.mktemp())
        directory.mkdir()
        self.clock = Clock()
        host = Host(
            data_directory=directory,
            clock=self.clock,
            run_in_thread=self.thread,
            on_failure=self.failures.append,
        )
        self.store: Any = self.successResultOf(Deferred.fromCoroutine(open_store(Settings(), host)))
        begun = Deferred.fromCoroutine(self.store.begin_incarnation())
        self.thread.run()
        self.incarnation = self.successResultOf(begun)
        self.sequence = 0
        self.answered: list[str] = []

    def tearDown(self) -> None:
        closing = Deferred.fromCoroutine(self.store.close())
        while self.thread.waiting or self.clock.getDelayedCalls():
            self.clock.advance(CROWD_SECONDS_MAX)
            while self.thread.waiting:
                self.thread.run()
        self.successResultOf(closing)

    def commit(self, *changes: Change, name: str = "", expect: Any = ()) -> Deferred[int]:
        self.sequence += 1
        token = Token(self.incarnation, self.sequence)
        answer = self.carried_out(Commit(token, 0, changes, expect))

        def note(result: Any) -> Any:
            self.answered.append(name)
            return result

        return answer.addBoth(note)

    def carried_out(self, commit: Commit) -> Deferred[int]:
        return Deferred.fromCoroutine(self.store.commit(commit))

    def get(self, key: bytes) -> bytes | None:
        [row] = self.successResultOf(Deferred.fromCoroutine(self.store.get([key])))
        return row.value if row else None

    def test_visible_only_when_durable(self) -> None:
        """A commit is neither answered nor visible before its flush, and both after it."""
        commit = self.commit(Put(b"k", b"1"))
        self.assertNoResult(commit)
        self.assertIsNone(self.get(b"k"))
        self.thread.run()
        self.successResultOf(commit)
        self.assertEqual(self.get(b"k"), b"1")

    def test_scans_tell_what_is_durable(self) -> None:
        """What a scan comes upon is told when it is durable, and reads see it too."""
        self.commit(Put(b"k", b"1"), Put(b"l", b"2"))
        self.thread.run()
        self.commit(Delete(b"k"), Put(b"m", b"3"))
        scan = Deferred.fromCoroutine(self.store.scan(Scan(b"k", b"n", 9)))
        self.assertNoResult(scan)
        self.assertEqual((self.get(b"k"), self.get(b"m")), (b"1", None))
        self.thread.run()
        self.assertEqual([entry.key for entry in self.successResultOf(scan).entries], [b"l", b"m"])
        self.assertEqual((self.get(b"k"), self.get(b"m")), (None, b"3"))

    def test_visible_when_answered(self) -> None:
        """Whoever gets the answer reads what it committed."""
        seen: list[bytes | None] = []
        commit = self.commit(Put(b"k", b"1"))
        commit.addCallback(lambda revision: seen.append(self.get(b"k")))
        self.thread.run()
        self.assertEqual(seen, [b"1"])

    def test_refused_when_answered(self) -> None:
        """Whoever is answered and at once asks for what needs no write is answered as well."""
        refusals: list[Deferred[int]] = []
        self.commit(Put(b"k", b"1")).addCallback(
            lambda _: refusals.append(self.commit(Put(b"k", b"2"), expect=(Absent(b"k"),)))
        )
        self.thread.run()
        self.failureResultOf(refusals[0], Conflict)

    def test_later_writes_belong_to_the_next_flush(self) -> None:
        """One flush at a time; what comes meanwhile shares the next one."""
        first = self.commit(Put(b"k", b"1"))
        second, third = self.commit(Put(b"k", b"2")), self.commit(Put(b"l", b"3"))
        self.assertEqual(len(self.thread.waiting), 1)
        self.thread.run()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.assertEqual((self.get(b"k"), self.get(b"l")), (b"1", None))
        self.assertEqual(len(self.thread.waiting), 1)
        self.thread.run()
        earlier: int = self.successResultOf(second)
        later: int = self.successResultOf(third)
        self.assertLess(earlier, later)
        self.assertEqual((self.get(b"k"), self.get(b"l")), (b"2", b"3"))
        self.assertEqual(len(self.thread.waiting), 0)

    def test_answers_in_order(self) -> None:
        """The answers of one flush go out in the order of their commits."""
        for name in ("a", "b", "c", "d"):
            self.commit(Put(name.encode() + b"k", b""), name=name)
        self.thread.run()
        self.assertEqual(self.answered, ["a"])
        self.thread.run()
        self.assertEqual(self.answered, ["a", "b", "c", "d"])

    def test_a_crowd_shares_a_flush(self) -> None:
        """Where many wait, the next flush begins a while after this one began, so that it
        has as many waiters; it is not put off where few wait."""
        for number, put_off in ((CROWD - 1, False), (CROWD, True)):
            first, *others = [self.commit(Put(b"%02d" % n, b"")) for n in range(number)]
            self.thread.run()
            self.successResultOf(first)
            self.assertEqual(len(self.thread.waiting), 0 if put_off else 1)
            self.clock.advance(CROWD * CROWD_SECONDS_EACH / 2)
            late = self.commit(Put(b"late", b""))
            self.assertEqual(len(self.thread.waiting), 0 if put_off else 1)
            self.clock.advance(CROWD * CROWD_SECONDS_EACH / 2)
            self.thread.run()
            for commit in others:
                self.successResultOf(commit)
            if put_off:
                self.successResultOf(late)
            else:
                self.thread.run()

    def test_refused_while_a_flush_is_put_off(self) -> None:
        """What depends on nothing that is not durable does not wait for the next flush."""
        for n in range(CROWD):
            self.commit(Put(b"%02d" % n, b""))
        self.thread.run()
        self.clock.advance(CROWD_SECONDS_MAX)
        self.thread.run()
        self.failureResultOf(self.commit(expect=(Present(b"none"),)), Conflict)

    def test_waiting_both_sides(self) -> None:
        """As many commits may wait as the bound says; one more is refused at once."""
        self.patch(rocksdb, "COMMITS_WAITING_MAX", 3)
        waiting = [self.commit(Put(b"%02d" % n, b"")) for n in range(3)]
        self.failureResultOf(self.commit(Put(b"k", b"")), StoreBusy)
        while self.thread.waiting:
            self.thread.run()
        for commit in waiting:
            self.successResultOf(commit)
        self.commit(Put(b"k", b""))

    def test_commits_see_what_is_not_durable_yet(self) -> None:
        """Of two commits that expect absence at once, one is refused."""
        won = self.commit(Put(b"k", b"1"), expect=(Absent(b"k"),))
        lost = self.commit(Put(b"k", b"2"), expect=(Absent(b"k"),))
        self.thread.run()
        self.successResultOf(won)
        self.failureResultOf(lost, Conflict)
        self.assertEqual(self.get(b"k"), b"1")

    def test_refusals_wait_for_what_they_depend_on(self) -> None:
        """A conflict, a counter's limit, a repeated token and an outcome are answered only
        when what they were decided on is durable."""
        self.commit(Put(b"first", b""))
        token = Token(self.incarnation, self.sequence + 1)
        applied = self.commit(Put(b"k", b"1"), Add(b"c", 1))
        again = Commit(token, 0, (Put(b"k", b"1"), Add(b"c", 1)))
        answers: list[Deferred[Any]] = [
            self.commit(expect=(Absent(b"k"),)),
            self.commit(Add(b"c", 1, 1)),
            Deferred.fromCoroutine(self.store.commit(again)),
            Deferred.fromCoroutine(self.store.outcome(token)),
        ]
        self.thread.run()
        for answer in answers:
            self.assertNoResult(answer)
        self.thread.run()
        self.failureResultOf(answers[0], Conflict)
        self.failureResultOf(answers[1], CounterLimitReached)
        revision = self.successResultOf(applied)
        self.assertEqual(self.successResultOf(answers[2]), revision)
        self.assertEqual(self.successResultOf(answers[3]).revision, revision)

    def test_conflicts_over_durable_rows_wait_for_nobody(self) -> None:
        """Others' commits that are not durable yet do not keep a conflict waiting that tells
        nothing of them. One that tells a single row of theirs waits."""
        made = self.commit(Put(b"k", b"1"), Put(b"l", b""))
        self.thread.run()
        revision: int = self.successResultOf(made)
        self.commit(Put(b"other", b""), Delete(b"l"))
        refused = self.commit(Put(b"k", b"2"), expect=(Absent(b"k"), Absent(b"none")))
        conflict = self.failureResultOf(refused, Conflict).value
        self.assertEqual(conflict.rows, {b"k": Row(b"1", revision), b"none": None})
        told = [Absent(b"other"), Present(b"l"), EmptyRange(b"o", b"p")]
        waiting = [self.commit(Put(b"m", b""), expect=(Absent(b"k"), each)) for each in told]
        held = self.commit(Put(b"m", b""), expect=(Absent(b"k"), Present(b"other")))
        for refused in (*waiting, held):
            self.assertNoResult(refused)
        self.thread.run()
        for refused in (*waiting, held):
            self.failureResultOf(refused, Conflict)

    def test_refusals_without_writes_do_not_flush(self) -> None:
        """Where everything is durable already, a conflict is answered at once."""
        self.failureResultOf(self.commit(expect=(Present(b"none"),)), Conflict)
        self.assertEqual(len(self.thread.waiting), 0)

    def test_refusals_join_the_flush_under_way(self) -> None:
        """A conflict over what the present flush covers does not wait for another one."""
        self.commit(Put(b"k", b""))
        refused = self.commit(expect=(Absent(b"k"),))
        self.assertNoResult(refused)
        self.thread.run()
        self.failureResultOf(refused, Conflict)

    def test_cancelled_caller(self) -> None:
        """A commit is applied though its caller was cancelled, and others get their answers."""
        cancelled, kept = self.commit(Put(b"k", b"1")), self.commit(Put(b"l", b"2"))
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.thread.run()
        self.thread.run()
        self.successResultOf(kept)
        self.assertEqual((self.get(b"k"), self.get(b"l")), (b"1", b"2"))

    def test_failed_sync(self) -> None:
        """After a failed sync every waiter and every later call fails, and the host is told."""
        waiting = [self.commit(Put(b"k", b"1")), self.commit(Put(b"l", b"2"))]
        self.thread.fail(OSError(5, "Input/output error"))
        for commit in waiting:
            self.failureResultOf(commit, StoreFailed)
        self.assertEqual([type(error) for error in self.failures], [StoreFailed])
        self.failureResultOf(self.commit(Put(b"m", b"")), StoreFailed)
        self.failureResultOf(Deferred.fromCoroutine(self.store.get([b"k"])), StoreFailed)
        self.assertEqual(len(self.thread.waiting), 0)

    def test_close_waits_for_the_flush(self) -> None:
        """What is under way at a close gets its answer first."""
        commit = self.commit(Put(b"k", b"1"))
        closing = Deferred.fromCoroutine(self.store.close())
        self.assertNoResult(closing)
        self.thread.run()
        self.successResultOf(commit)
        self.successResultOf(closing)


class TakenTests(GroupCommitTests):
    """The same of commits that are taken where they can be."""

    def carried_out(self, commit: Commit) -> Deferred[int]:
        revision: int | None = self.store.take(commit)
        if revision is None:
            return super().carried_out(commit)
        taken: Deferred[None] = self.store.taken()
        return taken.addCallback(lambda _: revision)

    def test_a_group(self) -> None:
        """Commits that are taken together are durable together, and count as many."""
        self.patch(rocksdb, "COMMITS_WAITING_MAX", 3)
        commits = [Commit(Token(self.incarnation, n), 0, (Put(b"%d" % n, b""),)) for n in range(4)]
        self.assertEqual([bool(self.store.take(each)) for each in commits], [True] * 3 + [False])
        taken = self.store.taken()
        self.assertIsNone(self.store.take(commits[3]))
        self.assertIsNone(self.get(b"0"))
        self.thread.run()
        self.successResultOf(taken)
        self.assertEqual(self.get(b"2"), b"")
        self.assertIsNotNone(self.store.take(commits[3]))
        failed = self.store.taken()
        self.thread.fail(OSError(5, "Input/output error"))
        self.failureResultOf(failed, StoreFailed)
        self.failureResultOf(self.store.taken(), StoreFailed)
