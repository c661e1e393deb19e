"""Scans: pages, order, heads and delimiter roll-up."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred

from objectd.errors import Conflict
from objectd.interfaces import (
    SCAN_ROWS_MAX,
    SCANS_MAX,
    Commit,
    Delete,
    Entry,
    Present,
    Put,
    Scan,
    ScanPage,
)
from objectd.testing._metadata_case import MetadataStoreTestCase


class ScanTests(MetadataStoreTestCase):
    def put(self, *keys: bytes) -> int:
        return self.commit(*(Put(key, b"value of " + key) for key in keys))

    def scan(
        self, start: bytes = b"j", stop: bytes = b"\xff\xff", limit: int = 100, **more: Any
    ) -> ScanPage:
        return self.wait(self.store.scan(Scan(start, stop, limit=limit, **more)))

    def names(
        self, start: bytes = b"j", stop: bytes = b"\xff\xff", limit: int = 100, **more: Any
    ) -> list[bytes]:
        """The keys of one page; a common prefix is marked by a star."""
        page = self.scan(start, stop, limit, **more)
        return [e.key + b"*" if e.value is None else e.key for e in page.entries]

    def test_entries_are_whole_rows(self) -> None:
        """An entry has the key, value and revision of its row."""
        revision = self.put(b"k")
        self.assertEqual(self.scan(), ScanPage([Entry(b"k", b"value of k", revision)], more=False))

    def test_byte_order(self) -> None:
        """Rows come in byte order, whatever family they belong to."""
        ordered = [b"k", b"k\0", b"k\0\0", b"k ", b"ka", b"k\xff", b"l", b"o\xff", b"p", b"p\0"]
        ordered += [b"p\xff\xff", b"q", b"q1", b"\xff"]
        self.put(*reversed(ordered))
        self.assertEqual(self.names(), ordered)
        self.assertEqual(self.names(reverse=True), ordered[::-1])

    def test_range_ends(self) -> None:
        """The start belongs to the range, the stop does not, in both directions."""
        self.put(b"k1", b"k2", b"k3")
        self.assertEqual(self.names(b"k1", b"k3"), [b"k1", b"k2"])
        self.assertEqual(self.names(b"k1", b"k3", reverse=True), [b"k2", b"k1"])
        self.assertEqual(self.names(b"k11", b"k2"), [])
        self.assertEqual(self.names(b"k2", b"k2"), [])
        self.assertEqual(self.names(b"k3", b"k1"), [])

    def test_more(self) -> None:
        """`more` says whether anything lies beyond the last entry and within the range."""
        self.put(b"k1", b"k2", b"k3")
        for reverse in (False, True):
            self.assertTrue(self.scan(limit=2, reverse=reverse).more)
            self.assertFalse(self.scan(limit=3, reverse=reverse).more)
            self.assertFalse(self.scan(b"k2", b"k3", limit=1, reverse=reverse).more)

    def test_pages(self) -> None:
        """Going on from the last entry gives every row once."""
        rows = [b"k%02d" % n for n in range(25)]
        self.put(*rows)
        found, start, more = [], b"k", True
        while more:
            page = self.scan(start, b"l", limit=10)
            found += [entry.key for entry in page.entries]
            start, more = found[-1] + b"\0", page.more
        self.assertEqual(found, rows)

    def test_limit_both_sides(self) -> None:
        """A limit of 1 to `SCAN_ROWS_MAX` is taken, others are a mistake of the caller."""
        self.put(b"k1", b"k2")
        self.assertEqual(self.names(limit=1), [b"k1"])
        self.assertEqual(self.names(limit=SCAN_ROWS_MAX), [b"k1", b"k2"])
        for limit in (0, SCAN_ROWS_MAX + 1):
            with self.assertRaises(ValueError):
                self.scan(limit=limit)

    def test_head_bytes(self) -> None:
        """Only the first bytes of each value are returned where that is asked for."""
        self.put(b"k", b"p")
        for head_bytes, head in ((0, b""), (5, b"value"), (100, b"value of k")):
            page = self.scan(b"k", b"l", head_bytes=head_bytes)
            self.assertEqual([entry.value for entry in page.entries], [head])
        rolled = self.scan(head_bytes=5, delimiter=b"/")
        self.assertEqual([entry.value for entry in rolled.entries], [b"value", b"value"])

    def test_large_pages_stay_bounded(self) -> None:
        """Pages of large values may be short, but going on yields every row."""
        value = b"v" * 900_000
        rows = [b"k%02d" % n for n in range(12)]
        for row in rows:
            self.commit(Put(row, value))
        found, start, more = [], b"k", True
        while more:
            page = self.scan(start, b"l", limit=100)
            found += [entry.key for entry in page.entries]
            start, more = found[-1] + b"\0", page.more
        self.assertEqual(found, rows)


class RollUpTests(ScanTests):
    def test_common_prefixes(self) -> None:
        """Keys that share what comes up to the delimiter are one entry without a value."""
        self.put(b"k", b"k/1", b"k/2", b"k/2/3", b"ka", b"l/", b"m/x")
        self.assertEqual(self.names(delimiter=b"/"), [b"k", b"k/*", b"ka", b"l/*", b"m/*"])
        page = self.scan(b"m", b"n", delimiter=b"/")
        self.assertEqual(page, ScanPage([Entry(b"m/", None, 0)], more=False))

    def test_only_below_the_prefix(self) -> None:
        """The delimiter counts after the prefix; keys elsewhere stand for themselves."""
        self.put(b"a/b", b"k/1/x", b"k/1/y", b"k/2", b"l/1")
        self.assertEqual(
            self.names(b"a", prefix=b"k/", delimiter=b"/", stop=b"\xff"),
            [b"a/b", *self._incarnation(), b"k/1/*", b"k/2", b"l/1"],
        )

    def test_prefix_equal_to_a_key(self) -> None:
        """A key that is the prefix itself holds no delimiter after it."""
        self.put(b"k/", b"k/1", b"k/1/2")
        found = self.names(b"k/", b"k0", prefix=b"k/", delimiter=b"/")
        self.assertEqual(found, [b"k/", b"k/1", b"k/1/*"])

    def test_long_delimiters(self) -> None:
        """A delimiter may have several bytes, and a part of it is none."""
        self.put(b"k-", b"k-=-1", b"k-=-2", b"k-=", b"k=-")
        self.assertEqual(self.names(delimiter=b"-=-"), [b"k-", b"k-=", b"k-=-*", b"k=-"])

    def test_delimiter_right_after_the_prefix(self) -> None:
        """A delimiter that directly follows the prefix makes a common prefix with it."""
        self.put(b"k//1", b"k//2", b"k/1")
        self.assertEqual(self.names(b"k/", b"k0", prefix=b"k/", delimiter=b"/"), [b"k//*", b"k/1"])

    def test_delimiter_may_overlap_nothing_of_the_prefix(self) -> None:
        """Bytes of the prefix are no part of the delimiter."""
        self.put(b"kaa", b"kaab", b"kaaa")
        found = self.names(prefix=b"ka", delimiter=b"aa")
        self.assertEqual(found, [b"kaa", b"kaaa*", b"kaab"])

    def test_start_inside_a_common_prefix(self) -> None:
        """A prefix is reported if any of its keys is in the range."""
        self.put(b"k/1", b"k/5", b"l/1")
        self.assertEqual(self.names(b"k/2", delimiter=b"/"), [b"k/*", b"l/*"])
        self.assertEqual(self.names(b"k/6", delimiter=b"/"), [b"l/*"])
        self.assertEqual(self.names(b"k", b"k/5", delimiter=b"/"), [b"k/*"])
        self.assertEqual(self.names(b"k/2", b"k/5", delimiter=b"/"), [])

    def test_prefixes_count_and_more_looks_past_them(self) -> None:
        """A common prefix counts as one entry; keys under the last one are not `more`."""
        self.put(b"k/1", b"k/2", b"k/3", b"l", b"m/1", b"m/2")
        page = self.scan(limit=2, delimiter=b"/")
        self.assertEqual([entry.key for entry in page.entries], [b"k/", b"l"])
        self.assertTrue(page.more)
        page = self.scan(b"l", limit=2, delimiter=b"/")
        self.assertEqual([entry.key for entry in page.entries], [b"l", b"m/"])
        self.assertFalse(page.more)

    def test_prefixes_of_ff(self) -> None:
        """A common prefix that nothing can follow ends the scan."""
        self.put(b"k\xff\xff", b"k\xffa", b"\xff\xff", b"\xff\xffa")
        self.assertEqual(self.names(stop=b"\xff\xff\xff", delimiter=b"\xff"), [b"k\xff*", b"\xff*"])

    def test_not_with_reverse(self) -> None:
        """Rolling up in descending order is a mistake of the caller."""
        with self.assertRaises(ValueError):
            self.scan(reverse=True, delimiter=b"/")

    def _incarnation(self) -> list[bytes]:
        return [b"i" + self.incarnation.to_bytes(4, "big")]


class SnapshotTests(ScanTests):
    def test_each_is_a_scan(self) -> None:
        """Each page is that of its scan, in the order of the scans."""
        self.put(b"k", b"k/1", b"k/2", b"p", b"p2", b"q1")
        scans = [
            Scan(b"p", b"r", limit=2),
            Scan(b"k", b"l", limit=9, delimiter=b"/", head_bytes=3),
            Scan(b"k", b"q", limit=9, reverse=True),
            Scan(b"x", b"y", limit=1),
        ]
        pages = self.wait(self.store.scans(scans))
        self.assertEqual(pages, [self.wait(self.store.scan(scan)) for scan in scans])
        self.assertEqual(self.wait(self.store.scans([])), [])

    def test_one_snapshot(self) -> None:
        """A row that commits move from range to range is seen in exactly one of them."""
        self.put(b"k")
        places = [b"k", b"m", b"p"]
        scans = [Scan(place, place + b"\xff", limit=9) for place in places]
        pages: list[list[ScanPage]] = []

        async def all_together() -> None:
            commits, looks = [], []
            for n in range(30):
                here, there = places[n % 3], places[(n + 1) % 3]
                changes = Delete(here), Put(there, b"")
                commit = Commit(self.next_token(), 0, changes, (Present(here),))
                commits.append(Deferred.fromCoroutine(self.store.commit(commit)))
                looks.append(Deferred.fromCoroutine(self.store.scans(scans)))
            pages.extend([await look for look in looks])
            for answer in commits:
                with suppress(Conflict):  # they may be applied in any order
                    await answer

        self.wait(all_together())
        for found in pages:
            self.assertEqual(sum(len(page.entries) for page in found), 1, found)

    def test_both_sides_of_the_limit(self) -> None:
        """`SCANS_MAX` scans are taken at once, one more is a mistake of the caller."""
        scan = Scan(b"k", b"l", limit=1)
        self.assertEqual(len(self.wait(self.store.scans([scan] * SCANS_MAX))), SCANS_MAX)
        with self.assertRaises(ValueError):
            self.wait(self.store.scans([scan] * (SCANS_MAX + 1)))
