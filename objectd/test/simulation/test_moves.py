"""The protocols where versions are moved between storage classes, in two blob stores, all the
time."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from objectd.errors import ObjectdError
from objectd.interfaces import Scan
from objectd.model import keys
from objectd.model.codec import decode, decode_object
from objectd.model.records import Bucket
from objectd.objects import ObjectStore
from objectd.objects.classes import Classes, ClassSettings
from objectd.objects.lifecycle.waterfall import leads
from objectd.objects.moving import Find, Version, VersionChanged, move_class
from objectd.objects.store import assemble
from objectd.objects.writer import Batch
from objectd.testing.simulation import Violated
from objectd.testing.simulation import world as world_module
from objectd.testing.simulation.asking import Asker
from objectd.testing.simulation.clients import Client
from objectd.testing.simulation.copies import CopyClient
from objectd.testing.simulation.drives import DriveAccess, Drives
from objectd.testing.simulation.world import Faults, Worker, World

SEEDS = 120
CLASSES = Classes.made(
    {
        "STANDARD_IA": ClassSettings("cold"),
        "ONEZONE_IA": ClassSettings("cold"),
        "GLACIER_IR": ClassSettings(zstd_level=1),
    },
    {"": 0, "cold": 1},
)
NAMES = ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR")


class MovesWorker(Worker):
    def __init__(self, name: str, world: MovesWorld, faults: Faults) -> None:
        super().__init__(name, world, faults)
        self.further["cold"] = DriveAccess(world.cold, self, failure=faults.drive_failure)

    @override
    async def open_alone(self) -> ObjectStore:
        return self._with_classes(await super().open_alone())

    @override
    async def join(self) -> ObjectStore:
        return self._with_classes(await super().join())

    def _with_classes(self, store: ObjectStore) -> ObjectStore:
        self.store = assemble(attrs.evolve(store.core, classes=CLASSES), store.format)
        return self.store


class UncopyingClient(Client):
    """Copies to a class that keeps bytes in another way have an ETag of their own, of which
    clients here know nothing."""

    def __init__(self, ask: Asker) -> None:
        super().__init__(ask)
        self._operations = tuple(
            each
            for each in self._operations
            if getattr(each[0], "__func__", None) != CopyClient.copy
        )


class MovesWorld(World):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.cold = Drives(1)
        self.moved = 0

    @override
    def _new_worker(self) -> Worker:
        self._started += 1
        worker = MovesWorker(f"p{self._started}", self, self._faults)
        self.workers.append(worker)
        return worker

    @override
    def _stop_everything(self, power: bool) -> None:
        super()._stop_everything(power)
        if power:
            self.cold.fail_power(self.random)

    @override
    def _collect_in(self, worker: Worker) -> None:
        super()._collect_in(worker)
        self._spawn(self._move(worker))

    async def _move(self, worker: Worker) -> None:
        """Some version or other, again and again, to some colder class."""
        while True:
            await worker.pause("the mover rests")
            try:
                await self._move_one(worker)
            except VersionChanged:
                self.beliefs.count("move: changed")
            except ObjectdError:
                self.beliefs.count("move: trouble")
            else:
                self.moved += 1

    async def _move_one(self, worker: Worker) -> None:
        assert worker.store is not None
        core = worker.store.core
        family = self.random.choice((keys.OBJECTS, keys.VERSIONS))
        page = await core.metadata.scan(Scan(*keys.span(family), limit=50))
        if not page.entries:
            raise VersionChanged
        row_key = self.random.choice(page.entries).key
        name = self.random.choice(NAMES)

        async def pace(_size_bytes: int) -> None:
            await worker.pause("the mover is slow")

        find = _finding(worker.store, row_key, name)
        await move_class(core, find, CLASSES.named(name), pace)


def _finding(store: ObjectStore, row_key: bytes, storage_class: str) -> Find:
    """The version in this row, while there is any that may be moved to this class."""
    core, seen = store.core, b""

    async def find(batch: Batch) -> Version | None:
        nonlocal seen
        bucket_id = int.from_bytes(row_key[1 : keys.BUCKET_PREFIX_BYTES], "big")
        row, bucket_row = await core.metadata.get([row_key, keys.bucket(bucket_id)])
        if row is None or bucket_row is None:
            return None
        head, tail = decode_object(row.value)
        seen = seen or head.version
        if head.version != seen or head.is_delete_marker:
            return None
        if not leads(head.storage_class, storage_class):
            return None
        is_current = row_key.startswith(keys.OBJECTS)
        key = row_key[keys.BUCKET_PREFIX_BYTES :]
        raw = key if is_current else keys.version_fields(row_key)[0]
        return Version(decode(Bucket, bucket_row.value), raw, row_key, row, head, tail)

    return find


class MovesTests(SynchronousTestCase):
    def test_seeds(self) -> None:
        """Every invariant holds while versions are moved, whatever fails."""
        self.patch(world_module, "Client", UncopyingClient)
        moved = 0
        for seed in range(SEEDS):
            world = MovesWorld(seed)
            try:
                world.run()
            except Violated as violated:
                self.fail(f"seed {seed}: {violated}")
            finally:
                self.flushLoggedErrors()
            moved += world.moved
        self.assertGreater(moved, SEEDS)
