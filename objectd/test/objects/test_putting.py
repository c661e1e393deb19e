"""Putting objects without a look at what they replace."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from objectd.errors import BucketNotFound, PreconditionFailed
from objectd.interfaces import Commit, Row
from objectd.model import keys
from objectd.objects import Conditions, ObjectStore
from objectd.objects.putting import FREE_IN_A_ROW
from objectd.objects.store import assemble
from objectd.objects.usage import Usage
from objectd.objects.writer import Writer
from objectd.test.objects.cases import LARGE, NOON_US, InterposedMetadata, StoreCase


class FarMetadata(InterposedMetadata):
    """A store of which nothing is known but what a test says. `looked` counts the reads of
    rows of objects."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[bytes, Row | None] = {}
        self.looked = 0
        self.commits = 0

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        return [self.kept[key] for key in keys] if self.kept.keys() >= set(keys) else None

    async def get(self, wanted: Sequence[bytes]) -> list[Row | None]:
        self.looked += any(key.startswith(keys.OBJECTS) for key in wanted)
        return await super().get(wanted)

    async def commit(self, commit: Commit) -> int:
        self.commits += 1
        return await super().commit(commit)


class PuttingTests(StoreCase):
    metadata: FarMetadata

    def opened(self) -> ObjectStore:
        self.metadata = FarMetadata()
        return super().opened()

    def put(self, key: str, body: bytes = b"new") -> tuple[int, int]:
        """How often that looked, and how often it tried."""
        looked, commits = self.metadata.looked, self.metadata.commits
        self.ok(self.store.objects.put("photos", key, body))
        return self.metadata.looked - looked, self.metadata.commits - commits

    def keep(self, key: bytes) -> None:
        """Have it known from now on what is at the key now."""
        row_key = keys.object_(self.ok(self.store.buckets.id_of("photos")), key)
        [self.metadata.kept[row_key]] = self.ok(self.metadata.get([row_key]))

    def usage(self) -> Usage:
        return self.ok(self.store.buckets.usage("photos"))

    def test_free(self) -> None:
        """New keys are put by one commit each, with nothing read."""
        self.assertEqual([self.put("a"), self.put("b")], [(0, 1), (0, 1)])
        self.assertEqual(self.read("a"), b"new")
        self.assertEqual(self.usage(), Usage(2, 6))

    def test_taken(self) -> None:
        """Where the guess is wrong, what is there is replaced: it is counted no more, its blob
        is let go, and the new one is later, whatever the clock says."""
        self.put("a", LARGE)
        self.store = self.beside()
        self.now_us -= 1000
        self.assertEqual(self.put("a"), (1, 2))
        self.assertEqual(self.read("a"), b"new")
        self.assertEqual(self.usage(), Usage(1, 3))
        self.assertEqual(self.ok(self.store.collector.run_to_rest()).blobs_collected, 1)
        self.assertGreater(
            self.ok(self.store.objects.head("photos", "a")).head.modified_us, NOON_US
        )

    def test_as_the_last_ones(self) -> None:
        """After a wrong guess puts look, until they have found so many free keys in a row."""
        self.put("a")
        self.assertEqual(self.put("a"), (1, 2))
        fewer = [str(n) for n in range(FREE_IN_A_ROW - 1)]
        for key in (*fewer, "a", *(f"new{n}" for n in range(FREE_IN_A_ROW))):
            self.assertEqual(self.put(key), (1, 1))
        self.assertEqual(self.put("l"), (0, 1))

    def test_known(self) -> None:
        """What is known to be there is replaced without a look, and nothing is guessed."""
        self.put("a", LARGE)
        self.keep(b"a")
        self.assertEqual(self.put("a"), (0, 1))
        self.assertEqual(self.usage(), Usage(1, 3))
        self.assertEqual(self.ok(self.store.collector.run_to_rest()).blobs_collected, 1)

    def test_known_no_more(self) -> None:
        """If it has changed since, it is looked at."""
        for body in (b"", b"small", LARGE):
            self.keep(b"a")
            self.ok(self.beside().objects.delete("photos", "a"))
            self.metadata.kept, kept = {}, self.metadata.kept
            self.put("a", body)
            self.metadata.kept = kept
            self.assertEqual(self.put("a"), (1, 2))
            self.assertEqual(self.usage(), Usage(1, 3))

    def test_conditions(self) -> None:
        """Nothing is guessed where there are conditions."""
        self.put("a")
        self.store = self.beside()
        refused = self.store.objects.put(
            "photos", "a", b"", conditions=Conditions(if_none_match="*")
        )
        commits = self.metadata.commits
        self.refused(PreconditionFailed, refused)
        self.assertEqual(self.metadata.commits, commits)

    def test_bucket_that_goes(self) -> None:
        """A bucket that is deleted before the commit is not there."""
        self.metadata.after(keys.BUCKETS, lambda: self.beside().buckets.delete("photos"))
        self.refused(BucketNotFound, self.store.objects.put("photos", "a", b"new"))

    def test_attempts(self) -> None:
        """A wrong guess is none of the attempts that a put has."""
        self.put("a")
        core = attrs.evolve(self.beside().core, writer=self.writer(attempts_max=1))
        self.ok(assemble(core, self.store.format).objects.put("photos", "a", b"newer"))
        self.assertEqual(self.read("a"), b"newer")

    def writer(self, *, attempts_max: int) -> Writer:
        incarnation = self.ok(self.metadata.begin_incarnation())
        return Writer(
            self.metadata, incarnation, clock=self.clock, commit_attempts_max=attempts_max
        )
