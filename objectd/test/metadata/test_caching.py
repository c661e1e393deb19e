"""Rows that are kept beside their store, and the slots that tell whether they are current."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from objectd.errors import Conflict
from objectd.interfaces import (
    Absent,
    At,
    Change,
    Commit,
    Delete,
    Expectation,
    Host,
    IMetadataStore,
    Present,
    Put,
    Row,
    Token,
)
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.caching import (
    ENTRY_BYTES,
    ROW_BYTES,
    VALUE_BYTES_MAX,
    WRITTEN_CHANGES_MAX,
    CachedMetadata,
)
from objectd.metadata.memory import MemoryMetadata
from objectd.metadata.remote import RemoteMetadata
from objectd.metadata.rocksdb import Settings, open_store
from objectd.metadata.slots import GENERATION
from objectd.model import keys
from objectd.process.owner import OwnerFactory
from objectd.test.metadata.announced import (
    LIVE,
    OBJECT,
    OTHER,
    PAYLOAD,
    Case,
    SteppedMetadata,
    table,
)
from objectd.test.metadata.test_remote import MemoryEndpoint
from objectd.testing.metadata import make_metadata_store_tests


async def open_over_memory(host: Host) -> IMetadataStore:
    slots = table()
    return CachedMetadata(AnnouncedMetadata(MemoryMetadata(), slots), slots)


async def open_over_a_socket(host: Host) -> IMetadataStore:
    assert isinstance(host.clock, Clock)
    slots = table()
    owner = OwnerFactory(AnnouncedMetadata(MemoryMetadata(), slots))
    return CachedMetadata(RemoteMetadata(MemoryEndpoint(owner, host.clock), host.clock), slots)


async def open_over_rocksdb(host: Host) -> IMetadataStore:
    assert isinstance(host.clock, Clock)
    slots = table()
    owner = OwnerFactory(AnnouncedMetadata(await open_store(Settings(), host), slots))
    return CachedMetadata(RemoteMetadata(MemoryEndpoint(owner, host.clock), host.clock), slots)


CachedMetadataTests = make_metadata_store_tests(
    f"{__name__}.CachedMetadataTests", open_over_memory, durable=False
)
CachedRemoteMetadataTests = make_metadata_store_tests(
    f"{__name__}.CachedRemoteMetadataTests", open_over_a_socket, durable=False
)
CachedRocksMetadataTests = make_metadata_store_tests(
    f"{__name__}.CachedRocksMetadataTests", open_over_rocksdb, durable=False
)


class KeepingTests(Case):
    def test_the_very_rows(self) -> None:
        """What is kept is returned as the very same objects, absence as absence."""
        self.commit(Put(OBJECT, b"1"))
        rows = self.get(OBJECT, PAYLOAD)
        self.assertTrue(self.is_kept(OBJECT, PAYLOAD))
        again = self.get(OBJECT, PAYLOAD)
        self.assertIs(again[0], rows[0])
        self.assertIsNone(again[1])

    def test_changed(self) -> None:
        """A commit that changes one row of a group outdates the others, and no other group."""
        self.get(OBJECT, PAYLOAD, OTHER)
        self.commit(Put(PAYLOAD, b"2"))
        self.assertFalse(self.is_kept(OBJECT))
        self.assertTrue(self.is_kept(OTHER))
        self.assertEqual([row and row.value for row in self.get(OBJECT, PAYLOAD)], [None, b"2"])

    def test_not_of_a_kept_family(self) -> None:
        """Rows of other families are asked for each time, and so is what is asked with them."""
        blob = keys.blob(bytes(12))
        self.get(OBJECT, blob)
        self.assertFalse(self.is_kept(blob))
        self.assertFalse(self.is_kept(OBJECT, blob))
        self.assertTrue(self.is_kept(OBJECT))

    def test_changed_meanwhile(self) -> None:
        """A row that was read before a commit, and comes after it, is not kept."""
        self.backing.held = True
        get = self.begin(self.store.get([OBJECT]))
        self.backing.held = False
        self.commit(Put(OBJECT, b"2"))
        self.backing.reads[-1].callback(None)
        self.assertEqual(self.successResultOf(get), [None])
        self.assertFalse(self.is_kept(OBJECT))

    def test_changing(self) -> None:
        """While a commit is under way nothing of its groups is kept, nor served."""
        self.get(OBJECT)
        self.backing.held = True
        self.commit(Put(OBJECT, b"2"))
        self.backing.held = False
        self.assertFalse(self.is_kept(OBJECT))
        self.get(OBJECT)
        self.backing.commits[-1].callback(None)
        self.assertFalse(self.is_kept(OBJECT))
        self.assertEqual(self.get(OBJECT)[0], Row(b"2", 2))

    def test_large_value_both_sides(self) -> None:
        """A value over `VALUE_BYTES_MAX` is not kept."""
        self.commit(Put(OBJECT, bytes(VALUE_BYTES_MAX)), Put(OTHER, bytes(VALUE_BYTES_MAX + 1)))
        self.get(OBJECT, OTHER)
        self.assertTrue(self.is_kept(OBJECT))
        self.assertFalse(self.is_kept(OTHER))

    def test_bytes_max(self) -> None:
        """Beyond `bytes_max` the oldest go, but not those that were used meanwhile."""
        entry = ENTRY_BYTES + ROW_BYTES + len(keys.object_(1, b"0"))
        self.store = CachedMetadata(self.owner, self.slots, bytes_max=3 * entry)
        names = [keys.object_(1, b"%d" % n) for n in range(4)]
        for name in names[:3]:
            self.get(name)
        self.get(names[0])
        self.get(names[3])
        self.assertEqual([self.is_kept(n) for n in names], [True, False, True, True])

    def test_new_owner(self) -> None:
        """Nothing that was kept under one owner is served under the next."""
        self.get(OBJECT)
        AnnouncedMetadata(self.backing, self.slots)
        self.assertFalse(self.is_kept(OBJECT))
        self.get(OBJECT)
        self.assertTrue(self.is_kept(OBJECT))

    def test_read_across_owners(self) -> None:
        """A row that was asked for under one owner, and comes under the next, is not kept."""
        self.backing.held = True
        self.begin(self.store.get([OBJECT]))
        self.backing.held = False
        AnnouncedMetadata(self.backing, self.slots)
        self.backing.reads[-1].callback(None)
        self.assertFalse(self.is_kept(OBJECT))

    def test_owner_that_begins(self) -> None:
        """While an owner begins its generation nothing is kept, nor served."""
        self.get(OBJECT)
        self.slots.mark(GENERATION)
        self.assertFalse(self.is_kept(OBJECT))
        self.get(OBJECT)
        self.assertFalse(self.is_kept(OBJECT))

    def send(self, *changes: Change, expect: tuple[Expectation, ...] = ()) -> Deferred[int]:
        """Commit through the cache."""
        self.sequence += 1
        token = Token(self.incarnation, self.sequence)
        return self.begin(self.store.commit(Commit(token, 1, changes, expect)))

    def test_what_is_put(self) -> None:
        """A row that a commit expected something of, and has put, is kept."""
        created = self.successResultOf(self.send(Put(OBJECT, b"1"), expect=(Absent(OBJECT),)))
        self.assertEqual(self.store.known([OBJECT]), [Row(b"1", created)])
        replaced = self.successResultOf(self.send(Put(OBJECT, b"2"), expect=(At(OBJECT, created),)))
        self.assertEqual(self.store.known([OBJECT]), [Row(b"2", replaced)])
        self.assertEqual(self.get(OBJECT), [Row(b"2", replaced)])

    def test_the_very_row_that_was_put(self) -> None:
        """Asked for with one that is not kept, a row that is kept is the same object as before."""
        self.send(Put(OBJECT, b"1"), expect=(Absent(OBJECT),))
        known = self.store.known([OBJECT])
        assert known is not None
        self.assertFalse(self.is_kept(OBJECT, PAYLOAD))
        self.assertIs(self.get(OBJECT, PAYLOAD)[0], known[0])
        self.assertTrue(self.is_kept(OBJECT, PAYLOAD))

    def test_what_is_put_blindly(self) -> None:
        """Nothing else that a commit changes is kept."""
        self.commit(Put(LIVE, b""))
        expect = (Present(LIVE), Absent(OBJECT))
        sent = self.send(
            Put(PAYLOAD, b"1"), Put(OBJECT, b"1"), Put(LIVE, b""), Put(OTHER, b""), expect=expect
        )
        revision = self.successResultOf(sent)
        self.assertEqual(self.store.known([OBJECT]), [Row(b"1", revision)])
        for key in (PAYLOAD, LIVE, OTHER):
            self.assertIsNone(self.store.known([key]))
        self.send(Delete(OBJECT), expect=(At(OBJECT, revision),))
        self.assertIsNone(self.store.known([OBJECT]))

    def test_put_by_others_meanwhile(self) -> None:
        """What a commit has put is not kept if another one has changed it by the time that the
        first is answered, whichever of them comes first."""
        for first in (0, 1):
            self.backing.held = True
            self.send(Put(OBJECT, b"ours"), expect=(Absent(OTHER), Absent(PAYLOAD)))
            self.commit(Put(OBJECT, b"theirs"))
            self.backing.held = False
            waiting, self.backing.commits = self.backing.commits, []
            waiting[first].callback(None)
            waiting[1 - first].callback(None)
            self.assertIsNone(self.store.known([OBJECT]))

    def test_sent_twice(self) -> None:
        """Nothing is kept of a commit that was sent before: it may be long outdated."""
        commit = Commit(Token(self.incarnation, 1), 1, (Put(OBJECT, b"1"),), (Absent(OBJECT),))
        self.run_now(self.store.commit(commit))
        self.sequence = 1
        self.commit(Put(OBJECT, b"2"))
        self.run_now(self.store.commit(commit))
        self.assertIsNone(self.store.known([OBJECT]))
        self.assertEqual(self.get(OBJECT)[0], Row(b"2", 3))

    def test_many_changes_both_sides(self) -> None:
        """Of a commit with more than `WRITTEN_CHANGES_MAX` changes nothing is kept."""
        for count, is_kept in ((WRITTEN_CHANGES_MAX, True), (WRITTEN_CHANGES_MAX + 1, False)):
            names = [keys.object_(count, b"%d" % n) for n in range(count)]
            self.send(*(Put(n, b"") for n in names), expect=tuple(Absent(n) for n in names))
            self.assertIs(self.store.known(names) is not None, is_kept)

    def test_told_by_a_conflict(self) -> None:
        """The rows that a refusal tells of what would have been put are kept."""
        revision = self.successResultOf(self.commit(Put(OBJECT, b"1")))
        self.failureResultOf(self.send(Put(OBJECT, b"2"), expect=(Absent(OBJECT),)), Conflict)
        self.assertEqual(self.store.known([OBJECT]), [Row(b"1", revision)])

    def test_told_by_a_conflict_and_changed_meanwhile(self) -> None:
        """They are not if another commit is under way, or over, when the refusal comes."""
        self.commit(Put(OBJECT, b"1"))
        for number in range(2):
            self.backing.held = True
            refused = self.send(Put(OBJECT, b"2"), expect=(Absent(OBJECT),))
            self.commit(Put(PAYLOAD, b"%d" % number))
            self.backing.held = False
            waiting, self.backing.commits = self.backing.commits, []
            waiting[number].callback(None)
            waiting[1 - number].callback(None)
            self.failureResultOf(refused, Conflict)
            self.assertIsNone(self.store.known([OBJECT]))

    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), max_size=60))
    def test_never_outdated(self, steps: list[tuple[int, int]]) -> None:
        """Whatever comes in which order, a read returns nothing older than what anybody had
        seen, or been told, before it began."""
        self.slots, self.backing = table(3), SteppedMetadata()
        self.owner = AnnouncedMetadata(self.backing, self.slots)
        caches = [CachedMetadata(self.owner, self.slots, bytes_max=4000) for _ in range(2)]
        self.incarnation = self.run_now(self.owner.begin_incarnation())
        self.sequence = 0
        self.backing.held = True
        names = [keys.object_(1, b"%d" % n) for n in range(4)]
        newest = dict.fromkeys(names, 0)

        def see(name: bytes, revision: int) -> int:
            newest[name] = max(newest[name], revision)
            return revision

        def read(cache: CachedMetadata, name: bytes) -> None:
            least = newest[name]

            def check(rows: list[Row | None]) -> None:
                found = rows[0].revision if rows[0] else 0
                self.assertGreaterEqual(found, least)
                see(name, found)

            self.begin(cache.get([name])).addCallback(check).addErrback(failures.append)

        failures: list[Any] = []
        for step, which in steps:
            name = names[which]
            if step < 2:
                read(caches[step], name)
            elif step == 2:
                self.commit(Put(name, b"")).addCallback(partial(see, name))
            elif step == 7:
                known = caches[which % 2].known([name])
                row = known[0] if known else None
                self.store = caches[which % 2]
                sent = self.send(
                    Put(name, b""), expect=(At(name, row.revision) if row else Absent(name),)
                )
                sent.addCallback(partial(see, name))
                sent.addErrback(lambda failure: failure.trap(Conflict) and None)
            elif step == 6:
                refused = self.commit(Put(name, b""), expect=(Present(PAYLOAD),))
                refused.addErrback(lambda failure: failure.trap(Conflict) and None)
            elif step == 3 and self.backing.commits:
                self.backing.commits.pop(which % len(self.backing.commits)).callback(None)
            elif step == 4 and self.backing.reads:
                self.backing.reads.pop(which % len(self.backing.reads)).callback(None)
            elif step == 5 and which == 0:
                self.backing.commits.clear()  # they die with the owner
                self.owner = AnnouncedMetadata(self.backing, self.slots)
                for cache in caches:
                    cache._store = self.owner
        self.assertEqual(failures, [])
