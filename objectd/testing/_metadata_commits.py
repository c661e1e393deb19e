"""What commits do, refuse and answer."""

from __future__ import annotations

from objectd.errors import CommitInvalid, Conflict, CounterLimitReached
from objectd.interfaces import (
    CHANGES_MAX,
    COMMIT_BYTES_MAX,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    Absent,
    Add,
    Append,
    At,
    Change,
    Delete,
    DeleteRange,
    EmptyRange,
    Expectation,
    Present,
    Put,
    Row,
)
from objectd.model import keys
from objectd.model.codec import decode_counter, encode_counter
from objectd.testing._metadata_case import MetadataStoreTestCase


class ChangeTests(MetadataStoreTestCase):
    def test_rows_carry_the_revision_of_their_commit(self) -> None:
        """What a commit puts has the revision that it returns; revisions grow."""
        first = self.commit(Put(b"k", b"1"), Put(b"p", b"payload"), Put(b"q", b"older"))
        second = self.commit(Put(b"l", b"2"))
        self.assertLess(first, second)
        self.assertEqual(
            self.get(b"k", b"l", b"p", b"q", b"none"),
            [
                Row(b"1", first),
                Row(b"2", second),
                Row(b"payload", first),
                Row(b"older", first),
                None,
            ],
        )

    def test_every_family(self) -> None:
        """Whatever family a row is of, it is found by its key, in its range and by what is
        expected of it, and deleted; however the store divides them."""
        tags = (bytes((tag,)) for tag in range(ord("A"), ord("z") + 1))
        every = [tag + b" row" for tag in tags if tag != keys.INCARNATIONS]
        revision = self.commit(*(Put(key, key) for key in every))
        self.assertEqual(self.get(*every), [Row(key, revision) for key in every])
        self.assertEqual(self.stored_keys(b"A", b"{"), every)
        self.commit(*map(Delete, every), expect=tuple(At(key, revision) for key in every))
        self.assertEqual(self.get(*every), [None] * len(every))

    def test_known(self) -> None:
        """What is known without waiting, if anything, is what a read returns, in its order."""
        key, other = keys.object_(1, b"k"), keys.object_(1, b"other")
        for change in (Put(key, b"1"), Put(key, b"2"), Put(b"k", b"3"), Delete(key)):
            self.commit(change)
            asked = (other, key, b"k")
            before = self.store.known(asked)
            rows = self.get(*asked)
            self.assertIn(before, (None, rows))
            self.assertIn(self.store.known(asked), (None, rows))

    def test_put_replaces(self) -> None:
        """A second put of a key replaces value and revision; an empty value is a value."""
        self.commit(Put(b"k", b"long value"))
        revision = self.commit(Put(b"k", b""))
        self.assertEqual(self.get(b"k"), [Row(b"", revision)])

    def test_delete(self) -> None:
        """Deleting takes the row away, and changes nothing where there is none."""
        self.commit(Put(b"k", b"1"), Put(b"l", b"2"))
        self.commit(Delete(b"k"), Delete(b"never there"))
        self.assertEqual(self.stored_keys(), [b"l"])

    def test_delete_range(self) -> None:
        """A range is deleted from its start to before its stop, across all families."""
        self.commit(*(Put(key, b"") for key in (b"o", b"o1", b"p", b"p2", b"q", b"q1", b"r")))
        self.commit(DeleteRange(b"o1", b"q1"))
        self.assertEqual(self.stored_keys(), [b"o", b"q1", b"r"])

    def test_empty_range_deletes_nothing(self) -> None:
        """A range whose stop is its start deletes nothing."""
        self.commit(Put(b"k", b""))
        self.commit(DeleteRange(b"k", b"k"))
        self.assertEqual(self.stored_keys(), [b"k"])

    def test_append_numbers(self) -> None:
        """Appends get the revision and count from 0 over all prefixes of the commit."""
        revision = self.commit(Append(b"j", b"x"), Append(b"k", b"y"), Append(b"j", b"z"))
        key = revision.to_bytes(8, "big")
        self.assertEqual(
            self.stored_keys(),
            [b"j" + key + b"\0\0\0\0", b"j" + key + b"\0\0\0\2", b"k" + key + b"\0\0\0\1"],
        )

    def test_add(self) -> None:
        """Counters start at 0 and go either way."""
        self.commit(Add(b"c", 5))
        self.commit(Add(b"c", -7))
        self.assertEqual(self.values(b"c"), [encode_counter(-2)])

    def test_add_at_most_both_sides(self) -> None:
        """A sum may reach `at_most` and not pass it."""
        self.commit(Add(b"c", 10, 10))
        with self.assertRaises(CounterLimitReached) as raised:
            self.commit(Put(b"k", b""), Add(b"c", 1, 10))
        error = raised.exception
        self.assertEqual((error.key, error.value, error.at_most), (b"c", 11, 10))
        self.assertEqual(self.values(b"c", b"k"), [encode_counter(10), None])

    def test_at_most_never_refuses_a_negative_delta(self) -> None:
        """Giving back is possible though the counter stays above the limit."""
        self.commit(Add(b"c", 100))
        self.commit(Add(b"c", -1, 10))
        self.assertEqual(self.values(b"c"), [encode_counter(99)])

    def test_counters_have_64_bits(self) -> None:
        """A sum that does not fit 64 bits is refused, on both ends; the largest fits."""
        self.commit(Add(b"c", (1 << 63) - 1), Add(b"d", -(1 << 63)))
        self.assertRaises(CounterLimitReached, self.commit, Add(b"c", 1))
        self.assertRaises(CounterLimitReached, self.commit, Add(b"d", -1))
        self.assertEqual(
            [decode_counter(value or b"") for value in self.values(b"c", b"d")],
            [(1 << 63) - 1, -(1 << 63)],
        )


class ExpectationTests(MetadataStoreTestCase):
    def _holds(self, expectation: Expectation) -> bool:
        """Whether it holds; if not, that nothing was applied and the commit said why."""
        before = self.stored_keys()
        try:
            self.commit(Append(b"holds", b""), expect=[expectation])
        except Conflict as conflict:
            self.assertEqual([row[0] for row in conflict.failed], [expectation])
            self.assertEqual(self.stored_keys(), before)
            return False
        return True

    def test_at(self) -> None:
        """`At` holds for exactly the revision of the row."""
        revision = self.commit(Put(b"k", b"1"))
        self.assertTrue(self._holds(At(b"k", revision)))
        self.assertFalse(self._holds(At(b"k", revision - 1)))
        self.assertFalse(self._holds(At(b"k", revision + 1)))
        self.assertFalse(self._holds(At(b"l", revision)))
        self.commit(Delete(b"k"))
        self.assertFalse(self._holds(At(b"k", revision)))

    def test_present_and_absent(self) -> None:
        """`Present` and `Absent` look for the row, whatever its value and revision."""
        self.commit(Put(b"k", b""), Put(b"p", b""))
        for key in (b"k", b"p"):
            self.assertTrue(self._holds(Present(key)))
            self.assertFalse(self._holds(Absent(key)))
        self.assertFalse(self._holds(Present(b"l")))
        self.assertTrue(self._holds(Absent(b"l")))

    def test_incarnation_is_present(self) -> None:
        """An incarnation's row can be expected."""
        key = b"i" + self.incarnation.to_bytes(4, "big")
        self.assertTrue(self._holds(Present(key)))

    def test_empty_range(self) -> None:
        """`EmptyRange` includes its start and excludes its stop, across all families."""
        self.commit(Put(b"p5", b""))
        self.assertTrue(self._holds(EmptyRange(b"a", b"b")))
        self.assertTrue(self._holds(EmptyRange(b"o", b"p5")))
        self.assertFalse(self._holds(EmptyRange(b"o", b"q")))
        self.assertFalse(self._holds(EmptyRange(b"p5", b"p6")))
        self.assertTrue(self._holds(EmptyRange(b"p50", b"q")))
        self.assertTrue(self._holds(EmptyRange(b"p5", b"p5")))

    def test_expectations_are_about_the_state_before(self) -> None:
        """A commit may put what it expects absent and delete what it expects present."""
        self.commit(Put(b"k", b""))
        self.commit(
            Delete(b"k"),
            Put(b"l", b""),
            expect=[Present(b"k"), Absent(b"l"), EmptyRange(b"l", b"m")],
        )
        self.assertEqual(self.stored_keys(), [b"l"])

    def test_conflict_names_every_failure(self) -> None:
        """A conflict tells all expectations that failed and the rows found instead, and the
        rows of all keys that were expected anything of."""
        revision = self.commit(Put(b"k", b"1"), Put(b"l", b"2"))
        failing: list[Expectation] = [
            At(b"k", revision + 5),
            Present(b"none"),
            EmptyRange(b"k1", b"z"),
        ]
        with self.assertRaises(Conflict) as raised:
            self.commit(Put(b"m", b""), expect=[Present(b"k"), *failing])
        self.assertEqual(
            raised.exception.failed,
            (
                (failing[0], b"k", Row(b"1", revision)),
                (failing[1], b"none", None),
                (failing[2], b"l", Row(b"2", revision)),
            ),
        )
        found = {b"k": Row(b"1", revision), b"none": None}
        self.assertLessEqual(raised.exception.rows.items(), found.items())

    def test_expectations_come_before_counters(self) -> None:
        """Where both refuse, the answer is the conflict."""
        self.assertRaises(Conflict, self.commit, Add(b"c", 2, 1), expect=[Present(b"none")])


class LimitTests(MetadataStoreTestCase):
    def _refuses(self, *changes: Change, expect: tuple[Expectation, ...] = ()) -> None:
        self.assertRaises(CommitInvalid, self.commit, *changes, expect=expect)
        self.assertEqual(self.stored_keys(), [])

    def test_key_bytes_both_sides(self) -> None:
        """Keys have up to `KEY_BYTES_MAX` bytes, those that `Append` makes, too."""
        longest = b"k" * KEY_BYTES_MAX
        self._refuses(Put(longest + b"k", b""))
        self._refuses(Append(longest[11:], b""))
        self._refuses(expect=(Absent(longest + b"k"),))
        self.commit(
            Put(longest, b""), Append(b"j" * (KEY_BYTES_MAX - 12), b""), expect=[Absent(longest)]
        )
        self.assertEqual([len(key) for key in self.stored_keys()], [KEY_BYTES_MAX] * 2)

    def test_value_bytes_both_sides(self) -> None:
        """Values have up to `VALUE_BYTES_MAX` bytes."""
        largest = b"v" * VALUE_BYTES_MAX
        self._refuses(Put(b"k", largest + b"v"))
        self._refuses(Append(b"j", largest + b"v"))
        self.commit(Put(b"k", largest))
        self.assertEqual(self.values(b"k"), [largest])

    def test_changes_both_sides(self) -> None:
        """A commit has up to `CHANGES_MAX` changes."""
        changes = [Delete(b"%d" % n) for n in range(CHANGES_MAX)]
        self._refuses(*changes, Delete(b"k"))
        self.commit(*changes)

    def test_commit_bytes_both_sides(self) -> None:
        """Keys and values of a commit have up to `COMMIT_BYTES_MAX` bytes together."""
        whole = [
            Put(b"%d" % n, b"v" * (VALUE_BYTES_MAX - 1))
            for n in range(COMMIT_BYTES_MAX // VALUE_BYTES_MAX)
        ]
        self._refuses(*whole, Delete(b"k"))
        self.commit(*whole)

    def test_own_rows_of_the_store(self) -> None:
        """Keys below 20 (hexadecimal) belong to the store: unwritable and invisible."""
        self._refuses(Put(b"", b""))
        self._refuses(Put(b"\x1f\xff", b""))
        self._refuses(DeleteRange(b"", b"z"))
        self._refuses(Append(b"\x00", b""))
        self._refuses(expect=(EmptyRange(b"\x00", b"z"),))
        self.commit(Put(b"\x20", b""))
        self.assertEqual(self.stored_keys(), [b"\x20"])
        self.assertEqual(self.get(*(bytes((n,)) for n in range(0x20))), [None] * 0x20)

    def test_key_twice(self) -> None:
        """No key is changed twice, in whatever way."""
        for one in (Put(b"k", b""), Delete(b"k"), Add(b"k", 1)):
            for other in (Put(b"k", b""), Delete(b"k"), Add(b"k", 1)):
                self._refuses(one, Put(b"l", b""), other)

    def test_key_in_deleted_range(self) -> None:
        """No changed key lies in a deleted range; next to it is allowed."""
        for change in (Put(b"k", b""), Delete(b"k"), Add(b"k", 1), Append(b"k", b"")):
            self._refuses(change, DeleteRange(b"k", b"l"))
            self._refuses(DeleteRange(b"a", b"z"), change)
        self.commit(Put(b"j", b""), DeleteRange(b"k", b"l"), Put(b"l", b""))
        self.assertEqual(self.stored_keys(), [b"j", b"l"])

    def test_key_that_append_could_make(self) -> None:
        """A put that an append of the same commit could collide with is refused."""
        self._refuses(Append(b"j", b""), Put(b"j" + bytes(12), b""))
        self.commit(Append(b"j", b""), Put(b"j" + bytes(11), b""))

    def test_range_backwards(self) -> None:
        """A range that ends before it starts is refused."""
        self._refuses(DeleteRange(b"l", b"k"))
        self._refuses(expect=(EmptyRange(b"l", b"k"),))
