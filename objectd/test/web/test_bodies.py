"""Request bodies: pulled by the application, pushed back at the client, bounded in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import IncompleteBody
from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import MIB, Reader, Scripted, chunked, echo, get, put
from objectd.testing.http import Connection, exchange, memory_site
from objectd.web.application import RequestBody
from objectd.web.body import StreamingBody
from objectd.web.limits import PIECE_BYTES_MAX, Limits

KIB = 1 << 10
READ = 64 * KIB


class ReadingTests(SynchronousTestCase):
    """What the application gets from `read`."""

    def test_small_pieces_are_gathered(self) -> None:
        """A body that comes in TLS records is handed on in pieces of 256 KiB and more."""
        reader = Reader()
        connection = Connection(memory_site(Scripted(reader)))
        reader.read(100)
        connection.send(put(b"", length=MIB + 1000))
        for _ in range(64):
            connection.send(b"x" * 16 * KIB)
        connection.send(b"x" * 1000)
        self.assertEqual([len(piece) for piece in reader.pieces], [256 * KIB] * 4 + [1000])
        self.assertEqual(connection.responses()[0].body, b"%d" % (MIB + 1000))

    def test_pieces_have_a_largest_size(self) -> None:
        """However much is queued, no piece is larger than 1 MiB."""
        reader = Reader()
        connection = Connection(memory_site(Scripted(reader)))
        connection.send(put(b"x" * 3 * MIB))
        reader.read(100)
        connection.run()
        sizes = [len(piece) for piece in reader.pieces]
        self.assertLessEqual(max(sizes), PIECE_BYTES_MAX)
        self.assertEqual(sum(sizes), 3 * MIB)

    def test_tiny_chunks(self) -> None:
        """A body in chunks of two bytes is not kept as an object for each."""
        reader = Reader()
        connection = Connection(memory_site(Scripted(reader)))
        connection.send(chunked(*[b"ab"] * 50_000, end=False))
        exchange_ = connection._channel._exchange
        assert exchange_ is not None and isinstance(exchange_.body, StreamingBody)
        self.assertEqual(len(exchange_.body._queue), 1)
        reader.read(100)
        connection.send(b"3\r\nend\r\n0\r\n\r\n")
        self.assertEqual(b"".join(reader.pieces), b"ab" * 50_000 + b"end")

    def test_length(self) -> None:
        """The length is known before the first byte, except of chunks."""
        lengths: list[int | None] = []

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            lengths.append(body.length)
            return await echo(request, body)

        exchange(memory_site(Scripted(answer)), put(b"abc") + chunked(b"abc") + get())
        self.assertEqual(lengths, [3, None, 0])

    @settings(deadline=None, max_examples=50)
    @given(
        st.lists(st.binary(min_size=1, max_size=300), max_size=8),
        st.lists(st.integers(1, 200), max_size=30),
    )
    def test_bytes_are_exact(self, chunks: list[bytes], pieces: list[int]) -> None:
        """With a length or in chunks, and however it is cut, a body is what was sent."""
        body = b"".join(chunks)
        requests = put(body) + chunked(*chunks)
        responses = exchange(memory_site(Scripted(echo)), requests, pieces=pieces)
        self.assertEqual([r.body for r in responses], [b"PUT /b/k " + body] * 2)


class BackPressureTests(SynchronousTestCase):
    """An application that does not read keeps the bytes on the client's side."""

    def test_one_stream(self) -> None:
        """Not more is read than one stream may hold, and a read makes room. Once an application
        reads, one large read of the socket may come on top of it."""
        reader = Reader()
        site = memory_site(Scripted(reader), limits=Limits(stream_memory_bytes=MIB))
        connection = Connection(site)
        connection.send(put(b"x" * 8 * MIB))
        self.assertLess(site.body_memory.held_bytes, MIB + READ)
        self.assertGreater(connection.unread_bytes, 7 * MIB - READ)
        unread_bytes = connection.unread_bytes
        reader.read(2)
        connection.run()
        self.assertLess(connection.unread_bytes, unread_bytes)
        self.assertLess(site.body_memory.held_bytes, 2 * MIB)
        reader.read(100)
        connection.run()
        self.assertEqual(connection.responses()[0].body, b"%d" % (8 * MIB))
        self.assertEqual(site.body_memory.held_bytes, 0)

    def test_large_reads(self) -> None:
        """While a large body comes its place among the large reads is taken, if there is one:
        not before it is read, not for a small body, and not after its end."""
        for size_bytes, taken in ((MIB - 1, 0), (2 * MIB, 1)):
            reader = Reader()
            site = memory_site(Scripted(reader))
            places = site.body_memory.large_reads
            connection = Connection(site)
            message = put(b"x" * size_bytes)
            connection.send(message[:-size_bytes])
            self.assertEqual(places.taken, 0)
            reader.read(1)
            self.assertEqual(places.taken, taken)
            connection.send(message[-size_bytes:])
            reader.read(100)
            connection.run()
            self.assertEqual(connection.responses()[0].body, b"%d" % size_bytes)
            self.assertEqual(places.taken, 0)

    def test_lost_large_read(self) -> None:
        """A client that goes away in the middle of a large body leaves its place."""
        reader = Reader()
        site = memory_site(Scripted(reader))
        connection = Connection(site)
        connection.send(put(b"x" * 2 * MIB)[:100_000])
        reader.read(1)
        self.assertEqual(site.body_memory.large_reads.taken, 1)
        connection.disconnect()
        self.assertEqual(site.body_memory.large_reads.taken, 0)

    def test_handed_piece_counts(self) -> None:
        """What the application was handed last is still in memory until it reads on."""
        reader = Reader()
        site = memory_site(Scripted(reader))
        connection = Connection(site)
        reader.read(1)
        connection.send(put(b"x" * 300 * KIB))
        self.assertEqual(site.body_memory.held_bytes, 300 * KIB)
        reader.read(1)
        self.assertEqual(site.body_memory.held_bytes, 300 * KIB - len(reader.pieces[0]))

    def test_all_streams_together(self) -> None:
        """When the shared memory is used up, each stream may still hold one read of its
        socket, and no body is stuck."""
        limits = Limits(body_memory_bytes=MIB, stream_memory_bytes=MIB)
        readers = [Reader() for _ in range(8)]
        answers = iter(readers)

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            return await next(answers)(request, body)

        site = memory_site(Scripted(answer), limits=limits)
        connections = [Connection(site) for _ in readers]
        for connection in connections:
            connection.send(put(b"x" * 2 * MIB))
        self.assertLess(site.body_memory.held_bytes, MIB + 8 * READ * 3 // 2)
        self.assertLess(2 * MIB - connections[7].unread_bytes, 2 * READ)
        for reader in readers:
            reader.read(1000)
        for _ in range(100):
            for connection in connections:
                connection.run()
        for connection in connections:
            self.assertEqual(connection.responses()[0].body, b"%d" % (2 * MIB))
        self.assertEqual(site.body_memory.held_bytes, 0)

    def test_streams_take_turns(self) -> None:
        """A stream that was held for want of memory is read on when another gives it back."""
        first, second = Reader(), Reader()
        answers = iter([first, second])

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            return await next(answers)(request, body)

        limits = Limits(body_memory_bytes=MIB, stream_memory_bytes=MIB)
        site = memory_site(Scripted(answer), limits=limits)
        one, two = Connection(site), Connection(site)
        one.send(put(b"x" * MIB))
        two.send(put(b"y" * MIB))
        held_before = two.unread_bytes
        first.read(100)
        one.run()
        two.run()
        self.assertEqual(one.responses()[0].body, b"%d" % MIB)
        self.assertLess(two.unread_bytes, held_before)

    def test_writing_does_not_release_a_held_body(self) -> None:
        """When the transport asks for more output, input that is held stays held."""
        reader = Reader()
        site = memory_site(Scripted(reader), limits=Limits(stream_memory_bytes=READ))
        connection = Connection(site)
        connection.send(put(b"x" * MIB))
        unread_bytes = connection.unread_bytes
        connection._channel.resumeProducing()
        connection.run()
        self.assertEqual(connection.unread_bytes, unread_bytes)


class LossTests(SynchronousTestCase):
    """Bodies that do not arrive whole."""

    def test_disconnect_while_reading(self) -> None:
        """A read that waits fails with `IncompleteBody`, and nothing is left."""
        reader = Reader()
        site = memory_site(Scripted(reader))
        connection = Connection(site)
        reader.read(100)
        connection.send(put(b"x" * 1000, length=2000))
        connection.disconnect()
        self.assertIsInstance(reader.failure, IncompleteBody)
        self.assertEqual((site.body_memory.held_bytes, site.uploads.taken), (0, 0))
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_disconnect_between_reads(self) -> None:
        """An application that does not read at the moment is cancelled."""
        reader = Reader()
        site = memory_site(Scripted(reader))
        connection = Connection(site)
        connection.send(put(b"x" * 3 * MIB, length=4 * MIB))
        reader.read(1)
        connection.disconnect()
        self.assertEqual((site.body_memory.held_bytes, site.uploads.taken), (0, 0))
        self.assertEqual(connection.clock.getDelayedCalls(), [])

    def test_disconnect_in_chunks(self) -> None:
        """A chunked body without its last chunk is not complete."""
        reader = Reader()
        connection = Connection(memory_site(Scripted(reader)))
        reader.read(100)
        connection.send(chunked(b"abc", end=False))
        connection.disconnect()
        self.assertIsInstance(reader.failure, IncompleteBody)

    def test_disconnect_while_held(self) -> None:
        """A stream that waits for memory leaves the queue with its client."""
        reader = Reader()
        limits = Limits(body_memory_bytes=READ, stream_memory_bytes=MIB)
        site = memory_site(Scripted(reader), limits=limits)
        connection = Connection(site)
        connection.send(put(b"x" * MIB))
        self.assertTrue(site.body_memory.exhausted)
        connection.disconnect()
        self.assertFalse(site.body_memory.exhausted)
        self.assertEqual(site.body_memory.held_bytes, 0)

    def test_closed_stream_drops_what_comes(self) -> None:
        """After `close` nothing is held, and a read says so."""
        errors: list[IncompleteBody] = []
        go: Deferred[None] = Deferred()

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            await go
            body.close()
            body.close()
            try:
                await body.read()
            except IncompleteBody as error:
                errors.append(error)
            return Response(200)

        site = memory_site(Scripted(answer))
        connection = Connection(site)
        connection.send(put(b"x" * MIB, length=MIB + 10))
        go.callback(None)
        connection.send(b"x" * 10)
        self.assertEqual(len(errors), 1)
        self.assertEqual(site.body_memory.held_bytes, 0)
        self.assertEqual([r.status for r in connection.responses()], [200])

    def test_reading_on_after_the_end(self) -> None:
        """A whole body ends with b'' for ever."""
        ends: list[bytes] = []

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            response = await echo(request, body)
            ends.append(await body.read())
            return response

        exchange(memory_site(Scripted(answer)), put(b"abc") + get())
        self.assertEqual(ends, [b"", b""])
