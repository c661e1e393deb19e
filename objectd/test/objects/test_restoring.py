"""Restores of archived versions, by a clock that the test moves."""

from __future__ import annotations

from types import MappingProxyType

from objectd.errors import (
    DeleteMarkerFound,
    InvalidArgument,
    NotArchived,
    ObjectArchived,
    ObjectNotFound,
    RestoreInProgress,
)
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import JournalEntry, JournalKind, Restore
from objectd.objects import Object
from objectd.objects.classes import ClassSettings
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.objects.settings import RESTORE_DAYS_MAX
from objectd.test.objects.cases import LARGE, NOON_US, StoreCase

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
MIDNIGHT_US = (NOON_US // DAY_US + 1) * DAY_US
A, B = ObjectName("photos", "a"), ObjectName("photos", "b")


class RestoreTests(StoreCase):
    """A restore from GLACIER takes an hour, and one from DEEP_ARCHIVE no time."""

    classes = MappingProxyType({"GLACIER": ClassSettings(archive=True, restore_seconds=3600)})

    def setUp(self) -> None:
        super().setUp()
        self.put("GLACIER")

    def put(self, storage_class: str) -> Object:
        return self.ok(self.store.objects.put("photos", "a", LARGE, storage_class=storage_class))

    def restored(self, days: int = 1, version_id: str = "") -> bool:
        """Whether that began a restore."""
        return self.ok(self.store.restores.restore("photos", "a", days=days, version_id=version_id))

    def state(self) -> Restore | None:
        return self.ok(self.store.objects.head("photos", "a")).tail.restore

    def assert_archived(self) -> None:
        self.refused(ObjectArchived, self.store.objects.get("photos", "a"))

    def test_in_time(self) -> None:
        """It is read from when the restore is done until the midnight after its last day."""
        self.assertTrue(self.restored())
        expires_us = MIDNIGHT_US + DAY_US
        self.assertEqual(self.state(), Restore(NOON_US + HOUR_US, expires_us))
        for now_us, is_readable in (
            (NOON_US + HOUR_US - 1, False),
            (NOON_US + HOUR_US, True),
            (expires_us - 1, True),
            (expires_us, False),
        ):
            self.now_us = now_us
            if is_readable:
                self.assertEqual(self.read("a"), LARGE)
            else:
                self.assert_archived()

    def test_in_progress(self) -> None:
        """Until it is done there is no other."""
        self.restored()
        self.refused(RestoreInProgress, self.store.restores.restore("photos", "a", days=2))
        self.now_us += HOUR_US
        self.assertFalse(self.restored(2))

    def test_longer_or_shorter(self) -> None:
        """While it can be read, the days are counted anew from now on."""
        self.restored(5)
        self.now_us += HOUR_US
        for days in (7, 1):
            self.assertFalse(self.restored(days))
            self.assertEqual(self.state(), Restore(self.now_us, MIDNIGHT_US + days * DAY_US))
            self.assertEqual(self.read("a"), LARGE)

    def test_again(self) -> None:
        """When it is over it begins anew, and takes its time."""
        self.restored()
        self.now_us = MIDNIGHT_US + DAY_US
        self.assertTrue(self.restored())
        self.assert_archived()

    def test_at_once(self) -> None:
        self.put("DEEP_ARCHIVE")
        self.assertTrue(self.restored())
        self.assertEqual(self.read("a"), LARGE)

    def test_what_is_copied(self) -> None:
        """What is restored can be copied; the copy is not restored, nor is what replaces it."""
        self.restored()
        self.now_us += HOUR_US
        self.ok(self.store.copies.copy(A, B))
        self.assertEqual(self.read("b"), LARGE)
        self.ok(self.store.copies.copy(A, B, own=Overrides(storage_class="GLACIER")))
        self.refused(ObjectArchived, self.store.objects.get("photos", "b"))
        self.put("GLACIER")
        self.assert_archived()

    def test_same_version(self) -> None:
        """A restore makes no new version, and is told in the journal."""
        before = self.ok(self.store.objects.head("photos", "a"))
        self.restored()
        self.assertEqual(self.ok(self.store.objects.head("photos", "a")).head, before.head)
        told = decode(JournalEntry, self.rows(keys.JOURNAL)[-1].value or b"")
        self.assertEqual(
            (told.kind, told.version), (JournalKind.OBJECT_RESTORED, before.head.version)
        )

    def test_versions(self) -> None:
        """Any version can be restored, and no other is."""
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        old, new = self.put("GLACIER"), self.put("GLACIER")
        self.restored(version_id=old.version_id)
        self.now_us += HOUR_US
        get = self.store.objects.get
        self.assertEqual(
            self.ok(self.ok(get("photos", "a", version_id=old.version_id)).read()), LARGE
        )
        self.refused(ObjectArchived, get("photos", "a", version_id=new.version_id))

    def test_refusals(self) -> None:
        restore = self.store.restores.restore
        for days in (0, -1, RESTORE_DAYS_MAX + 1):
            self.refused(InvalidArgument, restore("photos", "a", days=days))
        self.assertTrue(self.restored(RESTORE_DAYS_MAX))
        self.refused(ObjectNotFound, restore("photos", "b", days=1))
        for name in ("STANDARD", "STANDARD_IA", "GLACIER_IR"):
            self.put(name)
            self.assertEqual(
                self.refused(NotArchived, restore("photos", "a", days=1)).storage_class, name
            )
        self.put("DEEP_ARCHIVE")
        self.refused(InvalidArgument, restore("photos", "a", days=1, tier="Expedited"))
        self.assertIsNone(self.state())
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        self.ok(self.store.objects.delete("photos", "a"))
        self.refused(DeleteMarkerFound, restore("photos", "a", days=1))
