"""Finding the next row behind deleted ones, on a range that is a list of keys."""

from __future__ import annotations

from bisect import bisect_left, insort

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import Entry, Scan, ScanPage
from objectd.metadata.narrowing import (
    TURN_SECONDS,
    PutMeanwhile,
    Turns,
    page_behind_deletions,
)

SKIPPED_MAX = 10

KEYS = st.binary(max_size=6) | st.integers(0, 3000).map(lambda n: b"even/%09d" % n)


class DeletedRows:
    """Rows of which some are deleted: a read gives up after `SKIPPED_MAX` of those in a row."""

    def __init__(self, deleted: list[bytes], live: list[bytes]) -> None:
        self._keys = sorted({*deleted, *live})
        self._live = set(live)
        self.passed_most = 0
        self.reads = 0
        self.borders: list[bytes] = []
        self.changes: list[tuple[bytes, bool]] = []
        """What others put or delete in each pause, the last first."""

    @property
    def live(self) -> list[bytes]:
        return sorted(self._live)

    def read(self, scan: Scan, patience: int) -> ScanPage:
        self.reads += 1
        found: list[Entry] = []
        passed = 0
        first = bisect_left(self._keys, scan.start)
        for key in self._keys[first : bisect_left(self._keys, scan.stop, lo=first)]:
            if key in self._live:
                if len(found) == scan.limit:
                    return ScanPage(found, True)
                found.append(Entry(key, b"", 1))
                continue
            passed += 1
            if passed > SKIPPED_MAX << patience:
                self.passed_most = max(self.passed_most, passed)
                return ScanPage(found, True)
        return ScanPage(found, False)

    def _apply(self, key: bytes, is_put: bool, put_meanwhile: PutMeanwhile) -> None:
        if key not in self._keys:
            insort(self._keys, key)
        if is_put:
            self._live.add(key)
            put_meanwhile.note([key])
        else:
            self._live.discard(key)

    def first_page(self, scan: Scan) -> ScanPage:
        """What is found in the end, by a scan that first found nothing or something."""
        page = self.read(scan, 0)
        while page.more and not page.entries:
            put_meanwhile = PutMeanwhile(scan.start, scan.stop)

            def pause(put_meanwhile: PutMeanwhile = put_meanwhile) -> Deferred[None]:
                if self.changes:
                    self._apply(*self.changes.pop(), put_meanwhile)
                return succeed(None)

            borders = sorted({key for key in self.borders if scan.start < key < scan.stop})
            found = Deferred.fromCoroutine(
                page_behind_deletions(scan, self.read, pause, put_meanwhile, borders)
            )
            result: list[ScanPage] = []
            found.addCallback(result.append)
            [page] = result
        return page


class NarrowingTests(SynchronousTestCase):
    @given(
        st.lists(KEYS, max_size=60),
        st.lists(KEYS, max_size=5),
        st.tuples(KEYS, KEYS),
        st.integers(1, 3),
        st.lists(KEYS, max_size=5),
    )
    def test_finds_what_is_there(
        self,
        deleted: list[bytes],
        live: list[bytes],
        ends: tuple[bytes, bytes],
        limit: int,
        borders: list[bytes],
    ) -> None:
        """The page begins with the first row of the range, whatever is deleted before it, and
        is never told to go on without a row to go on from."""
        start, stop = sorted(ends)
        rows = DeletedRows(deleted, live)
        rows.borders = borders
        page = rows.first_page(Scan(start, stop, limit))
        expected = [key for key in sorted(set(live)) if start <= key < stop]
        got = [entry.key for entry in page.entries]
        self.assertEqual(got, expected[: len(got)])
        self.assertEqual(bool(got), bool(expected))
        if len(got) < min(limit, len(expected)):
            self.assertTrue(page.more)
        if not page.more:
            self.assertEqual(got, expected)

    @given(
        st.lists(KEYS, min_size=20, max_size=60),
        st.lists(KEYS, max_size=3),
        st.lists(st.tuples(KEYS, st.booleans()), max_size=30),
        st.lists(KEYS, max_size=5),
    )
    def test_shows_one_moment(
        self,
        deleted: list[bytes],
        live: list[bytes],
        changes: list[tuple[bytes, bool]],
        borders: list[bytes],
    ) -> None:
        """Whatever is put and deleted while it is under way, a page shows what is there at its
        end, from the first row of the range on."""
        rows = DeletedRows(deleted, live)
        rows.changes = changes
        rows.borders = borders
        page = rows.first_page(Scan(b"", b"\xff" * 8, 3))
        got = [entry.key for entry in page.entries]
        self.assertEqual(got, rows.live[: len(got)])
        self.assertEqual(bool(got), bool(rows.live))

    def test_never_goes_far_at_once(self) -> None:
        """Of very many deleted rows no read passes more than a few, as long as keys differ."""
        keys = [b"photos/%05d/%08d" % (n // 100, n) for n in range(20_000)]
        rows = DeletedRows(keys, [b"videos/1", b"videos/2"])
        page = rows.first_page(Scan(b"", b"\xff", 1000))
        self.assertEqual([entry.key for entry in page.entries], [b"videos/1", b"videos/2"])
        self.assertFalse(page.more)
        self.assertLessEqual(rows.passed_most, SKIPPED_MAX + 1)

    def test_keys_that_are_alike_for_long(self) -> None:
        """Where keys differ only very late, going further takes the place of going less far."""
        keys = [b"k" * 400 + b"%04d" % n for n in range(1000)]
        rows = DeletedRows(keys, [b"l"])
        page = rows.first_page(Scan(b"", b"\xff", 1))
        self.assertEqual([entry.key for entry in page.entries], [b"l"])

    def test_borders(self) -> None:
        """Where it is known what was deleted, one read for each border is enough."""
        keys = [b"photos/%05d" % n for n in range(100)]
        rows = DeletedRows(keys, [b"videos/1"])
        rows.borders = keys[::SKIPPED_MAX]
        page = rows.first_page(Scan(b"", b"\xff", 1))
        self.assertEqual([entry.key for entry in page.entries], [b"videos/1"])
        self.assertEqual(rows.passed_most, SKIPPED_MAX + 1)
        self.assertEqual(rows.reads, 1 + len(rows.borders) + 1)


class TurnsTests(SynchronousTestCase):
    def test_turns(self) -> None:
        """Others have their turn at once, and again when this one has lasted long enough."""
        clock = Clock()
        turns = Turns(clock)

        def waits() -> bool:
            pause = Deferred.fromCoroutine(turns.pause())
            waited = not pause.called
            clock.advance(0)
            self.successResultOf(pause)
            return waited

        self.assertEqual([waits(), waits()], [True, False])
        clock.advance(TURN_SECONDS)
        self.assertEqual([waits(), waits()], [True, False])
