"""Laws of the keys: order, prefixes, and fields that can be read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.model import keys

RAW_KEYS = st.lists(st.sampled_from((b"\0", b"\x01", b"\xff", b"a", b"/", b"ab")), max_size=6).map(
    b"".join
)
UIDS = st.binary(min_size=keys.UID_BYTES, max_size=keys.UID_BYTES)
TIMES = st.integers(0, (1 << 64) - 1)
NUMBERS = st.integers(0, (1 << 32) - 1)
BUCKETS = st.integers(0, (1 << 64) - 1)


class EscapeTests(SynchronousTestCase):
    @given(RAW_KEYS, RAW_KEYS, st.binary(max_size=4), st.binary(max_size=4))
    def test_order(self, one: bytes, other: bytes, tail: bytes, other_tail: bytes) -> None:
        """Escaped keys sort as the keys do, whatever follows them."""
        if one != other:
            escaped = keys.escape(one) + tail < keys.escape(other) + other_tail
            self.assertEqual(escaped, one < other)

    @given(RAW_KEYS, RAW_KEYS)
    def test_prefixes(self, prefix: bytes, key: bytes) -> None:
        """A key begins with a prefix just when its escaped form begins with the escaped one."""
        escaped = keys.escape(key).startswith(keys.escaped_prefix(prefix))
        self.assertEqual(escaped, key.startswith(prefix))

    @given(RAW_KEYS, st.binary(max_size=8))
    def test_unescape(self, key: bytes, tail: bytes) -> None:
        """The key and what follows it are told apart."""
        self.assertEqual(keys.unescape(keys.escape(key) + tail), (key, tail))


class SpanTests(SynchronousTestCase):
    @given(st.binary(min_size=1, max_size=4), st.binary(max_size=4), st.binary(max_size=8))
    def test_span(self, prefix: bytes, tail: bytes, other: bytes) -> None:
        """A span holds the keys with its prefix, and no others."""
        if prefix.strip(b"\xff"):
            start, stop = keys.span(prefix)
            self.assertTrue(start <= prefix + tail < stop)
            self.assertEqual(start <= other < stop, other.startswith(prefix))


class FamilyTests(SynchronousTestCase):
    @given(BUCKETS, RAW_KEYS, TIMES, TIMES, UIDS, UIDS)
    def test_versions(
        self, bucket: int, key: bytes, time: int, other: int, uid: bytes, other_uid: bytes
    ) -> None:
        """The versions of a key sort from the newest to the oldest."""
        if time != other:
            first = keys.version(bucket, key, time, uid)
            self.assertEqual(first < keys.version(bucket, key, other, other_uid), time > other)

    @given(BUCKETS, RAW_KEYS, TIMES, UIDS)
    def test_uploads(self, bucket: int, key: bytes, time: int, uid: bytes) -> None:
        """The key and the id of an upload are read from the key of its row."""
        row_key = keys.upload(bucket, key, time, uid)
        found, rest = keys.unescape(row_key[keys.BUCKET_PREFIX_BYTES :])
        self.assertEqual((found, rest[8:]), (key, uid))
        self.assertEqual(keys.upload_uid(row_key), uid)

    @given(UIDS, st.integers(1, 10_000), st.integers(1, 10_000))
    def test_parts(self, upload: bytes, number: int, other: int) -> None:
        """Parts sort by number, which is read from the key."""
        row_key = keys.part(upload, number)
        self.assertEqual(keys.part_number(row_key), number)
        self.assertEqual(row_key < keys.part(upload, other), number < other)

    @given(BUCKETS, NUMBERS, st.sampled_from((b"n", b"s")))
    def test_usages(self, bucket: int, shard: int, quantity: bytes) -> None:
        """Bucket, quantity and shard are read from the key of a counter."""
        row_key = keys.usage(bucket, shard, quantity)
        self.assertEqual(keys.usage_fields(row_key), (bucket, quantity, shard))

    @given(NUMBERS)
    def test_incarnations(self, number: int) -> None:
        """The number of an incarnation is read from the key of its row."""
        self.assertEqual(keys.incarnation_number(keys.incarnation(number)), number)

    @given(UIDS, UIDS, BUCKETS)
    def test_queues(self, uid: bytes, referrer: bytes, bucket: int) -> None:
        """What is queued or referred to is read from the key."""
        queued = (keys.blob_candidate, keys.manifest_candidate, keys.parts_candidate)
        for family in (*queued, keys.blob_trash, keys.manifest_trash):
            self.assertEqual(keys.queued_uid(family(uid)), uid)
        self.assertEqual(keys.queued_bucket(keys.bucket_candidate(bucket)), bucket)
        for ref in (keys.version_ref, keys.part_ref):
            self.assertEqual(keys.referred_uid(ref(uid, referrer)), uid)
