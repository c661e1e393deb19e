"""Every limit, from both sides."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.web.applications import MIB, Held, Pieces, Scripted, echo, get, put, streams
from objectd.testing.http import ClientResponse, Connection, exchange, memory_site
from objectd.web.limits import Limits


def answer_to(data: bytes, limits: Limits) -> ClientResponse:
    [response] = exchange(memory_site(Scripted(echo), limits=limits), data)
    return response


class HeadLimitTests(SynchronousTestCase):
    """Request line and headers."""

    def test_request_line_bytes(self) -> None:
        """One byte more than the limit is a URI too long."""
        for limits in [
            Limits(request_line_bytes=100),
            Limits(request_line_bytes=100, header_bytes=10),
        ]:
            fitting = "/" + "k" * (100 - len("GET / HTTP/1.1"))
            request = get(fitting).replace(b"Host: s3", b"Host:")
            self.assertEqual(answer_to(request, limits).status, 200)
            request = get(fitting + "k").replace(b"Host: s3", b"Host:")
            self.assertEqual(answer_to(request, limits).status, 414)

    def test_endless_request_line(self) -> None:
        """A line that does not end is refused as soon as it is too long."""
        response = answer_to(b"GET /" + b"k" * 200_000, Limits())
        self.assertEqual(response.status, 414)

    def test_header_bytes(self) -> None:
        """One byte more than the limit, with line ends, is too much, in one header or many."""
        limits = Limits(header_bytes=100)
        room = 100 - len("Host: s3\r\n")
        for headers in [["a: " + "x" * (room - 5)], ["b: 123"] * 8 + ["a: " + "x" * (room - 69)]]:
            self.assertEqual(answer_to(get("/", *headers), limits).status, 200)
            headers[-1] += "x"
            self.assertEqual(answer_to(get("/", *headers), limits).status, 431)

    def test_endless_header(self) -> None:
        """A header that does not end is refused as soon as it is too long."""
        response = answer_to(get()[:-2] + b"a: " + b"x" * 200_000, Limits())
        self.assertEqual(response.status, 431)

    def test_header_count(self) -> None:
        """One header more than the limit is too much."""
        limits = Limits(header_count=5)
        self.assertEqual(answer_to(get("/", *["a: b"] * 4), limits).status, 200)
        self.assertEqual(answer_to(get("/", *["a: b"] * 5), limits).status, 431)

    def test_counts_begin_anew(self) -> None:
        """Each request of a connection has the whole allowance."""
        limits = Limits(header_count=3, header_bytes=60, request_line_bytes=40)
        request = get("/" + "k" * 20, "a: " + "x" * 30)
        responses = exchange(memory_site(Scripted(echo), limits=limits), request * 5)
        self.assertEqual([response.status for response in responses], [200] * 5)


class ConcurrencyLimitTests(SynchronousTestCase):
    """How much at once."""

    def test_connections(self) -> None:
        """The connection beyond the limit is told to slow down and closed; a place that
        becomes free is used."""
        site = memory_site(Scripted(echo), limits=Limits(connections=2))
        first, second, third = [Connection(site) for _ in range(3)]
        self.assertEqual([response.status for response in third.responses()], [503])
        self.assertTrue(third.closed)
        second.send(get())
        self.assertEqual(second.responses()[0].status, 200)
        first.disconnect()
        fourth = Connection(site)
        fourth.send(get())
        self.assertEqual(fourth.responses()[0].status, 200)

    def test_connections_over_tls(self) -> None:
        """A connection beyond the limit on which TLS has yet to begin is broken off at once:
        to tell its client anything would take a handshake that may never come."""
        site = memory_site(Scripted(echo), limits=Limits(connections=1))
        Connection(site, secure=True)
        second = Connection(site, secure=True)
        second.advance(0)
        self.assertEqual((second.aborted, second.received), (True, b""))

    def test_uploads(self) -> None:
        """The upload beyond the limit is told to slow down; requests without a body pass."""
        held = Held()
        application = Scripted(held)
        site = memory_site(application, limits=Limits(uploads=2))
        connections = [Connection(site) for _ in range(3)]
        for connection in connections:
            connection.send(put(b"", length=10))
        self.assertEqual(connections[2].responses()[0].status, 503)
        self.assertEqual(connections[2].responses()[0].body, b"SlowDown 0000000000000003")
        self.assertEqual([connections[0].received, connections[1].received], [b"", b""])
        Connection(site).send(get())
        self.assertEqual(len(application.requests), 3)
        connections[0].disconnect()
        fifth = Connection(site)
        fifth.send(put(b"", length=10))
        self.assertEqual(fifth.received, b"")

    def test_downloads(self) -> None:
        """The streamed answer beyond the limit is replaced by a request to slow down."""
        all_streams = [Pieces(b"x" * 200_000, b"x" * 200_000) for _ in range(4)]
        site = memory_site(
            Scripted(streams(all_streams, 400_000)),
            limits=Limits(downloads=2),
        )
        connections = [Connection(site) for _ in range(3)]
        for connection in connections:
            connection.takes_bytes = 1000
            connection.send(get())
        [response] = connections[2].responses()
        self.assertEqual((response.status, response.header(b"connection")), (503, None))
        self.assertEqual((all_streams[2].reads, all_streams[2].closed), (0, True))
        connections[0].takes_bytes = None
        connections[0].run()
        connections[2].takes_bytes = None
        connections[2].send(get())
        self.assertEqual(connections[2].responses()[1].status, 200)


class MemoryLimitTests(SynchronousTestCase):
    """Memory for bodies that are sent; for those received see `test_bodies`."""

    def test_download_waits_for_memory(self) -> None:
        """A download begins when another has given its memory back, not before."""
        streams_made = [Pieces(*[b"x" * MIB] * 2) for _ in range(3)]
        site = memory_site(
            Scripted(streams(streams_made, 2 * MIB)),
            limits=Limits(body_memory_bytes=4 * MIB, downloads=4),
        )
        site.body_memory.take(2 * MIB)  # as uploads do
        connections = [Connection(site) for _ in streams_made]
        for connection in connections:
            connection.takes_bytes = 1000
            connection.send(get())
        self.assertEqual([stream.reads for stream in streams_made], [1, 1, 0])
        connections[0].takes_bytes = None
        connections[0].run()
        self.assertEqual(streams_made[2].reads, 1)
        self.assertEqual(site.body_memory.held_bytes, 4 * MIB)
        for connection in connections:
            connection.disconnect()
        self.assertEqual(site.body_memory.held_bytes, 2 * MIB)

    def test_slow_downloads(self) -> None:
        """As many downloads as are allowed fit into the memory, so slow ones deny nobody."""
        limits = Limits()
        self.assertLessEqual(
            limits.downloads * limits.download_memory_bytes, limits.body_memory_bytes
        )

    def test_download_does_not_wait_for_ever(self) -> None:
        """Without memory for ten seconds, the answer is to slow down."""
        streams_made = [Pieces(b"x" * MIB) for _ in range(2)]
        site = memory_site(
            Scripted(streams(streams_made, MIB)),
            limits=Limits(body_memory_bytes=2 * MIB, downloads=2),
        )
        site.body_memory.take(MIB)  # as uploads do
        first, second = Connection(site), Connection(site)
        first.takes_bytes = 0
        first.send(get())
        second.send(get())
        second.advance(9)
        self.assertEqual(second.received, b"")
        second.advance(1)
        self.assertEqual([r.status for r in second.responses()], [503])
        self.assertTrue(streams_made[1].closed)

    def test_small_downloads_reserve_little(self) -> None:
        """A download takes no more memory than it is long."""
        site = memory_site(
            Scripted(streams([Pieces(b"x" * 1000) for _ in range(3)], 1000)),
            limits=Limits(body_memory_bytes=3000, downloads=3),
        )
        for _ in range(3):
            connection = Connection(site)
            connection.takes_bytes = 0
            connection.send(get())
        self.assertLessEqual(site.body_memory.held_bytes, 3000)
        self.assertEqual(site.body_memory.exhausted, site.body_memory.held_bytes == 3000)

    def test_stream_memory_has_bounds(self) -> None:
        """One stream may be given 64 KiB to 4 MiB."""
        for size_bytes in (64 << 10, 4 * MIB):
            Limits(stream_memory_bytes=size_bytes)
        for size_bytes in ((64 << 10) - 1, 4 * MIB + 1):
            self.assertRaises(ValueError, Limits, stream_memory_bytes=size_bytes)

    def test_pipelined_bytes(self) -> None:
        """Beyond the limit, pipelined input is not read while an answer is pending."""
        held = Held()
        site = memory_site(Scripted(held), limits=Limits(pipelined_bytes=1000))
        connection = Connection(site)
        connection.send(get())
        connection.send(b"x" * 1000)
        connection.send(b"x" * 10)
        self.assertEqual(connection.unread_bytes, 0)
        connection.send(b"x" * 10)
        self.assertEqual(connection.unread_bytes, 10)
