"""Every deadline, from both sides."""

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
    echo,
    get,
    put,
    streams,
)
from objectd.testing.http import Connection, memory_site


class HeaderDeadlineTests(SynchronousTestCase):
    """Headers are complete within 20 seconds."""

    def test_drip_feed(self) -> None:
        """A client that sends a byte a second is refused after 20 seconds."""
        connection = Connection(memory_site(Scripted(echo)))
        request = get("/", "a: " + "x" * 100)
        for byte in request[:19]:
            connection.send(bytes([byte]))
            connection.advance(1)
        self.assertEqual(connection.received, b"")
        connection.advance(1)
        [response] = connection.responses()
        self.assertEqual((response.status, response.header(b"connection")), (408, b"close"))

    def test_just_in_time(self) -> None:
        """Headers that are complete in the last moment are served."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.advance(19)
        connection.send(get())
        connection.advance(30)
        self.assertEqual([response.status for response in connection.responses()], [200])

    def test_silence(self) -> None:
        """A new connection that sends nothing is closed without a word."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.advance(20)
        self.assertEqual((connection.closed, connection.received), (True, b""))

    def test_later_requests(self) -> None:
        """For a later request, the time runs from its first byte."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.send(get())
        connection.advance(50)
        connection.send(get()[:10])
        connection.advance(19)
        self.assertEqual(len(connection.responses()), 1)
        connection.advance(1)
        self.assertEqual(connection.responses()[1].status, 408)

    def test_later_request_behind_a_pipelined_one(self) -> None:
        """The same when its first byte came with the request before."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.send(get() + get()[:10])
        connection.advance(20)
        self.assertEqual([r.status for r in connection.responses()], [200, 408])


class IdleTests(SynchronousTestCase):
    """Kept connections without a request close after 75 seconds."""

    def test_idle(self) -> None:
        """The time begins anew with each request."""
        connection = Connection(memory_site(Scripted(echo)))
        for _ in range(3):
            connection.send(get())
            connection.advance(74)
        self.assertFalse(connection.closed)
        connection.advance(1)
        self.assertTrue(connection.closed)

    def test_working_is_not_idle(self) -> None:
        """The application may take its time."""
        held = Held()
        connection = Connection(memory_site(Scripted(held)))
        connection.send(get())
        connection.advance(1000)
        held.release(Response(200, (), b"at last"))
        connection.run()
        self.assertEqual(connection.responses()[0].body, b"at last")

    def test_unread_answer_of_a_closing_connection(self) -> None:
        """A client that does not take its last answer is cut off after as long."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.takes_bytes = 10
        connection.send(get("/", "Connection: close"))
        connection.advance(74)
        self.assertFalse(connection.closed)
        connection.advance(2)
        self.assertEqual((connection.closed, connection.aborted), (True, True))


class BodyProgressTests(SynchronousTestCase):
    """A body that is waited for brings 1 KiB/s over every 30 seconds."""

    def upload(self) -> tuple[Reader, Connection]:
        reader = Reader()
        connection = Connection(memory_site(Scripted(reader)))
        reader.read(1000)
        connection.send(put(b"", length=MIB))
        return reader, connection

    def test_stall(self) -> None:
        """A client that stops is answered after 30 seconds, whatever the application makes
        of the incomplete body."""
        reader, connection = self.upload()
        connection.send(b"x" * 100_000)
        connection.advance(29)
        self.assertEqual(connection.received, b"")
        connection.advance(31)
        self.assertEqual([r.status for r in connection.responses()], [408])
        self.assertIsInstance(reader.failure, IncompleteBody)
        connection.advance(6)
        self.assertTrue(connection.closed)

    def test_least_rate(self) -> None:
        """A little more than 1 KiB each second is enough, for as long as it takes."""
        _, connection = self.upload()
        for sent_bytes in range(0, MIB, 1100):
            connection.send(b"x" * min(1100, MIB - sent_bytes))
            connection.advance(1)
        self.assertEqual(connection.responses()[0].body, b"%d" % MIB)

    def test_below_the_least_rate(self) -> None:
        """1,000 bytes each second are not."""
        _, connection = self.upload()
        for _ in range(29):
            connection.send(b"x" * 1000)
            connection.advance(1)
        self.assertEqual(connection.received, b"")
        connection.advance(1)
        self.assertEqual(connection.responses()[0].status, 408)

    def test_slow_application_is_not_the_clients_fault(self) -> None:
        """While the application does not read, or memory holds the client back, no time
        runs."""
        reader = Reader()
        connection = Connection(memory_site(Scripted(reader)))
        connection.send(put(b"x" * 10 * MIB))
        connection.advance(1000)
        reader.read(1000)
        connection.run()
        self.assertEqual(connection.responses()[0].body, b"%d" % (10 * MIB))


class ResponseProgressTests(SynchronousTestCase):
    """A response is taken at 1 KiB/s over every 30 seconds."""

    def download(self) -> tuple[Pieces, Connection]:
        stream = Pieces(*[b"x" * MIB] * 4)
        connection = Connection(memory_site(Scripted(streams([stream], 4 * MIB))))
        connection.takes_bytes = 0
        connection.send(get())
        return stream, connection

    def test_stall(self) -> None:
        """A client that takes nothing for 30 seconds is cut off, and the stream closed."""
        stream, connection = self.download()
        connection.advance(29)
        self.assertFalse(stream.closed)
        connection.advance(2)
        self.assertEqual((connection.aborted, connection.closed), (True, True))
        self.assertTrue(stream.closed)
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_least_rate(self) -> None:
        """A little more than 1 KiB each second is enough though a piece takes many minutes."""
        stream, connection = self.download()
        for _ in range(1500):
            connection.takes_bytes = 1100
            connection.run()
            connection.advance(1)
        self.assertFalse(connection.closed)
        self.assertEqual(stream.reads, 2)

    def test_below_the_least_rate(self) -> None:
        """1,000 bytes each second are not."""
        _, connection = self.download()
        for _ in range(31):
            connection.takes_bytes = 1000
            connection.run()
            connection.advance(1)
        connection.advance(1)
        self.assertTrue(connection.aborted)

    def test_whole_bodies_too(self) -> None:
        """A large answer that is no stream has the same deadline."""
        held = Held()
        connection = Connection(memory_site(Scripted(held)))
        connection.takes_bytes = 0
        connection.send(get())
        held.release(Response(200, (), b"x" * MIB))
        connection.advance(31)
        self.assertTrue(connection.closed)
