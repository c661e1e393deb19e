"""The whole server in one process.

`SingleProcess._assemble` is the assembly, in reading order. What it starts is stopped in the
reverse order: no new connections, the requests under way end, the collector stops, the
stores are closed.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

from twisted.logger import Logger
from typing_extensions import override

from objectd.background.collection import Collection
from objectd.background.lifecycle import LifecycleWork
from objectd.background.timekeeping import Timekeeping
from objectd.interfaces import ITLSContexts
from objectd.process.directory import locked
from objectd.service.http import fitting, reload_certificate, site_of
from objectd.service.lifecycle import ObjectdService, Surroundings, reread, warn_of_restart
from objectd.settings import Configuration, Source
from objectd.storage import hosted, make_buckets, opened_store
from objectd.web.server import WebServer

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address, IPv6Address
    from twisted.internet.interfaces import IListeningPort

__all__ = ["SingleProcess"]

_log = Logger()


class SingleProcess(ObjectdService):
    def __init__(
        self, configuration: Configuration, source: Source, surroundings: Surroundings
    ) -> None:
        super().__init__(surroundings)
        self._configuration = configuration
        self._source = source
        self._tls: ITLSContexts | None = None

    @override
    def reload(self) -> None:
        """Read the certificate again, and tell what of the configuration needs a restart."""
        warn_of_restart(self._configuration.differences(reread(self._source, self._configuration)))
        if self._tls is not None:
            reload_certificate(self._tls)

    @override
    async def _assemble(self, started: AsyncExitStack) -> None:
        configuration, server = self._configuration, self._configuration.server
        surroundings = self._surroundings
        limits = fitting(configuration.limits)
        surroundings.data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        await started.enter_async_context(locked(surroundings.data_directory, self._reactor))
        host = started.enter_context(
            hosted(
                self._reactor,
                surroundings.data_directory,
                environment=surroundings.environment,
                announce=surroundings.announce,
                on_failure=self._end,
            )
        )
        store = await started.enter_async_context(
            opened_store(configuration, host, body_memory_bytes=limits.body_memory_bytes)
        )
        credentials = await configuration.credentials.open(host)
        await make_buckets(store, surroundings.environment, server.region)
        timekeeping = Timekeeping(store.trusted_time, self._reactor)
        timekeeping.start()
        started.push_async_callback(timekeeping.stop)
        collection = Collection(store, self._reactor, configuration.collection)
        collection.start()
        started.push_async_callback(collection.stop)
        lifecycle = LifecycleWork(store, self._reactor, configuration.lifecycle)
        lifecycle.start()
        started.push_async_callback(lifecycle.stop)

        site = site_of(
            store,
            credentials,
            configuration,
            limits=limits,
            reactor=self._reactor,
            run_in_thread=host.run_in_thread,
            is_ready=self._is_ready,
        )
        web = WebServer(self._reactor, site)
        started.push_async_callback(web.stop, server.stop_seconds)
        for address in server.listen:
            self._announce("http", web.listen(address))
        if configuration.tls is not None:
            self._tls = await configuration.tls.open(host)
            for address in server.listen_tls:
                self._announce("https", web.listen(address, self._tls))

    @override
    async def _stop(self) -> None:
        await super()._stop()
        _log.info("objectd has stopped")

    def _announce(self, scheme: str, port: IListeningPort) -> None:
        at = cast("IPv4Address | IPv6Address", port.getHost())
        host = f"[{at.host}]" if ":" in at.host else at.host
        self._surroundings.announce(f"objectd listens on {scheme}://{host}:{at.port}")
