"""Objects of every form to be copied, and what may happen to them meanwhile."""

from __future__ import annotations

from objectd.interfaces import Commit, Put, Token
from objectd.model import keys
from objectd.model.records import InBlob, InManifest, InRow, Nothing
from objectd.objects.copy_source import ObjectName
from objectd.objects.object import Object
from objectd.test.objects.cases import LARGE, StoreCase

SOURCES: dict[type[object], bytes] = {
    Nothing: b"",
    InRow: b"small",
    InBlob: LARGE,
    InManifest: b"part1part2",
}
OTHER = b"something else that is too large to be in a row"


FILES: dict[type[object], int] = {InBlob: 1, InManifest: 2}
REFERENCES: dict[type[object], int] = {InBlob: 1, InManifest: 3}
"""Two parts to their blobs, one version to its manifest."""

FIRST_LOOK: dict[type[object], bytes] = {InBlob: keys.blob(b""), InManifest: keys.manifest(b"")}
"""What is read once it is known where the bytes are."""


def photo(key: str) -> ObjectName:
    return ObjectName("photos", key)


class CopyCase(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.sequence = 1 << 32

    def store_as(self, source: type[object], key: str = "a") -> bytes:
        data = SOURCES[source]
        if source is InManifest:
            self.complete(key, self.upload(key, data[:5], data[5:]))
        else:
            self.ok(self.store.objects.put("photos", key, data, metadata={"from": key}))
        return data

    def head(self, key: str, bucket: str = "photos") -> Object:
        return self.ok(self.store.objects.head(bucket, key))

    def collect(self) -> None:
        self.ok(self.store.collector.run_to_rest())

    def assert_empty(self) -> None:
        """When all objects are gone, nothing is left of what they had."""
        page = self.ok(self.store.listings.objects("photos"))
        self.ok(self.store.objects.delete_many("photos", [o.key for o in page.objects]))
        self.collect()
        left = {tag: self.rows(tag) for tag in (b"B", b"r", b"m", b"M", b"t", b"c", b"p", b"d")}
        self.assertEqual(
            (self.files(), {tag: rows for tag, rows in left.items() if rows}), ([], {})
        )

    def replace_row(self, key: bytes, value: bytes) -> None:
        self.sequence += 1
        token = Token(self.store.core.writer.incarnation, self.sequence)
        self.ok(self.metadata.commit(Commit(token, 0, (Put(key, value),))))

    async def deleted_and_collected(self) -> None:
        """What another process may do to the source."""
        await self.store.objects.delete("photos", "a")
        await self.store.collector.run_to_rest()

    async def replaced_and_collected(self) -> None:
        await self.store.objects.put("photos", "a", OTHER)
        await self.store.collector.run_to_rest()
