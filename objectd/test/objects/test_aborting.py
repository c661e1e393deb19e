"""Uploads that nobody goes on with are aborted, and no others."""

from __future__ import annotations

from objectd.model import keys
from objectd.objects import ObjectStore
from objectd.objects.aborting import DAY_US, AbandonedReport
from objectd.objects.collecting import queues
from objectd.objects.collecting.pace import AtOnce
from objectd.test.objects.cases import LARGE, NOON_US
from objectd.test.objects.upload_case import UploadCase


class AbandonedTests(UploadCase):
    def abort(self, days: float = 7.0) -> AbandonedReport:
        return self.ok(self.store.abandoned.abort(days))

    def pass_days(self, days: float) -> None:
        self.now_us += int(days * DAY_US)

    def test_limit(self) -> None:
        """An upload is aborted when it is older than the limit, to the microsecond, and its
        parts go with it; whatever was done to it since it began."""
        old = self.upload("old", LARGE)
        self.pass_days(1)
        self.upload("new", LARGE + b"new")
        self.now_us = NOON_US + 7 * DAY_US
        self.ok(self.store.uploads.put_part("photos", "old", old, 2, LARGE))
        self.assertEqual(self.abort(), AbandonedReport(uploads_seen=2))
        self.now_us += 1
        self.assertEqual(self.abort(), AbandonedReport(uploads_seen=2, uploads_abandoned=1))
        self.assertEqual(self.uploads(), ["new"])
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(len(self.files()), 1)

    def test_clock_steps_back(self) -> None:
        """A clock that steps back aborts nothing early."""
        self.upload("a", LARGE)
        self.pass_days(-30)
        self.upload("b", LARGE)
        self.assertEqual(self.abort().uploads_abandoned, 0)

    def test_all_buckets(self) -> None:
        """The uploads of all buckets are looked at, however many pages they take."""
        self.patch(queues, "ROWS_A_STEP", 3)
        self.ok(self.store.buckets.create("films"))
        for n in range(10):
            self.ok(self.store.uploads.create(("photos", "films")[n % 2], str(n)))
        self.pass_days(8)
        self.ok(self.store.uploads.create("films", "new"))
        self.assertEqual(self.ok(self.store.abandoned.survey(7)).uploads_abandoned, 10)
        self.assertEqual(self.abort(), AbandonedReport(uploads_seen=11, uploads_abandoned=10))
        self.assertEqual(len(self.rows(keys.UPLOADS)), 1)

    def test_completing(self) -> None:
        """An upload that a living process completes is left alone; when that process is over
        it is aborted."""
        self.upload("a", LARGE)
        self.freeze()
        self.pass_days(8)
        self.assertEqual(self.abort().uploads_abandoned, 0)
        self.store = self.opened()
        self.assertEqual(self.abort().uploads_abandoned, 1)
        self.assertEqual(self.uploads(), [])

    def test_completed_meanwhile(self) -> None:
        """An upload that is completed between the look and the commit stays completed, and
        the others of that commit are aborted all the same."""
        upload = self.upload("a", LARGE)
        listed = self.listed("a", upload)
        self.upload("b", LARGE)
        self.pass_days(8)
        beside: ObjectStore = self.beside()

        async def complete() -> None:
            await beside.completions.complete("photos", "a", upload, listed)

        self.metadata.after(keys.INCARNATIONS, complete)
        self.assertEqual(self.abort(), AbandonedReport(uploads_seen=2, uploads_abandoned=1))
        self.assertEqual((self.uploads(), self.read("a")), ([], LARGE))

    def test_damaged(self) -> None:
        """An upload whose row is damaged is left to the check."""
        self.upload("a", LARGE)
        key = self.rows(keys.UPLOADS)[0].key
        self.pass_days(8)
        self.metadata._state._rows[key] = self.metadata._state._rows[key]._replace(value=b"\x01")
        self.assertEqual(self.abort().uploads_abandoned, 0)

    def test_turns(self) -> None:
        """Beside requests, the reactor gets a turn after every page."""
        self.patch(queues, "ROWS_A_STEP", 2)
        for n in range(6):
            self.ok(self.store.uploads.create("photos", str(n)))
        self.pass_days(8)
        left: list[int] = []

        class Watched(AtOnce):
            async def step(watched) -> None:  # noqa: N805 - the test is `self`
                left.append(len(self.uploads()))

        self.ok(self.store.abandoned.abort(7.0, Watched()))
        self.assertEqual(left, [4, 2, 0])
