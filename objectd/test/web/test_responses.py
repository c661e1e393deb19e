"""Responses: streams at the client's pace, and errors before and after the first byte."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed
from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import MIB, Held, Pieces, Scripted, echo, get, streams
from objectd.testing.http import Connection, exchange, memory_site
from objectd.web.application import AccessEvent, RequestBody
from objectd.web.sending import LengthMismatch


class StreamTests(SynchronousTestCase):
    """Bodies that are streams."""

    def test_pieces_arrive_whole(self) -> None:
        """The client gets the bytes of all pieces, and the stream is closed."""
        stream = Pieces(b"a" * MIB, b"b", b"c" * 300_000)
        [response] = exchange(memory_site(Scripted(streams([stream], MIB + 300_001))), get())
        self.assertEqual(response.body, b"a" * MIB + b"b" + b"c" * 300_000)
        self.assertTrue(stream.closed)

    def test_client_sets_the_pace(self) -> None:
        """A piece is read only when the client has taken the one before."""
        stream = Pieces(*[b"x" * 100_000] * 5)
        connection = Connection(memory_site(Scripted(streams([stream], 500_000))))
        connection.takes_bytes = 0
        connection.send(get())
        self.assertEqual(stream.reads, 1)
        connection.takes_bytes = 50_000
        connection.run()
        self.assertEqual(stream.reads, 1)
        connection.takes_bytes = 60_000
        connection.run()
        self.assertEqual(stream.reads, 2)
        connection.takes_bytes = None
        connection.run()
        self.assertEqual(len(connection.responses()[0].body), 500_000)

    def test_full_connection_delays_the_next_response(self) -> None:
        """While a client leaves its answers unread, no more requests are served, and what it
        sends is not read either."""

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            return Response(200, (), b"x" * 50_000)

        application = Scripted(answer)
        connection = Connection(memory_site(application))
        connection.takes_bytes = 0
        for _ in range(3):
            connection.send(get() * 1000)
        self.assertEqual(len(application.requests), 2)
        self.assertGreater(connection.unread_bytes, 0)
        connection.takes_bytes = None
        connection.run()
        self.assertEqual(len(application.requests), 3000)
        self.assertEqual(connection.unread_bytes, 0)

    def test_empty_stream(self) -> None:
        """A stream of no bytes is a response without a body."""
        stream = Pieces()
        [response] = exchange(memory_site(Scripted(streams([stream], 0))), get())
        self.assertEqual((response.header(b"content-length"), stream.closed), (b"0", True))


class FailureTests(SynchronousTestCase):
    """What happens when the application fails."""

    def test_error_before_the_response(self) -> None:
        """It is logged and answered with the application's error document; the connection
        goes on."""

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            if request.target == b"/bad":
                raise ZeroDivisionError
            return await echo(request, body)

        responses = exchange(memory_site(Scripted(answer)), get("/bad") + get("/good"))
        self.assertEqual([r.status for r in responses], [500, 200])
        self.assertEqual(responses[0].body, b"InternalError 0000000000000001")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_error_in_the_first_piece(self) -> None:
        """Nothing has been sent yet, so it is an honest 500."""
        stream = Pieces(StoreFailed("unreadable"))
        [response] = exchange(memory_site(Scripted(streams([stream], 10))), get())
        self.assertEqual((response.status, stream.closed), (500, True))
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_error_after_the_first_byte(self) -> None:
        """The connection is aborted, and nothing is appended to the body."""
        events: list[AccessEvent] = []
        stream = Pieces(b"abcde", StoreFailed("damaged"))
        site = memory_site(Scripted(streams([stream], 10)), log_request=events.append)
        connection = Connection(site)
        connection.send(get())
        connection.advance(1)
        self.assertTrue(connection.aborted)
        self.assertTrue(connection.closed)
        self.assertNotIn(b"<", connection.received)
        self.assertEqual((events[0].status, events[0].complete), (200, False))
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_stream_of_the_wrong_length(self) -> None:
        """Neither too little nor too much passes for a complete body."""
        for pieces in [(b"abc",), (b"abc", b"defg"), ()]:
            connection = Connection(memory_site(Scripted(streams([Pieces(*pieces)], 6))))
            connection.send(get())
            connection.advance(1)
            self.assertTrue(connection.closed)
            self.assertTrue(connection.aborted)
            self.assertEqual(len(self.flushLoggedErrors(LengthMismatch)), 1)


class DisconnectTests(SynchronousTestCase):
    """Clients that go away."""

    def test_application_is_cancelled(self) -> None:
        """The coroutine that works for a lost client is cancelled, and the pipelined
        request behind it never begins."""
        held = Held()
        application = Scripted(held)
        connection = Connection(memory_site(application))
        connection.send(get() + get())
        connection.disconnect()
        self.assertEqual((held.cancelled, len(application.requests)), (1, 1))
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_stream_is_closed(self) -> None:
        """A client that leaves in the middle of a download leaves nothing behind."""
        stream = Pieces(*[b"x" * MIB] * 3)
        site = memory_site(Scripted(streams([stream], 3 * MIB)))
        connection = Connection(site)
        connection.takes_bytes = 1000
        connection.send(get())
        self.assertEqual((site.downloads.taken, site.body_memory.held_bytes), (1, 128 << 10))
        connection.disconnect()
        self.assertTrue(stream.closed)
        self.assertEqual((site.downloads.taken, site.body_memory.held_bytes), (0, 0))
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_answer_that_comes_too_late(self) -> None:
        """An application that does not let itself be cancelled has its response closed."""
        committed: Deferred[None] = Deferred()
        stream = Pieces(b"abc")

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            waiting: Deferred[None] = Deferred()
            try:
                await waiting
            except CancelledError:
                await committed
            return Response(200, (), stream, 3)

        connection = Connection(memory_site(Scripted(answer)))
        connection.send(get())
        connection.disconnect()
        self.assertFalse(stream.closed)
        committed.callback(None)
        self.assertEqual((stream.closed, stream.reads), (True, 0))

    def test_first_read_is_cancelled(self) -> None:
        """A client that leaves before the first piece is read leaves nothing behind."""

        class Stuck(Pieces):
            async def read(self) -> bytes:
                return await Deferred()

        stream = Stuck()
        site = memory_site(Scripted(streams([stream], 3)))
        connection = Connection(site)
        connection.send(get())
        connection.disconnect()
        self.assertTrue(stream.closed)
        self.assertEqual((site.downloads.taken, site.body_memory.held_bytes), (0, 0))
