"""Requests that race for one bucket, against the real server."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random
from threading import Barrier, Lock

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import Server
from objectd.test.functional.traffic import at_once, connect, request

CREATORS = 200
ROUNDS = 100
WRITERS = 4
PUTS = 4
DELETIONS = 8
CREATED = "/racing"


def ask(server: Server, requests: list[tuple[str, str, bytes]]) -> list[tuple[int, str]]:
    """Statuses and texts of the answers, over one connection."""
    connection = connect(server)
    answers = []
    for method, target, data in requests:
        answer = request(connection, method, target, data)
        answers.append((answer.status, answer.read().decode()))
    connection.close()
    return answers


def code(text: str) -> str:
    found = re.search("<Code>(.*)</Code>", text)
    return found[1] if found else ""


class RaceTests(SynchronousTestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()))
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()

    def keys(self) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=CREATED[1:])
        return {found["Key"] for found in listed.get("Contents", [])}

    def test_creation(self) -> None:
        """Of 200 that create one bucket at once one does, and the others learn that they
        own it."""

        def create(number: int, barrier: Barrier) -> tuple[int, str]:
            connection = connect(self.server)
            connection.connect()
            barrier.wait()
            answer = request(connection, "PUT", CREATED)
            outcome = answer.status, code(answer.read().decode())
            connection.close()
            return outcome

        self.assertEqual(
            Counter(at_once(CREATORS, create)),
            {(200, ""): 1, (409, "BucketAlreadyOwnedByYou"): CREATORS - 1},
        )

    def test_deletion(self) -> None:
        """A bucket that is deleted and created again while others put into it holds exactly
        what was acknowledged: it is only ever deleted empty, and begins empty."""
        random = Random(1)
        ask(self.server, [("PUT", CREATED, b"")])
        deleted = refused = 0
        for _ in range(ROUNDS):
            counts = self.race(random)
            deleted += counts["deleted"]
            refused += counts["refused"]
            self.empty()
        self.assertGreater(min(deleted, refused), 0)

    def race(self, random: Random) -> Counter[str]:
        acknowledged: set[str] = set()
        counts: Counter[str] = Counter()
        lock = Lock()
        ahead = [random.randrange(3) for _ in range(WRITERS + 1)]
        plans = [
            [(random.choice([10, 90_000]), random.random() < 0.2) for _ in range(PUTS)]
            for _ in range(WRITERS)
        ]

        def take_part(number: int, barrier: Barrier) -> None:
            connection = connect(self.server)
            connection.connect()
            barrier.wait()
            connection.close()
            for _ in range(ahead[number]):
                ask(self.server, [("HEAD", CREATED, b"")])
            if number == WRITERS:
                delete()
            else:
                put(number)

        def delete() -> None:
            for _ in range(DELETIONS):
                [(status, text)] = ask(self.server, [("DELETE", CREATED, b"")])
                if status == 204:
                    counts["deleted"] += 1
                    [created] = ask(self.server, [("PUT", CREATED, b"")])
                    self.assertEqual(created[0], 200)
                else:
                    self.assertEqual((status, code(text)), (409, "BucketNotEmpty"))

        def put(number: int) -> None:
            for which, (size_bytes, stays) in enumerate(plans[number]):
                key = f"{number}-{which}"
                target = f"{CREATED}/{key}"
                [(status, text)] = ask(self.server, [("PUT", target, bytes(size_bytes))])
                if status != 200:
                    self.assertEqual((status, code(text)), (404, "NoSuchBucket"))
                    with lock:
                        counts["refused"] += 1
                elif stays:
                    with lock:
                        acknowledged.add(key)
                else:
                    [(status, text)] = ask(self.server, [("DELETE", target, b"")])
                    self.assertEqual((status, text), (204, ""))

        at_once(WRITERS + 1, take_part)
        self.assertEqual(self.keys(), acknowledged)
        return counts

    def empty(self) -> None:
        """Delete everything, and the bucket, and create it again."""
        keys = sorted(self.keys())
        requests = [("DELETE", f"{CREATED}/{key}", b"") for key in keys]
        requests += [("DELETE", CREATED, b""), ("PUT", CREATED, b"")]
        statuses = [status for status, _ in ask(self.server, requests)]
        self.assertEqual(statuses, [204] * len(keys) + [204, 200])
        self.assertEqual(self.keys(), set())

    def test_created_again(self) -> None:
        """A bucket that was deleted with an upload in progress does not bring it back."""
        bucket = CREATED[1:]
        self.client.create_bucket(Bucket=bucket)
        started = self.client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        part = {"Bucket": bucket, "Key": "k", "UploadId": started, "PartNumber": 1}
        self.client.upload_part(**part, Body=b"x" * 100_000)
        self.client.delete_bucket(Bucket=bucket)
        self.client.create_bucket(Bucket=bucket)
        self.assertNotIn("Uploads", self.client.list_multipart_uploads(Bucket=bucket))
        with self.assertRaises(self.client.exceptions.NoSuchUpload):
            self.client.upload_part(**part, Body=b"x")
        self.assertEqual(self.keys(), set())
