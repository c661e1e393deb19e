"""The request that Klein's tree is given.

Klein adapts `server.Request`, so it is one, but only a thin one over an `Exchange`: nothing is
read or written through it. What Twisted's requests (26.10) ask of their channel is in
`_Connection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, ITransport
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.resource import IResource
from typing_extensions import override

if TYPE_CHECKING:
    from objectd.web.serving import Exchange


class _Connection:
    """In place of Twisted's `HTTPChannel`."""

    def __init__(self, transport: ITransport) -> None:
        self.transport = transport

    def getPeer(self) -> IAddress:  # noqa: N802
        return self.transport.getPeer()

    def getHost(self) -> IAddress:  # noqa: N802
        return self.transport.getHost()


class TreeRequest(server.Request):
    """Routes one exchange through a tree of resources."""

    def __init__(self, exchange: Exchange) -> None:
        connection: Any = _Connection(exchange.channel.transport)
        super().__init__(connection, False, parsePOSTFormSubmission=False)
        self.exchange = exchange
        head = exchange.head
        self.method = head.method.encode("ascii")
        self.uri = head.target
        self.path = head.raw_path
        self.args = {}
        # As it came: nothing is decoded, so no two targets are one to the routing.
        self.prepath = []
        self.postpath = self.path.decode("latin-1").encode().split(b"/")[1:]
        if len(self.postpath) > 1 and not self.postpath[0]:
            # Klein and werkzeug drop leading slashes, which would make `//x` the same as `/x`.
            self.postpath[0] = b"%2F"

    def begin(self, root: IResource) -> None:
        self.exchange.when_lost = self._lost
        try:
            self.render(root)
        except Exception:
            self.processingFailed(Failure())

    def _lost(self) -> None:
        self.connectionLost(Failure(ConnectionDone()))

    @override
    def isSecure(self) -> bool:
        return self.exchange.head.secure

    @override
    def getRequestHostname(self) -> bytes:
        """A constant: routing does not depend on Host, and werkzeug raises on odd ones."""
        return b"objectd"

    @override
    def write(self, data: bytes) -> None:
        """What is served writes to the exchange; what it returns is empty."""

    @override
    def finish(self) -> None:
        self.exchange.finish()

    @override
    def processingFailed(self, reason: Failure) -> Failure:
        self.exchange.fail(reason)
        return reason
