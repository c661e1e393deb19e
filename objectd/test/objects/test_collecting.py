"""The collector and the sweep: what nothing refers to goes, and nothing else."""

from __future__ import annotations

from twisted.python.failure import Failure

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import Fenced, OutcomeUnknown, StoreFailed
from objectd.interfaces import BlobFile, Entry, Scan
from objectd.metadata.memory import MemoryMetadata
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode
from objectd.objects.collecting import queues
from objectd.objects.collecting.pace import AtOnce, Beside
from objectd.objects.collecting.survey import Survey
from objectd.objects.writer import Batch
from objectd.test.objects.cases import (
    LARGE,
    InterposedMetadata,
    SlowStream,
    StoreCase,
    begin,
)


class CollectorTests(StoreCase):
    def test_quiet(self) -> None:
        """A pass over a store with nothing to do does nothing."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.assertFalse(self.ok(self.store.collector.run()))
        self.assertEqual(self.read("a"), LARGE)

    def test_report(self) -> None:
        """A pass tells what it did."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.ok(self.store.objects.delete("photos", "a"))
        report = self.ok(self.store.collector.run())
        self.assertEqual(
            (report.blobs_collected, report.files_unlinked, report.bytes_freed),
            (1, 1, len(LARGE)),
        )
        self.assertEqual(self.rows(b"d") + self.rows(b"x"), [])

    def test_waits_for_readers(self) -> None:
        """A file is unlinked only after every read that was begun before has ended."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        opened = self.ok(self.store.objects.get("photos", "a"))
        self.ok(self.store.objects.delete("photos", "a"))
        collecting = begin(self.store.collector.run())
        self.assertNoResult(collecting)
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(self.ok(opened.read()), LARGE)
        self.successResultOf(collecting)
        self.assertEqual(self.files(), [])

    def test_one_pass_at_a_time(self) -> None:
        """A second pass waits for the first."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        opened = self.ok(self.store.objects.get("photos", "a"))
        self.ok(self.store.objects.delete("photos", "a"))
        passes = [begin(self.store.collector.run()) for _ in range(2)]
        for running in passes:
            self.assertNoResult(running)
        opened.close()
        first, second = (self.successResultOf(running) for running in passes)
        self.assertEqual((first.files_unlinked, second.files_unlinked), (1, 0))

    def test_many(self) -> None:
        """More candidates than one commit takes are collected, but for those in use."""
        for n in range(1100):
            self.ok(self.store.objects.put("photos", str(n), LARGE + b"%d" % n))
        self.ok(self.store.objects.delete_many("photos", [str(n) for n in range(1000)]))
        self.ok(self.store.objects.put("photos", "again", LARGE + b"7"))
        report = self.ok(self.store.collector.run_to_rest())
        self.assertEqual((report.blobs_collected, len(self.files())), (999, 101))
        self.assertEqual(self.read("again"), LARGE + b"7")
        self.assertEqual(self.rows(b"d"), [])

    def test_content_of_another(self) -> None:
        """A blob is collected without the way to its content, if that leads to another blob."""
        for bucket, wanted in (("logs", False), ("more", True)):
            self.ok(self.store.buckets.create(bucket, deduplicate=wanted))
        self.ok(self.store.objects.put("logs", "a", LARGE))
        self.ok(self.store.objects.put("more", "a", LARGE))
        self.ok(self.store.objects.delete("logs", "a"))
        self.ok(self.store.collector.run_to_rest())
        self.ok(self.store.objects.put("more", "b", LARGE))
        self.assertEqual((len(self.files()), len(self.rows(b"c"))), (1, 1))

    def test_content_changes_meanwhile(self) -> None:
        """A candidate whose content finds another blob just then is left to the next pass."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.ok(self.store.objects.delete("photos", "a"))
        [content] = self.rows(b"c")

        async def write_again() -> None:
            """What one who publishes the same content does, if he looked before it was there."""
            batch = Batch()
            batch.put(content.key, content.value or b"")
            await self.store.core.writer.commit(batch)

        self.metadata.after(b"c", write_again)
        self.assertEqual(self.ok(self.store.collector.run()).blobs_collected, 0)
        self.assertEqual(len(self.rows(b"d")), 1)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.files(), self.rows(b"d"), self.rows(b"B")), ([], [], []))

    def test_journal(self) -> None:
        """The journal is trimmed, as long as nobody reads it."""
        self.ok(self.store.objects.put("photos", "a", b"x"))
        self.assertTrue(self.rows(keys.JOURNAL))
        self.ok(self.store.collector.run())
        self.assertEqual(self.rows(keys.JOURNAL), [])


class SweepTests(StoreCase):
    def leave_files(self) -> list[BlobFile]:
        """Files of this process that no row refers to: one sealed, one still incoming."""
        core = self.store.core
        sealed = self.ok(core.blobs.create(core.ids.uid(), size_bytes=None))
        self.ok(sealed.seal({}))
        self.ok(core.blobs.create(core.ids.uid(), size_bytes=None))
        return self.files()

    def test_living(self) -> None:
        """Files of a process that lives stay, whatever their age."""
        left = self.leave_files()
        report = self.ok(self.store.sweep.run())
        self.assertEqual((report.files_seen, report.files_unlinked), (2, 0))
        self.assertEqual(self.files(), left)

    def test_dead(self) -> None:
        """Files of processes that are over go, unless a row knows them."""
        for key in ("a", "b"):
            self.ok(self.store.objects.put("photos", key, LARGE + key.encode()))
        self.complete("c", self.upload("c", LARGE))
        self.upload("d", LARGE + b"part")
        self.ok(self.store.objects.delete("photos", "b"))
        known = self.files()
        self.leave_files()
        self.store = self.opened()
        report = self.ok(self.store.sweep.run())
        self.assertEqual((report.files_unlinked, self.files()), (2, known))
        self.assertEqual((self.read("a"), self.read("c")), (LARGE + b"a", LARGE))

    def test_trash(self) -> None:
        """A file whose blob is in the trash is left to the collector, and to readers."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        opened = self.ok(self.store.objects.get("photos", "a"))
        self.ok(self.store.objects.delete("photos", "a"))
        collecting = begin(self.store.collector.run())
        self.ok(self.store.core.metadata.fence([self.store.core.writer.incarnation]))
        self.assertEqual(self.ok(self.store.sweep.run()).files_unlinked, 0)
        self.assertEqual(self.ok(opened.read()), LARGE)
        self.failureResultOf(collecting, Fenced)

    def test_cancelled_upload(self) -> None:
        """What a killed process was taking in goes when the next one has swept."""
        stream = SlowStream()
        begin(self.store.objects.put("photos", "a", stream))
        stream.give(LARGE)
        self.assertEqual(len(self.files()), 1)
        self.store = self.opened()
        self.ok(self.store.sweep.run())
        self.assertEqual(self.files(), [])

    def test_older_backup(self) -> None:
        """After an older backup of the metadata was restored, no stray file goes until an
        operator says so, however often the store is opened."""
        backup = self.copied_metadata()
        for _ in range(3):
            self.store = self.opened()
            self.ok(self.store.objects.put("photos", "a", LARGE))
        seen = self.ok(self.blobs.highest_incarnation())
        self.metadata = backup
        for _ in range(2):
            self.store = self.opened()
            report = self.ok(self.store.sweep.run())
            self.assertEqual((report.held, report.files_unlinked), (True, 0))
        self.assertGreater(self.store.core.writer.incarnation, seen)
        self.ok(self.store.sweep.lift_hold())
        report = self.ok(self.store.sweep.run())
        self.assertEqual((report.held, report.files_unlinked, self.files()), (False, 1, []))

    def test_older_backup_and_deaths(self) -> None:
        """A start that dies at any step after an older backup was restored does not make the
        next one forget that there was one."""
        backup = self.copied_metadata()
        for _ in range(3):
            self.store = self.opened()
        self.ok(self.store.objects.put("photos", "a", LARGE))
        is_open = False
        changes = 0
        while not is_open:
            self.metadata = self.copied_metadata(backup)
            self.metadata.changes_left = changes
            starting = begin(self.opening())
            is_open = not isinstance(starting.result, Failure)
            starting.addErrback(lambda failure: failure.trap(OutcomeUnknown, StoreFailed))
            self.metadata.changes_left = None
            self.store = self.opened()
            self.assertTrue(self.ok(self.store.sweep.run()).held)
            changes += 1
        self.assertGreater(changes, 3)

    def copied_metadata(self, original: MemoryMetadata | None = None) -> InterposedMetadata:
        copy = InterposedMetadata()
        copy._state._rows.update((original or self.metadata)._state._rows)
        return copy

    def test_new_incarnations(self) -> None:
        """A store that is only opened again is not taken for a backup."""
        for _ in range(3):
            self.store = self.opened()
        self.assertFalse(self.ok(self.store.sweep.run()).held)

    def test_two_drives(self) -> None:
        """Every drive is swept."""
        self.blobs = MemoryBlobs((0, 1))
        self.metadata = InterposedMetadata()
        self.store = self.opened()
        self.ok(self.store.buckets.create("photos"))
        for n in range(4):
            self.ok(self.store.objects.put("photos", str(n), LARGE + b"%d" % n))
        drives = [decode(Blob, row.value or b"").drive for row in self.rows(b"B")]
        self.assertEqual(sorted(set(drives)), [0, 1])
        report = self.ok(self.store.sweep.run())
        self.assertEqual((report.files_seen, report.files_unlinked), (4, 0))


class SurveyTests(StoreCase):
    def everything(self) -> tuple[list[Entry], list[BlobFile]]:
        return self.rows(b""), self.files()

    def rows(self, prefix: bytes) -> list[Entry]:
        if prefix:
            return super().rows(prefix)
        return self.ok(self.metadata.scan(Scan(b"\x20", b"\xff", limit=10_000))).entries

    def test_nothing(self) -> None:
        """Where nothing was deleted there is nothing to do."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.assertEqual(self.ok(self.store.collector.survey()), Survey())

    def test_dry_run(self) -> None:
        """A survey tells what a collector will find in each of its queues, and changes
        nothing."""
        for key in ("a", "b", "c"):
            self.ok(self.store.objects.put("photos", key, LARGE + key.encode()))
        self.ok(self.store.objects.put("photos", "kept", LARGE + b"a"))
        self.ok(self.store.objects.delete_many("photos", ["a", "b"]))
        aborted = self.upload("d", LARGE, LARGE)
        self.ok(self.store.uploads.abort("photos", "d", aborted))
        self.complete("e", self.upload("e", LARGE))
        self.ok(self.store.objects.delete("photos", "e"))
        self.ok(self.store.buckets.create("gone"))
        self.ok(self.store.uploads.create("gone", "f"))
        self.ok(self.store.buckets.delete("gone"))
        before = self.everything()
        survey = self.ok(self.store.collector.survey())
        self.assertEqual(
            survey,
            Survey(
                buckets_to_clear=1,
                uploads_to_drop=2,
                manifests_to_drop=1,
                parts_to_drop=3,
                part_bytes=3 * len(LARGE),
                blobs_to_collect=1,
                blob_bytes=len(LARGE) + 1,
                blobs_in_use=1,
            ),
        )
        self.ok(self.store.sweep.survey())
        self.ok(self.store.abandoned.survey(0.0))
        self.assertEqual(self.everything(), before)
        report = self.ok(self.store.collector.run_to_rest())
        self.assertEqual(report.parts_dropped, 3)
        self.assertEqual(self.ok(self.store.collector.survey()), Survey())

    def test_trash(self) -> None:
        """What lies in the trash while a reader holds it back is told of, too."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        opened = self.ok(self.store.objects.get("photos", "a"))
        self.ok(self.store.objects.delete("photos", "a"))
        collecting = begin(self.store.collector.run())
        survey = self.ok(self.store.collector.survey())
        self.assertEqual((survey.files_in_trash, survey.trash_bytes), (1, len(LARGE)))
        opened.close()
        self.successResultOf(collecting)


class PaceTests(StoreCase):
    """The collector beside requests: `clock` is what its pace is measured with."""

    def deleted(self, count: int, size_bytes: int = 100) -> None:
        for n in range(count):
            self.ok(self.store.objects.put("photos", str(n), n.to_bytes(size_bytes, "big")))
        self.ok(self.store.objects.delete_many("photos", [str(n) for n in range(count)]))

    def counted(self, seconds: int) -> list[int]:
        """How many files have gone after each second."""
        before = len(self.files())
        gone = []
        for _ in range(seconds):
            for _ in range(100):
                self.clock.advance(0.01)
            gone.append(before - len(self.files()))
        return gone

    def test_files(self) -> None:
        """No more files are unlinked in a second than the limit says, and no fewer."""
        self.deleted(60)
        collecting = begin(self.store.collector.run(Beside(self.clock, files_per_second=20)))
        self.assertEqual(self.counted(3), [20, 40, 60])
        self.clock.pump([0.1] * 10)
        report = self.successResultOf(collecting)
        self.assertEqual((report.files_unlinked, report.backlog), (60, 0))
        self.assertTrue(2.5 < report.seconds <= 3, report.seconds)

    def test_bytes(self) -> None:
        """The same of their bytes; a file that is larger than the limit goes whole, and those
        after it wait until it is paid for."""
        self.deleted(6, size_bytes=250)
        collecting = begin(self.store.collector.run(Beside(self.clock, bytes_per_second=500)))
        self.assertEqual(self.counted(3), [2, 4, 6])
        self.clock.pump([0.1] * 10)
        self.assertEqual(self.successResultOf(collecting).bytes_freed, 1500)
        self.deleted(3, size_bytes=1500)
        collecting = begin(self.store.collector.run(Beside(self.clock, bytes_per_second=500)))
        self.assertEqual(self.counted(9), [1, 1, 1, 2, 2, 2, 3, 3, 3])

    def test_cut_short(self) -> None:
        """A pass that its limits make long ends, and tells what it leaves to the next."""
        self.patch(queues, "ROWS_A_STEP", 50)
        self.deleted(120)
        pace = Beside(self.clock, files_per_second=1)
        collecting = begin(self.store.collector.run(pace))
        self.counted(110)
        report = self.successResultOf(collecting)
        self.assertEqual(
            (report.files_unlinked, report.is_cut_short, report.backlog), (100, True, 20)
        )
        collecting = begin(self.store.collector.run(pace))
        self.counted(21)
        report = self.successResultOf(collecting)
        self.assertEqual((report.files_unlinked, report.is_cut_short), (20, False))

    def test_no_limit(self) -> None:
        """Without limits time passes for nothing but the turns of the reactor."""
        self.deleted(60)
        collecting = begin(self.store.collector.run(Beside(self.clock)))
        self.clock.pump([0.0] * 20)
        self.assertEqual(self.successResultOf(collecting).seconds, 0)
        self.assertEqual(self.files(), [])

    def test_turns(self) -> None:
        """Between two steps, whatever their kind, the reactor gets a turn."""
        self.patch(queues, "ROWS_A_STEP", 5)
        self.deleted(20)
        rows: list[int] = []

        class Watched(AtOnce):
            async def step(watched) -> None:  # noqa: N805 - the test is `self`
                rows.append(len(self.rows(keys.CANDIDATES) + self.rows(keys.TRASH)))

        self.ok(self.store.collector.run(Watched()))
        self.assertEqual(rows, [20, 20, 20, 20, 15, 10, 5, 0])

    def test_sweep(self) -> None:
        """The sweep obeys the limit of files, which it shares with the collector."""
        core = self.store.core
        for _ in range(10):
            self.ok(core.blobs.create(core.ids.uid(), size_bytes=None))
        self.store = self.opened()
        self.deleted(10)
        pace = Beside(self.clock, files_per_second=5)
        begin(self.store.sweep.run(pace))
        begin(self.store.collector.run(pace))
        for second, count in enumerate(self.counted(4), 1):
            self.assertTrue(5 * second - 1 <= count <= 5 * second, (second, count))
