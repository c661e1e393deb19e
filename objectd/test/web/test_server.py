"""Listening, stopping, and what is served beside the application."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from objectd.errors import InvalidArgument
from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import Held, Scripted, echo, get, put
from objectd.testing.http import Connection, exchange, memory_site
from objectd.web.address import Address
from objectd.web.server import BACKLOG, WebServer
from objectd.web.site import Site


class AddressTests(SynchronousTestCase):
    """Where to listen."""

    def test_addresses(self) -> None:
        """Names, IPv4 and bracketed IPv6, with a port."""
        self.assertEqual(Address.parse("127.0.0.1:9000"), Address("127.0.0.1", 9000))
        self.assertEqual(Address.parse("[::1]:0"), Address("::1", 0))
        self.assertEqual(Address.parse(":65535"), Address("", 65535))

    def test_what_is_no_address(self) -> None:
        """Anything else is refused."""
        for text in ["", "9000", "localhost", "h:", "h:x", "h:-1", "h:65536", "::1:9000", "h:٣"]:
            self.assertRaises(InvalidArgument, Address.parse, text)


class StopTests(SynchronousTestCase):
    """Stopping lets requests in flight finish."""

    def server(self, site: Site) -> WebServer:
        assert isinstance(site.clock, MemoryReactorClock)
        server = WebServer(site.clock, site)
        server.listen("127.0.0.1:9000")
        return server

    def stop(self, server: WebServer) -> Deferred[None]:
        return Deferred.fromCoroutine(server.stop(10))

    def test_listens(self) -> None:
        """The socket has a backlog that a burst does not overflow."""
        site = memory_site(Scripted(echo))
        self.server(site)
        assert isinstance(site.clock, MemoryReactorClock)
        [(port, factory, backlog, interface)] = site.clock.tcpServers
        self.assertEqual((port, factory, backlog, interface), (9000, site, BACKLOG, "127.0.0.1"))

    def test_negotiates(self) -> None:
        """A TLS client that offers protocols, as boto3 does, is told HTTP/1.1."""
        site = memory_site(Scripted(echo))
        verifyObject(IProtocolNegotiationFactory, site)
        self.assertEqual(site.acceptableProtocols(), [b"http/1.1"])

    def test_nothing_to_wait_for(self) -> None:
        """Without connections, stopping takes no time."""
        self.successResultOf(self.stop(self.server(memory_site(Scripted(echo)))))

    def test_idle_connections_close_at_once(self) -> None:
        """Those between two requests."""
        site = memory_site(Scripted(echo))
        kept = Connection(site)
        kept.send(get())
        stopped = self.stop(self.server(site))
        kept.run()
        self.assertTrue(kept.closed)
        self.successResultOf(stopped)

    def test_first_request_is_served(self) -> None:
        """Who connected just before the stop has its request on its way, and is answered."""
        site = memory_site(Scripted(echo))
        new = Connection(site)
        stopped = self.stop(self.server(site))
        new.advance(0.9)
        new.send(get())
        [response] = new.responses()
        self.assertEqual((response.status, response.header(b"connection")), (200, b"close"))
        self.successResultOf(stopped)

    def test_first_request_never_comes(self) -> None:
        """A new connection on which nothing comes is soon closed without a word."""
        site = memory_site(Scripted(echo))
        new = Connection(site)
        stopped = self.stop(self.server(site))
        new.advance(1.5)
        self.assertEqual((new.closed, new.received), (True, b""))
        self.successResultOf(stopped)

    def test_deadlines_move_no_later(self) -> None:
        """A new connection whose time is nearly over gets no more by the stop."""
        site = memory_site(Scripted(echo))
        new = Connection(site)
        new.advance(19.5)
        stopped = self.stop(self.server(site))
        new.advance(0.5)
        self.assertTrue(new.closed)
        self.successResultOf(stopped)

    def test_requests_in_flight_are_answered(self) -> None:
        """The answer says that it is the last, and what was pipelined is not begun."""
        held = Held()
        application = Scripted(held)
        site = memory_site(application)
        connection = Connection(site)
        connection.send(get() + get())
        stopped = self.stop(self.server(site))
        connection.advance(9)
        self.assertNoResult(stopped)
        held.release(Response(200, (), b"done"))
        connection.run()
        [response] = connection.responses()
        self.assertEqual((response.body, response.header(b"connection")), (b"done", b"close"))
        self.assertEqual(len(application.requests), 1)
        self.successResultOf(stopped)

    def test_headers_on_their_way_are_served(self) -> None:
        """A request of which a part has arrived counts as in flight."""
        site = memory_site(Scripted(echo))
        connection = Connection(site)
        connection.send(get()[:10])
        stopped = self.stop(self.server(site))
        connection.send(get()[10:])
        self.assertEqual(connection.responses()[0].header(b"connection"), b"close")
        self.successResultOf(stopped)

    def test_drain_deadline(self) -> None:
        """What takes longer is broken off."""
        held = Held()
        site = memory_site(Scripted(held))
        connection = Connection(site)
        connection.send(put(b"x", length=10))
        stopped = self.stop(self.server(site))
        connection.advance(9)
        self.assertNoResult(stopped)
        connection.advance(2)
        self.assertEqual((connection.aborted, held.cancelled), (True, 1))
        self.successResultOf(stopped)


class HealthTests(SynchronousTestCase):
    """Health under the reserved prefix."""

    def test_live(self) -> None:
        """A process that answers is alive; HEAD will do."""
        site = memory_site(Scripted(echo), ready=lambda: False)
        requests = get("/-/health/live?x") + get("/-/health/live", method="HEAD")
        responses = exchange(site, requests, methods=["GET", "HEAD"])
        self.assertEqual([(r.status, r.body) for r in responses], [(200, b"live\n"), (200, b"")])
        self.assertEqual(responses[1].header(b"content-length"), b"5")

    def test_ready(self) -> None:
        """Readiness is asked for anew each time."""
        answers = [False, True]
        site = memory_site(Scripted(echo), ready=lambda: answers.pop(0))
        responses = exchange(site, get("/-/health/ready") * 2)
        self.assertEqual([response.status for response in responses], [503, 200])

    def test_key_of_that_name(self) -> None:
        """Where the host names a bucket, the path is a key like any other."""

        def names_bucket(request: HttpRequest) -> bool:
            return request.header(b"host") == b"bucket.s3"

        site = memory_site(Scripted(echo), names_bucket=names_bucket)
        request = b"GET /-/health/live HTTP/1.1\r\nHost: %s\r\n\r\n"
        responses = exchange(site, request % b"bucket.s3" + request % b"s3")
        self.assertEqual([r.body for r in responses], [b"GET /-/health/live ", b"live\n"])
