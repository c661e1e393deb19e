"""Several processes of one store, each with its site, and clients that ask all at once.

What happens when is decided by a seed: when a request is sent, when the owner of the metadata
learns of what its handler asks, when it answers, when a drive and a thread are done. Nothing
else is simulated: a request goes as bytes through the real site to the real object store.

    servers = RacingServers(seed, processes=2)
    statuses = servers.run(*(servers.client().put(n) for n in range(200)))
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from objectd.metadata.remote import RemoteMetadata
from objectd.objects.store import ObjectStore, open_store
from objectd.process.owner import OwnerFactory
from objectd.test.metadata.test_remote import MemoryEndpoint
from objectd.test.s3.wire import as_bytes, authentic
from objectd.testing.http import ClientResponse, Connection, parse_responses
from objectd.testing.s3 import MemoryServer
from objectd.testing.simulation.audit import audit
from objectd.testing.simulation.schedule import Process
from objectd.testing.simulation.world import SETTINGS, UPTIME, Faults, Worker, World

__all__ = ["BUCKET", "RacingClient", "RacingServers"]

BUCKET = "racing"
STEPS_MAX = 1_000_000

_T = TypeVar("_T")


class RacingServers:
    """Up to `processes` sites over one store, whose one bucket is empty. With `owner_apart`
    there is one, and it asks for its metadata over the socket of the owner's process."""

    def __init__(self, seed: int, *, processes: int = 1, owner_apart: bool = False) -> None:
        self.seed = seed
        self._world = World(seed)
        self.schedule = self._world.schedule
        self.random = self._world.random
        self._clients = Process("clients", self.schedule)
        self._asking: dict[RacingClient, None] = {}
        self._stores: list[ObjectStore] = []
        self._servers: list[MemoryServer] = []
        self._reactors: list[MemoryReactorClock] = []
        for number in range(processes):
            self._start(f"p{number}", owner_apart)
        [bucket] = self.run(self.client().ask("PUT"))
        assert bucket.status == 200, bucket

    def _start(self, name: str, owner_apart: bool) -> None:
        worker = Worker(name, self._world, Faults())
        self._world.workers.append(worker)
        stores = self._stores
        if owner_apart:
            opening = self._open_over_socket(worker)
        else:
            opening = worker.join() if stores else worker.open_alone()
        stores += self.run(opening)
        server = MemoryServer(store=stores[-1])
        assert isinstance(server.site.clock, MemoryReactorClock)
        self._servers.append(server)
        self._reactors.append(server.site.clock)

    async def _open_over_socket(self, worker: Worker) -> ObjectStore:
        endpoint = MemoryEndpoint(OwnerFactory(worker.connection), worker.clock)
        return await open_store(
            RemoteMetadata(endpoint, Clock()),  # nothing is lost, so that nothing is timed
            worker.blobs,
            clock=worker.clock,
            run_in_thread=worker.run_in_thread,
            now_us=self._world.wall_clock_us,
            uptime=lambda: UPTIME,
            random_bytes=self.random.randbytes,
            settings=SETTINGS,
        )

    def lose_answers(self, probability: float, *, owner_deaths: int = 0) -> None:
        """From now on so many answers of the owner of the metadata are lost, and it dies
        some times, with what it has not synced."""
        for worker in self._world.workers:
            worker.connection.loss = probability
        for _ in range(owner_deaths):
            owner, delay = self._world.owner, self.random.uniform(0, 100)
            self.schedule.add("dies", partial(owner.restart, self.random), delay=delay)

    def client(self) -> RacingClient:
        """A client of one of the processes."""
        return RacingClient(self, self.random.choice(self._servers))

    def run(self, *work: Coroutine[Deferred[Any], Any, _T]) -> list[_T]:
        """Do all of it at once, and return what each returns, in the order given."""
        done = gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
        results: list[list[_T]] = []
        failures: list[Any] = []
        done.addCallbacks(results.append, failures.append)
        while not (results or failures):
            assert self.schedule.step() and self.schedule.now < STEPS_MAX, "nobody gets on"
            self._deliver()
        for failure in failures:
            failure.value.subFailure.raiseException()
        return results[0]

    def pause(self) -> Deferred[None]:
        """For as long as the seed says."""
        return self._clients.wait("waits", lambda: None)

    async def collect(self) -> None:
        """One pass of the collector."""
        await self._stores[0].collector.run()

    def come_to_rest(self) -> None:
        """Collect all that is left over. Afterwards rows, files and counters fit."""
        store = self._stores[0]
        self.run(store.collector.run_to_rest())
        self.run(audit(store.core.metadata, store.core.blobs, store.format.digest_key))

    def _deliver(self) -> None:
        """Bring answers that were written to those who wait for them."""
        is_written = any(reactor.getWriters() for reactor in self._reactors)
        for client in [each for each in self._asking if is_written or each.is_answered]:
            client.receive()


class RacingClient:
    """One connection, one request at a time. `sent_at` and `answered_at` are moments of the
    schedule."""

    def __init__(self, servers: RacingServers, server: MemoryServer) -> None:
        self.servers = servers
        self._connection = Connection(server.site)
        self.sent_at = self.answered_at = 0
        self._method = ""
        self._answer: Deferred[ClientResponse] = Deferred()

    async def ask(
        self,
        method: str,
        target: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        """Send a request for `target` in the bucket at some time, and wait for the answer."""
        await self.servers.pause()
        self._method = method
        self._answer = Deferred()
        self.sent_at = self.servers.schedule.now
        self.servers._asking[self] = None
        signed = authentic(method, f"/{BUCKET}{target}", headers, payload="UNSIGNED-PAYLOAD")
        self._connection.send(as_bytes(signed, body))
        self.receive()
        return await self._answer

    @property
    def is_answered(self) -> bool:
        """Something of an answer has come."""
        return bool(self._connection.received)

    def receive(self) -> None:
        """See whether the answer is whole."""
        self._connection.run()
        received = bytes(self._connection.received)
        if self in self.servers._asking and _is_whole(received, self._method):
            del self.servers._asking[self]
            self._connection.received.clear()
            self.answered_at = self.servers.schedule.now
            self._answer.callback(parse_responses(received, [self._method])[-1])


def _is_whole(data: bytes, method: str) -> bool:
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    if head.split(b" ")[1].startswith(b"1"):
        return _is_whole(body, method)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    return method == "HEAD" or len(body) >= int(fields.get(b"content-length", b"0"))
