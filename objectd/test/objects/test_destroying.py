"""A locked version is not destroyed, on whatever way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import objectd.objects
from objectd.errors import DamagedRecord, ObjectLocked
from objectd.interfaces import Entry
from objectd.model import keys
from objectd.objects.conditions import Conditions
from objectd.objects.deleting import Unwanted
from objectd.objects.noncurrent import newest_version, take_away
from objectd.objects.versions import Deleted
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE
from objectd.test.objects.lock_case import (
    COMPLIANCE,
    DAY_US,
    GOVERNANCE,
    HOUR_US,
    YEAR_US,
    LockCase,
)

ROOT = Path(objectd.objects.__file__).parent
LETTING_GO = {"release_source", "subtract"}
"""What lets the bytes of a version go, and takes them from the usage of its bucket."""


class OneWayTests(SynchronousTestCase):
    def test_only_way(self) -> None:
        """Only `destroy` lets the bytes of a version go; but for the move of one to another
        storage class, which has them in another place by then."""
        found = {
            (path.name, function.name, called)
            for path in ROOT.rglob("*.py")
            for function, called in _calls(path)
            if called in LETTING_GO
        }
        moving = ("moving.py", "_let_old_place_go", "release_source")
        expected = {("destroying.py", "destroy", called) for called in LETTING_GO}
        self.assertEqual(found, {*expected, moving})


def _calls(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    yield function, node.func.attr


class EnforcedTests(LockCase):
    def setUp(self) -> None:
        super().setUp()
        self.version = self.put(LARGE)

    def delete(self, version: str = "", *, bypass: bool = False) -> Deleted:
        objects = self.store.objects
        deleting = objects.delete("safe", "a", version_id=version, bypass_governance=bypass)
        return self.ok(deleting)

    def assert_locked(self, *, bypass: bool = False) -> None:
        """The version is not deleted, alone or with others, and still there."""
        for unwanted in (
            [Unwanted("a", self.version, bypass_governance=bypass)],
            [
                Unwanted("a", self.version, bypass_governance=bypass),
                Unwanted("b", self.put(key="b")),
            ],
        ):
            done = self.ok(self.store.objects.delete_many("safe", unwanted))
            self.assertIsInstance(done[0], ObjectLocked)
            for other in done[1:]:
                self.assertIsInstance(other, Deleted)
        opened = self.ok(self.store.objects.get("safe", "a", version_id=self.version))
        self.assertEqual(self.ok(opened.read()), LARGE)

    def assert_free(self, *, bypass: bool = False) -> None:
        self.delete(self.version, bypass=bypass)
        self.assertEqual(self.rows(keys.OBJECTS) + self.rows(keys.VERSIONS), [])
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.rows(keys.REFS), self.files()), ([], []))

    def test_compliance(self) -> None:
        """Under COMPLIANCE a version stays until the retention is over, and then goes."""
        self.retain()
        for bypass in (False, True):
            self.assert_locked(bypass=bypass)
        self.pass_us(DAY_US - 1)
        self.assert_locked()
        self.pass_us(1)
        self.assert_free()

    def test_governance(self) -> None:
        """GOVERNANCE gives way to who bypasses it."""
        self.retain(mode=GOVERNANCE)
        self.assert_locked()
        self.assert_free(bypass=True)

    def test_legal_hold(self) -> None:
        """A hold stays when the retention is over, and gives way to nobody."""
        self.retain()
        self.hold()
        self.pass_us(2 * DAY_US)
        for bypass in (False, True):
            self.assert_locked(bypass=bypass)
        self.hold(on=False)
        self.assert_free()

    def test_event_hold(self) -> None:
        """Under an event hold no date is over; what that leaves when it is released, ends."""
        self.keep(COMPLIANCE)
        for bypass in (False, True):
            for time_us in (0, YEAR_US):
                self.pass_us(time_us)
                self.assert_locked(bypass=bypass)
        self.release(COMPLIANCE)
        self.pass_us(DAY_US - 1)
        self.assert_locked(bypass=True)
        self.pass_us(1)
        self.assert_free()

    def test_event_hold_of_governance(self) -> None:
        """It gives way where its mode does, as a legal hold does not."""
        self.keep(GOVERNANCE)
        self.hold()
        self.pass_us(YEAR_US)
        self.assert_locked(bypass=True)
        self.hold(on=False)
        self.assert_locked()
        self.assert_free(bypass=True)

    def test_event_hold_and_clock(self) -> None:
        """Whatever is done to the clocks: a hold that is on stays, and one that is released lasts
        for as long as it should."""
        self.keep(COMPLIANCE)
        for by_us in (YEAR_US, -2 * YEAR_US, YEAR_US):
            self.set_wall(by_us)
            self.reboot(off_us=YEAR_US)
            self.assert_locked()
        self.ok(self.store.trusted_time.confirm())
        self.assert_locked()
        self.release(COMPLIANCE)
        for by_us in (YEAR_US, -2 * YEAR_US, YEAR_US):
            self.set_wall(by_us)
            self.assert_locked()
        self.pass_us(DAY_US)
        self.assert_free()

    def test_noncurrent(self) -> None:
        """What lies above a locked version comes and goes, and leaves it."""
        self.retain()
        second = self.put()
        self.assert_locked()
        marker = self.delete().version_id
        self.assert_locked()
        self.delete(second)
        self.delete(marker)
        self.assertEqual(self.head().version_id, self.version)
        self.assert_locked()

    def test_marker(self) -> None:
        """A delete marker is not locked, also where all versions are."""
        self.retain()
        self.hold()
        marker = self.delete()
        self.assertTrue(marker.is_delete_marker)
        self.delete(marker.version_id)
        self.assert_locked()

    def test_null_version(self) -> None:
        """An object from before there were versions is locked as any other one."""
        objects, buckets = self.store.objects, self.store.buckets
        self.ok(objects.put("photos", "a", b"old"))
        self.ok(buckets.set_versioning("photos", enabled=True))
        self.ok(self.store.object_locks.configure("photos"))
        self.ok(self.store.object_locks.put_legal_hold("photos", "a", on=True))
        self.refused(ObjectLocked, objects.delete("photos", "a", version_id="null"))
        self.ok(objects.put("photos", "a", b"new"))
        self.refused(ObjectLocked, objects.delete("photos", "a", version_id="null"))

    def test_wall_clock(self) -> None:
        """The clock is set back and forth by a year: nothing is freed, or locked for longer."""
        self.retain()
        for by_us in (YEAR_US, -2 * YEAR_US, YEAR_US):
            self.set_wall(by_us)
            self.store = self.opened()
            self.assert_locked()
        self.pass_us(DAY_US)
        self.assert_free()

    def test_reboot(self) -> None:
        """A reboot with a wrong clock frees nothing; to confirm it does."""
        self.retain()
        self.reboot(off_us=YEAR_US)
        self.assert_locked()
        self.ok(self.store.trusted_time.confirm())
        self.assert_free()

    def test_unknown_time(self) -> None:
        """Where nobody knows the time, no retention is over."""
        self.retain()
        self.pass_us(DAY_US)
        self.write_row(keys.CLOCK_MARK, b"nothing")
        self.refused(DamagedRecord, self.store.objects.delete("safe", "a", version_id=self.version))
        self.assertEqual(self.head(self.version).version_id, self.version)

    def test_conditions_first(self) -> None:
        """Who names another version than there is learns that, not that it is locked."""
        self.retain()
        work = self.store.objects.delete(
            "safe", "a", version_id=self.version, conditions=Conditions(if_match='"other"')
        )
        self.assertNotIsInstance(self.refused(Exception, work), ObjectLocked)

    def test_locked_meanwhile(self) -> None:
        """A lock that is put while a delete decides is seen by it."""

        async def lock() -> None:
            await self.beside().object_locks.put_legal_hold("safe", "a", on=True)

        self.metadata.after(keys.OBJECTS, lock)
        work = self.store.objects.delete("safe", "a", version_id=self.version)
        self.refused(ObjectLocked, work)

    def test_no_permit(self) -> None:
        """Who takes a version away without a permit, as background work may, meets every lock:
        also a retention whose end nobody has compared with the time."""
        self.retain()
        self.put()
        self.pass_us(2 * DAY_US)
        core = self.store.core
        bucket_id = self.ok(self.store.buckets.id_of("safe"))
        old = self.ok(newest_version(core.metadata, bucket_id, b"a"))
        assert old is not None
        batch = Batch()
        with self.assertRaises(ObjectLocked):
            take_away(core, batch, bucket_id, b"a", old)
        self.assertEqual(len(batch), 0)

    def test_bypass_of_compliance(self) -> None:
        """A lock that was made stronger is as strong as that."""
        self.retain(mode=GOVERNANCE)
        self.retain(mode=COMPLIANCE, bypass=True)
        self.assert_locked(bypass=True)
        self.pass_us(HOUR_US)
        self.assert_locked(bypass=True)


class DamagedTests(LockCase):
    """Nobody can tell of a damaged version whether it is locked."""

    def setUp(self) -> None:
        super().setUp()
        self.version = self.put()
        self.retain()

    def damage(self, family: bytes, at: int) -> None:
        [row] = self.rows(family)
        value = bytearray(row.value or b"")
        value[at] ^= 1
        self.write_row(row.key, bytes(value))

    def row(self, family: bytes) -> Entry:
        [row] = self.rows(family)
        return row

    def test_noncurrent(self) -> None:
        """One that is noncurrent is not deleted."""
        self.put(b"second")
        self.damage(keys.VERSIONS, -1)
        before = self.row(keys.VERSIONS).value
        work = self.store.objects.delete(
            "safe", "a", version_id=self.version, bypass_governance=True
        )
        self.refused(ObjectLocked, work)
        self.assertEqual(self.row(keys.VERSIONS).value, before)
        self.assertEqual(len(self.rows(keys.VERSION_PAYLOADS)), 1)

    def test_tail(self) -> None:
        """A current one whose head is readable is not deleted, and set aside as it is."""
        self.damage(keys.OBJECTS, -1)
        before = self.row(keys.OBJECTS).value
        self.refused(ObjectLocked, self.store.objects.delete("safe", "a", version_id=self.version))
        self.put(b"second")
        self.assertEqual(self.row(keys.VERSIONS).value, before)

    def test_head(self) -> None:
        """One of which nothing is known stays where it is, and what would take its place does
        not."""
        self.damage(keys.OBJECTS, 10)
        before = self.rows(keys.OBJECTS) + self.rows(keys.PAYLOADS)
        self.refused(ObjectLocked, self.store.objects.put("safe", "a", b"second"))
        self.refused(ObjectLocked, self.store.objects.delete("safe", "a"))
        self.assertEqual(self.rows(keys.OBJECTS) + self.rows(keys.PAYLOADS), before)
