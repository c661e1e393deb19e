"""Listening, and stopping without breaking off what is under way."""

from __future__ import annotations

from socket import socket
from typing import Any, cast

from twisted.internet.defer import TimeoutError as OutOfTime
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorSocket, IReactorTCP
from twisted.internet.protocol import ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from objectd.interfaces import ITLSContexts
from objectd.web.address import Address
from objectd.web.site import Site

BACKLOG = 1024
"""Connections that wait to be accepted; Twisted's own 50 overflow under a burst."""


class WebServer:
    """A site on any number of listening sockets."""

    def __init__(self, reactor: IReactorTCP, site: Site) -> None:
        self._reactor = reactor
        self._site = site
        self._ports: list[IListeningPort] = []

    def listen(self, address: str, tls: ITLSContexts | None = None) -> IListeningPort:
        """Accept connections on `address` (see `Address.parse`), over TLS if given contexts.

        Raises `InvalidArgument`, or Twisted's `CannotListenError`.
        """
        where = Address.parse(address)
        port = self._reactor.listenTCP(
            where.port, self._factory(tls), backlog=BACKLOG, interface=where.host
        )
        self._ports.append(port)
        return port

    def adopt(self, descriptor: int, tls: ITLSContexts | None = None) -> IListeningPort:
        """The same on a socket that listens already; `descriptor` is closed, the socket not."""
        with socket(fileno=descriptor) as inherited:
            inherited.setblocking(False)
            reactor = cast("IReactorSocket", self._reactor)
            port = reactor.adoptStreamPort(descriptor, inherited.family, self._factory(tls))
        self._ports.append(port)
        return port

    def _factory(self, tls: ITLSContexts | None) -> ServerFactory[Any]:
        if tls is None:
            return self._site
        return cast(
            "ServerFactory[Any]",
            TLSMemoryBIOFactory(tls.context_factory(), False, self._site, self._site.clock),
        )

    async def stop(self, drain_seconds: float | None) -> None:
        """Accept no more, close idle connections, and return once the requests in flight are
        answered; what is not over after `drain_seconds`, unless None, is broken off."""
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        retired = self._site.retire()
        if drain_seconds is not None:
            retired.addTimeout(drain_seconds, self._site.clock)
        try:
            await retired
        except OutOfTime:
            self._site.abort()
            await self._site.retire()
