"""Passes: what they do to a store, and what they leave alone."""

from __future__ import annotations

import attrs

from objectd.errors import ObjectNotFound
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.lifecycle import LifecycleFilter, LifecyclePass, LifecyclePhase
from objectd.model.records import JournalEntry, JournalKind
from objectd.objects.lifecycle import candidates, passes
from objectd.objects.lifecycle.rules import Deed
from objectd.test.objects.cases import LARGE, NOON_US, SETTINGS
from objectd.test.objects.lifecycle.cases import DAY_US, MIDNIGHT_US, LifecycleCase, rule
from objectd.test.objects.upload_case import UploadCase


class ObjectTests(LifecycleCase):
    """A bucket that never had versions."""

    def test_expires(self) -> None:
        """An object is there until the midnight at which it is due, and gone after."""
        self.set_rules(rule(expire_days=2))
        self.put("a", LARGE)
        self.now_us = MIDNIGHT_US + 3 * DAY_US - 1
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.read("a"), LARGE)
        self.now_us += 1
        report = self.run_pass()
        self.assertEqual(report.done, {Deed.EXPIRE: 1})
        self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.files(), [])
        self.assertEqual(self.ok(self.store.buckets.usage("photos")).objects, 0)

    def test_journalled(self) -> None:
        """The journal tells of it as of any deletion."""
        self.set_rules(rule(expire_days=1))
        self.put("a")
        self.pass_days(2)
        self.run_pass()
        entries = [decode(JournalEntry, e.value or b"") for e in self.rows(keys.JOURNAL)]
        self.assertEqual((entries[-1].kind, entries[-1].key), (JournalKind.OBJECT_DELETED, b"a"))

    def test_many(self) -> None:
        """However many there are, each that is due goes and each that is not stays."""
        self.patch(candidates, "ROWS_A_PAGE", 3)
        self.set_rules(
            rule("a", LifecycleFilter(prefix="a"), expire_days=1),
            rule("c", LifecycleFilter(prefix="c"), expire_days=5),
        )
        for n in range(8):
            for prefix in "abc":
                self.put(f"{prefix}{n}")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 8)
        left = [o.key for o in self.ok(self.store.listings.objects("photos")).objects]
        self.assertEqual(left, [f"{prefix}{n}" for prefix in "bc" for n in range(8)])

    def test_filters(self) -> None:
        """Tags and sizes decide."""
        self.set_rules(rule("t", LifecycleFilter(tags={"a": "1"}, size_above=1), expire_days=1))
        self.put("both", b"xx", tags={"a": "1"})
        self.put("small", b"x", tags={"a": "1"})
        self.put("other", b"xx", tags={"a": "2"})
        self.put("none", b"xx")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 1)
        left = [o.key for o in self.ok(self.store.listings.objects("photos")).objects]
        self.assertEqual(left, ["none", "other", "small"])

    def test_buckets(self) -> None:
        """All buckets with rules are gone through, however many others there are."""
        self.patch(passes, "BUCKETS_A_PAGE", 2)
        for n in range(7):
            self.ok(self.store.buckets.create(f"bucket{n}"))
            self.ok(self.store.objects.put(f"bucket{n}", "a", b"x"))
        for n in (0, 3, 6):
            self.set_rules(rule(expire_days=1), bucket=f"bucket{n}")
        self.pass_days(3)
        report = self.run_pass()
        self.assertEqual((report.buckets, report.deeds), (3, 3))
        left = [n for n in range(7) if self.ok(self.store.buckets.usage(f"bucket{n}")).objects]
        self.assertEqual(left, [1, 2, 4, 5])

    def test_damaged_bucket(self) -> None:
        """A bucket whose record is damaged keeps no other one from its pass."""
        self.ok(self.store.buckets.create("films"))
        self.ok(self.store.objects.put("films", "a", b"x"))
        for bucket in ("films", "photos"):
            self.set_rules(rule(expire_days=1), bucket=bucket)
        self.put("a")
        row_key = keys.bucket(self.ok(self.store.buckets.id_of("films")))
        rows = self.metadata._state._rows
        rows[row_key] = rows[row_key]._replace(value=b"\x01", revision=1 << 40)
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 1)
        self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))

    def test_once_a_day(self) -> None:
        """A bucket is looked at once a day, and again when its rules change."""
        self.put("a")
        self.assertEqual(self.run_pass().buckets, 0)
        self.set_rules(rule(expire_days=100))
        self.assertEqual([self.run_pass().buckets for _ in range(2)], [1, 0])
        self.pass_days(1)
        self.assertEqual([self.run_pass().buckets for _ in range(2)], [1, 0])
        self.pass_days(-1)
        self.assertEqual([self.run_pass().buckets for _ in range(2)], [1, 0])
        self.set_rules(rule(expire_days=100))
        self.assertEqual([self.run_pass().buckets for _ in range(2)], [1, 0])
        self.ok(self.store.lifecycles.delete("photos"))
        self.pass_days(1)
        self.assertEqual(self.run_pass().buckets, 0)

    def test_replaced_meanwhile(self) -> None:
        """An object that is put between the look and the deletion stays."""
        self.set_rules(rule(expire_days=1))
        self.put("a", b"old")
        self.pass_days(3)
        beside = self.beside()
        self.metadata.after_second(b"o", lambda: beside.objects.put("photos", "a", b"new"))
        self.metadata.before(b"o", lambda: beside.objects.put("photos", "a", b"newer"))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertIn(self.read("a"), (b"new", b"newer"))

    def test_replaced_by_what_is_due(self) -> None:
        """Nor does one go by what was decided of another, be it due as well."""
        self.set_rules(rule(expire_date_us=MIDNIGHT_US))
        self.put("a", b"old")
        beside = self.beside()
        self.metadata.before(b"o", lambda: beside.objects.put("photos", "a", b"new"))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.read("a"), b"new")
        self.pass_days(1)
        self.assertEqual(self.run_pass().deeds, 1)

    def test_replaced_in_commit(self) -> None:
        """Nor does one go that is put after the deletion was decided."""
        self.set_rules(rule(expire_days=1))
        self.put("a", b"old")
        self.pass_days(3)
        beside = self.beside()
        self.metadata.after(b"o", lambda: beside.objects.put("photos", "a", b"new"))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.read("a"), b"new")

    def test_tagged_meanwhile(self) -> None:
        """Other tags than those that were looked at decide."""
        self.set_rules(rule("t", LifecycleFilter(tags={"a": "1"}), expire_days=1))
        self.put("a", tags={"a": "1"})
        self.pass_days(3)
        beside = self.beside()
        self.metadata.after(b"o", lambda: beside.tags.put("photos", "a", {}))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.read("a"), b"x")

    def test_rules_taken_back(self) -> None:
        """A rule that is deleted before its deed is committed has no effect."""
        self.set_rules(rule(expire_days=1))
        self.put("a")
        self.pass_days(3)
        beside = self.beside()
        self.metadata.after(b"o", lambda: beside.lifecycles.delete("photos"))
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.read("a"), b"x")

    def test_bucket_deleted_meanwhile(self) -> None:
        """A bucket that goes away during its pass leaves no rows."""
        self.set_rules(rule(expire_days=1))
        beside = self.beside()
        self.metadata.after(b"s", lambda: beside.buckets.delete("photos"))
        self.run_pass()
        self.assertEqual(self.rows(keys.CONFIGURATIONS), [])

    def test_clock_jumped(self) -> None:
        """By a clock that is not trusted nothing is done, also in the middle of a pass; when it
        is trusted again, the pass goes on."""
        self.patch(candidates, "ROWS_A_PAGE", 2)
        self.set_rules(rule(expire_days=1))
        for n in range(6):
            self.put(str(n))
        self.pass_days(3)
        self.time.trusted = False
        report = self.run_pass()
        self.assertEqual((report.deeds, report.is_mistrusted), (0, True))
        self.time.trusted = True

        async def jump(rows: int) -> None:
            self.time.trusted = False

        report = self.ok(self.store.lifecycle_passes.run(self.time, jump))
        self.assertEqual((report.deeds, report.is_mistrusted), (2, True))
        self.time.trusted = True
        self.assertEqual(self.run_pass().deeds, 4)

    def test_trusted_time(self) -> None:
        """Unless another clock is given, the trusted time is what counts: a wall clock that is
        set forward expires nothing until it is confirmed."""
        self.set_rules(rule(expire_days=1))
        self.put("a")
        self.now_us += 3 * DAY_US
        self.assertTrue(self.ok(self.store.lifecycle_passes.run()).is_mistrusted)
        self.assertEqual(self.read("a"), b"x")
        self.ok(self.store.trusted_time.confirm())
        self.assertEqual(self.ok(self.store.lifecycle_passes.run()).deeds, 1)

    def test_resumed(self) -> None:
        """The next process goes on where the pass of the last one has left its mark."""
        self.patch(candidates, "ROWS_A_PAGE", 2)
        self.patch(passes, "ROWS_BETWEEN_MARKS", 4)
        self.set_rules(rule(expire_days=100))
        for n in range(12):
            self.put(f"{n:02}")
        seen = 0

        class Dead(Exception):
            pass

        async def die(rows: int) -> None:
            nonlocal seen
            seen += rows
            if seen == 10:
                raise Dead

        self.refused(Dead, self.store.lifecycle_passes.run(self.time, die))
        bucket_id = self.ok(self.store.buckets.id_of("photos"))
        mark = self.mark(bucket_id)
        self.assertEqual((mark.phase, mark.key), (LifecyclePhase.OBJECTS, b"07\0"))
        self.store = self.opened()
        self.assertEqual(self.run_pass().rows, 4)
        self.assertEqual(self.mark(bucket_id).phase, LifecyclePhase.DONE)

    def mark(self, bucket_id: int) -> LifecyclePass:
        [row] = self.ok(self.metadata.get([keys.configuration(bucket_id, b"lifecycle-pass")]))
        assert row is not None
        return decode(LifecyclePass, row.value)

    def test_damaged(self) -> None:
        """A damaged object is left to `objectd check`, and the others of its page go."""
        self.set_rules(rule(expire_days=1))
        for key in "abc":
            self.put(key)
        bucket_id = self.ok(self.store.buckets.id_of("photos"))
        row_key = keys.object_(bucket_id, b"b")
        rows = self.metadata._state._rows
        rows[row_key] = rows[row_key]._replace(value=b"\x01")
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 2)
        self.assertEqual(len(self.rows(keys.objects(bucket_id))), 1)


class UploadTests(LifecycleCase, UploadCase):
    def test_aborted(self) -> None:
        """An upload is aborted at the midnight at which it is due, and its parts go."""
        self.patch(candidates, "ROWS_A_PAGE", 2)
        self.set_rules(rule("a", LifecycleFilter(prefix="a"), abort_days=7))
        for n in range(5):
            self.upload(f"a{n}", LARGE)
        self.upload("b", LARGE + b"b")
        self.now_us = MIDNIGHT_US + 8 * DAY_US - 1
        self.assertEqual(self.run_pass().deeds, 0)
        self.now_us += 1
        self.assertEqual(self.run_pass().done, {Deed.ABORT: 5})
        self.assertEqual(self.uploads(), ["b"])
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(len(self.files()), 1)

    def test_completing(self) -> None:
        """An upload that a living process completes is left alone."""
        self.set_rules(rule(abort_days=1))
        self.upload("a", LARGE)
        self.freeze()
        self.pass_days(3)
        self.assertEqual(self.run_pass().deeds, 0)
        self.assertEqual(self.uploads(), ["a"])
        self.store = self.opened()
        self.pass_days(1)
        self.assertEqual(self.run_pass().done, {Deed.ABORT: 1})

    def test_part_added(self) -> None:
        """A part that comes between the look and the commit changes nothing: it is the start of
        an upload that counts."""
        self.set_rules(rule(abort_days=1))
        upload = self.upload("a", LARGE)
        self.pass_days(3)
        self.ok(self.store.uploads.put_part("photos", "a", upload, 2, LARGE))
        self.assertEqual(self.run_pass().done, {Deed.ABORT: 1})


class DayTests(LifecycleCase):
    """A day that an operator has made short."""

    settings = attrs.evolve(SETTINGS, lifecycle_day_seconds=10.0)

    def test_short(self) -> None:
        """Days and midnights are as long, and passes as frequent, as the setting says; the
        headers of responses count the same way."""
        self.set_rules(rule(expire_days=2))
        self.put("a")
        fate = self.ok(
            self.store.lifecycles.expiration(self.ok(self.store.objects.head("photos", "a")))
        )
        assert fate is not None
        self.assertEqual(fate.due_us, NOON_US + 30_000_000)
        self.now_us = NOON_US + 29_999_999
        self.assertEqual(self.run_pass().deeds, 0)
        self.now_us += 1
        self.assertEqual(self.run_pass().deeds, 1)
