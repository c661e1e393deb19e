"""A bucket with versioning, and what its rows hold."""

from __future__ import annotations

from objectd.interfaces import Entry
from objectd.model import keys
from objectd.model.records import InManifest
from objectd.objects.conditions import Conditions
from objectd.objects.versions import Deleted
from objectd.test.objects.cases import StoreCase
from objectd.test.objects.copy_case import SOURCES

ABSENT = "0" * 40
"""The form of a version id, and of none."""

OF_KEYS = (keys.OBJECTS, keys.PAYLOADS, keys.VERSIONS, keys.VERSION_PAYLOADS, keys.NULL_VERSIONS)
OF_BYTES = (keys.BLOBS, keys.REFS, keys.MANIFESTS, keys.MANIFEST_REFS, keys.PARTS, keys.CONTENTS)
NEW = Conditions(if_none_match="*")


class VersionsCase(StoreCase):
    """A bucket with versioning."""

    def setUp(self) -> None:
        super().setUp()
        self.set_versioning()

    def put(self, data: bytes = b"small") -> str:
        return self.ok(self.store.objects.put("photos", "a", data)).version_id

    def store_as(self, source: type[object], prefix: bytes = b"") -> tuple[str, bytes]:
        """A version whose bytes are in a row, a blob or parts; its id and its bytes."""
        data = prefix + SOURCES[source]
        if source is InManifest:
            upload = self.upload("a", data[:5], data[5:])
            listed = self.listed("a", upload)
            done = self.ok(self.store.completions.complete("photos", "a", upload, listed))
            return done.version_id, data
        return self.put(data), data

    def delete(self, version: str = "") -> Deleted:
        return self.ok(self.store.objects.delete("photos", "a", version_id=version))

    def marker(self) -> str:
        deleted = self.delete()
        self.assertTrue(deleted.is_delete_marker)
        return deleted.version_id

    def bytes_of(self, version: str = "") -> bytes:
        opened = self.ok(self.store.objects.get("photos", "a", version_id=version))
        return self.ok(opened.read())

    def newest(self) -> str:
        return self.ok(self.store.objects.head("photos", "a")).version_id

    def assert_usage(self, *sizes: int) -> None:
        usage = self.ok(self.store.buckets.usage("photos"))
        self.assertEqual((usage.objects, usage.size_bytes), (len(sizes), sum(sizes)))

    def assert_rows(self, *expected: int) -> None:
        """How many rows the key has of each family in `OF_KEYS`."""
        found = tuple(len(self.rows(family)) for family in OF_KEYS)
        self.assertEqual(found, expected)

    def assert_nothing_left(self) -> None:
        """When all versions are gone, nothing is left of what they had."""
        self.assert_usage()
        self.ok(self.store.collector.run_to_rest())
        left = {family: self.rows(family) for family in (*OF_KEYS, *OF_BYTES)}
        self.assertEqual({family: rows for family, rows in left.items() if rows}, {})
        self.assertEqual(self.files(), [])

    def damage(self, row: Entry, *, head: bool) -> None:
        """Spoil what a row says, all of it or but for the head."""
        value = bytearray(row.value or b"")
        value[10 if head else -1] ^= 1
        self.write_row(row.key, bytes(value))
