"""The protocols, proved on a thousand seeds and more.

A seed that fails is run again, with all that happened in it, by
`python -m objectd.testing.simulation SEED`.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.testing.simulation import Violated, simulate

SEEDS_A_TEST = 250


class SeedTests(SynchronousTestCase):
    def run_seeds(self, nth: int) -> None:
        for seed in range(nth * SEEDS_A_TEST, (nth + 1) * SEEDS_A_TEST):
            try:
                simulate(seed)
            except Violated as violated:
                self.fail(f"seed {seed}: {violated}")
            finally:
                self.flushLoggedErrors()  # clients that went away leave failures to the log

    def test_first(self) -> None:
        """Every invariant holds on the first seeds."""
        self.run_seeds(0)

    def test_second(self) -> None:
        """Every invariant holds on more seeds."""
        self.run_seeds(1)

    def test_third(self) -> None:
        """Every invariant holds on yet more seeds."""
        self.run_seeds(2)

    def test_fourth(self) -> None:
        """Every invariant holds on seeds that the tests of broken rules may reach."""
        self.run_seeds(3)

    def test_fifth(self) -> None:
        """And on some that they seldom do."""
        self.run_seeds(4)

    def test_sixth(self) -> None:
        """The last of these."""
        self.run_seeds(5)


class DeterminismTests(SynchronousTestCase):
    def test_same_seed(self) -> None:
        """A seed does the same again, step by step."""
        traces: list[list[str]] = [[], []]
        for trace in traces:
            simulate(7, trace.append)
        self.flushLoggedErrors()
        self.assertEqual(traces[0], traces[1])
        self.assertGreater(len(traces[0]), 100)

    def test_coverage(self) -> None:
        """Seeds between them do everything that a client can do, and every kind of disaster."""
        counts: dict[str, int] = {}
        for seed in range(200):
            for what, count in simulate(seed).items():
                counts[what] = counts.get(what, 0) + count
        self.flushLoggedErrors()
        wanted = (
            "abandoned uploads",
            "abort",
            "append",
            "append: InvalidOperation",
            "append: ObjectArchived",
            "append: condition",
            "at rest: FRAMES in store 0",
            "at rest: FRAMES in store 1",
            "at rest: PACKETS in store 0",
            "at rest: PLAIN in store 1",
            "collector: trouble",
            "complete",
            "complete: UploadNotFound",
            "create bucket",
            "create upload",
            "delete",
            "delete bucket",
            "delete bucket: BucketNotEmpty",
            "delete kept",
            "delete many",
            "delete seen",
            "delete versions",
            "get: InBlob",
            "get: InManifest",
            "get: InRow",
            "get: Nothing",
            "get: archived",
            "get: encrypted",
            "kill",
            "kill of all",
            "list",
            "list versions",
            "move current",
            "move current: VersionChanged",
            "move noncurrent",
            "move: InBlob",
            "move: InBlob, encrypted",
            "move: InManifest",
            "move: InRow",
            "owner restart",
            "power failure",
            "put",
            "put kept",
            "put new",
            "put new: condition",
            "put over",
            "put over: condition",
            "put part",
            "put: CancelledError",
            "put: IncompleteBody",
            "put: StoreFull",
            "read version",
            "read version: archived",
            "rename",
            "rename again",
            "rename: condition",
            "restore",
            "restore archived",
            "switch",
            "tag",
        )
        self.assertEqual([what for what in wanted if not counts.get(what)], [])
