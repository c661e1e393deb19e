"""Tokens, outcomes and incarnations; and what a closed store answers."""

from __future__ import annotations

from objectd.errors import (
    CommitInvalid,
    Conflict,
    CounterLimitReached,
    Fenced,
    StoreFailed,
    TokenReused,
)
from objectd.interfaces import (
    Absent,
    Add,
    Commit,
    Outcome,
    OutcomeKind,
    Present,
    Put,
    Scan,
    Token,
)
from objectd.model import keys
from objectd.testing._metadata_case import MetadataStoreTestCase

_NOT_APPLIED = Outcome(OutcomeKind.NOT_APPLIED)
_UNKNOWN = Outcome(OutcomeKind.UNKNOWN)


class TokenTests(MetadataStoreTestCase):
    def send(self, sequence: int, value: bytes, lowest: int = 0) -> int:
        token = Token(self.incarnation, sequence)
        return self.wait(self.store.commit(Commit(token, lowest, (Put(b"k", value),))))

    def outcome(self, sequence: int) -> Outcome:
        return self.wait(self.store.outcome(Token(self.incarnation, sequence)))

    def test_same_commit_again(self) -> None:
        """A commit that comes again returns its revision and is not applied again."""
        token = self.next_token()
        commit = Commit(token, 0, (Add(b"c", 1), Put(b"k", b"")), (Absent(b"k"),))
        first = self.wait(self.store.commit(commit))
        self.commit(Put(b"l", b""))
        self.assertEqual(self.wait(self.store.commit(commit)), first)
        self.assertEqual(self.values(b"c"), [(1).to_bytes(8, "big")])

    def test_token_names_one_commit(self) -> None:
        """Another commit under a used token is refused, and the first one stays."""
        self.send(1, b"first")
        self.assertRaises(TokenReused, self.send, 1, b"second")
        self.assertEqual(self.values(b"k"), [b"first"])

    def test_refused_commit_leaves_its_token_unused(self) -> None:
        """After a conflict, a counter limit or an invalid commit the token can be used."""
        token = self.next_token()
        for error, refused in (
            (Conflict, Commit(token, 0, (Put(b"k", b"1"),), (Present(b"none"),))),
            (CounterLimitReached, Commit(token, 0, (Add(b"c", 2, 1),))),
            (CommitInvalid, Commit(token, 0, (Put(b"", b""),))),
        ):
            with self.assertRaises(error):
                self.wait(self.store.commit(refused))
        revision = self.wait(self.store.commit(Commit(token, 0, (Put(b"k", b"2"),))))
        self.assertEqual(
            self.wait(self.store.outcome(token)), Outcome(OutcomeKind.APPLIED, revision)
        )

    def test_outcome_applied(self) -> None:
        """The outcome of an applied commit is its revision, however often one asks."""
        revision = self.send(7, b"")
        for _ in range(2):
            self.assertEqual(self.outcome(7), Outcome(OutcomeKind.APPLIED, revision))

    def test_outcome_not_applied_burns(self) -> None:
        """After the answer "not applied" the commit can no longer arrive."""
        self.assertEqual(self.outcome(3), _NOT_APPLIED)
        self.assertRaises(TokenReused, self.send, 3, b"late")
        self.assertEqual(self.outcome(3), _NOT_APPLIED)
        self.assertEqual(self.values(b"k"), [None])

    def test_lowest_unanswered_forgets(self) -> None:
        """Below the lowest unanswered sequence the store knows nothing and applies nothing."""
        self.send(1, b"1")
        self.outcome(2)
        fourth = self.send(4, b"4", lowest=4)
        for sequence in (1, 2, 3):
            self.assertEqual(self.outcome(sequence), _UNKNOWN)
            self.assertRaises(TokenReused, self.send, sequence, b"late")
        self.assertEqual(self.outcome(4), Outcome(OutcomeKind.APPLIED, fourth))
        self.send(3000, b"3000", lowest=3000)
        self.assertEqual(self.outcome(4), _UNKNOWN)
        self.assertEqual(self.outcome(2999), _UNKNOWN)
        self.assertEqual(self.outcome(3001), _NOT_APPLIED)

    def test_lowest_unanswered_does_not_go_back(self) -> None:
        """A commit that was sent earlier and comes later brings nothing back to mind."""
        self.send(9, b"9", lowest=9)
        self.send(10, b"10", lowest=5)
        self.assertEqual(self.outcome(8), _UNKNOWN)

    def test_lowest_unanswered_is_at_most_ones_own(self) -> None:
        """A commit cannot claim to be answered itself."""
        self.assertRaises(CommitInvalid, self.send, 5, b"", lowest=6)
        self.send(5, b"", lowest=5)

    def test_sequences_belong_to_their_incarnation(self) -> None:
        """The same sequence of two incarnations names two commits."""
        other = self.wait(self.store.begin_incarnation())
        self.send(1, b"mine")
        self.assertEqual(self.wait(self.store.outcome(Token(other, 1))), _NOT_APPLIED)
        self.assertEqual(self.outcome(1).kind, OutcomeKind.APPLIED)


class IncarnationTests(MetadataStoreTestCase):
    def test_numbers_grow(self) -> None:
        """Every incarnation is greater than all before it and than what it must be above."""
        second = self.wait(self.store.begin_incarnation())
        far = self.wait(self.store.begin_incarnation(above=1000))
        after = self.wait(self.store.begin_incarnation(above=5))
        self.assertTrue(1 <= self.incarnation < second < 1000 < far < after)

    def test_numbers_are_not_given_again(self) -> None:
        """A fenced number does not come back, though nothing of it is left."""
        highest = self.wait(self.store.begin_incarnation())
        self.wait(self.store.fence([highest]))
        self.assertGreater(self.wait(self.store.begin_incarnation()), highest)

    def test_has_a_row(self) -> None:
        """The row is there from begin to fence."""
        key = keys.incarnation(self.incarnation)
        self.assertIsNotNone(self.get(key)[0])
        self.wait(self.store.fence([self.incarnation]))
        self.assertEqual(self.get(key), [None])

    def test_fenced_commits_are_refused(self) -> None:
        """After a fence nothing of the incarnation is applied or remembered."""
        token = self.next_token()
        applied = Commit(token, 0, (Put(b"k", b"1"),))
        self.wait(self.store.commit(applied))
        self.wait(self.store.fence([self.incarnation]))
        for commit in (applied, Commit(self.next_token(), 0, (Put(b"k", b"2"),))):
            with self.assertRaises(Fenced) as raised:
                self.wait(self.store.commit(commit))
            self.assertEqual(raised.exception.incarnation, self.incarnation)
        self.assertEqual(self.wait(self.store.outcome(token)), _UNKNOWN)
        self.assertEqual(self.values(b"k"), [b"1"])

    def test_fence_is_idempotent_and_leaves_others(self) -> None:
        """Fencing again, or what never was, does nothing; other incarnations go on."""
        other = self.wait(self.store.begin_incarnation())
        for _ in range(2):
            self.wait(self.store.fence([other, 4_000_000_000]))
        self.commit(Put(b"k", b""))
        self.assertEqual(self.stored_keys(), [b"k"])

    def test_unknown_incarnation(self) -> None:
        """An incarnation that was never begun cannot commit."""
        with self.assertRaises(Fenced):
            self.wait(self.store.commit(Commit(Token(77, 1), 1, ())))
        self.assertEqual(self.wait(self.store.outcome(Token(77, 1))), _UNKNOWN)


class ClosedTests(MetadataStoreTestCase):
    def test_every_call_fails(self) -> None:
        """A closed store answers `StoreFailed` to everything but another close."""
        self.close()
        token = self.next_token()
        for call in (
            self.store.begin_incarnation(),
            self.store.fence([1]),
            self.store.get([b"k"]),
            self.store.scan(Scan(b"a", b"b", limit=1)),
            self.store.commit(Commit(token, 1, ())),
            self.store.outcome(token),
        ):
            with self.assertRaises(StoreFailed):
                self.wait(call)
        self.close()
