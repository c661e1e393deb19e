"""Encrypted objects: what was put comes back whole, and lies on the drives as it should."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from objectd.blobs.packets import PACKET_BYTES
from objectd.errors import (
    DamagedBlob,
    DamagedRecord,
)
from objectd.interfaces import BlobLocation
from objectd.model import keys
from objectd.model.blobs import Blob, Codec
from objectd.model.codec import decode, decode_object, decode_payload, encode, encode_object
from objectd.model.records import (
    DefaultEncryption,
    ObjectTail,
    Part,
    Scheme,
)
from objectd.test.objects import test_ingest
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import (
    EDGY,
    ENCRYPTED,
    S3,
    SETTINGS,
    SMALL,
    EncryptionCase,
    key_of,
    raw,
)


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
                self.store.uploads.put_part(
                    "photos", "u", self.begun("u", wanted), 1, EDGY, customer_key=key_of(wanted)
                )
            )
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.findings(deep=True), [])


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
        self.write_row(row.key, encode(structs.replace(decode(Blob, raw(row)), **changes)))

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
                self.write_row(
                    row.key, encode_object(head, structs.replace(tail, encryption=changed))
                )
                self.refused(DamagedRecord, self.store.objects.get("photos", "k"))

    def test_swapped_payloads(self) -> None:
        """The payload of another object is none of this one's."""
        self.put("a", SMALL, S3)
        self.put("b", SMALL, S3)
        one, other = self.rows(keys.PAYLOADS)
        self.assertNotEqual(decode_payload(raw(one)), decode_payload(raw(other)))
        self.write_row(one.key, raw(other))
        self.refused(DamagedRecord, self.store.objects.get("photos", "a"))

    def test_swapped_parts(self) -> None:
        """The blob of another part is none of this one's, though they share a data key."""
        self.put_in_parts("k", [LARGE, LARGE], S3)
        one, other = self.rows(keys.PARTS)
        blobs = [decode(Part, raw(row)).blob for row in (one, other)]
        rows = {row.key[1:]: decode(Blob, raw(row)) for row in self.rows(keys.BLOBS)}
        self.assertNotEqual(*(rows[blob].envelope for blob in blobs))
        self.assertNotEqual(*(rows[blob].digest for blob in blobs))
