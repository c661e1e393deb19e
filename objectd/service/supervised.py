"""The server as several processes: this one makes what the others share, and watches over them.

It imports little: it is there only so that the others can die.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from typing_extensions import override

from objectd.config import ConfigurationFile
from objectd.errors import ConfigurationInvalid
from objectd.metadata.slots import TABLE_BYTES
from objectd.process import control
from objectd.process.children import Child, ChildFailed, Spawning
from objectd.process.control import Begin, Listener
from objectd.process.directory import locked
from objectd.process.sockets import listening, opened_directory, owner_socket, shared_memory
from objectd.process.supervisor import Supervisor
from objectd.service.lifecycle import ObjectdService, Surroundings, warn_of_restart
from objectd.settings import Configuration, Source, configuration_of
from objectd.web.address import Address

__all__ = ["Supervised"]

RELOADED = frozenset(
    {
        "[credentials]",
        "[deadlines]",
        "[limits]",
        "[objects]",
        "[server] domains",
        "[server] patience_seconds",
        "[server] region",
        "[server] stop_seconds",
        "[server] strict_region",
        "[tls]",
    }
)
"""What may change while the server runs: new workers read it. All else needs a restart, and until
then they have it as the owner has, who goes on: workers that know of another storage class, or of
other drives, would not mean the same as it does."""

_log = Logger()


class Supervised(ObjectdService):
    def __init__(
        self, configuration: Configuration, source: Source, surroundings: Surroundings
    ) -> None:
        super().__init__(surroundings)
        self._configuration = configuration
        self._source = source
        self._file = source.read()
        self._supervisor: Supervisor | None = None
        self._one_reload = DeferredLock()

    @override
    def reload(self) -> None:
        if self._supervisor is not None:
            Deferred.fromCoroutine(self._reload(self._supervisor))

    @override
    async def _assemble(self, started: AsyncExitStack) -> None:
        surroundings, server = self._surroundings, self._configuration.server
        surroundings.data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = await started.enter_async_context(locked(surroundings.data_directory, self._reactor))
        addresses = [Address.parse(each) for each in (*server.listen, *server.listen_tls)]
        made = [
            _kept(listening(each.host, each.port, server.worker_count), started)
            for each in addresses
        ]
        directory = started.enter_context(opened_directory(surroundings.data_directory))
        owner = started.enter_context(owner_socket(directory))
        slots = started.enter_context(shared_memory("objectd-slots", TABLE_BYTES))
        spawning = Spawning(
            self._reactor,
            surroundings.environment,
            {control.LOCK: lock, control.DIRECTORY: directory, control.SLOTS: slots},
            surroundings.log_lines,
        )
        supervisor = Supervisor(
            [owner.fileno()],
            [[each.fileno() for each in sockets] for sockets in zip(*made, strict=True)],
            spawn=partial(Child.spawn, spawning=spawning),
            begin=self._first_words,
            clock=self._reactor,
            announce=surroundings.announce,
            give_up=self._end,
        )
        started.push_async_callback(self._stop_children, supervisor, made)
        await supervisor.start()
        self._supervisor = supervisor
        for number, sockets in enumerate(made):
            self._announce("http" if number < len(server.listen) else "https", sockets[0])

    def _first_words(self, role: str, living: Sequence[int]) -> Begin:
        server = self._configuration.server
        kinds = [False] * len(server.listen) + [True] * len(server.listen_tls)
        return Begin(
            configuration_name=self._file.name,
            configuration=msgspec.msgpack.encode(self._file.tables),
            data_directory=str(self._surroundings.data_directory),
            listeners=tuple(
                Listener(descriptor, is_tls)
                for descriptor, is_tls in enumerate(
                    kinds if role == control.WORKER else [False], control.INHERITED
                )
            ),
            workers=server.worker_count,
            living=tuple(living),
        )

    async def _stop_children(
        self, supervisor: Supervisor, made: Sequence[Sequence[socket.socket]]
    ) -> None:
        for sockets in made:
            for each in sockets:
                each.close()
        await supervisor.stop(self._configuration.server.stop_seconds)
        _log.info("objectd has stopped")

    # While it runs

    async def _reload(self, supervisor: Supervisor) -> None:
        await self._one_reload.acquire()
        try:
            file = self._source.read()
            await self._take_up(supervisor, file, configuration_of(file))
        except ConfigurationInvalid as error:
            _log.error("the configuration stays as it was: {error}", error=error)
        finally:
            self._one_reload.release()

    async def _take_up(
        self, supervisor: Supervisor, file: ConfigurationFile, configuration: Configuration
    ) -> None:
        changed = self._configuration.differences(configuration)
        warn_of_restart([each for each in changed if each not in RELOADED])
        supervisor.tell_workers(control.Reload())
        if RELOADED.isdisjoint(changed):
            return
        file = taken_up(self._file, file)
        configuration = configuration_of(file)
        before = self._configuration, self._file
        self._configuration, self._file = configuration, file
        try:
            await supervisor.replace_workers()
        except ChildFailed as error:
            self._configuration, self._file = before
            _log.error("the configuration stays as it was: {error}", error=error)
        else:
            _log.info("new workers have the new configuration")

    def _announce(self, scheme: str, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self._surroundings.announce(f"objectd listens on {scheme}://{shown}:{port}")


def taken_up(old: ConfigurationFile, new: ConfigurationFile) -> ConfigurationFile:
    """What the new file says of all that is `RELOADED`, and what the old one says of all else."""
    reloaded = {name for name in (*old.tables, *new.tables) if f"[{name}]" in RELOADED}
    if "tls" not in old or "tls" not in new:
        reloaded.discard("tls")  # it goes with listen_tls
    tables = {
        **{name: table for name, table in old.tables.items() if name not in reloaded},
        **{name: table for name, table in new.tables.items() if name in reloaded},
        "server": {**_server(old, is_reloaded=False), **_server(new, is_reloaded=True)},
    }
    return ConfigurationFile(new.name, tables)


def _server(file: ConfigurationFile, *, is_reloaded: bool) -> dict[str, object]:
    table = file.tables.get("server", {})
    if not isinstance(table, dict):
        raise TypeError("[server] was checked before")
    return {k: v for k, v in table.items() if (f"[server] {k}" in RELOADED) is is_reloaded}


def _kept(sockets: list[socket.socket], started: AsyncExitStack) -> list[socket.socket]:
    for each in sockets:
        started.enter_context(each)
    return sockets
