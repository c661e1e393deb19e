"""Storage classes: what is stored under them, copied between them, and read from archives."""

from __future__ import annotations

from types import MappingProxyType

from objectd.errors import (
    ObjectArchived,
    SourceArchived,
    UnknownStorageClass,
)
from objectd.keys.memory import MemoryKeys
from objectd.model import keys
from objectd.model.blobs import Blob, Codec
from objectd.model.codec import decode
from objectd.model.records import DefaultEncryption, Incompatible, InManifest, Scheme
from objectd.objects.classes import NAMES, ClassSettings
from objectd.objects.copy_source import ObjectName
from objectd.objects.object import Object
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE, StoreCase

A, B = ObjectName("photos", "a"), ObjectName("photos", "b")
SMALL = b"in a row"
COLD = Overrides(storage_class="STANDARD_IA")
DEFAULT = ("REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER")


class ClassCase(StoreCase):
    def put(self, data: bytes, storage_class: str, key: str = "a") -> Object:
        return self.ok(self.store.objects.put("photos", key, data, storage_class=storage_class))

    def stored_blobs(self) -> list[Blob]:
        return [decode(Blob, entry.value or b"") for entry in self.rows(keys.BLOBS)]

    def head(self, key: str = "a") -> Object:
        return self.ok(self.store.objects.head("photos", key))


class PutTests(ClassCase):
    def test_kept(self) -> None:
        """An object has the class that was asked for, also in listings; so has its blob."""
        for name in DEFAULT:
            self.put(LARGE, name, name)
        page = self.ok(self.store.listings.objects("photos"))
        self.assertEqual(
            {each.key: each.head.storage_class for each in page.objects},
            {name: name for name in DEFAULT},
        )
        self.assertEqual({blob.storage_class for blob in self.stored_blobs()}, {*DEFAULT})

    def test_small(self) -> None:
        """What is small is a row of the metadata in every class."""
        self.put(SMALL, "STANDARD_IA")
        self.assertEqual(self.read("a"), SMALL)
        self.assertEqual((self.head().head.storage_class, self.files()), ("STANDARD_IA", []))

    def test_unknown(self) -> None:
        """A class that there is not stores nothing."""
        for name in ("SNOW", "standard", "INTELLIGENT_TIERING"):
            error = self.refused(
                UnknownStorageClass,
                self.store.objects.put("photos", "a", LARGE, storage_class=name),
            )
            self.assertEqual(error.storage_class, name)
            self.refused(
                UnknownStorageClass, self.store.uploads.create("photos", "a", storage_class=name)
            )
        self.assertEqual((self.rows(keys.OBJECTS), self.files()), ([], []))

    def test_feature(self) -> None:
        """Programs that know no classes open the store as long as there is none but STANDARD."""
        self.put(LARGE, "STANDARD")
        self.put(LARGE, "")
        self.assertFalse(self.features() & Incompatible.STORAGE_CLASSES)
        self.put(SMALL, "STANDARD_IA")
        self.assertTrue(self.features() & Incompatible.STORAGE_CLASSES)

    def test_feature_of_uploads(self) -> None:
        self.ok(self.store.uploads.create("photos", "a", storage_class="GLACIER"))
        self.assertTrue(self.features() & Incompatible.STORAGE_CLASSES)

    def test_multipart(self) -> None:
        """The class of an upload is that of its parts and of what it becomes."""
        create = self.store.uploads.create("photos", "a", storage_class="STANDARD_IA")
        upload = self.ok(create).id.text()
        for number in (1, 2):
            self.ok(self.store.uploads.put_part("photos", "a", upload, number, LARGE))
        self.complete("a", upload)
        self.assertEqual(self.head().head.storage_class, "STANDARD_IA")
        self.assertEqual({blob.storage_class for blob in self.stored_blobs()}, {"STANDARD_IA"})
        self.assertEqual(self.read("a"), LARGE * 2)

    def test_appended(self) -> None:
        """What is appended gets the class of the object."""
        self.put(LARGE, "STANDARD_IA")
        self.ok(self.store.appends.append("photos", "a", LARGE[::-1], offset_bytes=len(LARGE)))
        self.assertEqual(self.head().head.storage_class, "STANDARD_IA")
        self.assertEqual({blob.storage_class for blob in self.stored_blobs()}, {"STANDARD_IA"})
        self.assertEqual(self.read("a"), LARGE + LARGE[::-1])

    def test_no_twins(self) -> None:
        """Equal bytes share a blob within a class, and in no other."""
        for key, name in (("a", "STANDARD_IA"), ("b", "STANDARD_IA"), ("c", "STANDARD")):
            self.put(LARGE, name, key)
        self.assertEqual(len(self.stored_blobs()), 2)


class StandardTests(ClassCase):
    """STANDARD is what an operator makes of it, for all that is put without a class."""

    classes = MappingProxyType({"STANDARD": ClassSettings(zstd_level=3)})

    def test_everything(self) -> None:
        """Bodies, parts, and an append that makes an object."""
        body = LARGE * 10
        self.ok(self.store.objects.put("photos", "put", body))
        self.ok(self.store.appends.append("photos", "appended", body + b"1", offset_bytes=0))
        self.complete("parts", self.upload("parts", body + b"2"))
        self.assertEqual([blob.codec for blob in self.stored_blobs()], [Codec.FRAMES] * 3)


class CopyTests(ClassCase):
    def copied(self, own: Overrides) -> str:
        """Returns the class of the copy, of which every byte is right."""
        made = self.ok(self.store.copies.copy(A, B, own=own))
        self.assertEqual(self.read("b"), self.data)
        self.assertEqual(self.head("b").head.storage_class, made.head.storage_class)
        return made.head.storage_class

    def test_standard_unless_wanted(self) -> None:
        """A copy has the class that it asks for: its source's is not copied."""
        for self.data in (LARGE, SMALL, b""):
            self.put(self.data, "STANDARD_IA")
            self.assertEqual(self.copied(Overrides()), "STANDARD")
            self.assertEqual(self.copied(COLD), "STANDARD_IA")

    def test_shared(self) -> None:
        """Where both classes keep alike no byte is read: the blob is shared."""
        self.data = LARGE
        self.put(LARGE, "STANDARD")
        self.copied(Overrides(storage_class="REDUCED_REDUNDANCY"))
        self.assertEqual(len(self.stored_blobs()), 1)
        self.copied(COLD)
        self.assertEqual(len(self.stored_blobs()), 2)

    def test_parts(self) -> None:
        """A copy of a multipart object in a class of another kind is one blob."""
        self.data = LARGE * 2
        self.complete("a", self.upload("a", LARGE, LARGE))
        self.assertEqual(self.copied(COLD), "STANDARD_IA")
        self.assertNotIsInstance(self.head("b").tail.source, InManifest)

    def test_part_copies(self) -> None:
        """A part of an upload of another class is stored anew, too."""
        self.put(LARGE, "STANDARD")
        create = self.store.uploads.create("photos", "b", storage_class="STANDARD_IA")
        upload = self.ok(create).id.text()
        self.ok(self.store.part_copies.copy(A, B, upload, 1))
        self.assertEqual(
            [blob.storage_class for blob in self.stored_blobs()], ["STANDARD", "STANDARD_IA"]
        )
        self.complete("b", upload)
        self.assertEqual(self.read("b"), LARGE)

    def test_onto_itself(self) -> None:
        """A new class is a change, for which an object may be copied onto itself."""
        self.put(LARGE, "STANDARD")
        made = self.ok(self.store.copies.copy(A, A, own=COLD))
        self.assertEqual((made.head.storage_class, self.read("a")), ("STANDARD_IA", LARGE))

    def test_put_in_between(self) -> None:
        """What is put while an object is copied onto itself is not lost for what it was before."""
        other = LARGE[::-1]
        self.put(LARGE, "STANDARD")
        beside = self.beside()

        async def put_other() -> None:
            await beside.objects.put("photos", "a", other)

        self.metadata.after(keys.CONTENTS, put_other)
        made = self.ok(self.store.copies.copy(A, A, own=COLD))
        self.assertEqual((made.head.storage_class, self.read("a")), ("STANDARD_IA", other))

    def test_unknown(self) -> None:
        self.put(LARGE, "STANDARD")
        own = Overrides(storage_class="SNOW")
        self.refused(UnknownStorageClass, self.store.copies.copy(A, B, own=own))


class ArchiveTests(ClassCase):
    """Of what is archived everything is known, and no byte is read."""

    def test_read(self) -> None:
        for data in (LARGE, SMALL, b""):
            self.put(data, "GLACIER")
            error = self.refused(ObjectArchived, self.store.objects.get("photos", "a"))
            self.assertEqual(error.storage_class, "GLACIER")
            self.assertEqual(self.head().size_bytes, len(data))

    def test_parts_are_known(self) -> None:
        create = self.store.uploads.create("photos", "a", storage_class="DEEP_ARCHIVE")
        upload = self.ok(create).id.text()
        self.ok(self.store.uploads.put_part("photos", "a", upload, 1, LARGE))
        self.complete("a", upload)
        opened = self.ok(self.store.objects.get("photos", "a", archived=True))
        self.assertEqual(len(self.ok(opened.parts())), 1)
        opened.close()

    def test_copies(self) -> None:
        for data in (LARGE, SMALL):
            self.put(data, "GLACIER")
            for own in (Overrides(), Overrides(storage_class="GLACIER"), COLD):
                self.refused(SourceArchived, self.store.copies.copy(A, B, own=own))
            upload = self.upload("b")
            self.refused(SourceArchived, self.store.part_copies.copy(A, B, upload, 1))

    def test_append(self) -> None:
        self.put(LARGE, "GLACIER")
        append = self.store.appends.append("photos", "a", LARGE, offset_bytes=len(LARGE))
        self.refused(ObjectArchived, append)

    def test_everything_else(self) -> None:
        """It is tagged, listed, renamed, deleted and replaced as others are."""
        self.put(LARGE, "GLACIER")
        self.ok(self.store.tags.put("photos", "a", {"x": "y"}))
        self.ok(self.store.renames.rename("photos", "a", "b", token=""))
        self.ok(self.store.objects.put("photos", "b", SMALL))
        self.assertEqual(self.read("b"), SMALL)
        self.put(LARGE, "GLACIER")
        self.ok(self.store.objects.delete("photos", "a"))


class EncryptedTests(ClassCase):
    key_manager = MemoryKeys()

    def test_copies(self) -> None:
        """Encrypted objects change their class as others do."""
        self.ok(self.store.bucket_encryption.put("photos", DefaultEncryption(Scheme.SSE_S3)))
        self.put(LARGE, "STANDARD")
        made = self.ok(self.store.copies.copy(A, A, own=COLD))
        self.assertEqual((made.head.storage_class, self.read("a")), ("STANDARD_IA", LARGE))
        self.assertIsNotNone(made.tail.encryption)


class ConfiguredTests(ClassCase):
    """An operator decides what a class is."""

    classes = MappingProxyType(
        {"GLACIER": ClassSettings(), "INTELLIGENT_TIERING": ClassSettings(zstd_level=1)}
    )

    def test_readable(self) -> None:
        self.put(LARGE, "GLACIER")
        self.assertEqual(self.read("a"), LARGE)

    def test_named(self) -> None:
        self.put(LARGE, "INTELLIGENT_TIERING")
        self.assertEqual(self.head().head.storage_class, "INTELLIGENT_TIERING")

    def test_no_longer(self) -> None:
        """What has a class that is not configured any more can be read."""
        self.put(LARGE, "INTELLIGENT_TIERING")
        self.classes = MappingProxyType({})
        self.store = self.opened()
        self.assertEqual(self.read("a"), LARGE)

    def test_names(self) -> None:
        """Every name of AWS's that may be configured."""
        self.classes = MappingProxyType({name: ClassSettings() for name in NAMES})
        self.store = self.opened()
        for name in NAMES:
            self.put(LARGE, name, name)
            self.assertEqual(self.read(name), LARGE)
