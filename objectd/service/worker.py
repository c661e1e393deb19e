"""A worker: answers requests on sockets that it has inherited, over the owner's metadata."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from typing_extensions import override

from objectd.interfaces import ITLSContexts
from objectd.process import control
from objectd.process.control import Begin, Command, Ready, tell
from objectd.process.sockets import owner_path
from objectd.service.child import ChildService
from objectd.service.http import fitting, reload_certificate, site_of
from objectd.storage import hosted, joined_store
from objectd.web.limits import Limits
from objectd.web.server import WebServer
from objectd.web.site import Site

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["Worker", "share"]


class Worker(ChildService):
    def __init__(self, begin: Begin, reactor: PosixReactorBase, end: Callable[[], object]) -> None:
        super().__init__(begin, reactor, end)
        self._incarnation: Deferred[int] = Deferred()
        self._tls: ITLSContexts | None = None
        self._site: Site | None = None

    @override
    def obey(self, command: Command) -> None:
        match command:
            case control.Incarnation():
                self._incarnation.callback(command.number)
            case control.Reload():
                if self._tls is not None:
                    reload_certificate(self._tls)

    @override
    def drain(self, seconds: float | None) -> None:
        if seconds is not None and self._site is not None:
            self._reactor.callLater(seconds, self._site.abort)

    @override
    async def _assemble(self, started: AsyncExitStack) -> None:
        configuration = self._configuration
        limits = fitting(share(configuration.limits, self._told.workers))
        host = started.enter_context(
            hosted(
                self._reactor,
                self._surroundings.data_directory,
                environment=self._surroundings.environment,
                announce=self._surroundings.announce,
                on_failure=self._end,
                joins=True,
            )
        )
        store = await started.enter_async_context(
            joined_store(
                configuration,
                host,
                owner=UNIXClientEndpoint(self._reactor, owner_path(control.DIRECTORY)),
                slots=control.SLOTS,
                incarnation=self._incarnation,
                body_memory_bytes=limits.body_memory_bytes,
            )
        )
        credentials = await configuration.credentials.open(host)
        site = self._site = site_of(
            store,
            credentials,
            configuration,
            limits=limits,
            reactor=self._reactor,
            run_in_thread=host.run_in_thread,
            is_ready=self._is_ready,
        )
        if configuration.tls is not None:
            self._tls = await configuration.tls.open(host)
        web = WebServer(self._reactor, site)
        started.push_async_callback(web.stop, None)
        for listener in self._told.listeners:
            web.adopt(listener.descriptor, self._tls if listener.is_tls else None)
        tell(Ready())


def share(limits: Limits, workers: int) -> Limits:
    """What each of so many workers may take on, so that all together keep what is configured."""
    return attrs.evolve(
        limits,
        connections=math.ceil(limits.connections / workers),
        uploads=math.ceil(limits.uploads / workers),
        downloads=math.ceil(limits.downloads / workers),
        body_memory_bytes=math.ceil(limits.body_memory_bytes / workers),
    )
