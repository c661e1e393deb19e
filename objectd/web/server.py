"""Listening, and stopping without breaking off what is under way."""

from __future__ import annotations

from typing import Any, cast

import attrs
from twisted.internet.defer import TimeoutError as OutOfTime
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorTCP
from twisted.internet.protocol import ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from objectd.errors import InvalidArgument
from objectd.interfaces import ITLSContexts
from objectd.web.site import Site

BACKLOG = 1024
"""Connections that wait to be accepted; Twisted's own 50 overflow under a burst."""


@attrs.frozen
class Address:
    """Where to listen; `host` '' means all interfaces."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """'127.0.0.1:9000', '[::1]:9000' or ':9000'; port 0 lets the system choose."""
        host, separator, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            separator = ""  # an IPv6 address without brackets
        if not (separator and port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise InvalidArgument(f"{text!r} is not of the form HOST:PORT", name="listen")
        return cls(host, int(port))


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
        factory: ServerFactory[Any] = self._site
        if tls is not None:
            factory = cast(
                "ServerFactory[Any]",
                TLSMemoryBIOFactory(tls.context_factory(), False, self._site, self._site.clock),
            )
        port = self._reactor.listenTCP(where.port, factory, backlog=BACKLOG, interface=where.host)
        self._ports.append(port)
        return port

    async def stop(self, drain_seconds: float) -> None:
        """Accept no more, close idle connections, and return once the requests in flight are
        answered; what is not over after `drain_seconds` is broken off."""
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        try:
            await self._site.retire().addTimeout(drain_seconds, self._site.clock)
        except OutOfTime:
            self._site.abort()
            await self._site.retire()
