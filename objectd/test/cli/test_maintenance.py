"""`objectd collect` and `objectd check`: what they say and what they exit with."""

from __future__ import annotations

from pathlib import Path

import attrs
from click.testing import CliRunner, Result
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.background.settings import CollectionSettings
from objectd.cli import main, maintenance
from objectd.interfaces import Scan
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import encode
from objectd.model.records import SweepHold
from objectd.objects import open_in_memory
from objectd.objects.aborting import DAY_US
from objectd.objects.ids import IdSource
from objectd.objects.store import assemble, wall_clock_us
from objectd.objects.writer import Batch
from objectd.testing.s3 import result_of

LARGE = bytes(80_000)
SETTINGS = CollectionSettings()


class VerbCase(SynchronousTestCase):
    """A store with something of everything that there is to do."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.age_us = 0
        opened = result_of(open_in_memory())
        core = attrs.evolve(opened.core, now_us=lambda: wall_clock_us() + self.age_us)
        self.store = assemble(core, opened.format)
        result_of(self.store.buckets.create("photos"))
        result_of(self.store.objects.put("photos", "kept", LARGE + b"kept"))
        result_of(self.store.objects.put("photos", "gone", LARGE))
        result_of(self.store.objects.delete("photos", "gone"))
        result_of(self.store.uploads.create("photos", "old"))
        self.age_us = 8 * DAY_US
        result_of(self.store.uploads.create("photos", "new"))
        result_of(core.blobs.create(IdSource(0xFFFF).uid(), size_bytes=None))
        self.said: list[str] = []

    def put(self, key: bytes, value: bytes) -> None:
        batch = Batch()
        batch.put(key, value)
        result_of(self.store.core.writer.commit(batch))

    def files(self) -> int:
        async def count() -> int:
            return len([file async for file in self.store.core.blobs.files(0)])

        return result_of(count())


class CollectTests(VerbCase):
    def collect(self, settings: CollectionSettings = SETTINGS) -> int:
        work = maintenance.collect(self.store, settings, self.clock, self.said.append)
        collecting = Deferred.fromCoroutine(work)
        self.clock.pump([0.0] * 50)
        return self.successResultOf(collecting)

    def dry_run(self, settings: CollectionSettings = SETTINGS) -> int:
        return result_of(maintenance.dry_run(self.store, settings, self.said.append))

    def test_collect(self) -> None:
        """All that the server does by itself is done once, and said."""
        self.assertEqual(self.collect(), maintenance.CLEAN)
        self.assertEqual(
            self.said,
            [
                "stray files removed: 1 of 3",
                "abandoned uploads aborted: 1 of 2",
                "deleted buckets cleared: 0",
                "parts dropped: 0",
                "blobs collected: 1",
                "files removed: 1, 80000 bytes",
            ],
        )
        self.assertEqual(self.files(), 1)

    def test_dry_run(self) -> None:
        """A dry run says what would be done, and does none of it."""
        self.assertEqual(self.dry_run(), maintenance.CLEAN)
        self.assertEqual(
            self.said,
            [
                "blobs that nothing refers to: 1, 80000 bytes",
                "files in the trash: 0, 0 bytes",
                "parts to drop: 0, up to 0 bytes",
                "  of uploads that are over: 0",
                "  of manifests that nothing refers to: 0",
                "deleted buckets to clear: 0",
                "candidates that are in use: 0",
                "stray files: 1 of 3",
                "abandoned uploads: 1 of 2",
            ],
        )
        self.assertEqual(self.files(), 3)
        self.collect()
        self.said.clear()
        self.dry_run()
        self.assertEqual(self.said[0], "blobs that nothing refers to: 0, 0 bytes")

    def test_never_abandoned(self) -> None:
        """With 0 days no upload is, however old."""
        never = attrs.evolve(SETTINGS, abandoned_upload_days=0.0)
        self.dry_run(never)
        self.collect(never)
        self.assertIn("abandoned uploads: 0 of 2", self.said)
        self.assertIn("abandoned uploads aborted: 0 of 2", self.said)
        self.assertEqual(len(result_of(self.store.uploads.list("photos")).uploads), 2)

    def test_hold(self) -> None:
        """The hold of a restored backup is told of, and lifted when that is asked for."""
        self.put(keys.SWEEP_HOLD, encode(SweepHold(1)))
        self.dry_run()
        self.assertIn("stray files: 1 of 3, held back: see --lift-hold", self.said)
        self.collect()
        self.assertIn("  1 are held back, as a backup was restored: see --lift-hold", self.said)
        self.assertEqual(self.files(), 2)
        status = result_of(maintenance.lift_hold(self.store, self.said.append))
        self.assertEqual(status, maintenance.CLEAN)
        self.collect()
        self.assertEqual(self.files(), 1)

    def test_rate(self) -> None:
        """The limits of the settings hold."""
        settings = attrs.evolve(SETTINGS, files_per_second=1)
        work = maintenance.collect(self.store, settings, self.clock, self.said.append)
        collecting = Deferred.fromCoroutine(work)
        self.clock.pump([0.0] * 50)
        self.assertNoResult(collecting)
        self.assertEqual(self.files(), 2)
        self.clock.pump([0.25] * 10)
        self.successResultOf(collecting)
        self.assertEqual(self.files(), 1)

    def test_something_stays(self) -> None:
        """What has to stay is a problem."""
        self.put(keys.CANDIDATES + b"?", encode(Candidate(1)))
        self.assertEqual(self.collect(), maintenance.PROBLEMS)
        self.assertEqual(self.said[-1], "rows that still wait: 1")


class ClockTests(VerbCase):
    def say_clock(self, *, confirms: bool = False) -> int:
        return result_of(maintenance.clock(self.store, self.said.append, confirms=confirms))

    def test_jumped(self) -> None:
        """A wall clock that was set forward is a problem until it is confirmed."""
        self.assertEqual(self.say_clock(), maintenance.PROBLEMS)
        trusted, wall, advice = self.said
        self.assertTrue(trusted.startswith("trusted time: 20"), trusted)
        self.assertTrue(wall.startswith("wall clock: 20"), wall)
        self.assertNotEqual(trusted.split(": ")[1], wall.split(": ")[1])
        self.assertIn("objectd clock confirm", advice)
        self.assertEqual(self.say_clock(confirms=True), maintenance.CLEAN)
        self.assertEqual(self.say_clock(), maintenance.CLEAN)


class CheckTests(VerbCase):
    def check(self, *, deep: bool = False, repairs: bool = False) -> int:
        self.said.clear()
        return result_of(
            maintenance.check(self.store, self.said.append, deep=deep, repairs=repairs)
        )

    def test_clean(self) -> None:
        """Without problems there are only totals; what the server mends is a note."""
        self.assertEqual(self.check(deep=True), maintenance.CLEAN)
        note, *totals = self.said
        self.assertTrue(note.startswith("note: blob 0000ffff"), note)
        self.assertEqual(
            totals,
            [
                (
                    "1 buckets, 1 objects of 80004 bytes, 2 uploads in progress, 0 parts, "
                    "2 blobs of 160004 bytes in 3 files; 1 rows wait for the collector"
                ),
                "160004 bytes were read",
                "0 problems, 1 notes",
            ],
        )

    def test_problem(self) -> None:
        """A problem is a line, and a status."""
        scan = Scan(*keys.span(keys.OBJECTS), limit=10)
        [row] = result_of(self.store.core.metadata.scan(scan)).entries
        self.put(row.key, (row.value or b"")[:-1] + b"?")
        self.assertEqual(self.check(), maintenance.PROBLEMS)
        self.assertTrue(
            any(line.startswith("error: bucket 'photos', key 'kept': ") for line in self.said)
        )

    def test_repair(self) -> None:
        """A repair is told of, and the next check finds nothing."""
        self.put(
            keys.usage(result_of(self.store.buckets.id_of("photos")), 7, b"n"), bytes(7) + b"1"
        )
        self.assertEqual(self.check(), maintenance.PROBLEMS)
        self.assertEqual(self.said[-1], "1 problems, 1 notes")
        self.assertEqual(self.check(repairs=True), maintenance.PROBLEMS)
        self.assertEqual(self.said[-1], "1 problems, 1 notes; 1 were repaired")
        self.assertEqual(self.check(), maintenance.CLEAN)


class MistakeTests(SynchronousTestCase):
    """What is refused before a store is opened exits with 2."""

    def run_command(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    def test_both(self) -> None:
        """A dry run that lifts the hold is neither."""
        result = self.run_command("collect", "data", "--dry-run", "--lift-hold")
        self.assertEqual(result.exit_code, maintenance.FAILED)
        self.assertIn("do not go together", result.output)

    def test_no_directory(self) -> None:
        """The data directory must be named."""
        for verbs in (["collect"], ["check"], ["clock", "show"], ["clock", "confirm"]):
            self.assertEqual(self.run_command(*verbs).exit_code, maintenance.FAILED)

    def test_configuration(self) -> None:
        """A mistake in the configuration is one line."""
        config = Path(self.mktemp())
        config.write_text("[collection]\nfiles_per_second = -1\n")
        for verb in ("collect", "check"):
            result = self.run_command(verb, "data", "--config", str(config))
            self.assertEqual(result.exit_code, maintenance.FAILED)
            self.assertEqual(
                result.output,
                f"Error: {config}: [collection]: 'files_per_second' must be >= 0: -1\n",
            )
