"""The metadata owner: has the metadata store open, serves it to the workers, and does the work
that goes on while nobody asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from typing_extensions import override

from objectd.background.collection import Collection
from objectd.background.lifecycle import LifecycleWork
from objectd.background.timekeeping import Timekeeping
from objectd.errors import StoreBusy, StoreFull
from objectd.process import control
from objectd.process.control import Begin, Command, Event, Fenced, Incarnation, Ready, tell
from objectd.process.descriptors import room_for_connections
from objectd.process.sockets import Accepting
from objectd.service.child import ChildService
from objectd.storage import OwnedStore, hosted, make_buckets, owned_store

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["Owner"]

RETRY_SECONDS = 1.0


class Owner(ChildService):
    def __init__(self, begin: Begin, reactor: PosixReactorBase, end: Callable[[], object]) -> None:
        super().__init__(begin, reactor, end)
        self._owned: OwnedStore | None = None

    @override
    def obey(self, command: Command) -> None:
        owned = self._owned
        if owned is None:
            raise AssertionError(f"told to {command} before it was ready")
        match command:
            case control.TakeIncarnation():
                self._do(partial(_take_incarnation, owned))
            case control.Fence():
                self._do(partial(_fence, owned, command.incarnation))

    @override
    async def _assemble(self, started: AsyncExitStack) -> None:
        configuration, surroundings = self._configuration, self._surroundings
        room_for_connections(0, 0)
        host = started.enter_context(
            hosted(
                self._reactor,
                surroundings.data_directory,
                environment=surroundings.environment,
                announce=surroundings.announce,
                on_failure=self._end,
            )
        )
        await configuration.credentials.open(host)  # draws them, for the workers to find
        owned = await started.enter_async_context(
            owned_store(configuration, host, slots=control.SLOTS, living=self._told.living)
        )
        await make_buckets(owned.store, surroundings.environment, configuration.server.region)
        timekeeping = Timekeeping(owned.store.trusted_time, self._reactor)
        timekeeping.start()
        started.push_async_callback(timekeeping.stop)
        collection = Collection(owned.store, self._reactor, configuration.collection)
        collection.start()
        started.push_async_callback(collection.stop)
        lifecycle = LifecycleWork(owned.store, self._reactor, configuration.lifecycle)
        lifecycle.start()
        started.push_async_callback(lifecycle.stop)
        [listener] = self._told.listeners
        accepting = Accepting(listener.descriptor, self._reactor, owned.factory)
        started.callback(accepting.stop)
        self._owned = owned
        tell(Ready())

    def _do(self, work: Callable[[], Awaitable[Event]]) -> None:
        """The supervisor cannot do without what it asks for. A store that is busy or full is
        asked until it is not; what else fails ends the process, and is asked of the next."""

        async def done() -> None:
            while True:
                try:
                    tell(await work())
                    return
                except (StoreBusy, StoreFull):
                    await deferLater(self._reactor, RETRY_SECONDS)
                except Exception as error:
                    if self.running:
                        self._end(error)
                    return

        Deferred.fromCoroutine(done())


async def _take_incarnation(owned: OwnedStore) -> Event:
    return Incarnation(await owned.begin_incarnation())


async def _fence(owned: OwnedStore, incarnation: int) -> Event:
    await owned.store.fence([incarnation])
    return Fenced(incarnation)
