"""Versions that are encrypted: the right bytes for the right key, wherever a version lies."""

from __future__ import annotations

from msgspec import structs

from objectd.errors import (
    CustomerKeyMissing,
    CustomerKeyUnwanted,
    CustomerKeyWrong,
    InvalidOperation,
    ObjectLocked,
    ObjectNotFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.interfaces import Entry
from objectd.model import keys
from objectd.model.lifecycle import LifecycleRule
from objectd.model.locks import Lock, Retention, RetentionMode
from objectd.model.records import Scheme
from objectd.objects.copy_source import ObjectName
from objectd.objects.copying import Copied
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.objects.lifecycle.rules import Deed
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import (
    EDGY,
    ENCRYPTED,
    KMS,
    MINE,
    OTHER,
    S3,
    SETTINGS,
    SMALL,
    TARGET,
    EncryptionCase,
    key_of,
    raw,
)
from objectd.test.objects.lifecycle.cases import ALL, DAY_US
from objectd.test.objects.versions_case import OF_BYTES, OF_KEYS

NEWER = b"newer"
KEY = ObjectName("photos", "k")
HOUR_US = 3_600_000_000


class EncryptedVersionsCase(EncryptionCase):
    """A bucket with versioning."""

    def setUp(self) -> None:
        super().setUp()
        self.set_versioning()

    def version(self, data: bytes, wanted: EncryptionWanted | None = None, key: str = "k") -> str:
        """Put one; return its id."""
        stored = self.ok(self.store.objects.put("photos", key, data, encryption=wanted))
        return stored.version_id

    def bytes_of(
        self, version: str = "", customer: CustomerKey | None = None, key: str = "k"
    ) -> bytes:
        get = self.store.objects.get("photos", key, version_id=version, customer_key=customer)
        return self.ok(self.ok(get).read())

    def scheme_of(self, version: str = "", key: str = "k") -> Scheme | None:
        found = self.ok(self.store.objects.head("photos", key, version_id=version))
        encryption = found.tail.encryption
        return None if encryption is None else encryption.scheme

    def delete(self, version: str = "", key: str = "k") -> str:
        return self.ok(self.store.objects.delete("photos", key, version_id=version)).version_id

    def assert_sound(self) -> None:
        self.assertEqual(self.findings(deep=True), [])

    def assert_nothing_left(self) -> None:
        self.ok(self.store.collector.run_to_rest())
        families = (*OF_KEYS, *OF_BYTES, keys.ANNOTATIONS)
        left = {family: self.rows(family) for family in families}
        self.assertEqual({family: rows for family, rows in left.items() if rows}, {})
        self.assertEqual(self.files(), [])
        usage = self.ok(self.store.buckets.usage("photos"))
        self.assertEqual((usage.objects, usage.size_bytes), (0, 0))


class VersionTests(EncryptedVersionsCase):
    def payload(self, family: bytes) -> bytes:
        [row] = self.rows(family)
        return raw(row)

    def test_aside_and_back(self) -> None:
        """A version stays readable when it becomes noncurrent and current again, in which not a
        byte of it changes; nothing of it is left in the end."""
        for wanted in ENCRYPTED.values():
            for data in (b"", SMALL, EDGY):
                old = self.version(data, wanted)
                payload = self.payload(keys.PAYLOADS) if data == SMALL else b""
                new = self.version(EDGY, S3)
                if payload:
                    self.assertEqual(self.payload(keys.VERSION_PAYLOADS), payload)
                self.assertEqual(self.bytes_of(old, key_of(wanted)), data)
                self.assertEqual(self.bytes_of(), EDGY)
                self.assert_sound()
                self.delete(new)
                if payload:
                    self.assertEqual(self.payload(keys.PAYLOADS), payload)
                for version in ("", old):
                    self.assertEqual(self.bytes_of(version, key_of(wanted)), data)
                self.delete(old)
                self.assert_nothing_left()

    def test_beneath_a_marker(self) -> None:
        """So it is beneath a delete marker, and when that is taken away."""
        for wanted in ENCRYPTED.values():
            for data in (SMALL, EDGY):
                old = self.version(data, wanted)
                marker = self.delete()
                self.assertEqual(self.bytes_of(old, key_of(wanted)), data)
                self.delete(marker)
                self.assertEqual(self.bytes_of("", key_of(wanted)), data)
                self.delete(old)
        self.assert_nothing_left()

    def test_null_versions(self) -> None:
        """A null version from before is kept by name, and replaced where versioning is
        suspended, however either is encrypted."""
        for first in SETTINGS.values():
            for second in SETTINGS.values():
                self.set_versioning(enabled=False)
                self.assertEqual(self.version(SMALL, first), "null")
                self.set_versioning()
                kept = self.version(NEWER, S3)
                self.assertEqual(self.bytes_of("null", key_of(first)), SMALL)
                self.set_versioning(enabled=False)
                self.assertEqual(self.version(EDGY, second), "null")
                self.assertEqual(self.bytes_of("null", key_of(second)), EDGY)
                self.assertEqual(self.bytes_of(kept), NEWER)
                self.assert_sound()
                self.delete("null")
                self.delete(kept)
        self.assert_nothing_left()

    def test_customer_key_of_a_version(self) -> None:
        """Each version takes its own key, and no other."""
        mine = self.version(SMALL, ENCRYPTED["mine"])
        other = self.version(LARGE, ENCRYPTED["other"])
        plain = self.version(SMALL)
        self.assertEqual(self.bytes_of(mine, MINE), SMALL)
        self.assertEqual(self.bytes_of(other, OTHER), LARGE)
        for version, key, error in (
            (mine, None, CustomerKeyMissing),
            (mine, OTHER, CustomerKeyWrong),
            (other, MINE, CustomerKeyWrong),
            (plain, MINE, CustomerKeyUnwanted),
            ("", MINE, CustomerKeyUnwanted),
            ("0" * 40, MINE, VersionNotFound),
        ):
            get = self.store.objects.get("photos", "k", version_id=version, customer_key=key)
            self.refused(error, get)

    def test_parts(self) -> None:
        """Objects that were put in parts are versions as others are."""
        parts = [EDGY, LARGE]
        for wanted in ENCRYPTED.values():
            self.put_in_parts("k", parts, wanted)
            old = self.ok(self.store.objects.head("photos", "k")).version_id
            self.put_in_parts("k", [LARGE], S3)
            new = self.ok(self.store.objects.head("photos", "k")).version_id
            self.assertNotEqual(new, old)
            self.assertEqual(self.bytes_of(old, key_of(wanted)), b"".join(parts))
            self.assertEqual(self.bytes_of(new), LARGE)
            self.assert_sound()
            self.delete(new)
            self.delete(old)
        self.assert_nothing_left()

    def test_completed(self) -> None:
        """Who completes an upload learns of the version, and how it is encrypted."""
        upload_id = self.begun("k", KMS)
        self.ok(self.store.uploads.put_part("photos", "k", upload_id, 1, LARGE))
        listed = self.listed("k", upload_id)
        done = self.ok(self.store.completions.complete("photos", "k", upload_id, listed))
        found = self.ok(self.store.objects.head("photos", "k"))
        self.assertEqual(done.version_id, found.version_id)
        self.assertEqual(done.encryption, found.tail.encryption)
        self.assertEqual(done.object, found)


class CopyTests(EncryptedVersionsCase):
    def copied(
        self,
        version: str,
        wanted: EncryptionWanted | None,
        customer: CustomerKey | None = None,
        target: ObjectName = TARGET,
    ) -> str:
        """Returns the copy's id."""
        copied = self.ok(
            self.store.copies.copy(
                KEY,
                target,
                source_version=version,
                encryption=wanted,
                source_customer_key=customer,
            )
        )
        source = self.ok(self.store.objects.head(*KEY, version_id=version))
        self.assertEqual(copied.source_version_id, source.version_id)
        shown = self.ok(self.store.objects.head(*target))
        fields = structs.asdict(shown)
        self.assertEqual(copied, Copied(**fields, source_version_id=source.version_id))
        return copied.version_id

    def test_of_an_old_version(self) -> None:
        """A noncurrent version is copied between all settings, and brought back as the newest."""
        for source in SETTINGS.values():
            for target in SETTINGS.values():
                for data in (SMALL, EDGY):
                    old = self.version(data, source)
                    newer = self.version(NEWER)
                    copy = self.copied(old, target, key_of(source))
                    back = self.copied(old, target, key_of(source), target=KEY)
                    self.assertEqual(self.bytes_of(copy, key_of(target), "target"), data)
                    self.assertEqual(self.bytes_of(back, key_of(target)), data)
                    self.assertEqual(self.bytes_of("", key_of(target)), data)
                    self.assertEqual(self.bytes_of(old, key_of(source)), data)
                    self.delete(copy, "target")
                    for version in (old, newer, back):
                        self.delete(version)
        self.assert_nothing_left()

    def test_parts_of_an_old_version(self) -> None:
        """Parts are made of a noncurrent version, with its own key."""
        for source in SETTINGS.values():
            old = self.version(EDGY, source)
            self.version(NEWER, S3)
            for target in SETTINGS.values():
                upload_id = self.begun("target", target)
                part = self.ok(
                    self.store.part_copies.copy(
                        KEY,
                        TARGET,
                        upload_id,
                        1,
                        source_version=old,
                        customer_key=key_of(target),
                        source_customer_key=key_of(source),
                    )
                )
                self.assertEqual(part.source_version_id, old)
                found = part.encryption
                self.assertEqual(found and found.scheme, target and target.scheme)
                self.complete("target", upload_id)
                self.assertEqual(self.bytes_of("", key_of(target), "target"), EDGY)

    def test_of_markers(self) -> None:
        """A delete marker is no source, whatever the copy shall be encrypted with."""
        self.version(SMALL, S3)
        marker = self.delete()
        for target in SETTINGS.values():
            copy, part = self.store.copies.copy, self.store.part_copies.copy
            self.refused(ObjectNotFound, copy(KEY, TARGET, encryption=target))
            named = copy(KEY, TARGET, source_version=marker, encryption=target)
            self.refused(InvalidOperation, named)
            upload = self.begun("target", target)
            key = key_of(target)
            self.refused(ObjectNotFound, part(KEY, TARGET, upload, 1, customer_key=key))
            named_part = part(KEY, TARGET, upload, 1, source_version=marker, customer_key=key)
            self.refused(InvalidOperation, named_part)


class UpdateTests(EncryptedVersionsCase):
    def test_one_version(self) -> None:
        """A version is given another key wherever it lies, and the others stay as they are."""
        for data in (SMALL, EDGY):
            old, new = self.version(data, S3), self.version(NEWER, S3)
            for version in (old, new):
                before = self.ok(self.store.objects.head("photos", "k", version_id=version))
                update = self.store.object_encryption.update
                self.assertEqual(self.ok(update("photos", "k", KMS, version_id=version)), version)
                after = self.ok(self.store.objects.head("photos", "k", version_id=version))
                self.assertEqual(after.head, before.head)
                self.assertEqual(self.scheme_of(version), Scheme.SSE_KMS)
                if version == old:
                    self.assertEqual(self.scheme_of(new), Scheme.SSE_S3)
            self.assertEqual((self.bytes_of(old), self.bytes_of(new)), (data, NEWER))

    def test_newest(self) -> None:
        """Without an id it is the newest; a delete marker has no key."""
        version = self.version(SMALL, S3)
        update = self.store.object_encryption.update
        self.assertEqual(self.ok(update("photos", "k", KMS)), version)
        marker = self.delete()
        self.refused(ObjectNotFound, update("photos", "k", KMS))
        self.refused(VersionIsDeleteMarker, update("photos", "k", KMS, version_id=marker))

    def test_locked(self) -> None:
        """A version that is locked keeps its key until the lock is over."""
        self.ok(self.store.buckets.create("safe", object_lock=True))
        for mode in (None, *RetentionMode):
            if mode is None:
                lock = Lock(legal_hold=True)
            else:
                lock = Lock(Retention(mode, self.now_us + HOUR_US))
            put = self.store.objects.put("safe", "k", LARGE, encryption=S3, lock=lock)
            version = self.ok(put).version_id
            update = self.store.object_encryption.update
            self.refused(ObjectLocked, update("safe", "k", KMS, version_id=version))
            if mode is None:
                self.ok(self.store.object_locks.put_legal_hold("safe", "k", on=False))
            else:
                self.now_us += HOUR_US
                self.uptime = self.uptime._replace(us=self.uptime.us + HOUR_US)
            self.assertEqual(self.ok(update("safe", "k", KMS, version_id=version)), version)
            opened = self.ok(self.store.objects.get("safe", "k"))
            self.assertEqual(self.ok(opened.read()), LARGE)

    def test_locked_meanwhile(self) -> None:
        """A lock that comes between is respected."""
        self.ok(self.store.buckets.create("safe", object_lock=True))
        self.ok(self.store.objects.put("safe", "k", SMALL, encryption=S3))

        async def hold() -> None:
            await self.store.object_locks.put_legal_hold("safe", "k", on=True)

        self.metadata.after(keys.OBJECTS, hold)
        self.refused(ObjectLocked, self.store.object_encryption.update("safe", "k", KMS))


class LifecycleTests(EncryptedVersionsCase):
    def run_pass(self) -> dict[Deed, int]:
        return dict(self.ok(self.store.lifecycle_passes.run()).done)

    def test_expires(self) -> None:
        """Encrypted versions expire as others do, and nothing is left of them."""
        rule = LifecycleRule("r", True, ALL, expire_days=1, noncurrent_days=1)
        self.ok(self.store.lifecycles.put("photos", [rule]))
        for number, wanted in enumerate(ENCRYPTED.values()):
            self.version(SMALL, wanted, f"small {number}")
            self.version(NEWER, wanted, f"small {number}")
            self.version(EDGY, wanted, f"large {number}")
            self.put_in_parts(f"parts {number}", [EDGY, LARGE], wanted)
        for _ in range(6):
            self.now_us += 2 * DAY_US
            self.uptime = self.uptime._replace(us=self.uptime.us + 2 * DAY_US)
            self.run_pass()
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.files(), [])
        left: list[Entry] = [row for family in OF_BYTES for row in self.rows(family)]
        self.assertEqual(left, [])
        self.assertEqual(self.rows(keys.VERSION_PAYLOADS), [])
        self.assertEqual(self.ok(self.store.buckets.usage("photos")).objects, 0)
