"""What clients with the patience that SDKs have notice of processes that die or stop: nothing."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from threading import Event, Semaphore

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, MIB, Server
from objectd.test.functional.traffic import Content, connect, download, upload

WORKERS = 2
CLIENTS = 4
KILLS = 3
REQUESTS_A_KILL = 40
SECONDS_MAX = 60
LARGE = Content(1, 8 * MIB)


class PatienceTests(SynchronousTestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), workers=WORKERS)
        self.addCleanup(self.server.end)
        self.server.start()

    def test_boto3(self) -> None:
        """Nobody who uses boto3 with its defaults sees an error while workers are killed."""
        over, done = Event(), Semaphore(0)

        def work(client_number: int) -> None:
            try:
                number = 0
                client = self.server.client(retries={"mode": "legacy"})
                while not over.is_set():
                    number += 1
                    key = f"{client_number}/{number % 5}"
                    data = b"%d" % number * (1 + number % 3 * 20_000)
                    tag = client.put_object(Bucket=BUCKET, Key=key, Body=data)["ETag"]
                    self.assertEqual(tag, f'"{md5(data).hexdigest()}"')
                    found = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                    self.assertEqual(found, data)
                    done.release()
            finally:
                done.release(REQUESTS_A_KILL)

        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(work, number) for number in range(CLIENTS)]
            try:
                for number in range(KILLS):
                    self.await_(done, REQUESTS_A_KILL)
                    workers = self.server.children("worker")
                    os.kill(workers[number % len(workers)], signal.SIGKILL)
                self.await_(done, REQUESTS_A_KILL)
            finally:
                over.set()
            for client in clients:
                client.result()
        self.assertEqual(self.server.stop(), 0)

    def await_(self, done: Semaphore, requests: int) -> None:
        for _ in range(requests):
            self.assertTrue(done.acquire(timeout=SECONDS_MAX), self.server.logged()[-4000:])

    def test_drain(self) -> None:
        """An upload that is under way when SIGTERM comes is finished, and acknowledged."""
        connection = connect(self.server)
        self.addCleanup(connection.close)
        upload(
            connection,
            f"/{BUCKET}/large",
            LARGE,
            before_body=lambda: self.server.process.send_signal(signal.SIGTERM),
        )
        self.assertEqual(self.server.wait(), 0)
        self.server.start()
        again = connect(self.server)
        self.addCleanup(again.close)
        self.assertEqual(download(again, f"/{BUCKET}/large"), LARGE.digest())
