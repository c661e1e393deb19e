"""Tags of objects: their rules, and changing them in place."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import (
    BucketAlreadyOwnedByYou,
    BucketNotFound,
    InvalidTag,
    ObjectNotFound,
    TooManyTags,
)
from objectd.model import keys
from objectd.objects.settings import (
    BUCKET_TAGS_MAX,
    TAG_KEY_CHARS_MAX,
    TAG_VALUE_CHARS_MAX,
    TAGS_MAX,
)
from objectd.objects.tag_rules import check_bucket_tags, check_tags
from objectd.test.objects.cases import LARGE, StoreCase


class RuleTests(SynchronousTestCase):
    def test_number(self) -> None:
        """Ten tags are allowed and eleven are not."""
        tags = {str(n): "x" for n in range(TAGS_MAX)}
        check_tags(tags)
        self.assertRaises(TooManyTags, check_tags, {**tags, "one more": "x"})

    def test_lengths(self) -> None:
        """Lengths count characters, whatever these take in UTF-8."""
        check_tags({"ä" * TAG_KEY_CHARS_MAX: "ä" * TAG_VALUE_CHARS_MAX})
        for key, value in (
            ("", "x"),
            ("ä" * (TAG_KEY_CHARS_MAX + 1), "x"),
            ("x", "ä" * (TAG_VALUE_CHARS_MAX + 1)),
        ):
            self.assertRaises(InvalidTag, check_tags, {key: value})
            self.assertRaises(InvalidTag, check_bucket_tags, {key: value})

    def test_lengths_beyond(self) -> None:
        """A character that takes two units of UTF-16 counts twice."""
        check_tags({"𠀀" * (TAG_KEY_CHARS_MAX // 2): "𠀀" * (TAG_VALUE_CHARS_MAX // 2)})
        self.assertRaises(InvalidTag, check_tags, {"𠀀" * (TAG_KEY_CHARS_MAX // 2) + "a": ""})
        self.assertRaises(InvalidTag, check_tags, {"a": "𠀀" * (TAG_VALUE_CHARS_MAX // 2) + "a"})

    def test_number_of_buckets(self) -> None:
        """A bucket may have fifty."""
        tags = {str(n): "x" for n in range(BUCKET_TAGS_MAX)}
        check_bucket_tags(tags)
        self.assertRaises(TooManyTags, check_bucket_tags, {**tags, "one more": "x"})

    def test_order(self) -> None:
        """Each tag is looked at before they are counted."""
        tags = {f"!{n}": "x" for n in range(BUCKET_TAGS_MAX + 1)}
        self.assertRaises(InvalidTag, check_tags, tags)
        self.assertRaises(InvalidTag, check_bucket_tags, tags)

    def test_characters(self) -> None:
        """Letters, digits and spaces of any script and a few signs are allowed, all else is
        not."""
        check_tags({"a + b - c = d . e _ f : g / h @ i": "日本語 ١٢٣", "empty": ""})
        for char in "!\"#$%&'()*,;<>?[\\]^`{|}~\0\n\x7f\ud800😀":
            self.assertRaises(InvalidTag, check_tags, {char: "x"})
            self.assertRaises(InvalidTag, check_tags, {"x": char})

    def test_reserved(self) -> None:
        """Nobody but AWS makes tags that begin with aws:, in any spelling."""
        for key in ("aws:x", "AWS:x"):
            self.assertRaises(InvalidTag, check_tags, {key: "x"})
        check_tags({"awsx": "aws:"})


class PutTests(StoreCase):
    def test_same_version(self) -> None:
        """New tags take the place of the old ones; all else of the object stays."""
        self.ok(self.store.objects.put("photos", "a", LARGE, tags={"a": "1", "b": "2"}))
        before = self.ok(self.store.objects.head("photos", "a"))
        self.assertEqual(before.tail.tags, {"a": "1", "b": "2"})
        self.now_us += 5
        self.ok(self.store.tags.put("photos", "a", {"c": "3"}))
        after = self.ok(self.store.objects.head("photos", "a"))
        self.assertEqual(after.tail.tags, {"c": "3"})
        self.assertEqual(after.head, before.head)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("a"), LARGE)

    def test_upload(self) -> None:
        """The tags of an upload are those of its object."""
        created = self.ok(self.store.uploads.create("photos", "a", tags={"a": "1"})).id.text()
        self.ok(self.store.uploads.put_part("photos", "a", created, 1, b"part"))
        self.complete("a", created)
        self.assertEqual(self.ok(self.store.objects.head("photos", "a")).tail.tags, {"a": "1"})

    def test_refused(self) -> None:
        """What is not there cannot be tagged, and wrong tags change nothing."""
        self.ok(self.store.objects.put("photos", "a", b"x", tags={"a": "1"}))
        self.refused(ObjectNotFound, self.store.tags.put("photos", "b", {}))
        self.refused(BucketNotFound, self.store.tags.put("albums", "a", {}))
        self.refused(InvalidTag, self.store.tags.put("photos", "a", {"": ""}))
        self.refused(InvalidTag, self.store.objects.put("photos", "a", b"y", tags={"": ""}))
        self.refused(InvalidTag, self.store.uploads.create("photos", "a", tags={"": ""}))
        self.assertEqual(self.ok(self.store.objects.head("photos", "a")).tail.tags, {"a": "1"})
        self.assertEqual(self.read("a"), b"x")

    def test_replaced_meanwhile(self) -> None:
        """Tags go to the object that is there when they are committed."""
        self.ok(self.store.objects.put("photos", "a", b"old"))
        beside = self.beside()
        self.metadata.after(b"o", lambda: beside.objects.put("photos", "a", b"new"))
        self.ok(self.store.tags.put("photos", "a", {"a": "1"}))
        self.assertEqual(self.read("a"), b"new")
        self.assertEqual(self.ok(self.store.objects.head("photos", "a")).tail.tags, {"a": "1"})


class BucketTests(StoreCase):
    def test_put_and_delete(self) -> None:
        """The tags of a bucket are those that were put last, and go with it."""
        tags = self.store.tags
        self.assertEqual(self.ok(tags.of_bucket("photos")), {})
        self.ok(tags.put_of_bucket("photos", {"a": "1"}))
        self.ok(tags.put_of_bucket("photos", {"b": "2"}))
        self.assertEqual(self.ok(tags.of_bucket("photos")), {"b": "2"})
        self.ok(tags.put_of_bucket("photos", {}))
        self.assertEqual(self.rows(keys.CONFIGURATIONS), [])
        self.ok(tags.put_of_bucket("photos", {"c": "3"}))
        self.ok(self.store.buckets.delete("photos"))
        self.assertEqual(self.rows(keys.CONFIGURATIONS), [])

    def test_refused(self) -> None:
        """Wrong tags change nothing, and what is not there has none."""
        tags = self.store.tags
        self.ok(tags.put_of_bucket("photos", {"a": "1"}))
        self.refused(InvalidTag, tags.put_of_bucket("photos", {"": ""}))
        self.assertEqual(self.ok(tags.of_bucket("photos")), {"a": "1"})
        self.refused(BucketNotFound, tags.of_bucket("albums"))
        self.refused(BucketNotFound, tags.put_of_bucket("albums", {"a": "1"}))
        self.refused(BucketNotFound, tags.put_of_bucket("albums", {}))

    def test_deleted_meanwhile(self) -> None:
        """No tags are left of a bucket that is deleted while they are put."""
        beside = self.beside()
        self.metadata.after(b"b", lambda: beside.buckets.delete("photos"))
        self.refused(BucketNotFound, self.store.tags.put_of_bucket("photos", {"a": "1"}))
        self.assertEqual(self.rows(keys.CONFIGURATIONS), [])

    def test_created(self) -> None:
        """A bucket may be created with tags: both in one commit, or neither."""
        buckets = self.store.buckets
        self.refused(InvalidTag, buckets.create("albums", tags={"": ""}))
        self.refused(BucketNotFound, buckets.get("albums"))
        self.ok(buckets.create("albums", tags={"a": "1"}))
        self.refused(BucketAlreadyOwnedByYou, buckets.create("albums", tags={"b": "2"}))
        self.assertEqual(self.ok(self.store.tags.of_bucket("albums")), {"a": "1"})
