"""A server with workers and a second blob store, kill -9, and what an operator may get wrong."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, MIB, Server

STORED = 12
KEPT_AS = "GLACIER_IR"
SECONDS_MAX = 60
WARM = b"w" * MIB
ONE, TWO = "one", "two"


def content(number: int) -> bytes:
    """Some need their file at once, others when they are sealed."""
    return Random(number).randbytes((70_000, MIB + 1, 3 * MIB)[number % 3])


class StoresTests(SynchronousTestCase):
    timeout = 120

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        self.elsewhere = directory.absolute() / "cold"
        self.server = Server(directory, config=self.config(ONE), workers=2)
        self.addCleanup(self.server.end)
        self.elsewhere.mkdir()

    def config(self, *names: str, more: str = "") -> str:
        """Stores of these names, of which `one` has two drives."""
        sections = {
            ONE: f'[stores.one]\ndrives = ["{self.elsewhere}", "inside"]\n',
            TWO: "[stores.two]\n",
        }
        kept = f'[classes.{KEPT_AS}]\nstore = "one"\n' if ONE in names else ""
        return f"{more}\n{''.join(sections[name] for name in names)}{kept}"

    def kill(self) -> None:
        self.server.process.kill()
        self.server.wait()

    def put_cold(self) -> None:
        client = self.server.client()
        for number in range(STORED):
            key, data = f"cold/{number}", content(number)
            client.put_object(Bucket=BUCKET, Key=key, Body=data, StorageClass=KEPT_AS)

    def files(self) -> list[Path]:
        """Those of both drives of the second store."""
        inside = self.server.data / "stores" / ONE / "inside"
        return [
            path
            for drive in (self.elsewhere, inside)
            for path in drive.glob("*/**/*")
            if path.is_file()
        ]

    def verb(self, status: int, *words: str) -> str:
        found, said = self.server.run_verb(*words)
        self.assertEqual(found, status, said)
        return said

    def await_logged(self, text: str) -> None:
        until = monotonic() + SECONDS_MAX
        while text not in self.server.logged():
            self.assertLess(monotonic(), until, self.server.logged()[-4000:])
            self.server.client().head_bucket(Bucket=BUCKET)

    def read(self, client: Any, key: str) -> bytes:
        data: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def test_killed(self) -> None:
        """What lies in a second store is served by all workers after every process that ever
        had it was killed, is deleted like everything else, and checked."""
        self.server.start()
        self.server.client().put_object(Bucket=BUCKET, Key="warm", Body=WARM)
        self.put_cold()
        self.kill()
        self.server.start()
        client = self.server.client()
        for number in range(STORED):
            self.assertEqual(self.read(client, f"cold/{number}"), content(number))
        self.assertEqual(self.read(client, "warm"), WARM)
        found = client.get_object(Bucket=BUCKET, Key="cold/2", Range="bytes=65530-65545")
        self.assertEqual(found["Body"].read(), content(2)[65530:65546])
        cold = {"Bucket": BUCKET, "StorageClass": KEPT_AS}
        client.copy_object(**cold, Key="copy", CopySource=f"{BUCKET}/cold/1")
        for number in range(0, STORED, 2):
            client.delete_object(Bucket=BUCKET, Key=f"cold/{number}")
        self.assertGreater(len(self.server.blob_files()), 0)
        self.kill()
        self.verb(0, "collect")
        said = self.verb(0, "check", "--deep")
        self.assertTrue(said.endswith("\n0 problems, 0 notes\n"), said)
        self.server.start()
        client = self.server.client()
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix="cold/")["Contents"]
        self.assertEqual(len(self.files()), len(listed))
        self.assertEqual(len(self.server.blob_files()), 1)
        self.assertEqual(self.read(client, "copy"), content(1))
        self.assertEqual(self.server.stop(), 0)

    def test_mistakes(self) -> None:
        """A store that is taken away, or whose drives are given to another, stops the start; a
        new one comes with a restart only."""
        self.server.start()
        self.server.configure(self.config(TWO, ONE, more="objects.part_bytes_min = 5000"))
        self.server.process.send_signal(signal.SIGHUP)
        self.await_logged("new workers have the new configuration")
        self.assertIn("these changes need a restart: [stores]", self.server.logged())
        self.assertEqual(self.server.stop(), 0)
        self.verb(0, "check")  # the first that opens the store with [stores.two]
        self.server.configure(self.config(ONE))
        said = self.verb(2, "check")
        self.assertIn("objects may lie in [stores.two], which is not configured", said)
        self.server.configure(
            f'[stores.one]\ndrives = ["new"]\n[stores.two]\ndrives = ["{self.elsewhere}"]'
        )
        said = self.verb(2, "check")
        place = f"{self.elsewhere} is a drive of [stores.one], but is listed in [stores.two]"
        self.assertIn(place, said)
