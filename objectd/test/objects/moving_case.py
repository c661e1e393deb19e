"""What the tests of moves between storage classes share: classes that keep bytes in two ways and
in two blob stores, and objects of every form."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec import structs
from twisted.internet.defer import Deferred

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import OutcomeUnknown, StoreFailed
from objectd.interfaces import BlobFile
from objectd.model import keys
from objectd.model.codec import decode, decode_object, encode_object
from objectd.model.records import InBlob, JournalEntry, JournalKind
from objectd.objects.classes import ClassSettings
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.objects.moving import Find, Version, move_class
from objectd.objects.restaging import Pace
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.encrypted import SMALL, EncryptionCase, key_of

SOFT = b"soft " * 30_000
"""What gets smaller when it is compressed; three packets."""

WHOLE: Mapping[str, bytes] = {"empty": b"", "small": SMALL, "large": LARGE, "soft": SOFT}
PARTS = [SOFT, LARGE, SOFT + b"end"]
OTHER = b"something else, which is a blob as well"


class MovingCase(EncryptionCase):
    """STANDARD and REDUCED_REDUNDANCY keep bytes as they come, the infrequent classes and the
    archives in other ways, and two of them in the store `cold`. Nothing is an archive, so that
    all can be read."""

    classes: Mapping[str, ClassSettings] = {
        "STANDARD_IA": ClassSettings(zstd_level=3),
        "ONEZONE_IA": ClassSettings(zstd_level=3),
        "GLACIER_IR": ClassSettings("cold", zstd_level=3),
        "GLACIER": ClassSettings("cold"),
        "DEEP_ARCHIVE": ClassSettings(zstd_level=1),
    }

    def setUp(self) -> None:
        self.further = {"cold": MemoryBlobs()}
        super().setUp()

    def move(self, key: str, storage_class: str) -> None:
        """The current version."""
        self.ok(self.moving(key, storage_class))

    def moving(
        self, key: str, storage_class: str, pace: Pace | None = None
    ) -> Coroutine[Deferred[Any], Any, None]:
        """The same, not begun yet."""
        core = self.store.core
        target = core.classes.named(storage_class)
        return move_class(core, self.find(key), target, pace or self.pace)

    def find(self, key: str) -> Find:
        """The current version, whatever it is when it is looked for."""
        return lambda batch: self.found(key)

    async def found(self, key: str) -> Version | None:
        """The current version, which everybody wants moved."""
        core = self.store.core
        bucket = await self.store.buckets.get("photos")
        row_key = keys.object_(bucket.bucket_id, key.encode())
        [row] = await core.metadata.get([row_key])
        if row is None:
            return None
        return Version(bucket, key.encode(), row_key, row, *decode_object(row.value))

    async def pace(self, size_bytes: int) -> None:
        """Nobody else is there."""

    def version(self, key: str) -> Version:
        found = self.ok(self.found(key))
        assert found is not None
        return found

    def rewrite(self, version: Version) -> None:
        """Its row has this head and tail from now on."""
        self.write_row(version.row_key, encode_object(version.head, version.tail))

    def put_all(self, wanted: EncryptionWanted | None = None) -> dict[str, bytes]:
        """An object of every form; their bytes by their keys."""
        for key, data in WHOLE.items():
            self.put(key, data, wanted)
        self.put_in_parts("parts", PARTS, wanted)
        held = {**WHOLE, "parts": b"".join(PARTS)}
        if wanted is None:
            self.put("grown", LARGE, None)
            append = self.store.appends.append("photos", "grown", SOFT, offset_bytes=len(LARGE))
            self.ok(append)
            held["grown"] = LARGE + SOFT
        return held

    def assert_moved(
        self, key: str, data: bytes, storage_class: str, wanted: EncryptionWanted | None = None
    ) -> None:
        """Its class is another one, and where its bytes are; all else is as it was."""
        before = self.version(key)
        self.move(key, storage_class)
        after = self.version(key)
        self.assertEqual(after.head, structs.replace(before.head, storage_class=storage_class))
        source = after.tail.source
        self.assertEqual(after.tail, structs.replace(before.tail, source=source))
        self.assertIs(type(source), type(before.tail.source))
        self.assert_read(key, data, key_of(wanted))

    def assert_read(self, key: str, data: bytes, customer: CustomerKey | None = None) -> None:
        """Whole, and at the edges of packets and parts."""
        self.assertEqual(self.got(key, customer), data)
        for start, stop in ((0, 1), (65_535, 65_537), (len(data) - 1, len(data))):
            if 0 <= start < stop <= len(data):
                self.assertEqual(self.got(key, customer, start, stop), data[start:stop])

    def assert_clean(self) -> None:
        """Nothing is left behind, and nothing is missing."""
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.findings(deep=True), [])
        blobs = self.rows(keys.BLOBS)
        self.assertEqual(len(self.files()) + len(self.cold_files()), len(blobs))
        uids = {row.key[1:] for row in blobs}
        self.assertEqual(uids, {keys.referred_uid(row.key) for row in self.rows(keys.REFS)})
        self.assertEqual(self.rows(keys.UPLOADS), [])

    def cold_files(self) -> list[BlobFile]:
        async def every() -> list[BlobFile]:
            return [file async for file in self.further["cold"].files(0)]

        return self.ok(every())

    def blob_of(self, key: str) -> bytes:
        source = self.version(key).tail.source
        assert isinstance(source, InBlob)
        return source.blob

    def journalled(self) -> list[bytes]:
        """The keys of which the journal says that a version was moved."""
        entries = [decode(JournalEntry, e.value or b"") for e in self.rows(keys.JOURNAL)]
        return [e.key for e in entries if e.kind is JournalKind.OBJECT_TRANSITIONED]

    def die_moving(self, key: str, changes: int) -> None:
        """The process dies after so many changes."""
        self.metadata.changes_left = changes
        moving = begin(self.moving(key, "GLACIER"))
        moving.addErrback(lambda failure: failure.trap(OutcomeUnknown, StoreFailed))
        self.successResultOf(moving)
        self.metadata.changes_left = None
