"""The whole server as one Twisted service: configuration and providers in, service out.

`ObjectdService._assemble` is the assembly, in reading order. What it starts is stopped in
the reverse order: no new connections, the requests under way end, the collector stops, the
stores are closed.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from objectd.background.collection import Collection
from objectd.errors import (
    BucketAlreadyOwnedByYou,
    ConfigurationInvalid,
    InvalidBucketName,
    ObjectdError,
)
from objectd.interfaces import Host, ITLSContexts
from objectd.objects import ObjectStore
from objectd.objects.store import wall_clock_us
from objectd.process.descriptors import room_for_connections
from objectd.protocol.model import load_s3_model
from objectd.protocol.targets import bucket_in_host
from objectd.s3.application import S3Application, S3Settings
from objectd.settings import Configuration
from objectd.storage import hosted, opened_store
from objectd.web.accesslog import AccessLog
from objectd.web.front import Front
from objectd.web.ids import RequestIds
from objectd.web.limits import Limits
from objectd.web.server import WebServer
from objectd.web.site import Site
from objectd.web.tree import build_tree

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address, IPv6Address
    from twisted.internet.interfaces import IListeningPort
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["BUCKETS_VARIABLE", "ObjectdService", "Surroundings", "reload_on_hangup"]

BUCKETS_VARIABLE = "OBJECTD_BUCKETS"

_log = Logger()


@attrs.frozen
class Surroundings:
    """What the process that the server runs in gives it.

    `announce` shows a line to the person who starts it. `end` is called at most once, when
    the server cannot start or cannot go on: it ends the process, with a status that says so.
    """

    reactor: PosixReactorBase
    data_directory: Path
    environment: Mapping[str, str] = attrs.field(repr=False)
    announce: Callable[[str], object]
    end: Callable[[], object]


class ObjectdService(Service):
    """Starts when the reactor runs. `stopService` fires when everything is closed."""

    name = "objectd"

    def __init__(self, configuration: Configuration, surroundings: Surroundings) -> None:
        self._configuration = configuration
        self._surroundings = surroundings
        self._reactor = surroundings.reactor
        self._starting: Deferred[None] | None = None
        self._started = AsyncExitStack()
        self._tls: ITLSContexts | None = None
        self._ended = False

    @override
    def startService(self) -> None:
        Service.startService(self)
        self._reactor.callWhenRunning(self._begin)

    @override
    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    def reload(self) -> None:
        """Read the certificate again; if that fails the old one stays in use."""
        if self._tls is None:
            return
        try:
            self._tls.reload()
        except ObjectdError as error:
            _log.error("the certificate stays as it was: {error}", error=error)
        else:
            _log.info("the certificate was read again")

    def _begin(self) -> None:
        if self.running:
            self._starting = Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        try:
            async with AsyncExitStack() as started:
                await self._assemble(started)
                self._started = started.pop_all()
        except CancelledError:
            _log.info("objectd was stopped before it had started")
        except Exception as error:
            self._end(error)

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await self._starting
        await self._started.aclose()
        _log.info("objectd has stopped")

    def _end(self, error: Exception) -> None:
        """The server cannot start or cannot go on."""
        if self._ended:
            return
        self._ended = True
        if isinstance(error, (ObjectdError, CannotListenError, OSError)):
            _log.critical("objectd ends: {error}", error=error)
        else:
            _log.failure("objectd ends", Failure(error))
        self._surroundings.end()

    async def _assemble(self, started: AsyncExitStack) -> None:
        configuration, server = self._configuration, self._configuration.server
        limits = _fitting(configuration.limits)
        host = self._host(started)

        store = await started.enter_async_context(
            opened_store(configuration, host, body_memory_bytes=limits.body_memory_bytes)
        )
        credentials = await configuration.credentials.open(host)
        await self._make_buckets(store)
        collection = Collection(store, self._reactor, configuration.collection)
        collection.start()
        started.push_async_callback(collection.stop)

        application = S3Application(
            store,
            credentials,
            load_s3_model(),
            clock=self._reactor,
            now_us=wall_clock_us,
            run_in_thread=host.run_in_thread,
            settings=S3Settings(
                server.region, server.domains, server.strict_region, server.patience_seconds
            ),
        )
        tree = build_tree(
            application,
            ready=self._is_ready,
            names_bucket=lambda request: bucket_in_host(request, server.domains) is not None,
        )
        access_log = AccessLog(self._reactor)
        site = Site(
            Front(application.respond, tree),
            application,
            clock=self._reactor,
            now=time.time,
            new_request_id=RequestIds(secrets.token_bytes),
            log_request=access_log.add,
            flush_log=access_log.flush,
            limits=limits,
            deadlines=configuration.deadlines,
        )
        web = WebServer(self._reactor, site)
        started.push_async_callback(web.stop, server.stop_seconds)
        for address in server.listen:
            self._announce("http", web.listen(address))
        if configuration.tls is not None:
            self._tls = await configuration.tls.open(host)
            for address in server.listen_tls:
                self._announce("https", web.listen(address, self._tls))

    def _host(self, started: AsyncExitStack) -> Host:
        surroundings = self._surroundings
        surroundings.data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return started.enter_context(
            hosted(
                self._reactor,
                surroundings.data_directory,
                environment=surroundings.environment,
                announce=surroundings.announce,
                on_failure=self._end,
            )
        )

    async def _make_buckets(self, store: ObjectStore) -> None:
        for name in filter(
            None, self._surroundings.environment.get(BUCKETS_VARIABLE, "").split(",")
        ):
            try:
                await store.buckets.create(name, region=self._configuration.server.region)
            except BucketAlreadyOwnedByYou:
                continue
            except InvalidBucketName as error:
                raise ConfigurationInvalid(f"{BUCKETS_VARIABLE}: {error}") from error

    def _announce(self, scheme: str, port: IListeningPort) -> None:
        at = cast("IPv4Address | IPv6Address", port.getHost())
        host = f"[{at.host}]" if ":" in at.host else at.host
        self._surroundings.announce(f"objectd listens on {scheme}://{host}:{at.port}")

    def _is_ready(self) -> bool:
        return bool(self.running) and not self._ended


def _fitting(limits: Limits) -> Limits:
    """The limits, with as many connections as there are file descriptors for."""
    room = room_for_connections(limits.connections, limits.uploads + limits.downloads)
    if room < limits.connections:
        _log.warn(
            "there are file descriptors for {room} connections only, not {wanted}: raise the "
            "hard limit of open files, or lower limits.connections",
            room=room,
            wanted=limits.connections,
        )
    return attrs.evolve(limits, connections=room)


def reload_on_hangup(service: ObjectdService, reactor: PosixReactorBase) -> None:
    """SIGHUP reads the certificate again, as a renewal tool expects."""
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(service.reload))
