"""`objectd check` and `objectd collect` as an operator runs them, after kills under load."""

from __future__ import annotations

from pathlib import Path
from random import Random
from threading import Semaphore, Thread

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, Server
from objectd.test.functional.test_kill import PART_BYTES_MIN, Writer

CONFIG = f"collection.interval_seconds = 1000.0\nobjects.part_bytes_min = {PART_BYTES_MIN}"
WRITERS = 4
KILLS = 3
ACKNOWLEDGED_A_ROUND = 60


class MaintenanceTests(SynchronousTestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), config=CONFIG, workers=1)
        self.addCleanup(self.server.end)

    def expect(self, status: int, *arguments: str) -> str:
        found, said = self.server.run_verb(*arguments)
        self.assertEqual(found, status, said)
        return said

    def kill_under_load(self) -> None:
        acknowledged = Semaphore(0)
        writers = [Writer(number, Random(number), acknowledged) for number in range(WRITERS)]
        failures: list[BaseException] = []

        def write(writer: Writer) -> None:
            try:
                writer.run(self.server)
            except BaseException as error:
                failures.append(error)

        for _ in range(KILLS):
            self.server.start()
            threads = [Thread(target=write, args=[writer]) for writer in writers]
            for thread in threads:
                thread.start()
            for _ in range(ACKNOWLEDGED_A_ROUND):
                self.assertTrue(acknowledged.acquire(timeout=60), failures)
            self.server.process.kill()
            for thread in threads:
                thread.join()
            self.server.wait()
        self.assertEqual(failures, [])

    def test_after_kills(self) -> None:
        """A check finds nothing wrong after kills, a dry run says what a collection then does,
        and objects that lose their files are named."""
        self.kill_under_load()
        self.assertIn("\n0 problems, ", self.expect(0, "check", "--deep"))
        files = self.server.blob_files()
        planned = self.expect(0, "collect", "--dry-run")
        self.assertEqual(self.server.blob_files(), files)
        self.assertNotIn("blobs that nothing refers to: 0,", planned)
        self.expect(0, "collect")
        self.assertLess(len(self.server.blob_files()), len(files))
        self.assertIn("blobs that nothing refers to: 0,", self.expect(0, "collect", "--dry-run"))
        said = self.expect(0, "check", "--deep")
        self.assertIn("; 0 rows wait for the collector\n", said)
        self.assertTrue(said.endswith("\n0 problems, 0 notes\n"), said)
        for file in self.server.blob_files():
            data = bytearray(file.read_bytes())
            data[0] ^= 1
            file.write_bytes(data)
        self.expect(0, "check")
        self.assertIn(f"error: bucket '{BUCKET}', key '", self.expect(1, "check", "--deep"))

    def test_server_is_running(self) -> None:
        """Where a server is running neither opens anything, and says so in one line."""
        self.server.start()
        for verb in ("check", "collect"):
            said = self.expect(2, verb)
            self.assertIn("is in use by another server: stop that one", said)
            self.assertEqual(len(said.splitlines()), 1)
        self.server.client().put_object(Bucket=BUCKET, Key="k", Body=b"x")

    def test_no_store(self) -> None:
        """A directory without a store is not made one."""
        said = self.expect(2, "check")
        self.assertEqual(said, f"Error: there is no directory {self.server.data}\n")
        self.assertFalse(self.server.data.exists())
