"""The metadata store on RocksDB."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed, StoreFull
from objectd.interfaces import (
    Commit,
    Delete,
    Host,
    IMetadataStore,
    Put,
    Scan,
    Token,
)
from objectd.metadata import emptied, rocksdb
from objectd.metadata._rocksdict import Database
from objectd.metadata._rocksdict_rows import (
    FIRST_ROWS_AT_ONCE,
    PREFIXES_AT_ONCE,
    ROWS_AT_ONCE,
)
from objectd.metadata.decisions import Writes
from objectd.metadata.rocksdb import SKIPPED_KEYS_MAX, Settings, open_store
from objectd.test.metadata.threads import HandDrivenThread
from objectd.testing._metadata_case import make_host, opened, result_of
from objectd.testing.metadata import make_metadata_store_tests

RocksMetadataTests = make_metadata_store_tests(
    f"{__name__}.RocksMetadataTests", lambda host: open_store(Settings(), host), durable=True
)

ALL_STORE_KEYS = [
    tag + end for tag in (b"\0", b"\x03", b"a", b"i", b"l", b"o", b"p", b"q") for end in (b"", b"1")
]
STORE_KEYS = st.sampled_from(ALL_STORE_KEYS)


class RocksCase(SynchronousTestCase):
    def opened(self) -> tuple[IMetadataStore, Clock]:
        """A new store, closed after the test, and the clock that it goes by."""
        host, clock = make_host(self.mktemp())
        store = result_of(clock, opened(partial(open_store, Settings()), host))
        self.addCleanup(lambda: result_of(clock, store.close()))
        return store, clock


class ScanTests(RocksCase):
    def test_pages_of_any_size(self) -> None:
        """However many rows are read at once, a page has what it is to have."""
        store, clock = self.opened()
        token = Token(result_of(clock, store.begin_incarnation()), 1)
        keys = [b"k%06d" % n for n in range(2 * ROWS_AT_ONCE + 2)]
        puts = tuple(Put(key, key) for key in keys)
        result_of(clock, store.commit(Commit(token, 1, puts)))
        for rows in (1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE, len(keys) - 1):
            for limit in (rows - 1, rows, rows + 1):
                for head_bytes in (3, None):
                    scan = store.scan(Scan(b"k", b"l", max(limit, 1), head_bytes=head_bytes))
                    page = result_of(clock, scan)
                    values = [key[:head_bytes] for key in keys[: max(limit, 1)]]
                    self.assertEqual([entry.value for entry in page.entries], values)
                    self.assertEqual(page.more, limit < len(keys))

    def test_prefixes_behind_rows(self) -> None:
        """However many rows lie before the first that is rolled up, all are found once."""
        store, clock = self.opened()
        token = Token(result_of(clock, store.begin_incarnation()), 1)
        keys = [b"k%06d" % n for n in range(3 * FIRST_ROWS_AT_ONCE + 1)]
        ends = [b"k1/a", b"k1/b", b"k2/", b"k3", b"k4/a", b"k5"]
        puts = tuple(Put(key, key) for key in keys + ends)
        result_of(clock, store.commit(Commit(token, 1, puts)))
        rolled_up = [b"k1/", b"k2/", b"k3", b"k4/", b"k5"]
        for rows in range(len(keys) + 1):
            expected = keys[rows:] + rolled_up
            for limit in (1, 1000, len(expected), max(len(expected) - rows, 1)):
                start = keys[rows] if rows < len(keys) else b"k1"
                page = result_of(clock, store.scan(Scan(start, b"l", limit, delimiter=b"/")))
                self.assertEqual([entry.key for entry in page.entries], expected[:limit])
                self.assertEqual(page.more, limit < len(expected))


class TombstoneTests(RocksCase):
    def test_scan_behind_many_deletions(self) -> None:
        """A scan that finds only deleted rows lets the reactor work before it goes on; the next
        one need not pass them, and sees what was put among them."""
        self.patch(emptied, "DELETIONS_A_BORDER", 1 << 30)
        store, clock = self.opened()
        incarnation = result_of(clock, store.begin_incarnation())
        keys = [b"k%06d" % n for n in range(3 * SKIPPED_KEYS_MAX)]
        sequence = 0
        for kind in (lambda key: Put(key, b""), Delete):
            for start in range(0, len(keys), 10_000):
                sequence += 1
                changes = tuple(kind(key) for key in keys[start : start + 10_000])
                commit = Commit(Token(incarnation, sequence), sequence, changes)
                result_of(clock, store.commit(commit))
        commit = Commit(Token(incarnation, sequence + 1), 0, (Put(b"l", b"found"),))
        result_of(clock, store.commit(commit))
        for reverse, stop in ((False, b"m"), (True, b"l")):
            scan = Deferred.fromCoroutine(store.scan(Scan(b"j", stop, 1, reverse=reverse)))
            self.assertNoResult(scan)
            while clock.getDelayedCalls():
                clock.advance(0)
            page = self.successResultOf(scan)
            self.assertEqual([e.key for e in page.entries], [] if reverse else [b"l"])
            self.assertFalse(page.more)
        self.assertEqual(self.keys_at_once(store), [b"l"])
        commit = Commit(Token(incarnation, sequence + 2), 0, (Put(b"k000001", b"again"),))
        result_of(clock, store.commit(commit))
        self.assertEqual(self.keys_at_once(store), [b"k000001"])
        scans = [Scan(b"j", b"m", 1), Scan(b"k000002", b"l", 1), Scan(b"k1", b"m", 9)]
        several = Deferred.fromCoroutine(store.scans(scans))
        while clock.getDelayedCalls():
            clock.advance(0)
        found = [[e.key for e in page.entries] for page in self.successResultOf(several)]
        self.assertEqual(found, [[b"k000001"], [], [b"l"]])

    def test_deletions_are_looked_at(self) -> None:
        """What is deleted row by row, upwards or downwards, is not in the way of the first scan,
        nor is what was put there hidden from it."""
        self.patch(emptied, "DELETIONS_A_BORDER", 5)
        self.patch(rocksdb, "SKIPPED_KEYS_MAX", 20)
        store, clock = self.opened()
        incarnation = result_of(clock, store.begin_incarnation())
        keys = [b"k%03d" % n for n in range(200)]
        parts = [keys[100 + n : 110 + n] for n in range(0, 100, 10)]
        parts += [keys[n : n + 10][::-1] for n in range(90, -1, -10)]
        changes: list[list[Put | Delete]] = [[Put(key, b"") for key in (*keys, b"l")]]
        changes += [[Delete(key) for key in part] for part in parts]
        changes.append([Put(b"k055", b""), Put(b"k155", b"")])
        for sequence, commit in enumerate(changes, start=1):
            token = Token(incarnation, sequence)
            result_of(clock, store.commit(Commit(token, sequence, tuple(commit))))
        self.assertEqual(self.keys_at_once(store), [b"k055"])

    def test_prefix_behind_deletions(self) -> None:
        """A page that ends where too many deleted rows follow says that there may be more."""
        self.patch(rocksdb, "SKIPPED_KEYS_MAX", 20)
        store, clock = self.opened()
        incarnation = result_of(clock, store.begin_incarnation())
        gone = [b"k/m%03d" % n for n in range(50)]
        puts = tuple(Put(key, b"") for key in (b"k/a/1", *gone, b"k/z/1"))
        deletes = tuple(Delete(key) for key in gone)
        result_of(clock, store.commit(Commit(Token(incarnation, 1), 1, puts)))
        result_of(clock, store.commit(Commit(Token(incarnation, 2), 2, deletes)))
        scan = Scan(b"k", b"l", 1000, prefix=b"k/", delimiter=b"/")
        page = result_of(clock, store.scan(scan))
        self.assertEqual(([entry.key for entry in page.entries], page.more), ([b"k/a/"], True))
        page = result_of(clock, store.scan(structs.replace(scan, start=b"k/a0")))
        self.assertEqual(([entry.key for entry in page.entries], page.more), ([b"k/z/"], False))

    def test_pages_that_take_long_end_early(self) -> None:
        """Where a page takes long it ends behind some of its rows, and tells that there may be
        more."""
        self.patch(rocksdb, "PAGE_SECONDS_MAX", -1)
        store, clock = self.opened()
        token = Token(result_of(clock, store.begin_incarnation()), 1)
        keys = [b"k/%03d/" % n for n in range(ROWS_AT_ONCE + 5)]
        puts = tuple(Put(key, b"") for key in keys)
        result_of(clock, store.commit(Commit(token, 1, puts)))
        plain, rolled_up = FIRST_ROWS_AT_ONCE + 1, PREFIXES_AT_ONCE
        for prefix, delimiter, rows in ((b"", b"", plain), (b"k/", b"/", rolled_up)):
            scan = Scan(b"k", b"l", 1000, prefix=prefix, delimiter=delimiter)
            page = result_of(clock, store.scan(scan))
            self.assertEqual([entry.key for entry in page.entries], keys[:rows])
            self.assertTrue(page.more)
            for last in 1, rolled_up, rolled_up + 1, plain, plain + 1:
                page = result_of(clock, store.scan(structs.replace(scan, start=keys[-last])))
                self.assertEqual(page.more, last > rows)

    def test_look_that_fails(self) -> None:
        """Rows are deleted also where a look at what they leave fails."""
        self.patch(emptied, "DELETIONS_A_BORDER", 1)
        store, clock = self.opened()
        token = Token(result_of(clock, store.begin_incarnation()), 1)

        def fail(found: object, scan: Scan) -> NoReturn:
            raise StoreFailed("it cannot be read")

        deletes = tuple(Delete(b"%02d" % n) for n in range(3))
        self.patch(rocksdb, "read_page", fail)
        result_of(clock, store.commit(Commit(token, 1, deletes)))

    def keys_at_once(self, store: IMetadataStore) -> list[bytes]:
        page = self.successResultOf(Deferred.fromCoroutine(store.scan(Scan(b"j", b"m", 1))))
        return [entry.key for entry in page.entries]

    def test_deleted_rows_do_not_stay(self) -> None:
        """After many deletions what is in memory goes to tables, where deleted rows are taken
        out; a close waits for that."""
        self.patch(rocksdb, "DELETED_ROWS_MAX", 3)
        directory = Path(self.mktemp())
        directory.mkdir()
        thread = HandDrivenThread()
        host = Host(data_directory=directory, clock=Clock(), run_in_thread=thread)
        store = self.successResultOf(Deferred.fromCoroutine(open_store(Settings(), host)))
        begun = Deferred.fromCoroutine(store.begin_incarnation())
        thread.run()
        token = Token(self.successResultOf(begun), 1)
        deletes = tuple(Delete(b"%02d" % n) for n in range(3))
        commit = Deferred.fromCoroutine(store.commit(Commit(token, 1, deletes)))
        self.assertEqual(len(thread.waiting), 2)
        thread.waiting.rotate(-1)
        thread.run()
        self.successResultOf(commit)
        closing = Deferred.fromCoroutine(store.close())
        self.assertNoResult(closing)
        thread.run()
        self.successResultOf(closing)


class LiveRowTests(SynchronousTestCase):
    """What is kept in memory of the rows that commits ask for."""

    @given(
        st.lists(
            st.tuples(
                st.dictionaries(STORE_KEYS, st.binary(max_size=2), max_size=4),
                st.lists(STORE_KEYS, max_size=3),
                st.lists(st.tuples(STORE_KEYS, STORE_KEYS), max_size=1),
                st.booleans(),
            ),
            max_size=8,
        )
    )
    @settings(deadline=None, max_examples=25)
    def test_is_what_is_stored(
        self,
        steps: list[tuple[dict[bytes, bytes], list[bytes], list[tuple[bytes, bytes]], bool]],
    ) -> None:
        """After any steps, and a refused one, every row is read as it is stored."""
        with TemporaryDirectory() as directory:
            database = Database(
                Path(directory),
                block_cache_mib=1,
                write_buffer_mib=1,
                free_mib_min=0,
                seconds=lambda: 0.0,
            )
            for revision, (puts, deletes, ranges, reads) in enumerate(steps, 1):
                for writes in (
                    Writes(revision, {}, [], [span for span in ranges if span[0] < span[1]]),
                    Writes(revision, {}, deletes),
                    Writes(revision, puts),
                ):
                    database.stage(writes)
                    database.write([writes])
                stored = dict(database.live.rows(b"", b"\xff"))
                for key in ALL_STORE_KEYS if reads else ():
                    self.assertEqual(database.live.row(key), stored.get(key))
            database.close()


class OpenTests(SynchronousTestCase):
    def test_two_owners(self) -> None:
        """A directory that is already open is refused with the reason."""
        host, clock = make_host(self.mktemp())
        store = result_of(clock, opened(partial(open_store, Settings()), host))
        self.addCleanup(lambda: result_of(clock, store.close()))
        with self.assertRaisesRegex(StoreFailed, "lock"):
            result_of(clock, opened(partial(open_store, Settings()), host))

    def test_room_is_made_on_a_full_disk(self) -> None:
        """With half of the room that is set, rows can still be taken away, but not added."""
        host, clock = make_host(self.mktemp())
        free_mib = shutil.disk_usage(host.data_directory).free >> 20
        store = result_of(clock, opened(partial(open_store, Settings()), host))
        incarnation = result_of(clock, store.begin_incarnation())
        put = Put(b"k", b"v")
        result_of(clock, store.commit(Commit(Token(incarnation, 1), 1, (put,))))
        result_of(clock, store.close())
        settings = Settings(free_mib_min=free_mib * 3 // 2)
        store = result_of(clock, opened(partial(open_store, settings), host))
        with self.assertRaises(StoreFull):
            result_of(clock, store.commit(Commit(Token(incarnation, 2), 2, (put,))))
        delete = Delete(b"k")
        result_of(clock, store.commit(Commit(Token(incarnation, 3), 3, (delete,))))
        self.assertEqual(result_of(clock, store.get([b"k"])), [None])
        result_of(clock, store.close())

    def test_full_disk_both_sides(self) -> None:
        """Commits are refused while the disk has less room than is set, and only then."""
        host, clock = make_host(self.mktemp())
        free_mib = shutil.disk_usage(host.data_directory).free >> 20
        for margin_mib, refused in ((1000, True), (-1000, False)):
            settings = Settings(free_mib_min=free_mib + margin_mib)
            store = result_of(clock, opened(partial(open_store, settings), host))
            try:
                if refused:
                    with self.assertRaises(StoreFull):
                        result_of(clock, store.begin_incarnation())
                else:
                    self.assertEqual(result_of(clock, store.begin_incarnation()), 1)
            finally:
                result_of(clock, store.close())
