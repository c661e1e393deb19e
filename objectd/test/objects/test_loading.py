"""Storing many small objects at once."""

from __future__ import annotations

from msgspec import structs

from objectd.errors import BucketNotFound, EntityTooLarge, KeyTooLong, MetadataTooLarge
from objectd.interfaces import Append, Commit
from objectd.model import keys
from objectd.model.records import Headers
from objectd.objects import loading
from objectd.objects.loading import SmallObject
from objectd.objects.object import Object
from objectd.test.objects.cases import LARGE
from objectd.test.objects.check_case import CheckCase


class LoadTests(CheckCase):
    def load(self, *objects: SmallObject) -> int:
        return self.ok(self.store.loads.put_all("photos", objects))

    def head(self, key: str) -> Object:
        return self.ok(self.store.objects.head("photos", key))

    def commits_during_load(self, *objects: SmallObject) -> list[Commit]:
        """The commits that put objects."""
        seen: list[Commit] = []
        commit = self.metadata.commit

        async def watched(given: Commit) -> int:
            seen.append(given)
            return await commit(given)

        self.patch(self.metadata, "commit", watched)
        self.load(*objects)
        return [one for one in seen if any(isinstance(each, Append) for each in one.changes)]

    def test_as_if_put(self) -> None:
        """A loaded object is what a put of it makes, but for its version."""
        headers, metadata = Headers(content_type="text/plain"), {"a": "b"}
        for body in (b"bytes", b""):
            self.load(SmallObject("loaded", body, headers, metadata))
            put = self.ok(
                self.store.objects.put("photos", "put", body, headers=headers, metadata=metadata)
            )
            loaded = self.head("loaded")
            self.assertEqual(loaded.tail, put.tail)
            same = structs.replace(
                loaded.head, version=put.head.version, modified_us=put.head.modified_us
            )
            self.assertEqual(same, put.head)
            self.assertEqual(self.read("loaded"), body)

    def test_whatever_it_replaces(self) -> None:
        """Objects of every form are replaced, and a store that was loaded is in order."""
        kept = self.ok(self.store.buckets.usage("photos")).objects
        found = ["small", "large", "empty", "parts"]
        new = [f"new {n}" for n in range(10)]
        objects = [SmallObject(key, key.encode()) for key in (*found, *new)]
        self.assertEqual(self.load(*objects), len(objects))
        self.ok(self.store.collector.run_to_rest())
        self.assert_found(deep=True)
        for key in (*found, *new):
            self.assertEqual(self.read(key), key.encode())
        self.assertEqual(self.ok(self.store.buckets.usage("photos")).objects, kept + len(new))

    def test_same_key_again(self) -> None:
        """Of several objects with one key the last one stays, as if each were put in turn."""
        self.assertEqual(
            self.load(*(SmallObject("key", b"%d" % n) for n in range(3)), SmallObject("l", b"")), 4
        )
        self.assertEqual(self.read("key"), b"2")
        self.assert_found()

    def test_few_commits(self) -> None:
        """A commit takes as many objects as it may, by number and by bytes."""
        self.patch(loading, "OBJECTS_A_COMMIT", 4)
        self.patch(loading, "BYTES_A_COMMIT", 20)
        small = [SmallObject(f"{n}", b"") for n in range(9)]
        self.assertEqual(len(self.commits_during_load(*small)), 3)
        bulky = [SmallObject(f"{n}", bytes(10)) for n in range(5)]
        self.assertEqual(len(self.commits_during_load(*bulky)), 3)

    def test_refusals(self) -> None:
        """What cannot be stored is refused; what came before it may be stored."""
        loads = self.store.loads
        for error, object_ in (
            (EntityTooLarge, SmallObject("k", LARGE)),
            (KeyTooLong, SmallObject("k" * 1025, b"")),
            (MetadataTooLarge, SmallObject("k", b"", metadata={"a": "b" * 3000})),
        ):
            self.refused(error, loads.put_all("photos", [object_]))
        self.refused(BucketNotFound, loads.put_all("videos", [SmallObject("k", b"")]))

    def test_bucket_deleted_meanwhile(self) -> None:
        """Nothing is added to a bucket that is no more."""
        self.ok(self.store.buckets.create("videos"))

        self.metadata.before(keys.OBJECTS, lambda: self.beside().buckets.delete("videos"))
        self.refused(BucketNotFound, self.store.loads.put_all("videos", [SmallObject("k", b"")]))

    def test_somebody_else_puts_meanwhile(self) -> None:
        """A load that another put comes between decides anew, and nothing is lost count of."""
        beside = self.beside()
        self.metadata.after(keys.OBJECTS, lambda: beside.objects.put("photos", "k", b"other"))
        self.load(SmallObject("k", b"loaded"))
        self.assertEqual(self.read("k"), b"loaded")
        self.assert_found()
