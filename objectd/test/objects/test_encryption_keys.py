"""The keys of encrypted objects: which one is used, asked for, refused and changed."""

from __future__ import annotations

from typing import Any

import attrs

from objectd.errors import (
    CustomerKeyMissing,
    CustomerKeyUnwanted,
    CustomerKeyWrong,
    DeleteMarkerFound,
    EncryptionBlocked,
    InvalidOperation,
    KeyDisabled,
    KeyNotFound,
    KeyServiceFailed,
)
from objectd.model import keys
from objectd.model.records import DefaultEncryption, Scheme
from objectd.objects.copy_source import ObjectName
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.loading import SmallObject
from objectd.objects.store import assemble
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import (
    ENCRYPTED,
    KMS,
    MINE,
    OTHER,
    S3,
    SETTINGS,
    SMALL,
    EncryptionCase,
    key_of,
)


class KeyTests(EncryptionCase):
    def test_customer_key(self) -> None:
        """What is encrypted for a customer's key is read with just that key, and nothing else is
        read with any."""
        for data in (SMALL, LARGE, b""):
            self.put("k", data, ENCRYPTED["mine"])
            get = self.store.objects.get
            self.refused(CustomerKeyMissing, get("photos", "k"))
            self.refused(CustomerKeyWrong, get("photos", "k", customer_key=OTHER))
            for wanted in (None, S3, KMS):
                self.put("k", data, wanted)
                self.refused(CustomerKeyUnwanted, get("photos", "k", customer_key=MINE))

    def test_parts_need_the_key(self) -> None:
        """Parts are taken with the key that the upload was begun with."""
        upload_id = self.begun("k", ENCRYPTED["mine"])
        put = self.store.uploads.put_part
        self.refused(CustomerKeyMissing, put("photos", "k", upload_id, 1, LARGE))
        self.refused(InvalidOperation, put("photos", "k", upload_id, 1, LARGE, customer_key=OTHER))
        for wanted in (None, S3):
            upload_id = self.begun("k", wanted)
            self.refused(
                CustomerKeyUnwanted, put("photos", "k", upload_id, 1, LARGE, customer_key=MINE)
            )
        self.assertEqual(self.files(), [])

    def test_unknown_key(self) -> None:
        """A key that is not there stores nothing; the default keys are made when needed."""
        for key_id in ("none", "alias/none", "arn:aws:kms:us-east-1:000000000001:key/none", "a/b"):
            wanted = attrs.evolve(KMS, key_id=key_id)
            put = self.store.objects.put("photos", "k", LARGE, encryption=wanted)
            self.refused(KeyNotFound, put)
        self.assertEqual((self.rows(keys.OBJECTS), self.files()), ([], []))
        self.assertEqual(self.keys.keyring.names, [])
        self.put("k", LARGE, KMS)
        self.put("k", LARGE, S3)
        self.assertEqual(self.keys.keyring.names, ["objectd-kms", "objectd-s3"])

    def test_named_key(self) -> None:
        """A key is found by its name, an alias or an ARN, and shown as an ARN."""
        self.ok(self.keys.create("own"))
        arn = "arn:aws:kms:us-east-1:000000000001:key/own"
        for key_id in ("own", "alias/own", arn):
            wanted = attrs.evolve(KMS, key_id=key_id)
            put = self.ok(self.store.objects.put("photos", "k", LARGE, encryption=wanted))
            assert put.tail.encryption is not None
            self.assertEqual(put.tail.encryption.key_id, arn)
            self.assertEqual(self.got("k"), LARGE)

    def test_rotated(self) -> None:
        """After a rotation older objects are read as before."""
        for name in ("s3", "kms", "dsse"):
            self.put(name, LARGE, ENCRYPTED[name])
        self.ok(self.keys.rotate("objectd-kms"))
        self.ok(self.keys.rotate("objectd-s3"))
        self.store = self.opened()
        for name in ("s3", "kms", "dsse"):
            self.assertEqual(self.got(name), LARGE)

    def test_disabled(self) -> None:
        """While its key is disabled an object cannot be read, and no other one is made."""
        self.put("k", LARGE, KMS)
        self.keys.keyring = self.keys.keyring.switched("objectd-kms", enabled=False)
        self.refused(KeyDisabled, self.store.objects.get("photos", "k"))
        put = self.store.objects.put("photos", "k", LARGE, encryption=KMS)
        self.refused(KeyDisabled, put)

    def test_calls(self) -> None:
        """SSE-KMS asks the key manager for each request; SSE-S3, and SSE-KMS with a bucket key,
        once in five minutes."""
        for name, calls in (("s3", 1), ("kms", 5), ("kms of a bucket", 1)):
            self.put(name, LARGE, ENCRYPTED[name])
            before = self.keys.calls
            for _ in range(5):
                self.put(name, LARGE, ENCRYPTED[name])
            self.assertEqual(self.keys.calls - before, 0 if calls == 1 else 5, name)
            before = self.keys.calls
            for _ in range(5):
                self.assertEqual(self.got(name), LARGE)
            self.assertEqual(self.keys.calls - before, calls, name)
        self.now_us += 301_000_000
        before = self.keys.calls
        self.put("s3", LARGE, S3)
        self.got("kms of a bucket")
        self.assertEqual(self.keys.calls - before, 2)

    def test_no_key_manager(self) -> None:
        """A store that has none takes customers' keys, and refuses the rest."""
        encryptions = attrs.evolve(self.store.core.encryptions, manager=None)
        core = attrs.evolve(self.store.core, encryptions=encryptions)
        self.store = assemble(core, self.store.format)
        self.put("k", LARGE, ENCRYPTED["mine"])
        self.assertEqual(self.got("k", MINE), LARGE)
        put = self.store.objects.put("photos", "k", LARGE, encryption=S3)
        self.refused(KeyServiceFailed, put)


class DefaultTests(EncryptionCase):
    def default(self, **fields: Any) -> None:
        self.ok(self.store.bucket_encryption.put("photos", DefaultEncryption(**fields)))

    def test_applied(self) -> None:
        """What comes without a wish is encrypted as the bucket says, what is there stays."""
        self.put("before", LARGE, None)
        for scheme in (Scheme.SSE_S3, Scheme.SSE_KMS, Scheme.DSSE_KMS):
            self.default(scheme=scheme)
            self.put("k", LARGE, None)
            self.put_in_parts("m", [LARGE, LARGE], None)
            for key in ("k", "m"):
                head = self.ok(self.store.objects.head("photos", key))
                assert head.tail.encryption is not None
                self.assertEqual(head.tail.encryption.scheme, scheme)
            self.assertEqual((self.got("k"), self.got("m")), (LARGE, LARGE + LARGE))
            self.put("mine", LARGE, ENCRYPTED["mine"])
            self.assertEqual(self.got("mine", MINE), LARGE)
        self.ok(self.store.bucket_encryption.put("photos", None))
        self.put("k", LARGE, None)
        for key in ("before", "k"):
            self.assertIsNone(self.ok(self.store.objects.head("photos", key)).tail.encryption)

    def test_bucket_key(self) -> None:
        """A bucket key is used where the bucket says so and the request does not say no."""
        self.default(scheme=Scheme.SSE_KMS, bucket_key=True)
        for wanted, expected in (
            (None, True),
            (EncryptionWanted(Scheme.SSE_KMS), True),
            (EncryptionWanted(Scheme.SSE_KMS, bucket_key=False), False),
            (S3, False),
        ):
            put = self.ok(self.store.objects.put("photos", "k", LARGE, encryption=wanted))
            assert put.tail.encryption is not None
            self.assertEqual(put.tail.encryption.bucket_key, expected)

    def test_customer_keys_blocked(self) -> None:
        """A bucket may refuse customers' keys; what is there can still be read."""
        mine = ENCRYPTED["mine"]
        self.put("k", LARGE, mine)
        self.default(customer_keys_blocked=True)
        self.refused(
            EncryptionBlocked, self.store.objects.put("photos", "n", LARGE, encryption=mine)
        )
        self.refused(EncryptionBlocked, self.store.uploads.create("photos", "n", encryption=mine))
        self.assertEqual(self.got("k", MINE), LARGE)
        self.put("n", LARGE, None)
        self.assertIsNone(self.ok(self.store.objects.head("photos", "n")).tail.encryption)

    def test_not_appended_to(self) -> None:
        """Encrypted objects are not appended to, and neither is one made by an append."""
        for data in (SMALL, LARGE):
            self.put("k", data, S3)
            append = self.store.appends.append
            self.refused(InvalidOperation, append("photos", "k", b"more", offset_bytes=len(data)))
            self.assertEqual(self.got("k"), data)
        self.default(scheme=Scheme.SSE_S3)
        self.refused(InvalidOperation, append("photos", "n", b"more", offset_bytes=0))
        self.refused(InvalidOperation, self.store.loads.put_all("photos", [SmallObject("n", b"x")]))

    def test_renamed(self) -> None:
        """An encrypted object that is renamed can still be read."""
        for name, wanted in ENCRYPTED.items():
            for data in (SMALL, LARGE):
                self.put("k", data, wanted)
                self.ok(self.store.renames.rename("photos", "k", name))
                self.assertEqual(self.got(name, key_of(wanted)), data)


class VersionTests(EncryptionCase):
    """Versions that are not current any more are as readable as they were."""

    def setUp(self) -> None:
        super().setUp()
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        self.versions: list[tuple[str, str, bytes]] = []
        for name, wanted in SETTINGS.items():
            for data in (SMALL, LARGE):
                put = self.ok(self.store.objects.put("photos", "k", data, encryption=wanted))
                self.versions.append((put.version_id, name, data))
        self.ok(self.store.objects.delete("photos", "k"))

    def read_version(self, version_id: str, name: str) -> bytes:
        get = self.store.objects.get(
            "photos", "k", version_id=version_id, customer_key=key_of(SETTINGS[name])
        )
        return self.ok(self.ok(get).read())

    def test_read(self) -> None:
        """Each is read with its own key."""
        for version_id, name, data in self.versions:
            self.assertEqual(self.read_version(version_id, name), data)

    def test_copied(self) -> None:
        """Each is copied, for another key and for none."""
        for version_id, name, data in self.versions:
            for target in (None, S3, ENCRYPTED["other"]):
                copy = self.store.copies.copy(
                    ObjectName("photos", "k"),
                    ObjectName("photos", "c"),
                    source_version=version_id,
                    source_customer_key=key_of(SETTINGS[name]),
                    encryption=target,
                )
                self.ok(copy)
                self.assertEqual(self.got("c", key_of(target)), data)

    def test_updated(self) -> None:
        """One is given another key; the others stay as they are."""
        version_id, _, _ = next(each for each in self.versions if each[1] == "s3")
        updated = self.store.object_encryption.update("photos", "k", KMS, version_id=version_id)
        self.assertEqual(self.ok(updated), version_id)
        head = self.ok(self.store.objects.head("photos", "k", version_id=version_id))
        assert head.tail.encryption is not None
        self.assertEqual(head.tail.encryption.scheme, Scheme.SSE_KMS)
        self.test_read()

    def test_undeleted(self) -> None:
        """Those that become current again are read as before."""
        marker = self.refused(DeleteMarkerFound, self.store.objects.head("photos", "k")).version_id
        self.ok(self.store.objects.delete("photos", "k", version_id=marker))
        for version_id, name, data in reversed(self.versions):
            self.assertEqual(self.got("k", key_of(SETTINGS[name])), data)
            self.ok(self.store.objects.delete("photos", "k", version_id=version_id))


class UpdateTests(EncryptionCase):
    def test_updated(self) -> None:
        """Another key, and the same bytes, ETag and time."""
        self.ok(self.keys.create("own"))
        for data in (SMALL, LARGE):
            for name in ("s3", "kms", "kms of a bucket"):
                self.put("k", data, ENCRYPTED[name])
                before = self.ok(self.store.objects.head("photos", "k"))
                files = self.files()
                wanted = EncryptionWanted(Scheme.SSE_KMS, "own", bucket_key=True)
                self.ok(self.store.object_encryption.update("photos", "k", wanted))
                after = self.ok(self.store.objects.head("photos", "k"))
                self.assertEqual(after.head, before.head)
                assert after.tail.encryption is not None
                self.assertTrue(after.tail.encryption.key_id.endswith("key/own"))
                self.assertTrue(after.tail.encryption.bucket_key)
                self.assertEqual((self.got("k"), self.files()), (data, files))

    def test_cannot_be(self) -> None:
        """What is not encrypted, or for a customer's key, or twice, stays as it is."""
        for name in ("none", "mine", "dsse"):
            self.put("k", LARGE, SETTINGS[name])
            update = self.store.object_encryption.update("photos", "k", KMS)
            self.refused(InvalidOperation, update)
            self.assertEqual(self.got("k", key_of(SETTINGS[name])), LARGE)

    def test_replaced_meanwhile(self) -> None:
        """The key of an object is never given to the one that has taken its place."""
        self.put("k", LARGE, S3)

        async def replace() -> None:
            await self.store.objects.put("photos", "k", SMALL, encryption=S3)

        self.metadata.after(keys.OBJECTS, replace)
        self.ok(self.store.object_encryption.update("photos", "k", KMS))
        self.assertEqual(self.got("k"), SMALL)
