"""Rows that are kept beside their store, and the slots that tell whether they are current."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import CommitInvalid, Conflict, StoreFailed
from objectd.interfaces import (
    Absent,
    At,
    Change,
    Commit,
    Delete,
    DeleteRange,
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
from objectd.metadata.slots import GENERATION, TABLE_BYTES, Slots
from objectd.model import keys
from objectd.process.owner import OwnerFactory
from objectd.test.metadata.test_remote import MemoryEndpoint
from objectd.testing.metadata import make_metadata_store_tests

_T = TypeVar("_T")

OBJECT = keys.object_(1, b"key")
PAYLOAD = keys.payload(1, b"key")
OTHER = keys.object_(1, b"other")
LIVE = keys.live(1)


def table(slots: int = 50) -> Slots:
    return Slots(bytearray(8 * (1 + slots)))


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


class SteppedMetadata(MemoryMetadata):
    """Reads what it is asked for at once, and answers when it is told to; so with commits,
    which are seen when they are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.held = False
        self.reads: list[Deferred[None]] = []
        self.commits: list[Deferred[None]] = []

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        rows = await super().get(keys)
        if self.held:
            self.reads.append(Deferred())
            await self.reads[-1]
        return rows

    async def commit(self, commit: Commit) -> int:
        if self.held:
            self.commits.append(Deferred())
            await self.commits[-1]
        return await super().commit(commit)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.slots = table()
        self.backing = SteppedMetadata()
        self.owner = AnnouncedMetadata(self.backing, self.slots)
        self.store = CachedMetadata(self.owner, self.slots)
        self.incarnation = self.run_now(self.owner.begin_incarnation())
        self.sequence = 0

    def begin(self, work: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T]:
        return Deferred.fromCoroutine(work)

    def run_now(self, work: Coroutine[Deferred[Any], Any, _T]) -> _T:
        return self.successResultOf(self.begin(work))

    def commit(self, *changes: Change, expect: tuple[Expectation, ...] = ()) -> Deferred[int]:
        self.sequence += 1
        token = Token(self.incarnation, self.sequence)
        return self.begin(self.owner.commit(Commit(token, 1, changes, expect)))

    def get(self, *asked: bytes) -> list[Row | None]:
        return self.run_now(self.store.get(asked))

    def is_kept(self, *asked: bytes) -> bool:
        """`get` is answered without the store."""
        self.backing.held, held = True, self.backing.held
        count = len(self.backing.reads)
        self.begin(self.store.get(asked))
        self.backing.held = held
        return len(self.backing.reads) == count

    def word(self, key: bytes) -> int:
        named = keys.group(key)
        assert named is not None
        return self.slots.words[self.slots.slot(named)]


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


class SlotsTests(SynchronousTestCase):
    def test_shared(self) -> None:
        """What is written through one mapping is read through another."""
        descriptor = os.memfd_create("slots")
        os.truncate(descriptor, TABLE_BYTES)
        one, other = Slots.mapped(descriptor), Slots.mapped(descriptor)
        os.close(descriptor)
        index = one.slot(b"group")
        one.mark(index)
        self.assertEqual(other.words[other.slot(b"group")], 1)
        one.clear(index)
        self.assertEqual(other.words[index], 2)

    def test_too_small(self) -> None:
        """A file that is too small is refused, not read beyond its end."""
        descriptor = os.memfd_create("slots")
        self.addCleanup(os.close, descriptor)
        os.truncate(descriptor, TABLE_BYTES - 8)
        self.assertRaises(ValueError, Slots.mapped, descriptor)

    def test_generations(self) -> None:
        """A new generation is even, greater than any before, and has all slots at rest, also
        if the one before it was cut short."""
        slots = table(5)
        slots.words[3] = 7
        for before, after in ((0, 2), (2, 4), (5, 6)):
            slots.words[GENERATION] = before
            slots.renew()
            self.assertEqual(slots.words.tolist(), [after, 0, 0, 0, 0, 0])
            slots.words[3] = 7

    def test_groups(self) -> None:
        """An object and its payload, and a bucket and its being alive, are one group each."""
        self.assertEqual(keys.group(OBJECT), keys.group(PAYLOAD))
        self.assertEqual(keys.group(keys.bucket(1)), keys.group(keys.live(1)))
        self.assertIsNotNone(keys.group(keys.bucket_name("b")))
        self.assertNotEqual(keys.group(OBJECT), keys.group(OTHER))
        for key in (keys.FORMAT, keys.blob(bytes(12)), keys.versions(1), keys.incarnation(1), b""):
            self.assertIsNone(keys.group(key))
