"""The metadata store in an SQLite file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed
from objectd.interfaces import Commit, Host, Put, Row, Token
from objectd.metadata.sqlite import Settings, open_store
from objectd.test.metadata.threads import HandDrivenThread
from objectd.testing._metadata_case import make_host, opened, result_of
from objectd.testing.metadata import make_metadata_store_tests

SQLiteMetadataTests = make_metadata_store_tests(
    f"{__name__}.SQLiteMetadataTests", lambda host: open_store(Settings(), host), durable=True
)


class QueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.thread = HandDrivenThread()
        self.failures: list[Exception] = []
        directory = Path(self.mktemp())
        directory.mkdir()
        host = Host(
            data_directory=directory,
            clock=Clock(),
            run_in_thread=self.thread,
            on_failure=self.failures.append,
        )
        self.store = self.successResultOf(Deferred.fromCoroutine(open_store(Settings(), host)))

    def tearDown(self) -> None:
        closing = Deferred.fromCoroutine(self.store.close())
        while self.thread.waiting:
            self.thread.run()
        self.successResultOf(closing)

    def test_one_call_at_a_time(self) -> None:
        """Calls wait for each other, and are done in the order in which they came."""
        begun = Deferred.fromCoroutine(self.store.begin_incarnation())
        commit = Commit(Token(1, 1), 0, (Put(b"k", b""),))
        committed = Deferred.fromCoroutine(self.store.commit(commit))
        got = Deferred.fromCoroutine(self.store.get([b"k"]))
        for answer in (begun, committed, got):
            self.assertEqual(len(self.thread.waiting), 1)
            self.assertNoResult(answer)
            self.thread.run()
        revision = self.successResultOf(committed)
        self.assertEqual(self.successResultOf(got), [Row(b"", revision)])
        self.successResultOf(begun)

    def test_cancelled_caller(self) -> None:
        """A commit is applied though its caller was cancelled, before it began or within."""
        begun = Deferred.fromCoroutine(self.store.begin_incarnation())
        commits = [
            Deferred.fromCoroutine(self.store.commit(Commit(Token(1, n), 0, (Put(key, b""),))))
            for n, key in enumerate((b"k", b"l"))
        ]
        self.thread.run()
        for commit in commits:
            commit.cancel()
            self.failureResultOf(commit, CancelledError)
        got = Deferred.fromCoroutine(self.store.get([b"k", b"l"]))
        while self.thread.waiting:
            self.thread.run()
        self.assertNotIn(None, self.successResultOf(got))
        self.successResultOf(begun)

    def test_failed_call(self) -> None:
        """When SQLite cannot go on, every later call fails and the host is told once."""
        commit = Deferred.fromCoroutine(self.store.begin_incarnation())
        self.thread.fail(StoreFailed("disk I/O error"))
        self.failureResultOf(commit, StoreFailed)
        self.failureResultOf(Deferred.fromCoroutine(self.store.get([b"k"])), StoreFailed)
        self.assertEqual(len(self.thread.waiting), 0)
        self.assertEqual([type(error) for error in self.failures], [StoreFailed])


class OpenTests(SynchronousTestCase):
    def test_two_owners(self) -> None:
        """A file that is already open is refused with the reason."""
        host, clock = make_host(self.mktemp())
        store = result_of(clock, opened(partial(open_store, Settings()), host))
        self.addCleanup(lambda: result_of(clock, store.close()))
        with self.assertRaisesRegex(StoreFailed, "locked"):
            result_of(clock, opened(partial(open_store, Settings()), host))

    def test_damaged_file(self) -> None:
        """A file that is no SQLite database is refused with its name."""
        host, clock = make_host(self.mktemp())
        (host.data_directory / Settings().path).write_bytes(b"damaged" * 4096)
        with self.assertRaisesRegex(StoreFailed, Settings().path):
            result_of(clock, opened(partial(open_store, Settings()), host))
