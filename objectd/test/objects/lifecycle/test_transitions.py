"""Passes that move versions to other storage classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from msgspec import structs

from objectd.errors import StoreFull
from objectd.interfaces import IBlobWriter
from objectd.model import keys
from objectd.model.codec import decode, decode_object
from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecyclePass,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
    TransitionMinimum,
)
from objectd.model.records import JournalEntry, JournalKind, Restore
from objectd.objects.classes import ClassSettings
from objectd.objects.lifecycle.passes import ROW_BYTES
from objectd.objects.lifecycle.rules import MOVED_BYTES_MIN, Deed
from objectd.test.objects.cases import LARGE, NOON_US
from objectd.test.objects.lifecycle.cases import LifecycleCase, rule
from objectd.test.objects.lock_case import COMPLIANCE, DAY_US, LockCase

ANY_SIZE = LifecycleFilter(size_below=1 << 40)
PARTS = (LARGE, LARGE + b"2")


def to(storage_class: str, days: int = 1, wanted: LifecycleFilter = ANY_SIZE) -> LifecycleRule:
    return rule(f"to {storage_class}", wanted, transitions=(Transition(storage_class, days),))


def noncurrent_to(storage_class: str, kept: int | None = None) -> LifecycleRule:
    """One day after a version was replaced."""
    transition = NoncurrentTransition(storage_class, 1, kept)
    return rule(f"old to {storage_class}", ANY_SIZE, noncurrent_transitions=(transition,))


class TransitionCase(LifecycleCase):
    """No class is an archive, so that all can be read."""

    classes: Mapping[str, ClassSettings] = {
        "STANDARD_IA": ClassSettings(zstd_level=3),
        "GLACIER_IR": ClassSettings(zstd_level=3),
        "GLACIER": ClassSettings(zstd_level=1),
        "DEEP_ARCHIVE": ClassSettings(),
    }

    def class_of(self, key: str, number: int = 0) -> str:
        """That of the newest version, or of an older one."""
        return self.heads(key)[number].storage_class

    def classes_of(self, key: str) -> list[str]:
        return [head.storage_class for head in self.heads(key)]

    def put_all(self) -> dict[str, bytes]:
        """Of every form."""
        self.put("empty", b"")
        self.put("small", b"x")
        self.put("large", LARGE)
        self.complete("parts", self.upload("parts", *PARTS))
        return {"empty": b"", "small": b"x", "large": LARGE, "parts": b"".join(PARTS)}


class ObjectTests(TransitionCase):
    def test_moved(self) -> None:
        """Objects of every form are moved at the midnight when it is due, and stay what they
        are."""
        self.set_rules(to("STANDARD_IA", 2))
        held = self.put_all()
        self.pass_days(2)
        self.assertEqual(self.run_pass().deeds, 0)
        self.pass_days(1)
        report = self.run_pass()
        self.assertEqual(report.done, {Deed.MOVE: 4})
        self.assertEqual(report.moved_bytes, len(LARGE) + len(held["parts"]))
        for key, data in held.items():
            self.assertEqual(self.class_of(key), "STANDARD_IA")
            self.assertEqual(self.read(key), data)
        self.pass_days(1)
        self.assertEqual(self.run_pass().deeds, 0)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(len(self.files()), 2)  # the first part is a twin

    def test_journalled(self) -> None:
        """The journal tells of each."""
        self.set_rules(to("GLACIER"))
        self.put_all()
        self.pass_days(2)
        self.run_pass()
        entries = [decode(JournalEntry, e.value or b"") for e in self.rows(keys.JOURNAL)]
        moved = sorted(e.key for e in entries if e.kind is JournalKind.OBJECT_TRANSITIONED)
        self.assertEqual(moved, [b"empty", b"large", b"parts", b"small"])

    def test_way_down(self) -> None:
        """From class to class, and gone at last."""
        steps = (Transition("STANDARD_IA", 1), Transition("GLACIER", 31))
        self.set_rules(rule("down", ANY_SIZE, transitions=steps, expire_days=121))
        held = self.put_all()
        life = []
        for _ in range(123):
            self.pass_days(1)
            self.run_pass()
            found = {self.class_of(key) for key in held if self.heads(key)}
            life.append("".join(found))
        expected = ["STANDARD"] + ["STANDARD_IA"] * 30 + ["GLACIER"] * 90 + [""] * 2
        self.assertEqual(life, expected)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.files(), [])

    def test_missed(self) -> None:
        """Who was away when several moves became due makes the last of them only."""
        steps = (Transition("STANDARD_IA", 1), Transition("GLACIER", 31))
        self.set_rules(rule("down", ANY_SIZE, transitions=steps))
        self.put("large", LARGE)
        self.pass_days(50)
        report = self.run_pass()
        self.assertEqual((report.deeds, report.moved_bytes), (1, len(LARGE)))
        self.assertEqual(self.class_of("large"), "GLACIER")

    def test_small(self) -> None:
        """Small objects are moved only where the bucket, or a rule, says so."""
        everything = LifecycleFilter()
        for minimum, expected in (
            (TransitionMinimum.ALL_CLASSES_128K, ["STANDARD", "GLACIER"]),
            (TransitionMinimum.VARIES, ["GLACIER", "GLACIER"]),
        ):
            wanted = [to("GLACIER", 1, everything)]
            self.ok(self.store.lifecycles.put("photos", wanted, minimum))
            self.put("below", bytes(MOVED_BYTES_MIN - 1))
            self.put("above", bytes(MOVED_BYTES_MIN))
            self.pass_days(2)
            self.run_pass()
            self.assertEqual([self.class_of(key) for key in ("below", "above")], expected)

    def test_cheap(self) -> None:
        """What lies in rows, and what only gets another name, is moved a hundred a commit."""
        for number in range(250):
            self.put(str(number))
        for storage_class in ("STANDARD_IA", "GLACIER_IR"):
            self.set_rules(to(storage_class))
            self.pass_days(2)
            self.metadata.changes_left = 8
            report = self.run_pass()
            self.metadata.changes_left = None
            self.assertEqual((report.deeds, report.moved_bytes), (250, 0))

    def test_pace(self) -> None:
        """What is moved counts as rows do, while it is moved."""
        self.put("large", bytes(5 * ROW_BYTES + 1))
        self.set_rules(to("GLACIER"))
        self.pass_days(2)
        spent: list[int] = []

        async def spend(rows: int) -> None:
            spent.append(rows)

        self.ok(self.store.lifecycle_passes.run(self.time, spend))
        self.assertEqual(sum(spent), 6 + 1 + 50)

    def test_tags(self) -> None:
        """Tags decide, too."""
        tagged = LifecycleFilter(tags={"a": "1"}, size_below=1 << 40)
        self.set_rules(to("GLACIER", 1, tagged))
        self.put("a", LARGE, {"a": "1"})
        self.put("b", LARGE)
        self.pass_days(2)
        self.assertEqual(self.run_pass().deeds, 1)
        self.assertEqual((self.class_of("a"), self.class_of("b")), ("GLACIER", "STANDARD"))

    def test_full(self) -> None:
        """A class that takes no more keeps nothing else from being done."""
        self.set_rules(to("GLACIER"), rule("end", LifecycleFilter(prefix="z"), expire_days=1))
        self.put("a", LARGE)
        self.put("b", b"x")
        self.put("z", LARGE)
        self.pass_days(2)

        async def full(_uid: bytes, *, size_bytes: int | None) -> IBlobWriter:
            raise StoreFull("the drives are full")

        self.patch(self.blobs, "create", full)
        report = self.run_pass()
        self.assertEqual((report.done, report.kept), ({Deed.MOVE: 1, Deed.EXPIRE: 1}, 1))
        self.assertEqual(self.read("a"), LARGE)

    def test_restored(self) -> None:
        """An archived version that is restored keeps its restore in a colder archive."""
        self.set_rules(to("GLACIER"))
        self.put("a", LARGE)
        self.pass_days(2)
        self.run_pass()
        restore = Restore(NOON_US, NOON_US + 100 * DAY_US)
        versions = self.store.versions
        self.ok(
            versions.amend(
                "photos",
                "a",
                "",
                lambda h, t: (h, structs.replace(t, restore=restore)),
                JournalKind.OBJECT_RESTORED,
            )
        )
        self.set_rules(to("DEEP_ARCHIVE"))
        self.pass_days(2)
        self.assertEqual(self.run_pass().deeds, 1)
        [row] = self.rows(keys.OBJECTS)
        head, tail = decode_object(row.value or b"")
        self.assertEqual((head.storage_class, tail.restore), ("DEEP_ARCHIVE", restore))

    def test_class_gone(self) -> None:
        """A class that an operator has taken away leaves what it would get where it is."""
        self.classes = {**self.classes, "INTELLIGENT_TIERING": ClassSettings()}
        self.store = self.opened()
        self.set_rules(to("INTELLIGENT_TIERING"))
        self.put("a", LARGE)
        self.put("b", b"x")
        self.classes = TransitionCase.classes
        self.store = self.opened()
        self.pass_days(2)
        report = self.run_pass()
        self.assertEqual((report.deeds, report.kept), (0, 2))
        self.assertEqual(self.class_of("a"), "STANDARD")

    def test_replaced(self) -> None:
        """An object that is put meanwhile stays where it is."""
        objects = self.beside().objects
        for data in (b"x", LARGE):
            for arm, family in (
                (self.metadata.before, keys.OBJECTS),
                (self.metadata.after, keys.OBJECTS),
                (self.metadata.after_second, keys.OBJECTS),
                (self.metadata.after, keys.BLOBS),
            ):
                self.set_rules(to("GLACIER"))
                self.put("a", data)
                self.pass_days(3)
                arm(family, lambda: objects.put("photos", "a", b"new"))
                is_reached = data == LARGE or arm != self.metadata.after_second
                is_reached = is_reached and (data == LARGE or family == keys.OBJECTS)
                report = self.run_pass()
                self.metadata.calm()
                self.assertEqual(report.deeds, not is_reached)
                expected = ("STANDARD", b"new") if is_reached else ("GLACIER", data)
                self.assertEqual((self.class_of("a"), self.read("a")), expected)

    def test_unfitting_meanwhile(self) -> None:
        """One that gets other tags meanwhile, of which the rule says nothing, stays."""
        tags = self.beside().tags
        tagged = LifecycleFilter(tags={"a": "1"}, size_below=1 << 40)
        for data in (b"x", LARGE):
            self.set_rules(to("GLACIER", 1, tagged))
            self.put("a", data, {"a": "1"})
            self.pass_days(3)
            family = keys.BLOBS if data == LARGE else keys.CONFIGURATIONS
            self.metadata.after(family, lambda: tags.put("photos", "a", {"b": "1"}))
            self.run_pass()
            self.metadata.calm()
            self.assertEqual((self.class_of("a"), self.read("a")), ("STANDARD", data))

    def test_rules_changed(self) -> None:
        """Rules that were taken back move nothing more, whatever is under way."""
        lifecycles = self.beside().lifecycles
        for data in (b"x", LARGE):
            self.set_rules(to("GLACIER"))
            self.put("a", data)
            self.pass_days(3)
            family = keys.BLOBS if data == LARGE else keys.OBJECTS
            self.metadata.after(family, lambda: lifecycles.delete("photos"))
            self.assertEqual(self.run_pass().deeds, 0)
            self.assertEqual(self.class_of("a"), "STANDARD")
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(len(self.files()), 1)

    def test_broken_off(self) -> None:
        """A pass that died goes on, and moves nothing twice."""
        self.set_rules(to("GLACIER"))
        for number in range(20):
            self.put(str(number), LARGE + str(number).encode())
        self.pass_days(3)
        self.metadata.changes_left = 10
        work = self.store.lifecycle_passes.run(self.time)
        self.refused(Exception, work)
        self.metadata.changes_left = None
        self.store = self.opened()
        moved = [str(n) for n in range(20) if self.class_of(str(n)) == "GLACIER"]
        self.assertTrue(0 < len(moved) < 20)
        self.assertEqual(self.run_pass().deeds, 20 - len(moved))
        [mark] = [r for r in self.rows(keys.CONFIGURATIONS) if r.key.endswith(b"pass")]
        self.assertTrue(decode(LifecyclePass, mark.value or b"").phase)
        for number in range(20):
            self.assertEqual(self.read(str(number)), LARGE + str(number).encode())


class VersionTests(TransitionCase):
    def setUp(self) -> None:
        super().setUp()
        self.enable_versioning()

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
