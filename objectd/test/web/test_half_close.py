"""Clients that say that they send no more (FIN), and still read: `nc -N`, `shutdown(SHUT_WR)`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import IncompleteBody
from objectd.protocol.messages import Response
from objectd.test.web.applications import (
    MIB,
    Held,
    Pieces,
    Reader,
    Scripted,
    chunked,
    deny,
    echo,
    get,
    put,
    streams,
)
from objectd.testing.http import Connection, memory_site


class HalfCloseTests(SynchronousTestCase):
    def bodies(self, connection: Connection) -> list[bytes]:
        return [response.body for response in connection.responses()]

    def test_whole_requests_are_answered(self) -> None:
        """What was asked before the end is answered, and the connection is then closed."""
        for sent in (get("/a"), put(b"abc"), chunked(b"abc"), get("/a") + get("/b")):
            connection = Connection(memory_site(Scripted(echo)))
            connection.send(sent)
            expected = self.bodies(connection)
            connection.finish()
            self.assertEqual((self.bodies(connection), connection.closed), (expected, True))

    def test_end_before_the_answer(self) -> None:
        """The end of the input does not end a request that is being carried out, nor those
        that wait behind it, whether they are answered at once or not."""
        held = Held()
        connection = Connection(memory_site(Scripted(held)))
        connection.send(get("/1") + put(b"", length=0) + get("/3") + get("/4"))
        connection.finish()
        for number in range(4):
            self.assertFalse(connection.closed)
            held.release(Response(200, (), b"%d" % number))
            connection.run()
        self.assertEqual(self.bodies(connection), [b"0", b"1", b"2", b"3"])
        self.assertEqual((connection.closed, connection.aborted), (True, False))
        self.assertEqual(held.cancelled, 0)

    def test_end_before_answers_of_both_kinds(self) -> None:
        """The same where only the first answer has to be waited for."""
        held = Held()
        first = True

        async def respond(request: object, body: object) -> Response:
            nonlocal first
            if first:
                first = False
                return await held(request, body)  # type: ignore[arg-type]  # it looks at neither
            return Response(200, (), b"at once")

        connection = Connection(memory_site(Scripted(respond)))
        connection.send(get("/1") + put(b"abc") + get("/3") + get("/4")[:10])
        connection.finish()
        held.release(Response(200, (), b"held"))
        connection.run()
        self.assertEqual(self.bodies(connection), [b"held", b"at once", b"at once"])
        self.assertTrue(connection.closed)

    def test_body_that_is_cut_off(self) -> None:
        """The application learns that no more of a body will come, and the client that it did
        not send it whole."""
        for sent in (put(b"abc", length=10), chunked(b"abc", end=False)):
            reader = Reader()
            connection = Connection(memory_site(Scripted(reader)))
            connection.send(sent)
            reader.read(10)
            connection.finish()
            [response] = connection.responses()
            self.assertEqual(response.status, 400)
            self.assertTrue(response.body.startswith(b"IncompleteBody "), response.body)
            self.assertIsInstance(reader.failure, IncompleteBody)
            self.assertTrue(connection.closed)

    def test_unread_body_that_is_cut_off(self) -> None:
        """An answer that came before the body is the last one; nothing is waited for."""
        connection = Connection(memory_site(Scripted(deny)))
        connection.send(put(b"abc", length=10))
        connection.finish()
        self.assertEqual((self.bodies(connection), connection.closed), ([b"no"], True))

    def test_cut_off_head(self) -> None:
        """Half a request, or none, gets no answer."""
        for sent in (b"", get()[:-1], get()[:3]):
            connection = Connection(memory_site(Scripted(echo)))
            connection.send(sent)
            connection.finish()
            self.assertEqual((connection.received, connection.closed), (b"", True))

    def test_slow_reader(self) -> None:
        """An answer is sent whole at the client's pace, and no input is waited for."""
        stream = Pieces(b"x" * MIB, b"y" * MIB)
        connection = Connection(memory_site(Scripted(streams([stream], 2 * MIB))))
        connection.takes_bytes = 1000
        connection.send(get())
        connection.finish()
        for _ in range(40):
            connection.takes_bytes = 60_000
            connection.run()
            connection.advance(1)
        self.assertEqual(self.bodies(connection), [b"x" * MIB + b"y" * MIB])
        self.assertTrue(connection.closed)

    def test_nobody_is_there(self) -> None:
        """A client that does not take its answer either is given up as any other."""
        stream = Pieces(b"x" * MIB, b"y" * MIB)
        connection = Connection(memory_site(Scripted(streams([stream], 2 * MIB))))
        connection.takes_bytes = 1000
        connection.send(get())
        connection.finish()
        connection.advance(40)
        self.assertEqual((connection.aborted, stream.closed), (True, True))

    def test_over_tls(self) -> None:
        """TLS as Twisted has it knows no half-closed connections: its end is the end."""
        held = Held()
        connection = Connection(memory_site(Scripted(held)), secure=True)
        connection.send(get())
        connection.finish()
        self.assertEqual((connection.closed, held.cancelled), (True, 1))
