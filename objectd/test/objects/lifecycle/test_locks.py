"""Object Lock goes before every rule."""

from __future__ import annotations

from objectd.cli.lifecycle import explain_key
from objectd.objects.lifecycle.passes import LifecycleReport
from objectd.objects.lifecycle.rules import Deed
from objectd.test.objects.cases import NOON_US
from objectd.test.objects.lifecycle.cases import rule
from objectd.test.objects.lock_case import COMPLIANCE, DAY_US, GOVERNANCE, LockCase


class LockTests(LockCase):
    def setUp(self) -> None:
        super().setUp()
        wanted = [rule(expire_days=1, noncurrent_days=1)]
        self.ok(self.store.lifecycles.put("safe", wanted))

    def run_pass(self) -> LifecycleReport:
        return self.ok(self.store.lifecycle_passes.run())

    def versions(self) -> int:
        return self.ok(self.store.buckets.usage("safe")).objects

    def test_retention(self) -> None:
        """A locked version expires beneath a delete marker, and is deleted when its lock ends:
        by the trusted time."""
        for mode in (COMPLIANCE, GOVERNANCE):
            self.put()
            self.retain(self.now_us + 5 * DAY_US, mode)
        done: list[int] = []
        for _ in range(8):
            self.pass_us(DAY_US)
            self.run_pass()
            done.append(self.versions())
        self.assertEqual(done, [2, 2, 2, 2, 0, 0, 0, 0])

    def test_hold(self) -> None:
        """A version under a legal hold stays for as long as it is held."""
        version = self.put()
        self.hold()
        self.pass_us(2 * DAY_US)
        self.assertEqual(self.run_pass().done, {Deed.EXPIRE: 1})
        self.pass_us(5 * DAY_US)
        report = self.run_pass()
        self.assertEqual((report.deeds, report.kept), (0, 1))
        self.ok(self.store.object_locks.put_legal_hold("safe", "a", on=False, version_id=version))
        self.pass_us(DAY_US)
        self.assertEqual(self.run_pass().done, {Deed.DELETE_NONCURRENT: 1})

    def test_event_hold(self) -> None:
        """A version under an event hold stays for as long as it is held, and then for its
        duration."""
        version = self.put()
        self.keep()
        self.pass_us(5 * DAY_US)
        self.assertEqual(self.run_pass().done, {Deed.EXPIRE: 1})
        self.pass_us(5 * DAY_US)
        report = self.run_pass()
        self.assertEqual((report.deeds, report.kept), (0, 1))
        self.release(version=version)
        self.pass_us(DAY_US - 1)
        self.assertEqual(self.run_pass().kept, 1)
        self.pass_us(DAY_US)
        self.assertEqual(self.run_pass().done, {Deed.DELETE_NONCURRENT: 1})

    def test_others(self) -> None:
        """A locked version keeps no other one from being deleted in the same pass."""
        self.put()
        self.retain(NOON_US + 100 * DAY_US)
        self.put(b"second")
        self.put(b"third")
        self.put(key="b")
        self.put(key="b")
        self.pass_us(3 * DAY_US)
        self.run_pass()
        self.pass_us(3 * DAY_US)
        self.run_pass()
        self.assertEqual(self.versions(), 1)

    def test_explained(self) -> None:
        """It is told what keeps a version."""
        self.put()
        self.retain(NOON_US + 5 * DAY_US)
        self.hold()
        said: list[str] = []
        self.ok(explain_key(self.store, "safe", "a", said.append))
        self.assertIn("  under a legal hold: it is not deleted before that ends", said)
        self.assertIn("  locked: it is not deleted before 2023-11-19T22:13:20Z", said)
        event_hold = "  under an event hold: its retention ends some time after that is released"
        self.assertNotIn(event_hold, said)
        self.keep()
        self.ok(explain_key(self.store, "safe", "a", said.append))
        self.assertIn(event_hold, said)
