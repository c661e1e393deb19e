"""The protocols with a further blob store, in which some of all blobs lie."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from objectd.objects import ObjectStore
from objectd.objects.classes import StorageClass
from objectd.testing.simulation import Violated
from objectd.testing.simulation.drives import DriveAccess, Drives
from objectd.testing.simulation.world import Faults, Worker, World

SEEDS = 250


class StoresWorker(Worker):
    def __init__(self, name: str, world: StoresWorld, faults: Faults) -> None:
        super().__init__(name, world, faults)
        self.further["cold"] = DriveAccess(world.cold, self, failure=faults.drive_failure)

    @override
    async def open_alone(self) -> ObjectStore:
        return self._spreading(await super().open_alone())

    @override
    async def join(self) -> ObjectStore:
        return self._spreading(await super().join())

    def _spreading(self, store: ObjectStore) -> ObjectStore:
        """Put each blob into one store or the other."""
        take = store.core.intake.take

        async def spread(*args: Any, **how: Any) -> Any:
            kept = StorageClass(place=self.schedule.random.randrange(2))
            return await take(*args, **{**how, "kept": kept})

        store.core.intake.take = spread  # type: ignore[method-assign]
        return store


class StoresWorld(World):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.cold = Drives(2)
        self.largest = 0

    @override
    def _new_worker(self) -> Worker:
        self._started += 1
        worker = StoresWorker(f"p{self._started}", self, self._faults)
        self.workers.append(worker)
        return worker

    @override
    def _stop_everything(self, power: bool) -> None:
        super()._stop_everything(power)
        self.largest = max(self.largest, len(self.cold.names))
        if power:
            self.cold.fail_power(self.random)


class StoresTests(SynchronousTestCase):
    def test_seeds(self) -> None:
        """Every invariant holds with two stores, whatever fails."""
        used = 0
        for seed in range(SEEDS):
            world = StoresWorld(seed)
            try:
                world.run()
            except Violated as violated:
                self.fail(f"seed {seed}: {violated}")
            finally:
                self.flushLoggedErrors()
            used += world.largest > 0
        self.assertGreater(used, SEEDS // 2)
