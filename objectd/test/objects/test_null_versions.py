"""The null version: that of a time without versioning."""

from __future__ import annotations

from objectd.errors import (
    DeleteMarkerFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.model import keys
from objectd.model.codec import decode_object_head
from objectd.objects.ids import VersionId
from objectd.objects.versions import Deleted
from objectd.test.objects.cases import StoreCase
from objectd.test.objects.copy_case import SOURCES
from objectd.test.objects.versions_case import ABSENT, VersionsCase


class NullTests(VersionsCase):
    """The null version, which is that of a time without versioning."""

    def setUp(self) -> None:
        StoreCase.setUp(self)

    def suspend(self) -> None:
        self.set_versioning(enabled=False)

    def test_never(self) -> None:
        """Where there never was versioning, the null version is the object."""
        self.assertEqual(self.put(), "")
        object_ = self.ok(self.store.objects.head("photos", "a", version_id="null"))
        self.assertEqual(object_.version_id, "")
        self.refused(VersionNotFound, self.store.objects.get("photos", "a", version_id=ABSENT))
        self.delete("null")
        self.assert_nothing_left()

    def test_becomes_null(self) -> None:
        """What was there when versioning was enabled is the null version, with its bytes."""
        for source in SOURCES:
            self.ok(self.store.buckets.delete("photos"))
            self.ok(self.store.buckets.create("photos"))
            _, data = self.store_as(source)
            self.set_versioning()
            self.assertEqual(self.newest(), "null")
            self.assertEqual(self.bytes_of("null"), data)
            newer = self.put(b"newer")
            self.assertEqual(self.bytes_of("null"), data)
            self.assert_usage(len(data), 5)
            self.delete(newer)
            self.assertEqual((self.newest(), self.bytes_of("null")), ("null", data))
            self.delete("null")
            self.assert_nothing_left()

    def test_replaced_while_suspended(self) -> None:
        """While suspended the null version is replaced wherever it is, and no other."""
        for source in SOURCES:
            for between in (False, True):
                _, _ = self.store_as(source)
                self.set_versioning()
                kept = [self.store_as(source, b"k")] if between else []
                self.suspend()
                replaced, data = self.store_as(source, b"n")
                self.assertEqual((replaced, self.newest()), ("null", "null"))
                self.assertEqual(self.bytes_of("null"), data)
                self.assert_usage(len(data), *[len(bytes_) for _, bytes_ in kept])
                for version, bytes_ in kept:
                    self.assertEqual(self.bytes_of(version), bytes_)
                    self.delete(version)
                self.delete("null")
                self.assert_nothing_left()

    def test_null_marker(self) -> None:
        """A delete while suspended puts a null marker in place of the null version."""
        for source in SOURCES:
            for kept_first in (False, True):
                self.suspend()
                _, _ = self.store_as(source)
                self.set_versioning()
                kept = self.put(b"kept") if kept_first else ""
                self.suspend()
                for _ in range(2):
                    self.assertEqual(self.delete(), Deleted("null", True))
                    self.refused(
                        VersionIsDeleteMarker,
                        self.store.objects.get("photos", "a", version_id="null"),
                    )
                    self.refused(DeleteMarkerFound, self.store.objects.get("photos", "a"))
                self.assert_usage(*([4] if kept else []))
                self.assertEqual(self.delete("null"), Deleted("null", True))
                if kept:
                    self.assertEqual(self.newest(), kept)
                    self.delete(kept)
                self.assert_nothing_left()

    def test_over_a_null_marker(self) -> None:
        """A null version takes the place of a null marker, a version with an id does not."""
        self.suspend()
        self.marker()
        self.put(b"null")
        self.assert_rows(1, 1, 0, 0, 0)
        self.marker()
        self.set_versioning()
        newer = self.put(b"newer")
        self.assert_rows(1, 1, 1, 0, 1)
        self.delete(newer)
        self.refused(DeleteMarkerFound, self.store.objects.get("photos", "a"))

    def test_null_by_its_real_id(self) -> None:
        """The null version answers to no other id."""
        self.put()
        self.set_versioning()
        [row] = self.rows(keys.OBJECTS)
        for _ in range(2):
            head = decode_object_head(row.value or b"")
            version = VersionId(head.modified_us, head.version).text()
            work = self.store.objects.get("photos", "a", version_id=version)
            self.refused(VersionNotFound, work)
            self.assertEqual(self.delete(version), Deleted(version))
            self.assertEqual(self.bytes_of("null"), b"small")
            self.put(b"newer")
            row = next(r for r in self.rows(keys.VERSIONS))
