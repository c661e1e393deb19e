"""What a durable store brings back when it is opened again."""

from __future__ import annotations

from objectd.errors import Fenced, TokenReused
from objectd.interfaces import Add, Append, Commit, DeleteRange, Outcome, OutcomeKind, Put, Token
from objectd.testing._metadata_case import MetadataStoreTestCase, opened


class RestartTests(MetadataStoreTestCase):
    def restart(self) -> None:
        self.close()
        self.store = self.wait(opened(self.open_store, self.host))

    def test_rows_come_back(self) -> None:
        """Rows, revisions and deletions are as they were."""
        self.commit(Put(b"gone", b""), Put(b"k", b"1"), Add(b"c", 3))
        self.commit(DeleteRange(b"g", b"h"), Put(b"p", b"payload"), Append(b"j", b"entry"))
        keys = [b"gone", b"k", b"c", b"p"]
        before, listed = self.get(*keys), self.stored_keys()
        self.restart()
        self.assertEqual((self.get(*keys), self.stored_keys()), (before, listed))

    def test_revisions_go_on(self) -> None:
        """After a restart revisions are greater than all before it, also of deleted rows."""
        before = self.commit(Put(b"k", b""))
        self.wait(self.store.fence([self.incarnation]))
        self.restart()
        self.incarnation = self.wait(self.store.begin_incarnation())
        self.assertGreater(self.commit(Put(b"l", b"")), before)

    def test_tokens_come_back(self) -> None:
        """A commit that is sent again over a restart returns its revision, once applied."""
        token, unused = self.next_token(), self.next_token()
        commit = Commit(token, 0, (Add(b"c", 1),))
        revision = self.wait(self.store.commit(commit))
        self.wait(self.store.outcome(unused))
        self.restart()
        self.assertEqual(self.wait(self.store.commit(commit)), revision)
        self.assertEqual(
            self.wait(self.store.outcome(token)), Outcome(OutcomeKind.APPLIED, revision)
        )
        with self.assertRaises(TokenReused):
            self.wait(self.store.commit(Commit(unused, 0, ())))
        self.assertEqual(self.values(b"c"), [(1).to_bytes(8, "big")])

    def test_forgotten_tokens_stay_forgotten(self) -> None:
        """The lowest unanswered sequence outlives a restart."""
        self.wait(self.store.commit(Commit(Token(self.incarnation, 9), 9, ())))
        self.restart()
        outcome = self.wait(self.store.outcome(Token(self.incarnation, 8)))
        self.assertEqual(outcome, Outcome(OutcomeKind.UNKNOWN))

    def test_incarnations_come_back(self) -> None:
        """Live incarnations live on, fenced ones stay fenced, numbers keep growing."""
        fenced = self.wait(self.store.begin_incarnation())
        self.wait(self.store.fence([fenced]))
        self.restart()
        self.commit(Put(b"k", b""))
        with self.assertRaises(Fenced):
            self.wait(self.store.commit(Commit(Token(fenced, 1), 1, ())))
        self.assertGreater(self.wait(self.store.begin_incarnation()), fenced)
