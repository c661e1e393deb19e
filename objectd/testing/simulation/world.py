"""A simulated store with its processes, their deaths and restarts, from a seed.

A world lives a few lives. Each begins with a cold start through `open_store`, goes on with
more processes and clients, a collector that never rests and processes that are killed, and
ends when the clients are done, or when everything is killed, or when the power fails. After
the last life the store comes to rest, and everything is compared.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from objectd.errors import (
    AnswerLost,
    Fenced,
    ObjectdError,
    OutcomeUnknown,
    StoreFailed,
    StoreFull,
)
from objectd.interfaces import IBlobStore, Scan
from objectd.metadata.caching import CachedMetadata
from objectd.metadata.decisions import Writes
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import JournalEntry, JournalKind
from objectd.objects.reads import Reads
from objectd.objects.settings import ObjectSettings
from objectd.objects.store import ObjectStore, join_store, open_store
from objectd.objects.uptime import Uptime
from objectd.testing.simulation.asking import Asker, Undecided
from objectd.testing.simulation.audit import audit
from objectd.testing.simulation.beliefs import Beliefs
from objectd.testing.simulation.clients import BucketClient, Client, ObjectClient
from objectd.testing.simulation.drives import DriveAccess, Drives
from objectd.testing.simulation.history import Violated
from objectd.testing.simulation.keys import KeyAccess, Keys
from objectd.testing.simulation.metadata import Connection, Line, MetadataOwner
from objectd.testing.simulation.placing import check_places
from objectd.testing.simulation.schedule import (
    EPOCH_US,
    STEP_BACK_US,
    Process,
    ProcessDied,
    Schedule,
    StepClock,
)
from objectd.testing.simulation.storage_classes import CLASSES, COLD
from objectd.testing.simulation.versions import VersionClient

UPTIME = Uptime("simulated", 0)
"""Only the wall clock goes on, and it is followed: nothing is locked here."""

STEPS_MAX = 60_000
CACHE_BYTES_MAX = 8000
"""Some ten rows."""

SETTINGS = ObjectSettings(
    inline_bytes_max=8, part_bytes_min=1, commit_attempts_max=8, lifecycle_day_seconds=0.001
)
_AGAIN_AND_AGAIN = (
    JournalKind.OBJECT_RENAMED_FROM,
    JournalKind.OBJECT_RENAMED_TO,
    JournalKind.OBJECT_RESTORED,
    JournalKind.OBJECT_TAGGED,
    JournalKind.OBJECT_TRANSITIONED,
)
"""What may be done to one version more than once."""
TROUBLE = (AnswerLost, Fenced, OutcomeUnknown, StoreFailed, StoreFull)
"""What background work may fail with; it is tried again."""


@attrs.frozen
class Faults:
    """What may go wrong in one life. Times are in mean lengths of a step."""

    answer_loss: float = 0.0
    drive_failure: float = 0.0
    kills: tuple[float, ...] = ()
    owner_restarts: tuple[float, ...] = ()
    end: float | None = None
    power: bool = False

    @classmethod
    def drawn(cls, random: Random) -> Faults:
        def times(count_max: int) -> tuple[float, ...]:
            return tuple(random.uniform(0, 500) for _ in range(random.randint(0, count_max)))

        return cls(
            answer_loss=random.choice((0.0, 0.02, 0.1)),
            drive_failure=random.choice((0.0, 0.0, 0.03)),
            kills=times(3),
            owner_restarts=times(1),
            end=random.uniform(10, 800) if random.random() < 0.6 else None,
            power=random.random() < 0.6,
        )


class Worker(Process):
    """One process of the store."""

    def __init__(self, name: str, world: World, faults: Faults) -> None:
        super().__init__(name, world.schedule)
        self.connection = Connection(world.owner, self, loss=faults.answer_loss)
        self.metadata = CachedMetadata(
            self.connection, world.owner.slots, bytes_max=CACHE_BYTES_MAX
        )
        self.blobs = DriveAccess(world.drives, self, failure=faults.drive_failure)
        cold = DriveAccess(world.cold, self, failure=faults.drive_failure)
        self.stores: dict[str, IBlobStore] = {COLD: cold}
        self.key_manager = KeyAccess(world.keys, self)
        self.clock = StepClock(self)
        self.incarnation: int | None = None
        self.store: ObjectStore | None = None
        self.undecided: list[Undecided] = []
        self.clients = 0
        self._world = world

    async def open_alone(self) -> ObjectStore:
        """A cold start: nobody else is there."""
        self.store = await open_store(
            self.metadata,
            self.blobs,
            clock=self.clock,
            run_in_thread=self.run_in_thread,
            now_us=self._world.wall_clock_us,
            uptime=lambda: UPTIME,
            random_bytes=self.schedule.random.randbytes,
            settings=SETTINGS,
            key_manager=self.key_manager,
            classes=CLASSES,
            stores=self.stores,
            others_drained=self.connection.others_drained,
        )
        self.incarnation = self.store.core.writer.incarnation
        self._hear_of_epochs(self.store)
        return self.store

    async def join(self) -> ObjectStore:
        """Start beside others."""
        incarnation = self.incarnation = await self.metadata.begin_incarnation()
        others_drained = partial(self.connection.others_drained, incarnation)
        self.store = await join_store(
            self.metadata,
            self.blobs,
            incarnation=incarnation,
            clock=self.clock,
            run_in_thread=self.run_in_thread,
            now_us=self._world.wall_clock_us,
            uptime=lambda: UPTIME,
            random_bytes=self.schedule.random.randbytes,
            settings=SETTINGS,
            key_manager=self.key_manager,
            classes=CLASSES,
            stores=self.stores,
            body_memory_bytes=1 << 20,
            reads=Reads(others_drained),
        )
        self._hear_of_epochs(self.store)
        return self.store

    def _hear_of_epochs(self, store: ObjectStore) -> None:
        incarnation, reads = store.core.writer.incarnation, store.core.reads
        Line(self._world.owner, self, incarnation, reads, self.connection.loss)

    def ask(self, beliefs: Beliefs) -> Asker:
        """For clients of this process, which has started."""
        assert self.store is not None
        return Asker(beliefs, self, self.store, self.undecided)

    def over(self, now: int) -> None:
        """Dead, and nothing of it can be applied any more."""
        for write in self.undecided:
            write.give_up(now)


class World:
    """`run` raises `Violated` when an invariant does not hold."""

    def __init__(self, seed: int, trace: Callable[[str], object] | None = None) -> None:
        self.random = Random(seed)
        self.schedule = Schedule(self.random, trace)
        self.owner = MetadataOwner(self.schedule, self._watch)
        self.drives = Drives(self.random.randint(1, 2))
        self.cold = Drives(2)
        self.keys = Keys()
        self.beliefs = Beliefs(self.schedule)
        self.workers: list[Worker] = []
        self._supervisor = Process("supervisor", self.schedule)
        self._supervisor_metadata = Connection(self.owner, self._supervisor, loss=0.0)
        self._failure: Failure | None = None
        self._life_over: Deferred[None] | None = None
        self._faults = Faults()
        self._collector: Worker | None = None
        self._published: set[bytes] = set()
        self._told: set[bytes] = set()
        self._started = 0

    def run(self) -> None:
        is_done: list[None] = []
        self._spawn(self._live_and_rest(is_done))
        try:
            while self._failure is None and not is_done and self.schedule.step():
                if self.schedule.now > STEPS_MAX:
                    raise Violated(f"it does not come to rest in {STEPS_MAX} steps")
        finally:
            for worker in self.workers:
                worker.die()
        if self._failure is not None:
            self._failure.raiseException()
        if not is_done:
            raise Violated("everybody waits for something that never happens")

    def wall_clock_us(self) -> int:
        """A clock that now and then steps back."""
        back = STEP_BACK_US if self.schedule.chance(0.1) else 0
        return EPOCH_US + self.schedule.now - back

    async def _live_and_rest(self, is_done: list[None]) -> None:
        self.beliefs.uploads_end = self.random.random() < 0.2
        for _ in range(self.random.randint(1, 3)):
            await self._live(Faults.drawn(self.random))
        await self._rest()
        is_done.append(None)

    # A life

    async def _live(self, faults: Faults) -> None:
        self._faults = faults
        self._life_over = Deferred()
        first = self._new_worker()
        self._spawn(self._begin(first))
        add = self.schedule.add
        if faults.end is not None:
            add("the end is near", partial(self._end_life, self._life_over), delay=faults.end)
        for delay in faults.kills:
            add("a kill", partial(self._kill_one, self._life_over), delay=delay)
        for delay in faults.owner_restarts:
            add("the owner dies", partial(self._restart_owner, self._life_over), delay=delay)
        await self._life_over
        self._stop_everything(faults.power)

    async def _begin(self, first: Worker) -> None:
        try:
            await first.open_alone()
        except TROUBLE:
            self._end_life(self._life_over)
            return
        await BucketClient(first.ask(self.beliefs)).create_all()
        await VersionClient(first.ask(self.beliefs)).begin()
        self._collect_in(first)
        self._start_clients(first)
        for _ in range(self.random.randint(0, 2)):
            self._spawn(self._join(self._new_worker()))

    async def _join(self, worker: Worker) -> None:
        try:
            await worker.join()
        except TROUBLE:
            self._kill(worker)
        else:
            self._start_clients(worker)

    def _start_clients(self, worker: Worker) -> None:
        worker.clients = self.random.randint(1, 3)
        for _ in range(worker.clients):
            self._spawn(self._serve(worker))

    async def _serve(self, worker: Worker) -> None:
        client = Client(worker.ask(self.beliefs))
        await client.run(self.random.randint(2, 28))
        worker.clients -= 1
        if not any(w.clients for w in self.workers if w.alive):
            self._end_life(self._life_over)

    def _collect_in(self, worker: Worker) -> None:
        self._collector = worker
        self._spawn(self._collect(worker))

    async def _collect(self, worker: Worker) -> None:
        """One pass after the other, and now and then a sweep."""
        assert worker.store is not None
        while True:
            try:
                await worker.store.collector.run()
                if self.schedule.chance(0.3):
                    await worker.store.sweep.run()
                if self.beliefs.uploads_end and self.schedule.chance(0.3):
                    await worker.store.abandoned.abort(days=-1)
                    self.beliefs.count("abandoned uploads")
            except TROUBLE:
                self.beliefs.count("collector: trouble")
            await worker.pause("the collector rests")

    # Faults

    def _kill_one(self, life: Deferred[None]) -> None:
        alive = [worker for worker in self.workers if worker.alive]
        if life is self._life_over and not life.called and alive:
            self._kill(self.random.choice(alive))

    def _kill(self, worker: Worker) -> None:
        self.schedule.note(f"{worker.name} is killed")
        self.beliefs.count("kill")
        worker.die()
        self._spawn(self._reap(worker))

    async def _reap(self, dead: Worker) -> None:
        """What the supervisor does when a process has ended."""
        if dead.incarnation is not None:
            await self._supervisor.pause("reaps")
            await self._fence(dead.incarnation)
            dead.over(self.schedule.now)
        self._replace(dead)

    async def _fence(self, incarnation: int) -> None:
        while True:
            try:
                return await self._supervisor_metadata.fence([incarnation])
            except TROUBLE:
                self.beliefs.count("supervisor: trouble")

    def _replace(self, dead: Worker) -> None:
        alive = [w for w in self.workers if w.alive and w.store is not None]
        if dead not in self.workers:
            return
        if not alive or not any(worker.clients for worker in alive):
            self._end_life(self._life_over)
            return
        if self._collector is dead:
            self._collect_in(alive[0])
        if self.schedule.chance(0.5):
            self._spawn(self._join(self._new_worker()))

    def _restart_owner(self, life: Deferred[None]) -> None:
        if life is self._life_over and not life.called:
            self.beliefs.count("owner restart")
            self.owner.restart(self.random)

    def _end_life(self, life: Deferred[None] | None) -> None:
        def end() -> None:
            if life is not None and life is self._life_over and not life.called:
                life.callback(None)

        self.schedule.add("a life ends", end)

    def _stop_everything(self, power: bool) -> None:
        self.schedule.note("the power fails" if power else "everything is killed")
        self.beliefs.count("power failure" if power else "kill of all")
        workers, self.workers = self.workers, []
        for worker in workers:
            worker.die()
        self.owner.restart(self.random)
        if power:
            self.drives.fail_power(self.random)
            self.cold.fail_power(self.random)
        for worker in workers:
            worker.over(self.schedule.now)

    # Rest

    async def _rest(self) -> None:
        self._faults = Faults()
        worker = self._new_worker()
        store = await worker.open_alone()
        await store.collector.run_to_rest()
        await store.sweep.run()
        await store.collector.run_to_rest()
        await audit(worker.metadata, store.core.blobs, store.format.digest_key)
        await self._abort_all(store)
        await audit(worker.metadata, store.core.blobs, store.format.digest_key, deep=True)
        lives = await worker.metadata.scan(Scan(*keys.span(keys.INCARNATIONS), limit=2))
        if len(lives.entries) != 1:
            raise Violated("more than one incarnation is left at rest")
        for form in await check_places(store.core):
            self.beliefs.count(f"at rest: {form}")
        await ObjectClient(worker.ask(self.beliefs)).get_everything()
        await VersionClient(worker.ask(self.beliefs)).read_everything()

    async def _abort_all(self, store: ObjectStore) -> None:
        """Also what moves have left."""
        await store.abandoned.abort(days=-1)
        await store.collector.run_to_rest()
        left = await store.core.metadata.scan(Scan(*keys.span(keys.UPLOADS), limit=1))
        if left.entries:
            raise Violated(f"upload {left.entries[0]} is left at rest")

    # Tasks

    def _new_worker(self) -> Worker:
        self._started += 1
        worker = Worker(f"p{self._started}", self, self._faults)
        self.workers.append(worker)
        return worker

    def _spawn(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if failure.check(ProcessDied) or self._failure is not None:
            return
        if failure.check(Violated):
            self._failure = failure
            return
        text = "".join(traceback.format_exception(failure.value))
        kind = "an error" if failure.check(ObjectdError) else "a crash"
        self._failure = Failure(Violated(f"{kind} that nobody may see:\n{text}"))

    def _watch(self, writes: Writes) -> None:
        """Nothing that is named by an id which is never used twice becomes durable twice."""
        self._published -= {key for key in writes.deletes if _is_of_version(key)}
        for key, value in writes.puts.items():
            if key[:1] in (b"B", b"M", b"r"):  # not "m": an append lists one part more in it
                if key in self._published:
                    self._failed(Failure(Violated(f"{key!r} is put twice")))
                self._published.add(key)
            elif key.startswith(keys.JOURNAL):
                self._watch_journal(decode(JournalEntry, value))

    def _watch_journal(self, entry: JournalEntry) -> None:
        """A commit that was applied twice would tell of one version twice."""
        if entry.kind in _AGAIN_AND_AGAIN:
            return
        told = entry.version and bytes((entry.kind,)) + entry.version
        if told in self._told:
            self._failed(Failure(Violated(f"the journal tells twice of {entry}")))
        if told:
            self._told.add(told)


def _is_of_version(key: bytes) -> bool:
    """A version refers to a blob once more if it is moved away from it and back."""
    return key.startswith(b"r") and keys.version_ref(key[1:13], key[14:]) == key
