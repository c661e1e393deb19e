"""Buckets that lock and encrypt: both hold, by default and by wish."""

from __future__ import annotations

from objectd.errors import ObjectLocked
from objectd.model.locks import DefaultRetention, Lock, Retention, RetentionMode
from objectd.model.records import DefaultEncryption, Scheme
from objectd.objects import ListedPart
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import EDGY, ENCRYPTED, KMS, SETTINGS, SMALL, EncryptionCase
from objectd.test.objects.lifecycle.cases import DAY_US


class LockTests(EncryptionCase):
    """A bucket that locks and encrypts what comes without a wish."""

    def setUp(self) -> None:
        super().setUp()
        self.ok(self.store.buckets.create("safe", object_lock=True))
        default = DefaultRetention(RetentionMode.COMPLIANCE, days=1)
        self.ok(self.store.object_locks.configure("safe", default))
        self.ok(self.store.bucket_encryption.put("safe", DefaultEncryption(Scheme.SSE_S3)))

    def assert_kept(self, version: str, scheme: Scheme = Scheme.SSE_S3) -> None:
        found = self.ok(self.store.objects.head("safe", "k", version_id=version)).tail
        assert found.lock is not None and found.encryption is not None
        assert found.lock.retention is not None
        self.assertEqual(found.lock.retention.mode, RetentionMode.COMPLIANCE)
        self.assertEqual(found.encryption.scheme, scheme)
        delete = self.store.objects.delete("safe", "k", version_id=version)
        self.refused(ObjectLocked, delete)

    def test_defaults(self) -> None:
        """Both defaults hold for what is put, in one go, in parts, or as a copy."""
        put = self.ok(self.store.objects.put("safe", "k", LARGE)).version_id
        upload = self.ok(self.store.uploads.create("safe", "k")).id.text()
        stored = self.ok(self.store.uploads.put_part("safe", "k", upload, 1, EDGY))
        listed = [ListedPart(1, stored.part.etag)]
        done = self.ok(self.store.completions.complete("safe", "k", upload, listed))
        self.assert_kept(done.version_id)
        for source in ("none", "s3", "dsse"):
            self.put("source", EDGY, SETTINGS[source])
            name = ObjectName("photos", "source")
            copied = self.ok(self.store.copies.copy(name, ObjectName("safe", "k")))
            self.assert_kept(copied.version_id)
        self.assert_kept(put)
        self.assertEqual(self.ok(self.ok(self.store.objects.get("safe", "k")).read()), EDGY)

    def test_own(self) -> None:
        """So do wishes, together."""
        until_us = self.now_us + 9 * DAY_US
        lock = Lock(Retention(RetentionMode.COMPLIANCE, until_us), legal_hold=True)
        put = self.store.objects.put("safe", "k", SMALL, lock=lock, encryption=KMS)
        self.assert_kept(self.ok(put).version_id, Scheme.SSE_KMS)
        self.ok(self.store.uploads.create("safe", "k", lock=lock, encryption=KMS))
        [(_, upload)] = self.ok(self.store.uploads.list("safe")).uploads
        self.assertEqual(upload.lock, lock)
        assert upload.encryption is not None
        self.assertEqual(upload.encryption.scheme, Scheme.SSE_KMS)
        name = ObjectName("safe", "k")
        for wanted in (ENCRYPTED["s3"], ENCRYPTED["dsse"]):  # resealed, and stored anew
            copy = self.store.copies.copy(name, name, own=Overrides(lock=lock), encryption=wanted)
            tail = self.ok(copy).tail
            self.assertEqual(tail.lock, lock)
