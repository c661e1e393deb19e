"""Groups of commits that are written with one call, with commits one by one as their oracle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import Conflict, ObjectdError, StoreBusy, StoreFailed, WrittenInPart
from objectd.interfaces import (
    Absent,
    Add,
    Append,
    At,
    Change,
    Commit,
    Delete,
    DeleteRange,
    EmptyRange,
    Expectation,
    Host,
    Present,
    Put,
    Row,
    Scan,
    Token,
)
from objectd.metadata import _rocksdict_rows
from objectd.metadata._rocksdict_rows import INCOMPLETE
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.memory import MemoryMetadata
from objectd.metadata.rocksdb import Settings, open_store
from objectd.metadata.slots import Slots
from objectd.model import keys
from objectd.objects.opening import run_at_once

COUNTER = keys.usage(1, 1, b"n")
KEYS = (b"l1", b"o1", b"p1")
"""Of families that are kept in memory, that are not, and of both column families."""

RECENT = (b"l2", b"l3", b"l4")
"""More than are kept at once in these tests."""

_key = st.sampled_from(KEYS + RECENT)
_change = st.one_of(
    st.builds(Put, _key, st.binary(max_size=2)),
    st.builds(Delete, _key),
    st.builds(Add, st.just(COUNTER), st.integers(-2, 2), st.just(3)),
    st.builds(Append, st.just(b"j"), st.binary(max_size=2)),
    st.builds(DeleteRange, st.just(b"o"), st.sampled_from((b"o0", b"p"))),
)
_expectation = st.one_of(
    st.builds(At, _key, st.integers(1, 20)),
    st.builds(Present, _key),
    st.builds(Absent, _key),
    st.builds(EmptyRange, st.just(b"o"), st.sampled_from((b"o0", b"p"))),
)
_group = st.lists(
    st.tuples(st.lists(_change, max_size=2), st.lists(_expectation, max_size=1)),
    min_size=2,
    max_size=6,
)


class Stores:
    """The same history in both."""

    def __init__(self, case: SynchronousTestCase) -> None:
        directory = Path(case.mktemp())
        directory.mkdir()
        self.case, self.clock = case, Clock()
        host = Host(data_directory=directory, clock=self.clock, run_in_thread=run_at_once)
        self.grouped: Any = self.run(open_store(Settings(), host))
        self.plain = MemoryMetadata()
        self.incarnation: int = self.run(self.grouped.begin_incarnation())
        self.run(self.plain.begin_incarnation())
        self.sequence = 0

    def run(self, work: Any) -> Any:
        """What it returns or raises."""
        done = Deferred.fromCoroutine(work)
        self.clock.advance(1)
        try:
            return self.case.successResultOf(done.addErrback(lambda failure: failure.value))
        finally:
            self.clock.advance(1)

    def commits(self, group: Sequence[tuple[Sequence[Change], Sequence[Expectation]]]) -> Any:
        made = []
        for changes, expect in group:
            self.sequence += 1
            token = Token(self.incarnation, self.sequence)
            made.append(Commit(token, max(1, self.sequence - 2), tuple(changes), tuple(expect)))
        return made

    def carry_out(self, commits: Sequence[Commit]) -> list[tuple[Commit, object]]:
        """What becomes of them as one group, and then of those that are not taken."""
        revisions = [self.grouped.take(commit) for commit in commits]
        taken: Deferred[None] = self.grouped.taken()
        self.clock.advance(1)
        self.case.successResultOf(taken)
        both = list(zip(commits, revisions, strict=True))
        others = [commit for commit, revision in both if revision is None]
        return [each for each in both if each[1] is not None] + [
            (commit, self.run(self.grouped.commit(commit))) for commit in others
        ]

    def rows(self, store: Any) -> Any:
        """All but the incarnation, which tells the time."""
        entries = self.run(store.scan(Scan(b" ", b"\xff", 1000))).entries
        return [each for each in entries if each.key[:1] != keys.INCARNATIONS]


class OracleTests(SynchronousTestCase):
    def test_forgotten_meanwhile(self) -> None:
        """What one of a group puts holds for those behind it, also where so much is asked for
        that what was kept is forgotten."""
        self.patch(_rocksdict_rows, "RECENT_ROWS_MAX", 2)
        stores = Stores(self)
        [made] = stores.commits([([Put(RECENT[0], b"old")], [])])
        [(_, revision)] = stores.carry_out([made])
        at = At(RECENT[0], cast("int", revision))
        first, second = ([Absent(key)] for key in RECENT[1:])
        group = stores.commits(
            [([Put(RECENT[0], b"new")], [at]), ([], first), ([], second), ([], [at])]
        )
        results = dict(stores.carry_out(group))
        self.assertIsInstance(results[group[-1]], Conflict)
        stores.run(stores.grouped.close())

    @settings(max_examples=25, deadline=None)
    @given(st.lists(_group, max_size=4))
    def test_same(self, groups: list[list[tuple[list[Change], list[Expectation]]]]) -> None:
        """Groups leave the rows, revisions and errors that their commits leave one by one."""
        self.patch(_rocksdict_rows, "RECENT_ROWS_MAX", 2)
        stores = Stores(self)
        for group in groups:
            for commit, result in stores.carry_out(stores.commits(group)):
                expected = stores.run(stores.plain.commit(commit))
                self.assertEqual(repr(result), repr(expected), commit)
            self.assertEqual(stores.rows(stores.grouped), stores.rows(stores.plain))
        stores.run(stores.grouped.close())


class Stalled:
    """RocksDB while it is behind with its compactions."""

    def write(self, *args: object) -> None:
        raise Exception(INCOMPLETE)


class FailureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stores = Stores(self)
        self.addCleanup(lambda: self.stores.run(self.stores.grouped.close()))
        self.write = self.stores.grouped._database.write
        self.refusals: list[ObjectdError | None] = []

        def write(steps: Any) -> None:
            refusal = self.refusals.pop(0) if self.refusals else None
            if refusal is not None:
                self.stores.grouped._database.live.refused()
                raise refusal
            self.write(steps)

        self.patch(self.stores.grouped._database, "write", write)

    def group(self) -> Deferred[None]:
        """One that is written in two parts, and taken as far as can be."""
        first, second, third = self.stores.commits(
            [
                ([Put(b"k1", b"")], []),
                ([Put(b"k2", b"")], [EmptyRange(b"x", b"y")]),
                ([Put(b"k3", b"")], []),
            ]
        )
        for commit in (first, second, third):
            self.stores.grouped.take(commit)
        taken: Deferred[None] = self.stores.grouped.taken()
        self.stores.clock.advance(1)
        return taken

    def there(self) -> list[bytes]:
        rows: list[Row | None] = self.stores.run(self.stores.grouped.get([b"k1", b"k2", b"k3"]))
        return [b"k%d" % n for n, row in enumerate(rows, start=1) if row]

    def test_refused(self) -> None:
        """If the first part is refused nothing is written, and all are told so; the next group
        is carried out."""
        self.refusals = [StoreBusy("behind")]
        self.failureResultOf(self.group(), StoreBusy)
        self.assertEqual(self.there(), [])
        self.successResultOf(self.group())
        self.assertEqual(self.there(), [b"k1", b"k2", b"k3"])

    def test_refused_in_part(self) -> None:
        """If a later part is refused nobody is told that nothing was written."""
        self.refusals = [None, StoreBusy("behind")]
        self.failureResultOf(self.group(), WrittenInPart)
        self.assertEqual(self.there(), [b"k1"])
        self.successResultOf(self.stores.grouped.taken())

    def test_words_of_a_part(self) -> None:
        """The store knows what became of each, so what is kept elsewhere may be kept again."""
        slots = Slots(bytearray(8 * 64))
        announced = AnnouncedMetadata(self.stores.grouped, slots)
        first, second = self.stores.commits(
            [
                ([Put(keys.object_(1, b"a"), b"")], []),
                ([Put(keys.object_(1, b"b"), b"")], [EmptyRange(b"x", b"y")]),
            ]
        )
        self.refusals = [None, StoreBusy("behind")]
        for commit in (first, second):
            announced.take(commit)
        self.assertEqual(sum(word % 2 for word in slots.words), 2)
        taken = announced.taken()
        self.stores.clock.advance(1)
        self.failureResultOf(taken, WrittenInPart)
        self.assertFalse(any(word % 2 for word in slots.words))

    def test_unexpected(self) -> None:
        """Whatever else fails, nobody is told that it was done, and the store ends."""
        for error in (MemoryError(), StoreFailed("broken")):
            stores = Stores(self)

            def write(steps: Any, error: Exception = error) -> None:
                raise error

            self.patch(stores.grouped._database, "write", write)
            for commit in stores.commits(
                [([Put(b"k1", b"")], []), ([Put(b"k2", b"")], [EmptyRange(b"x", b"y")])]
            ):
                stores.grouped.take(commit)
            self.failureResultOf(stores.grouped.taken(), StoreFailed)
            self.assertIsInstance(stores.run(stores.grouped.get([b"k1"])), StoreFailed)
            stores.run(stores.grouped.close())

    def test_state_unknown(self) -> None:
        """Where a refusal leaves it unknown what there is, the store ends, too."""
        live = self.stores.grouped._database.live

        def read_whole() -> None:
            raise StoreFailed("broken")

        self.patch(live, "_read_whole", read_whole)
        self.patch(self.stores.grouped._database, "_records", Stalled())
        self.failureResultOf(self.group(), StoreFailed)

    def test_deleted_before(self) -> None:
        """What one of a group deletes is not there for those behind it."""
        for name in KEYS:
            made, deleted, expecting = self.stores.commits(
                [([Put(name, b"")], []), ([Delete(name)], []), ([], [Absent(name)])]
            )
            self.stores.carry_out([made])
            results = self.stores.carry_out([deleted, expecting])
            self.assertEqual([type(result) for _, result in results], [int, int])

    def test_commit_between(self) -> None:
        """A commit that is not taken is decided on what was taken before it."""
        taken, refused = self.stores.commits(
            [([Put(b"k1", b"")], []), ([Put(b"k2", b"")], [Absent(b"k1")])]
        )
        self.stores.grouped.take(taken)
        between = self.stores.run(self.stores.grouped.commit(refused))
        self.assertEqual(type(between).__name__, "Conflict")
        self.successResultOf(self.stores.grouped.taken())
