"""Versions while others change the same key, or the versioning of the bucket."""

from __future__ import annotations

from objectd.errors import (
    DeleteMarkerFound,
    VersionNotFound,
)
from objectd.model import keys
from objectd.model.codec import decode_object_head
from objectd.objects import ListedPart
from objectd.objects.conditions import Conditions
from objectd.objects.ids import version_id
from objectd.objects.object import OpenObject
from objectd.test.objects.cases import begin
from objectd.test.objects.copy_case import SOURCES, photo
from objectd.test.objects.versions_case import VersionsCase


class RaceTests(VersionsCase):
    """Something happens between what is read and what is committed."""

    def test_mode_switched(self) -> None:
        """A put or delete that was decided under another mode is decided again."""
        for before, after, kept in (
            (None, True, True),
            (None, False, False),
            (True, False, True),
            (False, True, True),
        ):
            for verb in ("put", "put if", "delete", "complete", "copy"):
                self.ok(self.store.buckets.create("albums"))
                self.ok(self.store.objects.put("albums", "b", b"source"))
                if before is not None:
                    self.ok(self.store.buckets.set_versioning("albums", enabled=before))
                old = self.ok(self.store.objects.put("albums", "a", b"old")).version_id
                self.switch_after(verb, enabled=after)
                version = self.change_album(verb)
                self.assertEqual(version == "null", not after, (before, after, verb))
                if kept:
                    get = self.store.objects.get("albums", "a", version_id=old or "null")
                    self.assertEqual(self.ok(self.ok(get).read()), b"old")
                self.empty_album()

    def switch_after(self, verb: str, *, enabled: bool) -> None:
        """Have the mode switched when the last has been read that is read before a commit."""
        switch = self.beside().buckets.set_versioning
        match verb:
            case "put":  # a guess
                self.metadata.after(keys.BUCKETS, lambda: switch("albums", enabled=enabled))
            case "put if":  # looks before it takes the body
                self.metadata.after_second(keys.OBJECTS, lambda: switch("albums", enabled=enabled))
            case _:
                self.metadata.after(keys.OBJECTS, lambda: switch("albums", enabled=enabled))

    def change_album(self, verb: str) -> str:
        store = self.store
        match verb:
            case "put":
                return self.ok(store.objects.put("albums", "a", b"new")).version_id
            case "put if":
                conditions = Conditions(if_match="*")
                put = store.objects.put("albums", "a", b"new", conditions=conditions)
                return self.ok(put).version_id
            case "delete":
                return self.ok(store.objects.delete("albums", "a")).version_id
            case "copy":
                source, target = photo("b"), photo("a")
                copy = store.copies.copy(
                    source._replace(bucket="albums"), target._replace(bucket="albums")
                )
                return self.ok(copy).version_id
            case _:
                upload = self.ok(store.uploads.create("albums", "a")).id.text()
                self.ok(store.uploads.put_part("albums", "a", upload, 1, b"part"))
                page = self.ok(store.uploads.parts("albums", "a", upload))
                listed = [ListedPart(number, part.etag) for number, part in page.parts]
                complete = store.completions.complete("albums", "a", upload, listed)
                return self.ok(complete).version_id

    def empty_album(self) -> None:
        while self.rows(keys.OBJECTS) or self.rows(keys.VERSIONS):
            rows = [(row.key[9:], row) for row in self.rows(keys.OBJECTS)]
            rows += [(keys.version_fields(row.key)[0], row) for row in self.rows(keys.VERSIONS)]
            key, row = rows[0]
            version = version_id(decode_object_head(row.value or b""))
            self.ok(self.store.objects.delete("albums", key.decode(), version_id=version))
        self.ok(self.store.buckets.delete("albums"))
        self.assert_nothing_left()

    def test_put_meanwhile(self) -> None:
        """Two puts at once make two versions."""
        first = self.put()
        beside = self.beside()
        self.metadata.after(keys.OBJECTS, lambda: beside.objects.put("photos", "a", b"theirs"))
        mine = self.put(b"mine")
        self.assertEqual((self.newest(), self.bytes_of()), (mine, b"mine"))
        self.assert_rows(1, 1, 2, 2, 0)
        self.assertEqual(self.bytes_of(first), b"small")
        self.assert_usage(5, 6, 4)

    def test_two_markers(self) -> None:
        """Two deletes at once put two delete markers, one above the other."""
        self.put()
        beside = self.beside()
        self.metadata.after(keys.OBJECTS, lambda: beside.objects.delete("photos", "a"))
        self.marker()
        self.assert_rows(0, 0, 3, 1, 0)
        beside_put = self.beside()
        self.metadata.after(keys.VERSIONS, lambda: beside_put.objects.delete("photos", "a"))
        self.marker()

    def test_marker_over_nothing(self) -> None:
        """A delete of what is not there does not hide what is put meanwhile from its
        versions."""
        beside = self.beside()
        self.metadata.after(keys.OBJECTS, lambda: beside.objects.put("photos", "a", b"theirs"))
        marker = self.marker()
        error = self.refused(DeleteMarkerFound, self.store.objects.get("photos", "a"))
        self.assertEqual(error.version_id, marker)
        self.delete(marker)
        self.assertEqual(self.bytes_of(), b"theirs")

    def test_undeleted_meanwhile(self) -> None:
        """A delete marker that is deleted while another one is put leaves the order right."""
        version, marker = self.put(), self.marker()
        beside = self.beside()
        self.metadata.after(
            keys.OBJECTS, lambda: beside.objects.delete("photos", "a", version_id=marker)
        )
        newer = self.marker()
        self.assert_rows(0, 0, 2, 1, 0)
        self.delete(newer)
        self.assertEqual(self.newest(), version)

    def test_both_delete_the_newest(self) -> None:
        """Two that delete the two newest versions at once leave the third as the current one."""
        for source in SOURCES:
            first, data = self.store_as(source)
            second, third = self.put(b"2"), self.put(b"3")
            beside = self.beside()
            self.metadata.after(
                keys.OBJECTS,
                lambda: beside.objects.delete("photos", "a", version_id=second),  # noqa: B023
            )
            self.delete(third)
            self.assertEqual((self.newest(), self.bytes_of()), (first, data))
            self.assert_usage(len(data))
            self.delete(first)
            self.assert_nothing_left()

    def test_version_moves_under_a_reader(self) -> None:
        """Who asks for a version finds it, while it becomes noncurrent or current again."""
        first = self.put(b"first")
        beside = self.beside()

        async def replace() -> None:
            await beside.objects.put("photos", "a", b"newer")

        for prefix in (keys.OBJECTS, keys.VERSIONS):
            for interpose in (self.metadata.before, self.metadata.after):
                interpose(prefix, replace)
                self.assertEqual(self.bytes_of(first), b"first")
                newest = self.newest()
                interpose(
                    prefix,
                    lambda: beside.objects.delete("photos", "a", version_id=newest),  # noqa: B023
                )
                self.assertEqual(self.bytes_of(first), b"first")
                self.assertEqual(self.newest(), first)

    def test_null_moves_under_a_reader(self) -> None:
        """So does who asks for the null version."""
        self.set_versioning(enabled=False)
        self.put(b"null")
        self.set_versioning()
        beside = self.beside()
        newest = ""

        async def move() -> None:
            nonlocal newest
            if newest:
                await beside.objects.delete("photos", "a", version_id=newest)
                newest = ""
            else:
                newest = (await beside.objects.put("photos", "a", b"newer")).version_id

        for interpose in (self.metadata.before, self.metadata.after) * 3:
            for prefix in (keys.NULL_VERSIONS, keys.VERSIONS):
                interpose(prefix, move)
                self.assertEqual(self.bytes_of("null"), b"null")

    def test_replaced_null_under_a_reader(self) -> None:
        """A null version that is replaced while it is looked for is read as it was or as it
        is, or is not there."""
        self.set_versioning(enabled=False)
        self.put(b"null")
        self.set_versioning()
        self.put(b"newer")
        self.set_versioning(enabled=False)
        beside = self.beside()
        self.metadata.after(
            keys.NULL_VERSIONS, lambda: beside.objects.put("photos", "a", b"the new null")
        )
        self.assertEqual(self.bytes_of("null"), b"the new null")
        self.set_versioning()
        self.put(b"newer")
        self.metadata.after(
            keys.NULL_VERSIONS, lambda: beside.objects.delete("photos", "a", version_id="null")
        )
        work = self.store.objects.get("photos", "a", version_id="null")
        self.refused(VersionNotFound, work)

    def test_deleted_under_a_reader(self) -> None:
        """A version that is deleted, and collected, while it is read is read to its end."""
        for source in SOURCES:
            for noncurrent in (False, True):
                version, data = self.store_as(source)
                others = [self.put(b"newer")] if noncurrent else []
                get = self.store.objects.get("photos", "a", version_id=version)
                opened: OpenObject = self.ok(get)
                self.delete(version)
                collecting = begin(self.store.collector.run_to_rest())
                self.assertEqual(self.ok(opened.read()), data)
                self.successResultOf(collecting)
                for other in others:
                    self.delete(other)
                self.assert_nothing_left()

    def test_newest_under_a_reader(self) -> None:
        """Who asks for the newest version while it is hidden, and shown again, gets it or is
        told of the delete marker."""
        self.put(b"first")
        marker = self.marker()
        beside = self.beside()
        self.metadata.after(
            keys.OBJECTS, lambda: beside.objects.delete("photos", "a", version_id=marker)
        )
        self.assertEqual(self.bytes_of(), b"first")

    def test_tagged_while_it_moves(self) -> None:
        """Tags reach the version that was named wherever it is by then."""
        first = self.put(b"first")
        beside = self.beside()
        self.metadata.after(keys.OBJECTS, lambda: beside.objects.put("photos", "a", b"newer"))
        self.ok(self.store.tags.put("photos", "a", {"a": "1"}, version_id=first))
        newest = self.newest()
        for version, tags in ((first, {"a": "1"}), (newest, {})):
            object_ = self.ok(self.store.objects.head("photos", "a", version_id=version))
            self.assertEqual(object_.tail.tags, tags)
        self.assertEqual(self.bytes_of(first), b"first")
