"""Passes that move versions to other storage classes, where there are several of a key."""

from __future__ import annotations

from functools import partial

from objectd.errors import StoreFull
from objectd.model import keys
from objectd.objects.classes import ClassSettings
from objectd.objects.lifecycle.rules import Deed
from objectd.test.objects.cases import LARGE, NOON_US
from objectd.test.objects.lifecycle.cases import rule
from objectd.test.objects.lifecycle.transition_case import (
    TransitionCase,
    noncurrent_to,
    to,
)
from objectd.test.objects.lock_case import COMPLIANCE, DAY_US, LockCase


class VersionTests(TransitionCase):
    def setUp(self) -> None:
        super().setUp()
        self.set_versioning()

    def test_noncurrent(self) -> None:
        """Noncurrent versions are moved when they have been that for long enough; the current
        one is another matter."""
        self.set_rules(noncurrent_to("GLACIER"))
        self.put("a", LARGE)
        self.pass_days(10)
        self.put("a", b"second")
        self.pass_days(1)
        self.assertEqual(self.run_pass().deeds, 0)
        self.pass_days(1)
        self.assertEqual(self.run_pass().done, {Deed.MOVE: 1})
        self.assertEqual(self.classes_of("a"), ["STANDARD", "GLACIER"])
        first = self.heads("a")[1]
        self.assertEqual(first.size_bytes, len(LARGE))

    def test_kept(self) -> None:
        """The newest so many noncurrent versions keep their class."""
        self.set_rules(noncurrent_to("GLACIER", kept=2))
        for number in range(5):
            self.put("a", LARGE + str(number).encode())
            self.put("b", str(number).encode())
        self.delete("b")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 2 + 3)
        self.assertEqual(self.classes_of("a"), ["STANDARD"] * 3 + ["GLACIER"] * 2)
        self.assertEqual(self.classes_of("b"), ["STANDARD"] * 3 + ["GLACIER"] * 3)

    def test_markers(self) -> None:
        """Delete markers are not moved."""
        self.set_rules(noncurrent_to("GLACIER"), to("GLACIER"))
        self.delete("a")
        self.put("a", LARGE)
        self.delete("a")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 1)
        self.assertEqual(self.classes_of("a"), ["STANDARD", "GLACIER", "STANDARD"])
        self.assertEqual(self.shape("a"), "mvm")

    def test_before_marker(self) -> None:
        """What both moves and expires is moved on one day, and gets its marker on the next."""
        self.set_rules(to("GLACIER"), rule("end", expire_days=1))
        version = self.put("a", LARGE)
        self.pass_days(2)
        self.assertEqual(self.run_pass().done, {Deed.MOVE: 1})
        self.pass_days(1)
        self.assertEqual(self.run_pass().done, {Deed.EXPIRE: 1})
        self.assertEqual(self.shape("a"), "mv")
        opened = self.ok(self.store.objects.get("photos", "a", version_id=version))
        self.assertEqual(self.ok(opened.read()), LARGE)

    def test_not_moved_before_marker(self) -> None:
        """What cannot be moved expires all the same."""
        self.set_rules(to("GLACIER"), rule("end", expire_days=1))
        self.put("a", LARGE)
        self.pass_days(2)
        with self.failing(StoreFull("the drives are full")):
            report = self.run_pass()
        self.assertEqual((report.done, report.kept), ({Deed.EXPIRE: 1}, 0))
        self.assertEqual(self.shape("a"), "mv")

    def test_class_gone_before_marker(self) -> None:
        """So does what would get a class that is no more."""
        self.classes = {**self.classes, "INTELLIGENT_TIERING": ClassSettings()}
        self.store = self.opened()
        self.set_rules(to("INTELLIGENT_TIERING"), rule("end", expire_days=1))
        for data in (b"x", LARGE):
            self.put("a", data)
        self.classes = TransitionCase.classes
        self.store = self.opened()
        self.pass_days(2)
        self.assertEqual(self.run_pass().done, {Deed.EXPIRE: 1})
        self.assertEqual(self.shape("a"), "mvv")

    def test_whole_key(self) -> None:
        """All versions of a key, in one pass: a form each."""
        self.set_rules(noncurrent_to("GLACIER"), to("STANDARD_IA"))
        forms = (b"", b"x", LARGE, b"last")
        ids = [self.put("a", data) for data in forms]
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 4)
        self.assertEqual(self.classes_of("a"), ["STANDARD_IA"] + ["GLACIER"] * 3)
        for version, data in zip(ids, forms, strict=True):
            opened = self.ok(self.store.objects.get("photos", "a", version_id=version))
            self.assertEqual(self.ok(opened.read()), data)

    def test_current_again(self) -> None:
        """A noncurrent version that becomes current while it is moved stays."""
        for data in (b"x", LARGE):
            self.set_rules(noncurrent_to("GLACIER"))
            self.put("a", data)
            second = self.put("a", b"second")
            self.pass_days(3)
            family = keys.BLOBS if data == LARGE else keys.CONFIGURATIONS
            objects = self.beside().objects
            self.metadata.after(family, partial(objects.delete, "photos", "a", version_id=second))
            self.run_pass()
            self.metadata.calm()
            self.assertEqual((self.class_of("a"), self.read("a")), ("STANDARD", data))

    def test_fewer_meanwhile(self) -> None:
        """One that is among the newest to keep their class, now that another one is gone, does."""
        self.set_rules(noncurrent_to("GLACIER", kept=1))
        self.put("a", LARGE)
        second = self.put("a", b"second")
        self.put("a", b"third")
        self.pass_days(3)
        objects = self.beside().objects
        self.metadata.after(keys.BLOBS, lambda: objects.delete("photos", "a", version_id=second))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.classes_of("a"), ["STANDARD", "STANDARD"])


class LockTests(LockCase):
    def test_locked(self) -> None:
        """A lock keeps a version from ending, and not from moving."""
        self.ok(self.store.lifecycles.put("safe", [to("GLACIER"), noncurrent_to("GLACIER")]))
        for data in (b"x", LARGE):
            self.put(data)
            self.retain(NOON_US + 50 * DAY_US, COMPLIANCE)
            self.hold()
        before = [self.head().tail.lock]
        self.pass_us(3 * DAY_US)
        report = self.ok(self.store.lifecycle_passes.run())
        self.assertEqual(report.done, {Deed.MOVE: 2})
        self.assertEqual(self.head().head.storage_class, "GLACIER")
        self.assertEqual([self.head().tail.lock], before)
