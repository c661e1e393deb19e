"""The slots that tell which rows a commit outdates, as the owner of the metadata changes them."""

from __future__ import annotations

from collections.abc import Sequence

from objectd.errors import CommitInvalid, Conflict, StoreBusy, StoreFailed
from objectd.interfaces import (
    Absent,
    Commit,
    Delete,
    DeleteRange,
    Present,
    Put,
    Token,
)
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.slots import GENERATION
from objectd.model import keys
from objectd.test.metadata.announced import (
    OBJECT,
    OTHER,
    PAYLOAD,
    Case,
    GroupedMetadata,
)


class AnnouncingTests(Case):
    def test_last_commit(self) -> None:
        """A slot is at rest when the last commit that changes it is over, in any order, and has
        grown by two for each."""
        self.backing.held = True
        before = self.word(OBJECT)
        self.commit(Put(OBJECT, b"1"))
        self.commit(Put(PAYLOAD, b"2"))
        self.assertEqual(self.word(OBJECT), before + 1)
        self.backing.commits[1].callback(None)
        self.assertEqual(self.word(OBJECT), before + 1)
        self.backing.commits[0].callback(None)
        self.assertEqual(self.word(OBJECT), before + 4)

    def test_refused(self) -> None:
        """A commit that is refused leaves its slots at rest."""
        self.commit(Put(OTHER, b""))
        refused = self.commit(Put(OBJECT, b""), expect=(Absent(OTHER),))
        self.failureResultOf(refused, Conflict)
        self.failureResultOf(self.commit(Put(OBJECT, b""), Delete(OBJECT)), CommitInvalid)
        self.assertEqual(self.word(OBJECT) % 2, 0)

    def test_conflict_outdates_nothing(self) -> None:
        """What is kept of rows stays good when a commit that would change them meets a
        conflict, unless another one changes them at the same time."""
        self.get(OBJECT)
        refused = self.commit(Put(OBJECT, b""), expect=(Present(OTHER),))
        self.failureResultOf(refused, Conflict)
        self.assertTrue(self.is_kept(OBJECT))
        before = self.word(OBJECT)
        self.backing.held = True
        self.commit(Put(OBJECT, b"1"))
        refused = self.commit(Put(OBJECT, b"2"), expect=(Present(OTHER),))
        for waiting in self.backing.commits:
            waiting.callback(None)
        self.failureResultOf(refused, Conflict)
        self.assertEqual(self.word(OBJECT), before + 2)

    def test_undecided(self) -> None:
        """The slots of a commit of which nobody knows what became stay odd, whatever follows,
        until there is a new owner."""
        self.backing.held = True
        lost, cancelled = self.commit(Put(OBJECT, b"")), self.commit(Put(OTHER, b""))
        cancelled.cancel()
        self.failureResultOf(cancelled)
        self.backing.commits[0].errback(StoreFailed("the disk"))
        self.failureResultOf(lost, StoreFailed)
        self.backing.held = False
        self.commit(Put(OBJECT, b""))
        self.assertEqual([self.word(OBJECT) % 2, self.word(OTHER) % 2], [1, 1])
        AnnouncedMetadata(self.backing, self.slots)
        self.assertEqual([self.word(OBJECT) % 2, self.word(OTHER) % 2], [0, 0])

    def test_taken(self) -> None:
        """The slots of a group's commits are odd until the group is durable, and those of a
        commit that was not taken are at rest; those of a group that failed stay odd."""
        grouped = GroupedMetadata()
        owner = AnnouncedMetadata(grouped, self.slots)
        incarnation = self.run_now(owner.begin_incarnation())
        before, other = self.word(OBJECT), self.word(OTHER)
        commits = [Commit(Token(incarnation, n), 0, (Put(OBJECT, b"%d" % n),)) for n in (1, 2)]
        refused = Commit(Token(incarnation, 3), 0, (Put(OTHER, b""),), (Present(OTHER),))
        taken = [owner.take(each) is not None for each in (*commits, refused)]
        self.assertEqual(taken, [True, True, False])
        settled = owner.taken()
        self.assertEqual([self.word(OBJECT), self.word(OTHER)], [before + 1, other])
        grouped.groups[0].callback(None)
        self.successResultOf(settled)
        self.assertEqual(self.word(OBJECT), before + 4)
        owner.take(Commit(Token(incarnation, 4), 0, (Put(OBJECT, b""),)))
        failed = owner.taken()
        grouped.groups[1].errback(StoreFailed("the disk"))
        self.failureResultOf(failed, StoreFailed)
        self.assertEqual(self.word(OBJECT) % 2, 1)

    def test_taken_and_refused(self) -> None:
        """The slots of a group that is refused are at rest."""
        grouped = GroupedMetadata()
        owner = AnnouncedMetadata(grouped, self.slots)
        incarnation = self.run_now(owner.begin_incarnation())
        owner.take(Commit(Token(incarnation, 1), 0, (Put(OBJECT, b""),)))
        refused = owner.taken()
        grouped.groups[0].errback(StoreBusy("behind"))
        self.failureResultOf(refused, StoreBusy)
        self.assertEqual(self.word(OBJECT) % 2, 0)

    def test_no_groups(self) -> None:
        """Where the store takes no groups, nothing is taken."""
        token = Token(self.incarnation, 1)
        self.assertIsNone(self.owner.take(Commit(token, 0, (Put(OBJECT, b""),))))
        self.successResultOf(self.owner.taken())
        self.assertEqual(self.word(OBJECT) % 2, 0)

    def test_ranges(self) -> None:
        """A range that may hold kept rows outdates all of them; others outdate nothing."""
        self.get(OBJECT)
        self.commit(DeleteRange(*keys.span(keys.JOURNAL)))
        self.assertTrue(self.is_kept(OBJECT))
        self.backing.held = True
        self.commit(DeleteRange(*keys.span(keys.objects(2))))
        self.backing.held = False
        self.assertEqual(self.slots.words[GENERATION] % 2, 1)
        self.backing.commits[-1].callback(None)
        self.assertFalse(self.is_kept(OBJECT))

    def test_fenced(self) -> None:
        """Whoever wants to know is told what was fenced."""
        told: list[Sequence[int]] = []
        owner = AnnouncedMetadata(self.backing, self.slots, on_fenced=told.append)
        self.run_now(owner.fence([7, 8]))
        self.assertEqual(told, [[7, 8]])
