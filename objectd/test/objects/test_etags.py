"""ETags that are made without MD5."""

from __future__ import annotations

import hashlib

import attrs
from blake3 import blake3

from objectd.errors import BadDigest
from objectd.objects import Declared
from objectd.objects.settings import ETagKind
from objectd.test.objects.cases import LARGE, SETTINGS, StoreCase

SPREAD = bytes(range(256)) * 2000
"""So much that it is hashed side by side with being written."""


def opaque(data: bytes) -> str:
    return f"{blake3(data).digest(16).hex()}-1"


class Blake3Tests(StoreCase):
    """A store whose setting `etag` is "blake3"."""

    settings = attrs.evolve(SETTINGS, etag=ETagKind.BLAKE3)

    def test_etag(self) -> None:
        """The ETag is BLAKE3 with a dash, of small bodies and large ones, empty ones too."""
        for data in (b"", b"small", LARGE, SPREAD):
            put = self.ok(self.store.objects.put("photos", "a", data))
            self.assertEqual(put.etag, opaque(data))
            self.assertEqual(self.read("a"), data)

    def test_md5_is_verified(self) -> None:
        """A declared MD5 is compared all the same."""
        for data in (b"small", LARGE, SPREAD):
            good = Declared(md5=hashlib.md5(data).digest())
            put = self.ok(self.store.objects.put("photos", "a", data, declared=good))
            self.assertEqual(put.etag, opaque(data))
            bad = Declared(md5=bytes(16))
            self.refused(BadDigest, self.store.objects.put("photos", "a", data, declared=bad))

    def test_multipart(self) -> None:
        """The ETag of an upload in parts is made of those of the parts, and has their number."""
        upload_id = self.upload("a", LARGE, LARGE)
        listed = self.listed("a", upload_id)
        self.assertEqual([part.etag for part in listed], [opaque(LARGE)] * 2)
        etag = self.complete("a", upload_id)
        whole = hashlib.md5(blake3(LARGE).digest(16) * 2).hexdigest()
        self.assertEqual(etag, f"{whole}-2")

    def test_append(self) -> None:
        """An append makes another ETag, which counts the appends."""
        first = self.ok(self.store.objects.put("photos", "a", b"one"))
        grown = self.ok(self.store.appends.append("photos", "a", b"two", offset_bytes=3))
        self.assertNotEqual(grown.etag, first.etag)
        self.assertTrue(grown.etag.endswith("-2"), grown.etag)
