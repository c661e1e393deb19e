"""Random histories, in which a store must agree with the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from objectd.errors import Conflict, CounterLimitReached, Fenced, TokenReused
from objectd.interfaces import (
    At,
    Change,
    Commit,
    Entry,
    Expectation,
    IMetadataStore,
    OutcomeKind,
    Row,
    Scan,
    Token,
)
from objectd.metadata.memory import MemoryMetadata
from objectd.model import keys as model_keys
from objectd.testing import strategies
from objectd.testing._metadata_case import (
    MetadataStoreTestCase,
    OpenStore,
    make_host,
    opened,
    result_of,
)

_T = TypeVar("_T")
_REFUSALS = (Conflict, CounterLimitReached, Fenced, TokenReused)
_STEPS = 40
_EXAMPLES_PER_HISTORY = 10
"""A history is worth, and costs, many examples of another test."""


class LawTests(MetadataStoreTestCase):
    restarts: bool

    def test_agrees_with_memory(self) -> None:
        """Whatever is done to both, the store answers as the one in memory does."""
        suite = self

        class Histories(_Histories):
            def __init__(self) -> None:
                super().__init__(suite.open_store, suite.mktemp, restarts=suite.restarts)

        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=max(1, settings().max_examples // _EXAMPLES_PER_HISTORY),
                stateful_step_count=_STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


class _Histories(RuleBasedStateMachine):
    """Does the same to both stores.

    Contracts fix the order of revisions, not their numbers: so those of the store are
    translated, commit by commit, to those of the oracle before they are compared.
    """

    def __init__(
        self, open_store: OpenStore, make_directory: Callable[[], str], *, restarts: bool
    ) -> None:
        super().__init__()
        self.restarts = restarts
        self.open_store = open_store
        self.host, self.clock = make_host(make_directory())
        self.store = self.wait(opened(open_store, self.host))
        self.oracle = MemoryMetadata()
        self.translation: dict[int, int] = {}
        self.seen: list[tuple[bytes, int]] = []
        self.sent: list[tuple[Commit, Commit]] = []
        self.sequence = 0
        self.incarnations: list[int] = []
        self._begin()

    def wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return result_of(self.clock, coroutine)

    @rule(data=st.data())
    def change_writers(self, data: st.DataObject) -> None:
        """A new writer begins, and some of the others end."""
        self._begin()
        gone = data.draw(st.lists(st.sampled_from([0, *self.incarnations[:-1]]), max_size=2))
        self.wait(self.oracle.fence(gone))
        self.wait(self.store.fence(gone))

    @rule(
        data=st.data(),
        several=st.lists(strategies.changes(), min_size=2, max_size=6),
        lag=st.integers(0, 3),
    )
    def commit(self, data: st.DataObject, several: Sequence[tuple[Change, ...]], lag: int) -> None:
        """Commits are applied by both or refused by both for the same reason."""
        for changes in several:
            expect = data.draw(strategies.expectations(self.seen))
            theirs = tuple(self._their_expectation(e) for e in expect)
            self.sequence += 1
            token, lowest = Token(self.incarnations[-1], self.sequence), max(0, self.sequence - lag)
            self._commit_both(
                Commit(token, lowest, changes, expect), Commit(token, lowest, changes, theirs)
            )

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        """A copy of an earlier commit arrives late."""
        self._commit_both(*data.draw(st.sampled_from(self.sent)))

    @rule(data=st.data(), back=st.integers(-1, 6))
    def outcome(self, data: st.DataObject, back: int) -> None:
        """Both know the same of an earlier token, or burn the same."""
        incarnation = data.draw(st.sampled_from(self.incarnations))
        token = Token(incarnation, max(0, self.sequence - back))
        ours, theirs = (self.wait(s.outcome(token)) for s in (self.oracle, self.store))
        assert theirs.kind == ours.kind
        if ours.kind is OutcomeKind.APPLIED:
            assert self.translation[theirs.revision] == ours.revision

    @rule(wanted=st.lists(strategies.keys(), max_size=5))
    def get(self, wanted: Sequence[bytes]) -> None:
        """Both hold the same rows, and what is known without waiting is the same."""
        known = self.store.known(wanted)
        ours, theirs = (self.wait(s.get(wanted)) for s in (self.oracle, self.store))
        assert [self._row(row) for row in theirs] == ours
        assert known in (None, theirs)

    @rule(
        span=strategies.ranges(),
        limit=st.integers(1, 6),
        prefix=strategies.keys() | st.just(b""),
        delimiter=strategies.delimiters(),
        head_bytes=st.none() | st.integers(0, 5),
        reverse=st.booleans(),
    )
    def scan(self, span: tuple[bytes, bytes], *, reverse: bool, **how: Any) -> None:
        """Pages of both, followed to the end, hold the same entries."""
        how["reverse"] = reverse and not how["delimiter"]
        ours, theirs = (self._follow(s, *span, **how) for s in (self.oracle, self.store))
        assert [self._entry(entry) for entry in theirs] == ours

    @rule()
    def compare(self) -> None:
        """Both hold the same rows, all in all."""
        whole: dict[str, Any] = {"limit": 50, "delimiter": b"", "reverse": False}
        ours, theirs = (
            self._follow(s, b"", b"\xff" * 8, **whole) for s in (self.oracle, self.store)
        )
        incarnations = [e.key for e in ours if e.key.startswith(b"i")]
        assert [e.key for e in theirs if e.key.startswith(b"i")] == incarnations
        assert [self._entry(e) for e in theirs if not e.key.startswith(b"i")] == [
            e for e in ours if not e.key.startswith(b"i")
        ]

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        """The store is closed and opened again."""
        self.wait(self.store.close())
        self.store = self.wait(opened(self.open_store, self.host))

    def teardown(self) -> None:
        self.compare()
        self.wait(self.store.close())

    def _begin(self) -> None:
        number = self.wait(self.oracle.begin_incarnation())
        assert self.wait(self.store.begin_incarnation()) == number
        self.incarnations.append(number)
        key = model_keys.incarnation(number)
        [[ours], [theirs]] = (self.wait(s.get([key])) for s in (self.oracle, self.store))
        assert ours is not None
        assert theirs is not None
        self._learn(ours.revision, theirs.revision)

    def _commit_both(self, ours: Commit, theirs: Commit) -> None:
        try:
            revision = self.wait(self.oracle.commit(ours))
        except _REFUSALS as refusal:
            self._refuses_too(refusal, theirs)
            return
        self._learn(revision, self.wait(self.store.commit(theirs)))
        self.sent.append((ours, theirs))
        self.seen += [
            (entry.key, entry.revision)
            for entry in self._follow(self.oracle, b"k", b"\xff\xff", limit=50)
            if entry.revision == revision
        ]

    def _refuses_too(self, refusal: Exception, theirs: Commit) -> None:
        try:
            self.wait(self.store.commit(theirs))
        except type(refusal) as error:
            if isinstance(refusal, Conflict) and isinstance(error, Conflict):
                found = [(self._key(key), self._row(row)) for _, key, row in error.failed]
                assert found == [(key, row) for _, key, row in refusal.failed]
        else:
            raise AssertionError(f"applied what memory refuses: {refusal}")

    def _follow(self, store: IMetadataStore, start: bytes, stop: bytes, **how: Any) -> list[Entry]:
        """The entries of all pages."""
        entries: list[Entry] = []
        while True:
            page = self.wait(store.scan(Scan(start, stop, **how)))
            entries += page.entries
            if not page.more:
                return entries
            last = page.entries[-1]
            if how.get("reverse"):
                stop = last.key
            elif last.value is None:
                start = model_keys.after(last.key)
            else:
                start = last.key + b"\0"

    def _learn(self, ours: int, theirs: int) -> None:
        known = self.translation.setdefault(theirs, ours)
        assert known == ours
        assert theirs == max(self.translation) or ours != max(self.translation.values())

    def _their_expectation(self, expectation: Expectation) -> Expectation:
        if not isinstance(expectation, At):
            return expectation
        [theirs] = [t for t, ours in self.translation.items() if ours == expectation.revision]
        return At(expectation.key, theirs)

    def _row(self, row: Row | None) -> Row | None:
        return row and Row(row.value, self.translation[row.revision])

    def _entry(self, entry: Entry) -> Entry:
        if entry.value is None:
            return entry
        return Entry(self._key(entry.key), entry.value, self.translation[entry.revision])

    def _key(self, key: bytes) -> bytes:
        """The key in the oracle's terms: what was appended is named by its revision."""
        if not key.startswith(strategies.JOURNAL) or len(key) != len(strategies.JOURNAL) + 12:
            return key
        revision = int.from_bytes(key[-12:-4], "big")
        return key[:-12] + self.translation[revision].to_bytes(8, "big") + key[-4:]
