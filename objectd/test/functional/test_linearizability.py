"""Many clients of several workers on a few keys, while processes are killed: all that they see
can have happened in one order."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from random import Random
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, Server
from objectd.test.linearizability.checker import refusal
from objectd.test.linearizability.operations import Operation
from objectd.test.linearizability.recorder import Place, Recorder

ROUNDS_VARIABLE = "OBJECTD_LINEARIZABILITY_ROUNDS"
ROUNDS = int(os.environ.get(ROUNDS_VARIABLE, "1"))
"""Of each test."""

SEED = os.environ.get("OBJECTD_LINEARIZABILITY_SEED", "1")

WORKERS = 3
CLIENTS = 8
KILLS = 3
"""In a round; the next begins with new processes, so that no place is given up."""

OPERATIONS_A_KILL = 120
"""Whose outcome is known, at most before each kill, and after the last."""

OPERATIONS = 900
"""In a round without kills."""

SECONDS_MAX = 60
"""For a process to be replaced."""

KEYS = ["a", "b", "c", "d"]
SMALL_BYTES = [16, 4096, 16 << 10]
"""With their rows in the metadata."""

MIXED_BYTES = [16, 4096, 40_000, 300_000]
CONFIG = "collection.interval_seconds = 0.2"


class LinearizabilityTests(SynchronousTestCase):
    timeout = 24 * 3600

    def test_small(self) -> None:
        """Small objects, which workers keep in memory."""
        self.try_rounds(SMALL_BYTES, [])

    def test_workers_killed(self) -> None:
        """Objects of all sizes, while workers are killed."""
        self.try_rounds(MIXED_BYTES, ["worker"])

    def test_owner_killed(self) -> None:
        """The same while the owner of the metadata, and now and then a worker, is killed."""
        self.try_rounds(MIXED_BYTES, ["owner", "owner", "worker"])

    def try_rounds(self, sizes_bytes: list[int], killed: list[str]) -> None:
        server = Server(Path(self.mktemp()), config=CONFIG, workers=WORKERS)
        self.addCleanup(server.end)
        for number in range(ROUNDS):
            server.start()
            seed = f"{SEED}/{self.id()}/{number}"
            found = refusal(self.round(server, seed, f"{number}/", sizes_bytes, killed))
            if found is not None:
                self.fail(f"{seed}: {found}")
            self.assertEqual(server.stop(), 0)
        self.check(server)

    def round(
        self, server: Server, seed: str, prefix: str, sizes_bytes: list[int], killed: list[str]
    ) -> list[Operation]:
        random = Random(seed)
        place = Place(server.address, BUCKET, prefix, KEYS)
        recorder = Recorder(place, clients=CLIENTS, sizes_bytes=sizes_bytes, seed=seed)
        recorder.start()
        for _ in range(KILLS if killed else 0):
            recorder.wait_for(random.randrange(OPERATIONS_A_KILL))
            _kill_one(server, random.choice(killed), random)
        recorder.wait_for(OPERATIONS_A_KILL if killed else OPERATIONS)
        return recorder.history()

    def check(self, server: Server) -> None:
        """What is left on the disks agrees with itself."""
        status, said = server.run_verb("check", "--deep")
        self.assertEqual(status, 0, said)


def _kill_one(server: Server, role: str, random: Random) -> None:
    until = monotonic() + SECONDS_MAX
    while not (living := server.children(role)):  # the one before it has just been killed
        assert monotonic() < until, f"there is no {role} any more"
    with contextlib.suppress(ProcessLookupError):
        os.kill(random.choice(living), signal.SIGKILL)
