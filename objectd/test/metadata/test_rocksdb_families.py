"""Which rows lie in which column family of RocksDB: nobody outside can tell."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import Commit, DeleteRange, Put, Scan, Token
from objectd.metadata._rocksdict_rows import PAYLOAD_FAMILIES, spans
from objectd.metadata.rocksdb import Settings, open_store
from objectd.testing._metadata_case import make_host, opened, result_of

TAGS = [bytes((number,)) for number in range(0x20, 0x80)]
KEYS = st.builds(lambda tag, end: tag + end, st.sampled_from(TAGS), st.binary(max_size=2))


class SpanTests(SynchronousTestCase):
    @given(KEYS, KEYS, KEYS, st.booleans())
    def test_cut_at_borders(self, start: bytes, stop: bytes, key: bytes, reverse: bool) -> None:
        """The spans of a range are the range, and each is of the family of every key in it."""
        found = spans(start, stop, reverse=reverse)
        ascending = found[::-1] if reverse else found
        borders = [border for span in ascending for border in (span.start, span.stop)]
        self.assertEqual(borders, sorted(borders))
        self.assertTrue(all(span.start < span.stop for span in found))
        holding = [span for span in found if span.start <= key < span.stop]
        self.assertEqual(len(holding), start <= key < stop)
        for span in holding:
            self.assertEqual(span.is_payload, key[:1] in PAYLOAD_FAMILIES)


class FamilyTests(SynchronousTestCase):
    def test_every_tag(self) -> None:
        """Rows of every tag are read one by one, in scans, and are deleted by ranges."""
        host, clock = make_host(self.mktemp())
        store = result_of(clock, opened(partial(open_store, Settings()), host))
        self.addCleanup(lambda: result_of(clock, store.close()))
        incarnation = result_of(clock, store.begin_incarnation())
        keys = [tag + b"-key" for tag in TAGS if tag != b"i"]
        puts = tuple(Put(key, key) for key in keys)
        result_of(clock, store.commit(Commit(Token(incarnation, 1), 1, puts)))
        rows = result_of(clock, store.get(keys))
        self.assertEqual([row and row.value for row in rows], keys)
        for reverse in (False, True):
            scan = Scan(TAGS[0], b"\xff", 1000, reverse=reverse)
            page = result_of(clock, store.scan(scan))
            found = [entry.key for entry in page.entries if entry.key[:1] != b"i"]
            self.assertEqual(found, keys[::-1] if reverse else keys)
        gone = (DeleteRange(b"9", b"Z"), DeleteRange(b"j", b"s"))
        result_of(clock, store.commit(Commit(Token(incarnation, 2), 2, gone)))
        rows = result_of(clock, store.get(keys))
        left = [key for key in keys if not (b"9" <= key < b"Z" or b"j" <= key < b"s")]
        self.assertEqual([row.value for row in rows if row], left)
