"""What a store demands of the programs that open it."""

from __future__ import annotations

from objectd.interfaces import Entry
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Format, Incompatible
from objectd.test.objects.cases import LARGE, StoreCase


class FeatureTests(StoreCase):
    def format_row(self) -> Entry:
        [row] = self.rows(keys.FORMAT)
        return row

    def test_never_versioned(self) -> None:
        """A store in which versioning never was on is open to programs that do not know it."""
        before = self.format_row()
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.complete("a", self.upload("a", LARGE, LARGE))
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.buckets.delete("photos"))
        self.assertEqual((self.format_row(), self.features()), (before, 0))

    def test_versions(self) -> None:
        """The commit that first leaves a bucket with versioning tells so, whichever state that
        is; the bit stays when the bucket is gone."""
        for enabled in (True, False):
            self.setUp()
            before = decode(Format, self.format_row().value or b"")
            self.set_versioning("photos", enabled=enabled)
            [bucket] = self.rows(keys.BUCKETS)
            self.assertEqual(self.format_row().revision, bucket.revision)
            self.assertEqual(self.features(), Incompatible.VERSIONS)
            self.ok(self.store.buckets.delete("photos"))
            self.store = self.opened()
            self.assertEqual(self.features(), Incompatible.VERSIONS)
            self.assertEqual(self.store.format.store_uuid, before.store_uuid)

    def test_once(self) -> None:
        """What the store tells already is not told again."""
        self.ok(self.store.buckets.create("other"))
        self.set_versioning("photos", enabled=True)
        told = self.format_row()
        self.set_versioning("photos", enabled=False)
        self.set_versioning("other", enabled=True)
        self.assertEqual(self.format_row(), told)

    def test_at_once(self) -> None:
        """Of two buckets whose versioning is enabled at once, both get it."""
        self.ok(self.store.buckets.create("other"))
        beside = self.beside()

        async def meanwhile() -> None:
            await beside.buckets.set_versioning("other", enabled=True)

        self.metadata.after(keys.FORMAT, meanwhile)
        self.set_versioning("photos", enabled=True)
        for bucket in ("photos", "other"):
            self.assertTrue(self.ok(self.store.buckets.get(bucket)).versioning)
        self.assertEqual(self.features(), Incompatible.VERSIONS)
