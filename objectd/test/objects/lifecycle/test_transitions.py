"""Passes that move objects to other storage classes."""

from __future__ import annotations

from msgspec import structs
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, globalLogPublisher

from objectd.errors import StoreBusy, StoreFailed, StoreFull
from objectd.model import keys
from objectd.model.codec import decode, decode_object
from objectd.model.lifecycle import (
    LifecycleFilter,
    LifecyclePass,
    Transition,
    TransitionMinimum,
)
from objectd.model.records import JournalEntry, JournalKind, Restore
from objectd.objects.classes import ClassSettings
from objectd.objects.lifecycle.candidates import ROWS_A_PAGE
from objectd.objects.lifecycle.passes import ROW_BYTES
from objectd.objects.lifecycle.rules import MOVED_BYTES_MIN, Deed
from objectd.test.objects.cases import LARGE, NOON_US
from objectd.test.objects.lifecycle.cases import rule
from objectd.test.objects.lifecycle.transition_case import (
    ANY_SIZE,
    TransitionCase,
    to,
)
from objectd.test.objects.lock_case import DAY_US


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

    def test_drive_fails(self) -> None:
        """A class that takes no more, or a drive that fails, keeps nothing else from being done."""
        for error in (
            StoreFull("the drives are full"),
            StoreFailed("a drive does not answer"),
            StoreBusy("too many open files"),
        ):
            self.set_rules(to("GLACIER"), rule("end", LifecycleFilter(prefix="z"), expire_days=1))
            for key, data in (("a", LARGE), ("b", b"x"), ("z", LARGE)):
                self.put(key, data)
            self.pass_days(2)
            with self.failing(error):
                report = self.run_pass()
            self.assertEqual((report.done, report.kept), ({Deed.MOVE: 1, Deed.EXPIRE: 1}, 1))
            self.assertEqual(self.read("a"), LARGE)

    def test_told_once(self) -> None:
        """Of what keeps a million versions where they are, one line is enough."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        cold, cool = (LifecycleFilter(prefix=each, size_below=1 << 40) for each in "az")
        self.set_rules(to("GLACIER", 1, cold), to("STANDARD_IA", 1, cool))
        for number in range(ROWS_A_PAGE + 1):
            self.put(f"a{number}", LARGE + b"%d" % number)
        self.put("z", LARGE)
        self.pass_days(2)
        for passes in (1, 2):
            with self.failing(StoreFull("the drives are full")):
                self.assertEqual(self.run_pass().kept, ROWS_A_PAGE + 2)
            warnings = [e for e in observer if e["log_level"] is LogLevel.warn]
            self.assertEqual([e["key"] for e in warnings], ["a0", "z"] * passes)
            self.pass_days(1)

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
