"""Object Lock as backup programs use it, on a server that is stopped and started in between."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Any

from botocore.exceptions import ClientError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs import disk
from objectd.interfaces import Host
from objectd.metadata import rocksdb
from objectd.objects.opening import run_at_once
from objectd.objects.store import open_store
from objectd.test.functional.server import MIB, Server
from objectd.testing.s3 import result_of

REPOSITORY = "repository"
BLOCKS = 40
AT_ONCE = 4
BLOCK_BYTES = MIB // 4


class RepositoryTests(SynchronousTestCase):
    """What Veeam does with a repository: a bucket with versioning and Object Lock and without a
    default, every block under COMPLIANCE from its put on, blocks in use extended again and again,
    and batches of deletes by version.

    https://helpcenter.veeam.com/docs/backup/vsphere/immutability_s3.html
    """

    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()))
        self.addCleanup(self.server.end)
        self.server.start()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket=REPOSITORY, ObjectLockEnabledForBucket=True)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.random = Random(20)

    def put_block(self, number: int, until: datetime) -> dict[str, str]:
        key, data = f"Veeam/Backup/blocks/{number:08x}.blk", self.random.randbytes(BLOCK_BYTES)
        answer = self.s3.put_object(
            Bucket=REPOSITORY,
            Key=key,
            Body=data,
            ContentMD5=b64encode(md5(data).digest()).decode(),
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=until,
        )
        return {"Key": key, "VersionId": answer["VersionId"]}

    def put_contract(self, days: int) -> dict[str, str]:
        """Something that is kept for so long after an event."""
        answer = self.s3.put_object(
            Bucket=REPOSITORY,
            Key="contract",
            Body=b"x",
            ObjectLockMode="COMPLIANCE",
            ObjectLockEventHold="ON",
            ObjectLockEventHoldDurationDays=days,
        )
        return {"Key": "contract", "VersionId": answer["VersionId"]}

    def extend(self, block: dict[str, str], until: datetime) -> None:
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
        self.s3.put_object_retention(Bucket=REPOSITORY, **block, Retention=retention)

    def delete(self, blocks: list[dict[str, str]]) -> tuple[list[str], list[str]]:
        """The keys that are gone, and those that are denied."""
        done = self.s3.delete_objects(Bucket=REPOSITORY, Delete={"Objects": blocks})
        errors = done.get("Errors", [])
        self.assertEqual({error["Code"] for error in errors} - {"AccessDenied"}, set())
        gone = [found["Key"] for found in done.get("Deleted", [])]
        return gone, [error["Key"] for error in errors]

    def restart(self, **at: Any) -> None:
        """Stop the server and start it again; `at` is the wall clock, in between."""
        self.server.stop()
        if at:
            result_of(confirmed(self.server.data, **at))
        self.server.start()
        self.s3 = self.server.client()

    def test_repository(self) -> None:
        """Blocks stay until their date, and go when it has passed; what is kept for an event that
        has not happened has none, and gets one when it does."""
        found = self.s3.get_object_lock_configuration(Bucket=REPOSITORY)
        self.assertEqual(found["ObjectLockConfiguration"], {"ObjectLockEnabled": "Enabled"})
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=REPOSITORY)["Status"], "Enabled")

        month, quarter = self.now + timedelta(days=30), self.now + timedelta(days=90)
        blocks = [self.put_block(number, month) for number in range(BLOCKS)]
        every = [block["Key"] for block in blocks]
        contract = self.put_contract(days=30)
        self.assertEqual(self.delete(blocks), ([], every))
        used, unused = blocks[::2], blocks[1::2]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda block: self.extend(block, quarter), used))
        with self.assertRaises(ClientError):
            self.extend(used[0], month)

        self.restart()
        self.assertEqual(self.delete(blocks), ([], every))
        for block in (used[0], unused[0]):
            head = self.s3.head_object(Bucket=REPOSITORY, **block)
            self.assertEqual(head["ObjectLockMode"], "COMPLIANCE")
            until = quarter if block in used else month
            self.assertEqual(head["ObjectLockRetainUntilDate"], until)

        self.restart(now=month + timedelta(hours=1))
        gone, denied = self.delete(blocks)
        self.assertEqual(gone, [block["Key"] for block in unused])
        self.assertEqual(denied, [block["Key"] for block in used])
        with self.assertRaises(ClientError):
            self.s3.delete_bucket(Bucket=REPOSITORY)
        self.assertEqual(self.delete([contract]), ([], ["contract"]))
        released = {"Mode": "COMPLIANCE", "EventHold": "OFF"}
        self.s3.put_object_retention(Bucket=REPOSITORY, **contract, Retention=released)
        until = self.s3.head_object(Bucket=REPOSITORY, **contract)["ObjectLockRetainUntilDate"]
        self.assertLess(until - month - timedelta(days=30, hours=1), timedelta(hours=1))
        self.assertEqual(self.delete([contract]), ([], ["contract"]))

        self.restart(now=quarter + timedelta(hours=1))
        self.assertEqual(self.delete(used), ([block["Key"] for block in used], []))
        self.assertEqual(self.delete([contract]), (["contract"], []))
        self.s3.delete_bucket(Bucket=REPOSITORY)

    def test_clock_commands(self) -> None:
        """An operator sees the trusted time and confirms it, while the server is stopped."""
        for word, text in (("show", "in use by another server"), ("confirm", "in use by")):
            self.assertIn(text, self.clock(word, 2))
        self.restart(now=self.now + timedelta(days=400))
        self.server.stop()
        shown = self.clock("show", 0)
        self.assertIn(f"trusted time: {self.now.year + 1}", shown)
        confirmed_ = self.clock("confirm", 0)
        trusted, wall = (line.split(": ")[1] for line in confirmed_.splitlines())
        self.assertEqual(trusted, wall)

    def test_jump(self) -> None:
        """A server whose wall clock is days ahead of the trusted time says so and what to do,
        frees nothing, and when that was done has it right."""
        block = self.put_block(1, self.now + timedelta(days=1))
        self.restart(now=self.now - timedelta(days=2))
        self.assertEqual(self.delete([block]), ([], [block["Key"]]))
        self.server.stop()
        self.assertIn("stop the server and run: objectd clock confirm", self.server.logged())
        self.assertIn("the wall clock has jumped", self.clock("show", 1))
        self.clock("confirm", 0)
        self.assertNotIn("jumped", self.clock("show", 0))

    def clock(self, word: str, status: int) -> str:
        found, said = self.server.run_verb("clock", word)
        self.assertEqual(found, status, said)
        return said


async def confirmed(data: Path, now: datetime) -> None:
    """What an operator would do at that time, on a store of this server."""
    host = Host(data, Clock(), run_at_once)
    store = await open_store(
        await rocksdb.open_store(rocksdb.Settings(), host),
        await disk.open_store(disk.Settings(), host),
        clock=host.clock,
        run_in_thread=run_at_once,
        now_us=lambda: round(now.timestamp() * 1_000_000),
    )
    await store.trusted_time.confirm()
    await store.close()
