"""The collector and the sweep: what nothing refers to goes, and nothing else."""

from __future__ import annotations

from twisted.python.failure import Failure

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import Fenced, OutcomeUnknown, StoreFailed
from objectd.interfaces import BlobFile
from objectd.metadata.memory import MemoryMetadata
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Blob
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
