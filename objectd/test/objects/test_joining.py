"""Several processes on one store: those that join it, and its owner that is started again."""

from __future__ import annotations

from collections.abc import Collection

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import Fenced, StoreFailed
from objectd.metadata.memory import MemoryMetadata
from objectd.model import keys
from objectd.objects.opening import run_at_once
from objectd.objects.reads import Reads
from objectd.objects.store import ObjectStore, join_store, open_store
from objectd.objects.usage import Usage
from objectd.test.objects.cases import LARGE, StoreCase


class JoiningTests(StoreCase):
    def joined(self) -> ObjectStore:
        return self.ok(
            join_store(
                self.metadata,
                self.blobs,
                incarnation=self.ok(self.metadata.begin_incarnation()),
                clock=self.clock,
                run_in_thread=run_at_once,
                now_us=lambda: self.now_us,
                settings=self.settings,
                reads=Reads(),
            )
        )

    def owned_again(self, living: Collection[int]) -> ObjectStore:
        return self.ok(
            open_store(
                self.metadata,
                self.blobs,
                clock=self.clock,
                run_in_thread=run_at_once,
                now_us=lambda: self.now_us,
                settings=self.settings,
                living=living,
            )
        )

    def shards(self) -> set[int]:
        return {keys.usage_fields(entry.key)[2] for entry in self.rows(keys.USAGES)}

    def test_one_store(self) -> None:
        """What one process writes the others read, and nobody is fenced by it."""
        one, other = self.joined(), self.joined()
        self.ok(one.objects.put("photos", "a", LARGE))
        self.assertEqual(self.ok(self.ok(other.objects.get("photos", "a")).read()), LARGE)
        self.ok(self.store.objects.put("photos", "b", b"1"))
        self.assertEqual(one.format, self.store.format)

    def test_nothing_to_join(self) -> None:
        """A store that no owner has made cannot be joined, and is not made."""
        metadata = MemoryMetadata()
        joining = join_store(
            metadata,
            MemoryBlobs(),
            incarnation=1,
            clock=self.clock,
            run_in_thread=run_at_once,
            reads=Reads(),
        )
        self.refused(StoreFailed, joining)
        self.assertEqual(self.ok(metadata.get([keys.FORMAT])), [None])

    def test_owner_again(self) -> None:
        """An owner that is started again fences and folds all but those that live."""
        living, dead = self.joined(), self.joined()
        self.ok(living.objects.put("photos", "a", b"12"))
        self.ok(dead.objects.put("photos", "b", b"345"))
        number = living.core.writer.incarnation
        self.store = self.owned_again([number])
        self.refused(Fenced, dead.objects.put("photos", "c", b""))
        self.ok(living.objects.put("photos", "c", b"6"))
        self.assertEqual(self.shards(), {0, number})
        self.assertEqual(self.ok(self.store.buckets.usage("photos")), Usage(3, 6))

    def test_fenced(self) -> None:
        """What a process has counted that is gone is folded while others count on."""
        one, other = self.joined(), self.joined()
        self.ok(one.objects.put("photos", "a", b"12"))
        self.ok(other.objects.put("photos", "b", b"345"))
        for _ in range(2):
            self.ok(self.store.fence([one.core.writer.incarnation]))
            self.assertEqual(self.shards(), {0, other.core.writer.incarnation})
            self.assertEqual(self.ok(self.store.buckets.usage("photos")), Usage(2, 5))
        self.refused(Fenced, one.objects.put("photos", "c", b""))

    def test_reads_elsewhere(self) -> None:
        """The collector takes a file when the reads of other processes are over, too."""
        waited_for: list[int] = []

        async def others_drained(own: int) -> None:
            waited_for.append(own)

        store = self.ok(
            open_store(
                self.metadata,
                self.blobs,
                clock=self.clock,
                run_in_thread=run_at_once,
                others_drained=others_drained,
            )
        )
        self.ok(store.collector.run())
        self.assertEqual(waited_for, [store.core.writer.incarnation])
