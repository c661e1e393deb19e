"""Moves between storage classes: what changes of a version, and of the bytes that it shares."""

from __future__ import annotations

from functools import partial

import attrs
from msgspec import structs

from objectd.model import keys
from objectd.model.blobs import Blob, Codec
from objectd.model.codec import decode
from objectd.model.records import Incompatible
from objectd.objects.copy_source import ObjectName
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.encrypted import ENCRYPTED
from objectd.test.objects.moving_case import OTHER, PARTS, SOFT, MovingCase


class FormTests(MovingCase):
    """Every form of an object, from every class to every other."""

    def test_all(self) -> None:
        """A version that goes down the whole waterfall stays what it is, byte for byte."""
        held = self.put_all()
        for storage_class in ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"):
            for key, data in held.items():
                self.assert_moved(key, data, storage_class)
            self.assertEqual(set(self.journalled()), {key.encode() for key in held})
            self.assert_clean()

    def test_encrypted(self) -> None:
        """Encrypted ones, too, without their keys: moved once, and moved again."""
        for name, wanted in ENCRYPTED.items():
            held = self.put_all(wanted)
            for storage_class in ("STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"):
                asked = self.keys.calls
                for key, data in held.items():
                    self.move(key, storage_class)
                    self.assertEqual(self.keys.calls, asked, name)
                    self.assert_moved(key, data, storage_class, wanted)
                    asked = self.keys.calls
            self.assert_clean()

    def test_where(self) -> None:
        """The bytes are in the store of the class, as it keeps them."""
        self.put("soft", SOFT, None)
        for storage_class, codec, is_cold in (
            ("STANDARD_IA", Codec.FRAMES, False),
            ("GLACIER_IR", Codec.FRAMES, True),
            ("GLACIER", Codec.PLAIN, True),
            ("DEEP_ARCHIVE", Codec.FRAMES, False),
        ):
            self.move("soft", storage_class)
            self.assert_clean()
            [row] = self.rows(keys.BLOBS)
            blob = decode(Blob, row.value or b"")
            self.assertEqual((blob.codec, blob.storage_class), (codec, storage_class))
            self.assertEqual(len(self.cold_files()), is_cold)

    def test_alike(self) -> None:
        """Between classes that keep alike no byte is read or written."""
        held = self.put_all()
        for key in held:
            self.move(key, "STANDARD_IA")
        before = self.rows(keys.BLOBS), {key: self.version(key).tail for key in held}
        for key in held:
            self.move(key, "ONEZONE_IA")
        self.assertEqual(before, (self.rows(keys.BLOBS), {k: self.version(k).tail for k in held}))

    def test_features(self) -> None:
        """Programs that know of no classes open the store no more."""
        self.put("small", b"x", None)
        self.move("small", "GLACIER")
        self.assertTrue(self.features() & Incompatible.STORAGE_CLASSES)

    def test_annotated(self) -> None:
        """Annotations stay with their version."""
        self.put("large", LARGE, None)
        self.ok(self.store.annotations.put("photos", "large", "note", b"text"))
        self.move("large", "GLACIER")
        opened = self.ok(self.store.annotations.get("photos", "large", "note"))
        self.assertEqual(opened.payload, b"text")
        self.assert_clean()

    def test_read_meanwhile(self) -> None:
        """Who reads while it is moved reads to the end."""
        for key in ("large", "parts"):
            self.put_all()
            opened = self.ok(self.store.objects.get("photos", key))
            self.move(key, "GLACIER")
            collecting = begin(self.store.collector.run_to_rest())
            self.assertNoResult(collecting)
            data = self.ok(opened.read())
            self.successResultOf(collecting)
            self.assertEqual(data, LARGE if key == "large" else b"".join(PARTS))
            self.assert_clean()


class SharedTests(MovingCase):
    """Bytes that others have as well."""

    def copy(self, source: str, target: str) -> None:
        self.ok(self.store.copies.copy(ObjectName("photos", source), ObjectName("photos", target)))

    def test_copies(self) -> None:
        """A copy keeps the bytes that it shared."""
        held = self.put_all()
        for key in held:
            self.copy(key, f"{key} copied")
        for key, data in held.items():
            self.assert_moved(key, data, "GLACIER")
            self.assert_read(f"{key} copied", data)
        self.assert_clean()
        for key, data in held.items():
            self.assert_moved(f"{key} copied", data, "DEEP_ARCHIVE")
            self.assert_read(key, data)
        self.assert_clean()

    def test_copied_meanwhile(self) -> None:
        """A copy of what is moved, and whose old bytes are collected, between its look at the
        source and its commit is made of the new ones."""
        for key, data in self.put_all().items():
            for storage_class, prefix in (
                ("STANDARD_IA", keys.PAYLOADS),
                ("GLACIER", keys.BLOBS),
                ("DEEP_ARCHIVE", keys.MANIFESTS),
            ):
                arm = self.metadata.after if prefix == keys.PAYLOADS else self.metadata.before
                arm(prefix, partial(self.moved_and_collected, key, storage_class))
                self.copy(key, "copy")
                self.metadata.calm()
                self.assert_read("copy", data)
                self.assert_read(key, data)
                self.assert_clean()

    async def moved_and_collected(self, key: str, storage_class: str) -> None:
        self.metadata.calm()
        self.move(key, storage_class)
        begin(self.store.collector.run_to_rest())

    def test_twins(self) -> None:
        """Equal content that is moved to one class is one blob again."""
        for key in "abc":
            self.put(key, LARGE, None)
            self.move(key, "GLACIER")
        self.assert_clean()
        self.assertEqual(len(self.rows(keys.BLOBS)), 1)
        self.assertEqual({self.blob_of(key) for key in "abc"}, {self.blob_of("a")})

    def test_own_twin(self) -> None:
        """A blob that already lies where it is to be moved is not let go: an operator may have
        changed how a class is kept."""
        self.put("soft", SOFT, None)
        self.move("soft", "DEEP_ARCHIVE")
        blob = self.blob_of("soft")
        found = self.version("soft")
        head = structs.replace(found.head, storage_class="STANDARD")
        self.rewrite(attrs.evolve(found, head=head))
        self.assert_moved("soft", SOFT, "DEEP_ARCHIVE")
        self.assertEqual(self.blob_of("soft"), blob)
        self.assert_clean()

    def test_grown_after(self) -> None:
        """What was moved can be appended to, and a copy in parts made of it."""
        held = self.put_all()
        for key in ("large", "parts", "grown"):
            self.move(key, "STANDARD_IA")
            size = len(held[key])
            self.ok(self.store.appends.append("photos", key, OTHER, offset_bytes=size))
            self.assert_read(key, held[key] + OTHER)
        self.assert_clean()
