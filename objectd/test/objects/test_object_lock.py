"""Object Lock in the library: who may change a lock, and what new versions get."""

from __future__ import annotations

from functools import partial

from msgspec import structs

from objectd.errors import (
    BucketNotEmpty,
    BucketNotFound,
    BucketStateInvalid,
    InvalidArgument,
    InvalidOperation,
    ObjectLockConfigurationNotFound,
    ObjectLocked,
    ObjectNotFound,
    ObjectNotLocked,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.model.locks import DefaultRetention, Lock, RetentionMode
from objectd.model.records import Versioning
from objectd.objects import ListedPart
from objectd.objects.checksums import Declared
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE, NOON_US
from objectd.test.objects.lock_case import (
    COMPLIANCE,
    DAY_US,
    GOVERNANCE,
    HOUR_US,
    TOMORROW_US,
    YEAR_US,
    LockCase,
    retention,
)
from objectd.test.objects.versions_case import ABSENT

LATER_US = TOMORROW_US + DAY_US
SENT = Declared(is_sent=True)


class ConfigurationTests(LockCase):
    def test_created(self) -> None:
        """A bucket that is made with Object Lock keeps versions, and gives them no lock."""
        bucket = self.ok(self.store.buckets.get("safe"))
        self.assertIs(bucket.versioning, Versioning.ENABLED)
        self.assertIsNone(self.ok(self.store.object_locks.configuration("safe")))
        self.assertTrue(self.put())
        self.assertIsNone(self.head().tail.lock)

    def test_existing(self) -> None:
        """A bucket gets it later, if its versioning is enabled."""
        locks = self.store.object_locks
        self.refused(BucketStateInvalid, locks.configure("photos"))
        self.refused(ObjectLockConfigurationNotFound, locks.configuration("photos"))
        self.ok(self.store.buckets.set_versioning("photos", enabled=False))
        self.refused(BucketStateInvalid, locks.configure("photos"))
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        self.ok(locks.configure("photos"))
        self.assertIsNone(self.ok(locks.configuration("photos")))

    def test_for_good(self) -> None:
        """Versioning of such a bucket cannot be suspended, by whatever way."""
        buckets = self.store.buckets
        self.refused(BucketStateInvalid, buckets.set_versioning("safe", enabled=False))
        self.ok(buckets.set_versioning("safe", enabled=True))
        self.refused(
            BucketStateInvalid, buckets.change("safe", lambda _: self.ok(buckets.get("photos")))
        )
        lock = partial(structs.replace, object_lock_enabled=True)
        self.refused(BucketStateInvalid, buckets.change("photos", lock))

    def test_no_bucket(self) -> None:
        locks = self.store.object_locks
        self.refused(BucketNotFound, locks.configure("absent"))
        self.refused(BucketNotFound, locks.configuration("absent"))
        self.refused(BucketNotFound, locks.put_legal_hold("absent", "a", on=True))

    def test_periods(self) -> None:
        """1 to 36,500 days or 1 to 100 years, not both and not neither."""
        for good in ((1, 0), (36_500, 0), (0, 1), (0, 100)):
            default = DefaultRetention(GOVERNANCE, *good)
            self.ok(self.store.object_locks.configure("safe", default))
            self.assertEqual(self.ok(self.store.object_locks.configuration("safe")), default)
        for bad in ((0, 0), (1, 1), (-1, 0), (0, -1), (36_501, 0), (0, 101)):
            default = DefaultRetention(GOVERNANCE, *bad)
            self.refused(InvalidArgument, self.store.object_locks.configure("safe", default))
        self.ok(self.store.object_locks.configure("safe"))
        self.assertIsNone(self.ok(self.store.object_locks.configuration("safe")))

    def test_not_empty(self) -> None:
        """A bucket with a locked version is not deleted, whatever lies above it."""
        self.put()
        self.retain()
        self.ok(self.store.objects.delete("safe", "a"))
        self.refused(BucketNotEmpty, self.store.buckets.delete("safe"))
        self.assertTrue(self.ok(self.store.buckets.get("safe")))


class DefaultTests(LockCase):
    def default(self, mode: RetentionMode = COMPLIANCE, days: int = 1, years: int = 0) -> None:
        default = DefaultRetention(mode, days, years)
        self.ok(self.store.object_locks.configure("safe", default))

    def lock(self, version: str = "") -> Lock | None:
        return self.head(version).tail.lock

    def test_put(self) -> None:
        """A new version gets it from when it is made, one that is there does not."""
        first = self.put()
        self.default()
        self.pass_us(HOUR_US)
        self.put(LARGE)
        self.assertEqual(self.lock(), Lock(retention(TOMORROW_US + HOUR_US)))
        self.assertIsNone(self.lock(first))

    def test_years(self) -> None:
        """A year has 365 days."""
        self.default(GOVERNANCE, 0, 2)
        self.put()
        self.assertEqual(self.lock(), Lock(retention(NOON_US + 2 * YEAR_US, GOVERNANCE)))

    def test_own(self) -> None:
        """A retention of its own goes before it; a legal hold goes beside it."""
        self.default()
        own = Lock(retention(LATER_US, GOVERNANCE))
        self.ok(self.store.objects.put("safe", "a", b"x", lock=own))
        self.assertEqual(self.lock(), own)
        self.ok(self.store.objects.put("safe", "a", b"x", lock=Lock(legal_hold=True)))
        self.assertEqual(self.lock(), Lock(retention(TOMORROW_US + 1), legal_hold=True))

    def test_copies_and_uploads(self) -> None:
        """Copies and completed uploads get it as well."""
        self.default()
        self.ok(self.store.objects.put("photos", "source", LARGE))
        self.ok(self.store.copies.copy(ObjectName("photos", "source"), ObjectName("safe", "a")))
        self.assertEqual(self.lock(), Lock(retention()))
        self.ok(self.complete_upload(None))  # later than the version before, by the least
        self.assertEqual(self.lock(), Lock(retention(TOMORROW_US + 1)))

    def test_upload_with_own(self) -> None:
        """An upload gives its object the lock that it was begun with."""
        own = Lock(retention(LATER_US), legal_hold=True)
        self.ok(self.complete_upload(own))
        self.assertEqual(self.lock(), own)
        self.default()
        self.ok(self.complete_upload(own))
        self.assertEqual(self.lock(), own)

    def test_wall_clock(self) -> None:
        """It begins at the later of wall clock and trusted time."""
        self.default()
        self.set_wall(-YEAR_US)
        self.put()
        self.assertEqual(self.lock(), Lock(retention()))
        self.set_wall(2 * YEAR_US)
        self.put()
        self.assertEqual(self.lock(), Lock(retention(TOMORROW_US + YEAR_US)))

    def test_digest(self) -> None:
        """What a client sends to be locked comes with a digest."""
        objects = self.store.objects
        self.ok(objects.put("safe", "a", b"x", declared=SENT))
        with_digest = Declared(bytes.fromhex("9dd4e461268c8034f5c8564e155c67a6"), is_sent=True)
        lock = Lock(legal_hold=False)
        self.refused(InvalidOperation, objects.put("safe", "a", b"x", declared=SENT, lock=lock))
        self.ok(objects.put("safe", "a", b"x", declared=with_digest, lock=lock))
        self.default()
        self.refused(InvalidOperation, objects.put("safe", "a", b"x", declared=SENT))
        self.ok(objects.put("safe", "a", b"x", declared=with_digest))

    async def complete_upload(self, lock: Lock | None) -> None:
        uploads = self.store.uploads
        upload_id = (await uploads.create("safe", "a", lock=lock)).id.text()
        await uploads.put_part("safe", "a", upload_id, 1, LARGE)
        page = await uploads.parts("safe", "a", upload_id)
        listed = [ListedPart(number, part.etag) for number, part in page.parts]
        await self.store.completions.complete("safe", "a", upload_id, listed)


class NewLockTests(LockCase):
    def test_copy(self) -> None:
        """A copy has a lock of its own or none; its source's stays where it is."""
        self.put()
        self.retain()
        here, there = ObjectName("safe", "a"), ObjectName("safe", "b")
        self.ok(self.store.copies.copy(here, there))
        self.assertIsNone(self.head(key="b").tail.lock)
        own = Lock(retention(LATER_US, GOVERNANCE))
        self.ok(self.store.copies.copy(here, there, own=Overrides(lock=own)))
        self.assertEqual(self.head(key="b").tail.lock, own)
        self.assertEqual(self.head().tail.lock, Lock(retention()))

    def test_no_object_lock(self) -> None:
        """A bucket without Object Lock locks nothing."""
        lock = Lock(legal_hold=True)
        name = ObjectName("photos", "a")
        store = self.store
        self.put()
        for work in (
            store.objects.put("photos", "a", b"x", lock=lock),
            store.uploads.create("photos", "a", lock=lock),
            store.copies.copy(ObjectName("safe", "a"), name, own=Overrides(lock=lock)),
            store.object_locks.put_legal_hold("photos", "a", on=True),
            store.object_locks.put_retention("photos", "a", retention()),
            store.object_locks.legal_hold("photos", "a"),
            store.object_locks.retained("photos", "a"),
        ):
            self.refused(InvalidOperation, work)

    def test_past(self) -> None:
        """A retention ends in the future, as both clocks see it."""
        for until_us in (0, NOON_US):
            for work in (
                self.store.objects.put("safe", "a", b"x", lock=Lock(retention(until_us))),
                self.store.object_locks.put_retention("safe", "a", retention(until_us)),
            ):
                self.refused(InvalidArgument, work)
        self.set_wall(YEAR_US)
        lock = Lock(retention())
        self.refused(InvalidArgument, self.store.objects.put("safe", "a", b"x", lock=lock))
        self.ok(self.store.objects.put("safe", "a", b"x", lock=Lock(retention(self.now_us + 1))))


class RetentionTests(LockCase):
    def setUp(self) -> None:
        super().setUp()
        self.version = self.put()

    def assert_kept(self, until_us: int, mode: RetentionMode) -> None:
        found = self.ok(self.store.object_locks.retained("safe", "a"))
        self.assertEqual(found.retention, retention(until_us, mode))

    def refuse(
        self, until_us: int | None, mode: RetentionMode = COMPLIANCE, *, bypass: bool = False
    ) -> None:
        wanted = None if until_us is None else retention(until_us, mode)
        work = self.store.object_locks.put_retention("safe", "a", wanted, bypass_governance=bypass)
        self.refused(ObjectLocked, work)

    def remove(self, *, bypass: bool = False) -> None:
        work = self.store.object_locks.put_retention("safe", "a", None, bypass_governance=bypass)
        self.ok(work)

    def test_compliance(self) -> None:
        """It only gets longer, for nobody less."""
        self.retain()
        for bypass in (False, True):
            self.refuse(TOMORROW_US - 1, COMPLIANCE, bypass=bypass)
            self.refuse(LATER_US, GOVERNANCE, bypass=bypass)
            self.refuse(None, bypass=bypass)
        self.retain()
        self.retain(LATER_US)
        self.assert_kept(LATER_US, COMPLIANCE)

    def test_governance(self) -> None:
        """It gets longer by itself; anything else is for who bypasses it."""
        self.retain(mode=GOVERNANCE)
        self.retain(LATER_US, GOVERNANCE)
        self.assert_kept(LATER_US, GOVERNANCE)
        self.refuse(LATER_US - 1, GOVERNANCE)
        self.refuse(LATER_US + 1, COMPLIANCE)
        self.refuse(None)
        self.retain(TOMORROW_US, GOVERNANCE, bypass=True)
        self.retain(TOMORROW_US, COMPLIANCE, bypass=True)
        self.assert_kept(TOMORROW_US, COMPLIANCE)

    def test_removed(self) -> None:
        self.retain(mode=GOVERNANCE)
        self.remove(bypass=True)
        self.refused(ObjectNotLocked, self.store.object_locks.retained("safe", "a"))
        self.ok(self.store.objects.delete("safe", "a", version_id=self.version))

    def test_over(self) -> None:
        """One that is over is shown, and binds nobody, from its very end on."""
        self.retain()
        self.pass_us(DAY_US - 1)
        self.refuse(None)
        self.pass_us(1)
        self.assert_kept(TOMORROW_US, COMPLIANCE)
        self.retain(LATER_US, GOVERNANCE)
        self.pass_us(DAY_US)
        self.remove()

    def test_wall_clock(self) -> None:
        """A wall clock that is set ends none."""
        self.retain()
        for by_us in (YEAR_US, -2 * YEAR_US):
            self.set_wall(by_us)
            self.refuse(None)

    def test_named_version(self) -> None:
        """A version is locked by its id, wherever it lies, and no other is."""
        self.put(b"second")
        self.retain(version=self.version)
        self.refused(ObjectNotLocked, self.store.object_locks.retained("safe", "a"))
        found = self.store.object_locks.retained("safe", "a", version_id=self.version)
        self.assertEqual(self.ok(found).retention, retention())

    def test_same_version(self) -> None:
        """A lock does not change what is locked."""
        before = self.head()
        self.retain()
        self.hold()
        after = self.head()
        self.assertEqual((after.head, after.version_id), (before.head, before.version_id))
        self.assertEqual(after.tail.lock, Lock(retention(), legal_hold=True))

    def test_absent(self) -> None:
        """What is not there, and a delete marker, has no lock."""
        locks = self.store.object_locks
        self.refused(ObjectNotFound, locks.put_retention("safe", "b", retention()))
        self.refused(VersionNotFound, locks.retained("safe", "a", version_id=ABSENT))
        marker = self.ok(self.store.objects.delete("safe", "a")).version_id
        self.refused(ObjectNotFound, locks.retained("safe", "a"))
        for work in (
            locks.put_retention("safe", "a", retention(), version_id=marker),
            locks.put_legal_hold("safe", "a", on=True, version_id=marker),
        ):
            self.refused(VersionIsDeleteMarker, work)

    def test_legal_hold(self) -> None:
        """A hold is on, off, or was never spoken of."""
        locks = self.store.object_locks
        self.refused(ObjectNotLocked, locks.legal_hold("safe", "a"))
        self.hold()
        self.assertTrue(self.ok(locks.legal_hold("safe", "a")))
        self.hold(on=False)
        self.assertFalse(self.ok(locks.legal_hold("safe", "a")))
