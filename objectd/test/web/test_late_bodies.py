"""Bodies whose length nobody knows before their end."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import StoreFailed
from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import Pieces, Scripted, get
from objectd.testing.http import Connection, memory_site, parse_responses
from objectd.web.application import AccessEvent, RequestBody


class Growing:
    """A stream that grows when the test says so."""

    def __init__(self) -> None:
        self.closed = False
        self.cancelled = False
        self._waiting: Deferred[bytes] = Deferred()

    async def read(self) -> bytes:
        self._waiting = Deferred(self._cancel)
        return await self._waiting

    def close(self) -> None:
        self.closed = True

    def grow(self, piece: bytes) -> None:
        self._waiting.callback(piece)

    def fail(self, error: Exception) -> None:
        self._waiting.errback(error)

    def _cancel(self, _: Deferred[bytes]) -> None:
        self.cancelled = True


def unmeasured(stream: Growing | Pieces, late_error_code: Callable[[], str] = str) -> Scripted:
    async def answer(request: HttpRequest, body: RequestBody) -> Response:
        return Response(200, (), stream, content_length=None, late_error_code=late_error_code)

    return Scripted(answer)


class UnmeasuredTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = Growing()
        self.events: list[AccessEvent] = []
        self.site = memory_site(
            unmeasured(self.stream, lambda: "SlowDown"), log_request=self.events.append
        )

    def test_pieces_go_out_at_once(self) -> None:
        """Each piece is with the client before the next is there, and the end ends the body
        but not the connection."""
        connection = Connection(self.site)
        connection.send(get())
        self.assertEqual(connection.received, b"")
        self.stream.grow(b"first")
        connection.run()
        head, _, rest = bytes(connection.received).partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertIn(b"\r\nTransfer-Encoding: chunked", head)
        self.assertNotIn(b"Content-Length", head)
        self.assertEqual(rest, b"5\r\nfirst\r\n")
        self.stream.grow(b"second one")
        connection.run()
        self.assertTrue(connection.received.endswith(b"\r\na\r\nsecond one\r\n"))
        self.stream.grow(b"")
        connection.run()
        [response] = connection.responses()
        self.assertEqual(response.body, b"firstsecond one")
        self.assertTrue(self.stream.closed)
        self.assertFalse(connection.closed)
        connection.send(get())
        self.stream.grow(b"")
        connection.run()
        self.assertEqual(len(connection.responses()), 2)

    def test_http_1_0(self) -> None:
        """A client that knows no chunks gets the bytes as they are, until the connection
        ends."""
        connection = Connection(self.site)
        connection.send(b"GET / HTTP/1.0\r\nHost: s3\r\n\r\n")
        self.stream.grow(b"first")
        self.stream.grow(b"second")
        self.stream.grow(b"")
        connection.run()
        head, _, body = bytes(connection.received).partition(b"\r\n\r\n")
        self.assertNotIn(b"Transfer-Encoding", head)
        self.assertNotIn(b"Content-Length", head)
        self.assertIn(b"\r\nConnection: close", head)
        self.assertEqual(body, b"firstsecond")
        self.assertTrue(connection.closed)

    def test_late_error_is_logged(self) -> None:
        """The access log tells of the error that a body turned out to be."""
        connection = Connection(self.site)
        connection.send(get())
        self.stream.grow(b"<Error/>")
        self.stream.grow(b"")
        connection.run()
        [event] = self.events
        self.assertEqual((event.status, event.error_code, event.complete), (200, "SlowDown", True))

    def test_client_goes_away(self) -> None:
        """When the client goes, what it waited for is cancelled, and the stream is closed."""
        connection = Connection(self.site)
        connection.send(get())
        self.stream.grow(b"first")
        connection.disconnect()
        self.assertTrue(self.stream.cancelled)
        self.assertTrue(self.stream.closed)
        [event] = self.events
        self.assertFalse(event.complete)

    def test_failure_breaks_off(self) -> None:
        """A stream that fails after its first piece leaves a body without an end: no client
        takes what it got for the whole."""
        connection = Connection(self.site)
        connection.send(get())
        self.stream.grow(b"first")
        connection.run()
        self.stream.fail(StoreFailed("disk"))
        self.assertTrue(connection.aborted)
        self.assertRaises(AssertionError, parse_responses, bytes(connection.received))
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_failure_before_the_first_piece(self) -> None:
        """A stream that fails before its first piece is answered with an error."""
        connection = Connection(memory_site(unmeasured(Pieces(StoreFailed("disk")))))
        connection.send(get())
        [response] = connection.responses()
        self.assertEqual(response.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(StoreFailed)), 1)

    def test_needs_no_place_among_downloads(self) -> None:
        """An answer that is still being made is not refused because of others' downloads:
        the work for it has been begun."""
        while self.site.downloads.take():
            pass
        connection = Connection(self.site)
        connection.send(get())
        self.stream.grow(b"")
        connection.run()
        self.assertEqual(connection.responses()[0].status, 200)
