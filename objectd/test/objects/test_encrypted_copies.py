"""Copies between all settings of encryption: the right bytes, for the right key."""

from __future__ import annotations

import re

from objectd.errors import CustomerKeyMissing, CustomerKeyUnwanted, CustomerKeyWrong
from objectd.model import keys
from objectd.model.records import DefaultEncryption, Scheme
from objectd.objects.copy_source import ObjectName
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import (
    EDGY,
    ENCRYPTED,
    MINE,
    OTHER,
    SETTINGS,
    SMALL,
    SOURCE,
    TARGET,
    EncryptionCase,
    key_of,
)


class CopyTests(EncryptionCase):
    def copy(
        self, wanted: EncryptionWanted | None, source_key: CustomerKey | None, algorithm: str = ""
    ) -> str:
        copied = self.store.copies.copy(
            SOURCE,
            TARGET,
            encryption=wanted,
            source_customer_key=source_key,
            checksum_algorithm=algorithm,
        )
        return self.ok(copied).etag

    def layers(self, wanted: EncryptionWanted | None) -> int:
        return 0 if wanted is None else wanted.layers

    def test_every_pair(self) -> None:
        """A copy has the bytes of its source and its own encryption, and outlives the source; no
        byte moves where as many keys are in play."""
        for source in SETTINGS.values():
            for target in SETTINGS.values():
                for data in (b"", SMALL, EDGY):
                    self.put("source", data, source)
                    checksums = self.ok(self.store.objects.head(*SOURCE)).tail.checksums
                    self.ok(self.store.collector.run_to_rest())
                    self.copy(target, key_of(source))
                    if data == EDGY:
                        moved = self.layers(source) != self.layers(target)
                        self.assertEqual(len(self.files()), 1 + moved)
                    self.ok(self.store.objects.delete(*SOURCE))
                    self.ok(self.store.collector.run_to_rest())
                    self.assertEqual(self.got("target", key_of(target)), data)
                    head = self.ok(self.store.objects.head(*TARGET))
                    self.assertEqual(head.tail.checksums, checksums)
                    found = head.tail.encryption
                    self.assertEqual(found and found.scheme, target and target.scheme)

    def test_parts(self) -> None:
        """So has a copy of an object that was put in parts."""
        parts = [EDGY, LARGE, EDGY[:65536]]
        for source in SETTINGS.values():
            for target in SETTINGS.values():
                self.put_in_parts("source", parts, source)
                self.copy(target, key_of(source))
                self.ok(self.store.objects.delete(*SOURCE))
                self.ok(self.store.collector.run_to_rest())
                self.assertEqual(self.got("target", key_of(target)), b"".join(parts))
                self.assertEqual(
                    self.got("target", key_of(target), 131_000, 131_300)[:172],
                    (EDGY + LARGE)[131_000:131_172],
                )

    def test_parts_of_objects(self) -> None:
        """Parts are made of encrypted objects and in encrypted uploads, in every pair."""
        for source in SETTINGS.values():
            self.put("source", EDGY, source)
            for target in SETTINGS.values():
                upload_id = self.begun("target", target)
                for number, span in enumerate(((0, len(EDGY)), (65_530, 65_540)), 1):
                    self.ok(
                        self.store.part_copies.copy(
                            SOURCE,
                            TARGET,
                            upload_id,
                            number,
                            span=span,
                            customer_key=key_of(target),
                            source_customer_key=key_of(source),
                        )
                    )
                self.complete("target", upload_id)
                expected = EDGY + EDGY[65_530:65_540]
                self.assertEqual(self.got("target", key_of(target)), expected)

    def test_etags(self) -> None:
        """The ETag of a copy tells nothing where it must not, and does not look like an MD5
        where clients would take it for one and it is none."""
        md5 = self.put("source", LARGE, ENCRYPTED["s3"])
        self.assertEqual(self.copy(ENCRYPTED["s3"], None), md5)
        self.assertEqual(self.copy(None, None), md5)
        for name in ("kms", "dsse", "mine"):
            etag = self.copy(ENCRYPTED[name], None)
            self.assertNotEqual(etag, md5)
            self.assertTrue(re.fullmatch("[0-9a-f]{32}", etag))
        self.put("source", LARGE, ENCRYPTED["kms"])
        self.assertTrue(re.fullmatch("[0-9a-f]{32}-1", self.copy(ENCRYPTED["s3"], None)))
        self.assertEqual(self.copy(None, None), md5)

    def test_keys(self) -> None:
        """The source's key is needed, and must be the right one, and only where there is one."""
        self.put("source", LARGE, ENCRYPTED["mine"])
        for target in SETTINGS.values():
            copy = self.store.copies.copy
            self.refused(CustomerKeyMissing, copy(SOURCE, TARGET, encryption=target))
            self.refused(
                CustomerKeyWrong,
                copy(SOURCE, TARGET, encryption=target, source_customer_key=OTHER),
            )
        self.put("source", LARGE, None)
        for target in SETTINGS.values():
            self.refused(
                CustomerKeyUnwanted,
                copy(SOURCE, TARGET, encryption=target, source_customer_key=MINE),
            )

    def test_default(self) -> None:
        """A copy without a wish is encrypted as the target's bucket says, not as its source."""
        self.ok(self.store.buckets.create("films"))
        default = DefaultEncryption(Scheme.SSE_KMS)
        self.ok(self.store.bucket_encryption.put("films", default))
        for source in (None, ENCRYPTED["s3"]):
            self.put("source", LARGE, source)
            copied = self.ok(self.store.copies.copy(SOURCE, ObjectName("films", "k")))
            assert copied.tail.encryption is not None
            self.assertEqual(copied.tail.encryption.scheme, Scheme.SSE_KMS)
        self.ok(self.store.copies.copy(ObjectName("films", "k"), TARGET))
        self.assertIsNone(self.ok(self.store.objects.head(*TARGET)).tail.encryption)
        self.assertEqual(self.got("target"), LARGE)

    def test_onto_itself(self) -> None:
        """Another encryption makes a copy onto itself worth its while."""
        for data in (SMALL, EDGY):
            self.put("source", data, None)
            key: CustomerKey | None = None
            for wanted in (*SETTINGS.values(), ENCRYPTED["kms"]):
                if wanted is None:
                    continue
                copy = self.store.copies.copy(
                    SOURCE, SOURCE, encryption=wanted, source_customer_key=key
                )
                self.ok(copy)
                key = key_of(wanted)
                self.assertEqual(self.got("source", key), data)

    def test_checksum(self) -> None:
        """A checksum that is asked for is that of the data."""
        self.put("source", LARGE, None)
        self.copy(None, None, "SHA256")
        expected = self.ok(self.store.objects.head(*TARGET)).tail.checksums
        for source in ENCRYPTED.values():
            for target in SETTINGS.values():
                self.put("source", LARGE, source)
                self.copy(target, key_of(source), "SHA256")
                self.assertEqual(self.ok(self.store.objects.head(*TARGET)).tail.checksums, expected)

    def test_replaced_meanwhile(self) -> None:
        """A source that is replaced while it is copied is copied as it was or as it is."""
        for first in SETTINGS.values():
            for second in SETTINGS.values():
                if key_of(first) != key_of(second):
                    continue
                for target in SETTINGS.values():
                    self.put("source", LARGE, first)

                    async def replace(wanted: EncryptionWanted | None = second) -> None:
                        await self.store.objects.put("photos", "source", EDGY, encryption=wanted)

                    self.metadata.after(keys.OBJECTS, replace)
                    self.copy(target, key_of(first))
                    self.assertIn(self.got("target", key_of(target)), (LARGE, EDGY))
