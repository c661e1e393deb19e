"""Encrypted objects: what was put comes back to who has the key, and to nobody else."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from objectd.blobs.packets import PACKET_BYTES
from objectd.errors import (
    CustomerKeyMissing,
    CustomerKeyUnwanted,
    CustomerKeyWrong,
    DamagedBlob,
    DamagedRecord,
    DeleteMarkerFound,
    EncryptionBlocked,
    InvalidOperation,
    KeyDisabled,
    KeyNotFound,
    KeyServiceFailed,
)
from objectd.interfaces import BlobLocation
from objectd.model import keys
from objectd.model.codec import decode, decode_object, decode_payload, encode, encode_object
from objectd.model.records import Blob, Codec, DefaultEncryption, ObjectTail, Part, Scheme
from objectd.objects.checking import Check, Finding
from objectd.objects.copying import ObjectName
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.loading import SmallObject
from objectd.objects.store import assemble
from objectd.objects.writer import Batch
from objectd.test.objects import test_ingest
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import (
    EDGY,
    ENCRYPTED,
    MINE,
    OTHER,
    SETTINGS,
    EncryptionCase,
    key_of,
    raw,
)

SMALL = b"16 bytes or less"
S3 = ENCRYPTED["s3"]
KMS = ENCRYPTED["kms"]


class RoundTripTests(EncryptionCase):
    def test_put_and_get(self) -> None:
        """Objects of all sizes come back, whoever's key they are encrypted for, also by another
        process."""
        for name, wanted in SETTINGS.items():
            for size in (0, 1, 16, 17, PACKET_BYTES, PACKET_BYTES + 1, len(EDGY)):
                self.put(f"{name} {size}", EDGY[:size], wanted)
        self.store = self.opened()
        for name, wanted in SETTINGS.items():
            for size in (0, 1, 16, 17, PACKET_BYTES, PACKET_BYTES + 1, len(EDGY)):
                self.assertEqual(self.got(f"{name} {size}", key_of(wanted)), EDGY[:size])

    def test_parts(self) -> None:
        """So do objects that were put in parts, of whatever sizes."""
        parts = [EDGY[:4], EDGY[:PACKET_BYTES], EDGY, EDGY[:70_000], b""]
        for name, wanted in SETTINGS.items():
            self.put_in_parts(name, parts, wanted)
            self.assertEqual(self.got(name, key_of(wanted)), b"".join(parts))

    def test_etag(self) -> None:
        """With the store's own key the ETag is the MD5 of the data; with any other it tells
        nothing, and is another one each time."""
        md5 = hashlib.md5(LARGE).hexdigest()
        for name, wanted in ENCRYPTED.items():
            etags = {self.put(name, LARGE, wanted) for _ in range(3)}
            if name == "s3":
                self.assertEqual(etags, {md5})
            else:
                self.assertEqual(len(etags), 3)
                self.assertNotIn(md5, etags)
                self.assertEqual({len(etag) for etag in etags}, {32})

    def test_checksums(self) -> None:
        """Checksums are those of the data."""
        plain = self.ok(self.store.objects.put("photos", "k", LARGE)).tail.checksums
        for wanted in ENCRYPTED.values():
            put = self.ok(self.store.objects.put("photos", "k", LARGE, encryption=wanted))
            self.assertEqual(put.tail.checksums, plain)

    def test_check(self) -> None:
        """A store with encrypted objects is in order."""
        for name, wanted in SETTINGS.items():
            for data in (SMALL, EDGY):
                self.put(f"{name} {len(data)}", data, wanted)
            self.put_in_parts(name, [EDGY, LARGE], wanted)
            self.ok(
                self.store.uploads.store_part(
                    "photos", "u", self.begun("u", wanted), 1, EDGY, customer_key=key_of(wanted)
                )
            )
        core = self.store.core
        check = Check(core.metadata, core.blobs, self.store.format.digest_key)

        async def every() -> list[Finding]:
            return [finding async for finding in check.run(deep=True)]

        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.ok(every()), [])


class BodyTests(EncryptionCase, test_ingest.BodyTests):
    """What holds of bodies that come in holds of those that are encrypted on the way."""

    def setUp(self) -> None:
        super().setUp()
        default = DefaultEncryption(Scheme.SSE_S3)
        self.ok(self.store.bucket_encryption.put("photos", default))


class RangeTests(EncryptionCase):
    def setUp(self) -> None:
        super().setUp()
        self.parts = [EDGY, EDGY[: 2 * PACKET_BYTES], EDGY[7:20], EDGY[:PACKET_BYTES]]
        for name, wanted in SETTINGS.items():
            self.put(f"{name} whole", b"".join(self.parts), wanted)
            self.put_in_parts(f"{name} parts", self.parts, wanted)

    def test_every_edge(self) -> None:
        """Ranges that begin or end at, before or behind every packet and part are right."""
        data = b"".join(self.parts)
        edges = {0, len(data)}
        start = 0
        for part in self.parts:
            edges |= {start + edge for edge in range(0, len(part) + 1, PACKET_BYTES)}
            start += len(part)
        places = sorted({edge + n for edge in edges for n in (-1, 0, 1)} & {*range(len(data) + 1)})

        @settings(deadline=None)
        @given(
            st.sampled_from([*SETTINGS]),
            st.sampled_from([" whole", " parts"]),
            st.sampled_from(places),
            st.sampled_from(places),
        )
        def law(name: str, how: str, start: int, stop: int) -> None:
            found = self.got(name + how, key_of(SETTINGS[name]), start, stop)
            self.assertEqual(found, data[start:stop])

        law()


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
        put = self.store.uploads.store_part
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


class AtRestTests(EncryptionCase):
    def test_nothing_is_shared(self) -> None:
        """The same data of two objects is stored twice, under other names, and never found by
        its content."""
        for wanted in ENCRYPTED.values():
            self.put("a", LARGE, wanted)
            self.put("b", LARGE, wanted)
        blobs = [decode(Blob, raw(row)) for row in self.rows(keys.BLOBS)]
        self.assertEqual(len({blob.digest for blob in blobs}), 2 * len(ENCRYPTED))
        self.assertEqual(self.rows(keys.CONTENTS), [])

    def test_plain_data_is_shared_with_plain_data_only(self) -> None:
        """Plain data finds its twin, but not among what is encrypted."""
        self.put("a", LARGE, S3)
        self.put("b", LARGE, None)
        self.put("c", LARGE, None)
        self.assertEqual(len(self.rows(keys.BLOBS)), 2)

    def test_identity(self) -> None:
        """A blob's footer tells how to decrypt it, for who has the key, and nothing of the data."""
        put = self.ok(self.store.objects.put("photos", "k", LARGE, encryption=S3))
        [row] = self.rows(keys.BLOBS)
        blob = decode(Blob, raw(row))
        location = BlobLocation(blob.drive, row.key[1:], blob.digest, blob.size_bytes)
        identity = self.ok(self.blobs.identity(location))
        self.assertNotIn("etag", identity)
        assert put.tail.encryption is not None
        layer = put.tail.encryption.layers[0]
        self.assertEqual(identity["encryption"][1][0][2], layer.wrapped)
        self.assertEqual(identity["salt"], blob.envelope)

    def tail(self) -> ObjectTail:
        [row] = self.rows(keys.OBJECTS)
        return decode_object(raw(row))[1]

    def change_blob(self, **changes: object) -> None:
        [row] = self.rows(keys.BLOBS)
        batch = Batch()
        batch.put(row.key, encode(structs.replace(decode(Blob, raw(row)), **changes)))
        self.ok(self.store.core.writer.commit(batch))

    def test_row_says_otherwise(self) -> None:
        """A blob whose row was tampered with is damaged, never other bytes."""
        for changes in ({"codec": Codec.PLAIN}, {"envelope": bytes(32)}):
            self.put("k", LARGE, S3)
            self.ok(self.store.collector.run_to_rest())
            self.change_blob(**changes)
            opened = self.ok(self.store.objects.get("photos", "k"))
            self.refused(DamagedBlob, opened.read())

    def test_object_says_otherwise(self) -> None:
        """An object's row that was tampered with is an error, never other bytes."""
        for data in (SMALL, LARGE):
            self.put("k", data, S3)
            [row] = self.rows(keys.OBJECTS)
            head, tail = decode_object(raw(row))
            assert tail.encryption is not None
            [layer] = tail.encryption.layers
            flipped = layer.sealed[:-1] + bytes([layer.sealed[-1] ^ 1])
            for sealed in (flipped, bytes(112)):
                changed = structs.replace(
                    tail.encryption, layers=(structs.replace(layer, sealed=sealed),)
                )
                batch = Batch()
                batch.put(row.key, encode_object(head, structs.replace(tail, encryption=changed)))
                self.ok(self.store.core.writer.commit(batch))
                self.refused(DamagedRecord, self.store.objects.get("photos", "k"))

    def test_swapped_payloads(self) -> None:
        """The payload of another object is none of this one's."""
        self.put("a", SMALL, S3)
        self.put("b", SMALL, S3)
        one, other = self.rows(keys.PAYLOADS)
        self.assertNotEqual(decode_payload(raw(one)), decode_payload(raw(other)))
        batch = Batch()
        batch.put(one.key, raw(other))
        self.ok(self.store.core.writer.commit(batch))
        self.refused(DamagedRecord, self.store.objects.get("photos", "a"))

    def test_swapped_parts(self) -> None:
        """The blob of another part is none of this one's, though they share a data key."""
        self.put_in_parts("k", [LARGE, LARGE], S3)
        one, other = self.rows(keys.PARTS)
        blobs = [decode(Part, raw(row)).blob for row in (one, other)]
        rows = {row.key[1:]: decode(Blob, raw(row)) for row in self.rows(keys.BLOBS)}
        self.assertNotEqual(*(rows[blob].envelope for blob in blobs))
        self.assertNotEqual(*(rows[blob].digest for blob in blobs))


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
        self.refused(EncryptionBlocked, self.store.uploads.begin("photos", "n", encryption=mine))
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
