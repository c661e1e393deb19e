"""Versions of objects: kept, hidden, brought back and deleted for good."""

from __future__ import annotations

from collections.abc import Sequence

from objectd.errors import (
    BucketNotEmpty,
    DeleteMarkerFound,
    InvalidArgument,
    InvalidOperation,
    ObjectNotFound,
    PreconditionFailed,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.model import keys
from objectd.model.records import InBlob, InManifest, InRow
from objectd.objects.appending import Appends
from objectd.objects.conditions import Conditions
from objectd.objects.deleting import VERSIONED_A_COMMIT, Unwanted
from objectd.objects.overrides import Overrides
from objectd.objects.versions import Deleted
from objectd.test.objects.cases import LARGE
from objectd.test.objects.copy_case import OTHER, SOURCES, photo
from objectd.test.objects.versions_case import ABSENT, NEW, OF_KEYS, VersionsCase


class LifeTests(VersionsCase):
    """What becomes of versions, wherever their bytes are."""

    def test_put(self) -> None:
        """A version that is replaced is kept, with its bytes, and counts."""
        stored = [self.store_as(source) for source in SOURCES for _ in range(2)]
        self.assertEqual(self.newest(), stored[-1][0])
        for version, data in stored:
            self.assertEqual(self.bytes_of(version), data)
            object_ = self.ok(self.store.objects.head("photos", "a", version_id=version))
            self.assertEqual((object_.version_id, object_.size_bytes), (version, len(data)))
        self.assert_usage(*[len(data) for _, data in stored])
        self.assert_rows(1, 0, len(stored) - 1, 2, 0)
        for version, _ in stored:
            self.delete(version)
        self.assert_nothing_left()

    def test_delete_and_undelete(self) -> None:
        """A delete marker hides what is there, and it comes back when that is deleted."""
        for source in SOURCES:
            version, data = self.store_as(source)
            markers = [self.marker(), self.marker()]
            self.assertEqual(self.bytes_of(version), data)
            self.assert_usage(len(data))
            error = self.refused(DeleteMarkerFound, self.store.objects.get("photos", "a"))
            self.assertEqual(error.version_id, markers[1])
            self.assertEqual(self.delete(markers[1]), Deleted(markers[1], True))
            error = self.refused(DeleteMarkerFound, self.store.objects.head("photos", "a"))
            self.assertEqual(error.version_id, markers[0])
            self.delete(markers[0])
            self.assertEqual((self.newest(), self.bytes_of()), (version, data))
            self.assert_usage(len(data))
            self.delete(version)
            self.assert_nothing_left()

    def test_lower_marker(self) -> None:
        """A delete marker beneath another one, or beneath a version, brings nothing back."""
        first, lower, upper = self.put(), self.marker(), self.marker()
        self.delete(lower)
        self.refused(DeleteMarkerFound, self.store.objects.head("photos", "a"))
        second = self.put()
        self.delete(upper)
        self.assertEqual(self.newest(), second)
        self.delete(second)
        self.assertEqual(self.newest(), first)

    def test_promoted(self) -> None:
        """When the newest version is deleted the one before it is current, whatever each is."""
        for newer in SOURCES:
            for older in SOURCES:
                first, data = self.store_as(older, b"1")
                second, _ = self.store_as(newer, b"2")
                self.assertEqual(self.delete(second), Deleted(second))
                self.assertEqual((self.newest(), self.bytes_of()), (first, data))
                self.assertEqual(self.bytes_of(first), data)
                self.refused(
                    VersionNotFound, self.store.objects.get("photos", "a", version_id=second)
                )
                self.assert_usage(len(data))
                self.delete(first)
                self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))
                self.assert_nothing_left()

    def test_marker_below(self) -> None:
        """A delete marker beneath the newest version is what remains when that is deleted."""
        self.put()
        marker, newest = self.marker(), self.put()
        self.delete(newest)
        error = self.refused(DeleteMarkerFound, self.store.objects.head("photos", "a"))
        self.assertEqual(error.version_id, marker)

    def test_shared_bytes(self) -> None:
        """Versions with the same bytes share a file, which stays until the last is gone."""
        versions = [self.put(LARGE) for _ in range(3)]
        self.assertEqual(len(self.files()), 1)
        for version in versions[:2]:
            self.delete(version)
            self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.bytes_of(), LARGE)
        self.delete(versions[2])
        self.assert_nothing_left()

    def test_clock_steps_back(self) -> None:
        """A clock that steps back reorders nothing."""
        order = []
        for step in (0, -5_000_000, 1, -1, 0):
            self.now_us += step
            order.append(self.put())
        order.append(self.marker())
        self.now_us -= 10_000_000
        order.append(self.put())
        self.assertEqual(order, sorted(order))
        for version in order[:0:-1]:
            if version != order[-2]:
                self.assertEqual(self.newest(), version)
            self.delete(version)
        self.assertEqual(self.newest(), order[0])

    def test_nothing_to_delete(self) -> None:
        """To delete a version that there is not does nothing, and names it; what is no id is
        refused."""
        version = self.put()
        rows = [self.rows(family) for family in OF_KEYS]
        self.assertEqual(self.delete(ABSENT), Deleted(ABSENT))
        self.assertEqual(self.delete("null"), Deleted("null"))
        work = self.store.objects.delete("photos", "a", version_id="abc")
        self.refused(InvalidArgument, work)
        self.assertEqual([self.rows(family) for family in OF_KEYS], rows)
        self.assertEqual(self.newest(), version)

    def test_other_keys(self) -> None:
        """Keys of which one begins with the other, or holds a zero, do not share versions."""
        names = ("a", "a\0", "a\0b", "aa", "a\x01")
        stored: dict[str, list[str]] = {}
        for name in names:
            for _ in range(2):
                put = self.ok(self.store.objects.put("photos", name, name.encode()))
                stored.setdefault(name, []).append(put.version_id)
        for name in names:
            [deleted] = self.ok(self.store.objects.delete_many("photos", [name]))
            assert isinstance(deleted, Deleted)
            for version in (deleted.version_id, stored[name][1]):
                self.ok(self.store.objects.delete("photos", name, version_id=version))
            self.assertEqual(
                self.ok(self.store.objects.head("photos", name)).version_id, stored[name][0]
            )

    def test_bucket(self) -> None:
        """A bucket is deleted when the last version and the last delete marker are gone."""
        version, marker = self.put(), self.marker()
        for each in (version, marker):
            self.refused(BucketNotEmpty, self.store.buckets.delete("photos"))
            self.delete(each)
        self.ok(self.store.buckets.delete("photos"))
        for family in (keys.BUCKETS, keys.LIVES, keys.BUCKET_NAMES):
            self.assertEqual(self.rows(family), [])

    def test_named_marker(self) -> None:
        """What asks for a delete marker by its id is told what it is."""
        marker = self.marker()
        error = self.refused(
            VersionIsDeleteMarker, self.store.objects.get("photos", "a", version_id=marker)
        )
        self.assertEqual(error.modified_us, self.now_us)
        self.refused(
            VersionIsDeleteMarker, self.store.tags.put("photos", "a", {}, version_id=marker)
        )
        self.ok(self.store.core.reads.drained())


class ConditionTests(VersionsCase):
    def test_marker(self) -> None:
        """A delete marker is nothing: who wants nothing may write, who wants an ETag not."""
        etag = self.ok(self.store.objects.put("photos", "a", b"x")).etag
        self.marker()
        put = self.store.objects.put
        self.refused(ObjectNotFound, put("photos", "a", b"y", conditions=Conditions(etag)))
        self.ok(put("photos", "a", b"y", conditions=NEW))
        self.refused(PreconditionFailed, put("photos", "a", b"z", conditions=NEW))

    def test_named(self) -> None:
        """Conditions of a delete are about the version that is named, current or not."""
        first = self.ok(self.store.objects.put("photos", "a", b"1"))
        second = self.ok(self.store.objects.put("photos", "a", b"2"))
        delete = self.store.objects.delete
        for version, other in ((first, second), (second, first)):
            named = version.version_id
            work = delete("photos", "a", version_id=named, conditions=Conditions(other.etag))
            self.refused(PreconditionFailed, work)
            self.ok(delete("photos", "a", version_id=named, conditions=Conditions(version.etag)))
        self.assert_nothing_left()


class CopyTests(VersionsCase):
    def test_restore(self) -> None:
        """A version of any form is brought back by a copy onto its own key."""
        for source in SOURCES:
            old, data = self.store_as(source)
            newer = self.put(OTHER)
            copied = self.ok(self.store.copies.copy(photo("a"), photo("a"), source_version=old))
            self.assertEqual(copied.source_version_id, old)
            self.assertEqual((self.newest(), self.bytes_of()), (copied.version_id, data))
            self.assertEqual(self.bytes_of(newer), OTHER)
            for version in (old, newer, copied.version_id):
                self.delete(version)
            self.assert_nothing_left()

    def test_null_onto_itself(self) -> None:
        """While suspended, the null version is copied onto itself from beneath."""
        for source in SOURCES:
            self.set_versioning(enabled=False)
            _, data = self.store_as(source)
            self.set_versioning()
            kept = self.put(b"kept")
            self.set_versioning(enabled=False)
            copy = self.store.copies.copy
            copied = self.ok(copy(photo("a"), photo("a"), source_version="null"))
            self.assertEqual((copied.version_id, copied.source_version_id), ("null", "null"))
            self.ok(self.store.collector.run_to_rest())
            self.assertEqual((self.newest(), self.bytes_of("null")), ("null", data))
            own = Overrides(metadata={"a": "1"})
            self.ok(copy(photo("a"), photo("a"), own=own))
            self.ok(self.store.collector.run_to_rest())
            self.assertEqual(self.bytes_of(), data)
            self.delete("null")
            self.delete(kept)
            self.assert_nothing_left()

    def test_marker(self) -> None:
        """A delete marker is no source: not to be found, or a mistake to name."""
        self.put()
        marker, upload = self.marker(), self.upload("b")
        for copy in (
            lambda version: self.store.copies.copy(photo("a"), photo("b"), source_version=version),
            lambda version: self.store.part_copies.copy(
                photo("a"), photo("b"), upload, 1, source_version=version
            ),
        ):
            error = self.refused(ObjectNotFound, copy(""))
            self.assertNotIsInstance(error, DeleteMarkerFound)
            self.refused(InvalidOperation, copy(marker))
            self.refused(VersionNotFound, copy(ABSENT))
        self.ok(self.store.core.reads.drained())

    def test_part(self) -> None:
        """A part is made of a version that was replaced long ago."""
        for source in (InRow, InBlob, InManifest):
            version, data = self.store_as(source)
            self.marker()
            upload = self.upload("b")
            copied = self.ok(
                self.store.part_copies.copy(
                    photo("a"), photo("b"), upload, 1, source_version=version
                )
            )
            self.assertEqual(copied.source_version_id, version)
            self.complete("b", upload)
            self.assertEqual(self.read("b"), data)


class ManyTests(VersionsCase):
    def many(self, *unwanted: Unwanted) -> Sequence[object]:
        return self.ok(self.store.objects.delete_many("photos", unwanted))

    def test_in_order(self) -> None:
        """What is wanted of one key is done in order."""
        first, second = self.put(b"1"), self.put(b"2")
        done = self.many(
            Unwanted("a", second), Unwanted("a"), Unwanted("a", first), Unwanted("a", "null")
        )
        self.assertEqual(done[0::2], [Deleted(second), Deleted(first)])
        self.assertEqual(done[3], Deleted("null"))
        marker = done[1]
        assert isinstance(marker, Deleted)
        self.assertTrue(marker.is_delete_marker)
        error = self.refused(DeleteMarkerFound, self.store.objects.head("photos", "a"))
        self.assertEqual(error.version_id, marker.version_id)

    def test_more_than_a_commit(self) -> None:
        """As many keys as do not fit into one commit are all deleted."""
        names = [f"{number:03}" for number in range(2 * VERSIONED_A_COMMIT + 1)]
        for name in names:
            self.ok(self.store.objects.put("photos", name, b"x" * 9))
        done = self.many(*map(Unwanted, names))
        self.assertEqual(self.ok(self.store.listings.objects("photos")).objects, [])
        self.assert_usage(*[9] * len(names))
        markers = [each.version_id for each in done if isinstance(each, Deleted)]
        self.many(*map(Unwanted, names, markers))
        self.assertEqual(len(self.ok(self.store.listings.objects("photos")).objects), len(names))

    def test_enabled_meanwhile(self) -> None:
        """A deletion that was decided before versioning was enabled keeps what is there."""
        self.ok(self.store.buckets.create("albums"))
        for name in "ab":
            self.ok(self.store.objects.put("albums", name, b"kept"))
        beside = self.beside()
        self.metadata.after(
            keys.OBJECTS, lambda: beside.buckets.set_versioning("albums", enabled=True)
        )
        done = self.ok(self.store.objects.delete_many("albums", ["a", "b"]))
        self.assertTrue(all(isinstance(d, Deleted) and d.is_delete_marker for d in done))
        for name in "ab":
            opened = self.ok(self.store.objects.get("albums", name, version_id="null"))
            self.assertEqual(self.ok(opened.read()), b"kept")


class UnversionedTests(VersionsCase):
    def test_refused(self) -> None:
        """What makes no version is refused where there are, or were, versions."""
        self.put()
        for enabled in (True, False):
            self.set_versioning(enabled=enabled)
            appends: Appends = self.store.appends
            self.refused(InvalidOperation, appends.append("photos", "a", b"x", offset_bytes=5))
            self.refused(InvalidOperation, self.store.renames.rename("photos", "a", "b"))

    def test_calls(self) -> None:
        """A bucket without versions is asked for no more than the object, found or not."""
        self.ok(self.store.buckets.create("plain"))
        asked: list[bytes] = []
        get = self.metadata.get

        async def noted(wanted: Sequence[bytes]) -> object:
            asked.append(b"".join(sorted({key[:1] for key in wanted})))
            return await get(wanted)

        self.patch(self.metadata, "get", noted)
        self.refused(ObjectNotFound, self.store.objects.head("plain", "a"))
        self.refused(ObjectNotFound, self.store.objects.get("plain", "a"))
        self.ok(self.store.objects.put("plain", "a", b"x"))
        self.ok(self.store.objects.head("plain", "a"))
        self.assertEqual(asked[:4], [b"n", b"o", b"n", b"op"])
        self.assertEqual(asked[-2:], [b"n", b"o"])
