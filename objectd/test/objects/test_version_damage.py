"""Damaged rows among those of versions."""

from __future__ import annotations

from objectd.errors import (
    DamagedRecord,
    PreconditionFailed,
)
from objectd.interfaces import Entry
from objectd.model import keys
from objectd.model.codec import decode_object_head
from objectd.objects.conditions import Conditions
from objectd.objects.ids import VersionId, version_id
from objectd.objects.versions import Deleted
from objectd.test.objects.versions_case import VersionsCase


class DamageTests(VersionsCase):
    """A damaged record costs the version that it describes."""

    def tearDown(self) -> None:
        self.flushLoggedErrors()

    def current(self) -> Entry:
        return self.rows(keys.OBJECTS)[0]

    def test_current_replaced(self) -> None:
        """A current version that cannot be read is replaced, hidden, and what lies beneath it
        is reached."""
        for head in (True, False):
            for verb in ("put", "delete"):
                kept, _ = self.put(b"kept"), self.put(b"spoiled")
                self.damage(self.current(), head=head)
                self.refused(DamagedRecord, self.store.objects.get("photos", "a"))
                self.assertEqual(self.bytes_of(kept), b"kept")
                newer = self.put(b"newer") if verb == "put" else self.marker()
                self.assertGreater(newer, kept)
                self.assertEqual(self.bytes_of(kept), b"kept")
                self.clear()

    def test_current_deleted_by_id(self) -> None:
        """One whose head can be read is deleted by its id, and the one before it is current."""
        kept, spoiled = self.put(b"kept"), self.put(b"spoiled")
        self.damage(self.current(), head=False)
        work = self.store.objects.delete(
            "photos", "a", version_id=spoiled, conditions=Conditions(if_match="x")
        )
        self.refused(PreconditionFailed, work)
        self.assertEqual(self.delete(spoiled), Deleted(spoiled))
        self.assertEqual((self.newest(), self.bytes_of()), (kept, b"kept"))
        self.assert_rows(1, 1, 0, 0, 0)

    def test_null_beneath(self) -> None:
        """The null version is reached beneath a current one that cannot be read."""
        self.set_versioning(enabled=False)
        self.put(b"null")
        self.set_versioning()
        self.put(b"spoiled")
        self.damage(self.current(), head=True)
        self.assertEqual(self.bytes_of("null"), b"null")
        self.assertEqual(self.delete("null"), Deleted("null"))

    def test_noncurrent(self) -> None:
        """A noncurrent one that cannot be read is deleted by its id, and others are not
        touched."""
        for head in (True, False):
            spoiled, newer = self.put(b"spoiled"), self.put(b"newer")
            self.damage(self.rows(keys.VERSIONS)[0], head=head)
            work = self.store.objects.get("photos", "a", version_id=spoiled)
            self.refused(DamagedRecord, work)
            self.assertEqual(self.delete(spoiled), Deleted(spoiled))
            self.assert_rows(1, 1, 0, 0, 0)
            self.delete(newer)

    def test_marker(self) -> None:
        """What a delete marker that cannot be read has hidden is current when that is
        deleted."""
        for head in (True, False):
            version, marker = self.put(), self.marker()
            self.damage(self.rows(keys.VERSIONS)[0], head=head)
            self.refused(DamagedRecord, self.store.objects.get("photos", "a"))
            self.delete(marker)
            self.assertEqual((self.newest(), self.bytes_of()), (version, b"small"))
            self.delete(version)

    def test_beneath_a_marker(self) -> None:
        """One that cannot be read does not become current, and is no obstacle to others."""
        first, spoiled, marker = self.put(b"first"), self.put(b"spoiled"), self.marker()
        self.damage(self.rows(keys.VERSIONS)[1], head=True)
        self.delete(marker)
        self.refused(DamagedRecord, self.store.objects.get("photos", "a"))
        self.delete(spoiled)
        self.assertEqual((self.newest(), self.bytes_of()), (first, b"first"))

    def test_null_row(self) -> None:
        """Where the row that leads to the null version cannot be read, a put while suspended
        sets it right."""
        self.set_versioning(enabled=False)
        self.put(b"null")
        self.set_versioning()
        self.put(b"newer")
        self.set_versioning(enabled=False)
        [row] = self.rows(keys.NULL_VERSIONS)
        self.write_row(row.key, b"nonsense")
        self.put(b"the new null")
        self.assertEqual(self.bytes_of("null"), b"the new null")
        self.assertEqual(self.rows(keys.NULL_VERSIONS), [])

    def clear(self) -> None:
        """Delete what there is of the key, readable or not."""
        for row in self.rows(keys.VERSIONS):
            _, time_us, uid = keys.version_fields(row.key)
            self.delete(VersionId(time_us, uid).text())
        for row in self.rows(keys.OBJECTS):
            self.delete(version_id(decode_object_head(row.value or b"")))
        self.assert_rows(0, 0, 0, 0, 0)
