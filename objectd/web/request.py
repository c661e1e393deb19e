"""A request whose body streams: processed when its headers are complete.

Private API of Twisted 26.10 used here: `_command`, `_path` and `_version` of the channel,
`queued`, `_cleanup` and the order `gotLength` → `handleContentChunk`* → `requestReceived`.
While `queued` is true, `finish` does not end the request in the channel: that is how an
early answer does not make the rest of a body look like the next request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure
from twisted.web import server
from typing_extensions import override

from objectd.errors import IncompleteBody
from objectd.protocol.messages import HttpRequest
from objectd.web.application import RefusalCode
from objectd.web.body import StreamingBody
from objectd.web.channel import Channel

if TYPE_CHECKING:
    from objectd.web.site import Site


class Request(server.Request):
    """One request on a `Channel`, rendered by the resources of a `Site`.

    `head` is the request as the application gets it; it and `body` are there once `begun`.
    `gone`: there is nobody left to answer.
    """

    channel: Channel
    site: Site
    head: HttpRequest
    body: StreamingBody
    defaultContentType = None  # noqa: N815 - Twisted's name
    begun = False
    gone = False

    def __init__(self, channel: Channel, queued: object = False) -> None:
        super().__init__(channel, queued)
        self.site = channel.site
        self.head_fields: list[tuple[bytes, bytes]] = []

    # From the channel

    @override
    def parseCookies(self) -> None:
        """No resource here has cookies."""

    @override
    def gotLength(self, length: int | None) -> None:
        channel, site = self.channel, self.site
        self.method, self.uri = channel._command, channel._path
        self.clientproto = channel._version
        self.path = self.uri.partition(b"?")[0]
        self.args = {}
        self.queued = True
        self.head = HttpRequest(
            method=self.method.decode("ascii"),
            target=self.uri,
            headers=tuple(self.head_fields),
            request_id=site.new_request_id(),
            secure=channel.secure,
            peer=channel.peer,
        )
        self.body = StreamingBody(
            length,
            expects_continue=self._expects_continue(),
            source=channel,
            memory=site.body_memory,
            limits=site.limits,
            deadlines=site.deadlines,
            clock=site.clock,
        )
        self.begun = True
        self.process()

    def _expects_continue(self) -> bool:
        expectation = self.head.header(b"expect")
        if expectation is None:
            return False
        # The channel would send `100 Continue` right after this method.
        self.requestHeaders.removeHeader(b"Expect")
        return (
            expectation.lower() == b"100-continue"
            and self.clientproto == b"HTTP/1.1"
            and not self.channel.has_input
        )

    @override
    def handleContentChunk(self, data: bytes) -> None:
        if self.finished:
            self.channel.drained(len(data))
        else:
            self.body.receive(data)

    @override
    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body has ended. If the answer has, too, this is the end of the request;
        otherwise the end of the body may be what the answer waits for."""
        self.queued = False
        if self.finished:
            self._cleanup()
        else:
            self.body.finish()

    @override
    def connectionLost(self, reason: Failure) -> None:
        self.gone = True
        if self.begun:
            self.body.fail(IncompleteBody("The client closed the connection."))
        super().connectionLost(reason)

    # To the resources

    @override
    def process(self) -> None:
        """Render the site's root resource on the path as it came: nothing is decoded, so no
        two targets are one to the routing."""
        self.prepath = []
        self.postpath = self.path.decode("latin-1").encode().split(b"/")[1:]
        if len(self.postpath) > 1 and not self.postpath[0]:
            # Klein and werkzeug drop leading slashes, which would make `//x` the same as `/x`.
            self.postpath[0] = b"%2F"
        try:
            self.render(self.site.getResourceFor(self))
        except Exception:
            self.processingFailed(Failure())

    @override
    def getRequestHostname(self) -> bytes:
        """A constant: routing does not depend on Host, and werkzeug raises on odd ones."""
        return b"objectd"

    @override
    def processingFailed(self, reason: Failure) -> Failure:
        """A resource raised."""
        self._log.failure("Request {id} failed", failure=reason, id=self.head.request_id)
        if self.startedWriting:
            self.break_off()
        elif not self.gone:
            channel = self.channel
            channel.persistent = False
            self.send(channel.site.refusal(channel, RefusalCode.INTERNAL_ERROR, "", self.head))
            self.finish()
        return reason

    # To the client

    def send(self, data: bytes) -> None:
        """Write head and body bytes as they are."""
        self.startedWriting = 1
        self.channel.write(data)

    def break_off(self) -> None:
        """Abort the connection, because the answer that was begun cannot be completed."""
        if not self.gone:
            self.gone = True
            self.channel.abort()

    @override
    def finish(self) -> None:
        if self.gone or self.finished:
            return
        channel = self.channel
        super().finish()
        if self.queued:
            channel.drain()
