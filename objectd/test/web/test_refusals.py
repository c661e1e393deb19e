"""What is not HTTP as RFC 9112 prescribes it is refused, and the connection with it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.web.applications import Pieces, Scripted, chunked, deny, echo, get, put, streams
from objectd.testing.http import Connection, exchange, memory_site
from objectd.web.application import AccessEvent
from objectd.web.limits import Limits

HEAD = b"PUT /b/k HTTP/1.1\r\nHost: s3\r\n"
NEXT = get("/smuggled")

BAD_HEADS = {
    "equal lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "different lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "list of lengths": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "negative length": HEAD + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal length": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "underscored length": HEAD + b"Content-Length: 1_0\r\n\r\nabc",
    "empty length": HEAD + b"Content-Length:\r\n\r\nabc",
    "length of 19 digits": HEAD + b"Content-Length: 1000000000000000000\r\n\r\nabc",
    "length of 5,000 digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
    "length and chunks": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunks twice": HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunked, chunked": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": HEAD + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
    "vertical tab before chunked": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "parameter of chunked": HEAD + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    "quoted chunked": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "empty encoding": HEAD + b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc",
    "chunks in HTTP/1.0": b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "tab before the colon": HEAD + b"Content-Length\t: 3\r\n\r\nabc",
    "folded header": HEAD + b"X-A: 1\r\n Content-Length: 3\r\n\r\nabc",
    "folded with a tab": HEAD + b"X-A: 1\r\n\t2\r\n\r\n",
    "fold before the first header": b"GET / HTTP/1.1\r\n Host: s3\r\n\r\n",
    "header without colon": HEAD + b"X-A\r\n\r\n",
    "header without name": HEAD + b": 1\r\n\r\n",
    "bare LF after a header": HEAD + b"X-A: 1\nContent-Length: 3\r\n\r\nabc",
    "bare LF throughout": b"GET / HTTP/1.1\nHost: s3\r\n\r\n",
    "bare CR in a value": HEAD + b"X-A: 1\rContent-Length: 3\r\n\r\nabc",
    "NUL in a value": HEAD + b"X-A: 1\x002\r\n\r\n",
    "NUL in a name": HEAD + b"X\x00A: 1\r\n\r\n",
    "non-ASCII in a name": HEAD + b"X-\xc4: 1\r\n\r\n",
    "NUL in the target": b"GET /\x00 HTTP/1.1\r\nHost: s3\r\n\r\n",
    "DEL in the target": b"GET /\x7f HTTP/1.1\r\nHost: s3\r\n\r\n",
    "UTF-8 in the target": b"GET /b/\xc3\xbc HTTP/1.1\r\nHost: s3\r\n\r\n",
    "Upgrade and a length": HEAD + b"Upgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "Upgrade and chunks": HEAD + b"Upgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\nHost: s3\r\n\r\n",
    "another protocol": b"GET / RTSP/1.0\r\nHost: s3\r\n\r\n",
    "two spaces in the request line": b"GET  / HTTP/1.1\r\nHost: s3\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: s3\r\n\r\n",
    "tab as separator": b"GET\t/\tHTTP/1.1\r\nHost: s3\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\nHost: s3\r\n\r\n",
    "no version": b"GET /\r\nHost: s3\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: s3\r\n\r\n",
    "HTTP/1.1 in lower case": b"GET / http/1.1\r\nHost: s3\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: s3\r\n\r\n",
    "a method that is no token": b"G(T / HTTP/1.1\r\nHost: s3\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: s3\r\nHost: s3\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two empty lines first": b"\r\n\r\nGET / HTTP/1.1\r\nHost: s3\r\n\r\n",
}

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

BAD_CHUNKS = {
    "no hexadecimal size": b"xyz\r\nabc\r\n0\r\n\r\n",
    "prefixed size": b"0x3\r\nabc\r\n0\r\n\r\n",
    "signed size": b"+3\r\nabc\r\n0\r\n\r\n",
    "negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "space before the size": b" 3\r\nabc\r\n0\r\n\r\n",
    "space after the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "underscored size": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "empty size": b"\r\nabc\r\n0\r\n\r\n",
    "bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "data longer than the size": b"3\r\nabcd\r\n0\r\n\r\n",
    "data shorter than the size": b"5\r\nabc\r\n0\r\n\r\n",
    "bare LF after the data": b"3\r\nabc\n0\r\n\r\n",
    "huge extension": b"3;" + b"x" * 2000 + b"\r\nabc\r\n0\r\n\r\n",
    "LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "size of 17 digits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "size of a thousand digits": b"0" * 1030 + b"3\r\nabc\r\n0\r\n\r\n",
    "trailer without colon": b"0\r\nx\r\n\r\n",
    "folded trailer": b"0\r\nx: 1\r\n 2\r\n\r\n",
    "bare LF in a trailer": b"0\r\nx: 1\n\r\n",
    "endless trailers": b"0\r\n" + b"x-t: 1\r\n" * 10_000 + b"\r\n",
}


class HeadTests(SynchronousTestCase):
    """Malformed heads never reach the application."""

    def test_malformed_heads(self) -> None:
        """Each is answered with 400 by the application's own error document, and nothing
        that follows is taken for a request."""
        for name, data in BAD_HEADS.items():
            application = Scripted(echo)
            [response] = exchange(memory_site(application), data + NEXT)
            self.assertEqual(response.status, 400, name)
            self.assertTrue(response.body.startswith(b"BadRequest 000000"), name)
            self.assertEqual(response.header(b"connection"), b"close", name)
            self.assertEqual(application.requests, [], name)

    def test_malformed_heads_in_single_bytes(self) -> None:
        """The same when every byte comes alone."""
        for name, data in BAD_HEADS.items():
            if len(data) > 1000:
                continue
            application = Scripted(echo)
            ones = [1] * (len(data) + len(NEXT))
            [response] = exchange(memory_site(application), data + NEXT, pieces=ones)
            self.assertEqual((response.status, application.requests), (400, []), name)

    def test_one_empty_line_before_a_request(self) -> None:
        """RFC 9112, 2.2 lets a client send one."""
        [response] = exchange(memory_site(Scripted(echo)), b"\r\n" + get())
        self.assertEqual(response.status, 200)

    def test_refusals_are_logged(self) -> None:
        """What never became a request is in the access log all the same."""
        events: list[AccessEvent] = []
        site = memory_site(Scripted(echo), log_request=events.append)
        exchange(site, b"nonsense\r\n\r\n")
        [event] = events
        self.assertEqual((event.status, event.error_code, event.path), (400, "BadRequest", ""))

    def test_connection_closes_after_lingering(self) -> None:
        """The client is heard out for a while, so that it gets to read the answer."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.send(b"nonsense\r\n\r\n")
        connection.send(b"more")
        connection.advance(4.5)
        self.assertFalse(connection.closed)
        connection.advance(1)
        self.assertTrue(connection.closed)
        self.assertFalse(connection.aborted)


class ChunkTests(SynchronousTestCase):
    """Malformed chunks spoil a request and its connection."""

    def test_malformed_chunks(self) -> None:
        """An application that reads such a body does not get to answer, and what follows
        is no request."""
        for name, data in BAD_CHUNKS.items():
            application = Scripted(echo)
            connection = Connection(memory_site(application))
            connection.send(CHUNKED + data + NEXT)
            # A body that is short by some bytes takes them from what follows.
            connection.send(NEXT)
            responses = connection.responses()
            self.assertEqual([response.status for response in responses], [400], name)
            self.assertEqual(responses[0].header(b"connection"), b"close", name)
            self.assertEqual(len(application.requests), 1, name)
            connection.disconnect()

    def test_size_that_is_not_meant_seriously(self) -> None:
        """A chunk of nearly 2**64 bytes is a body without end, not a crash."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.send(CHUNKED + b"f" * 16 + b"\r\n" + NEXT)
        self.assertEqual(connection.received, b"")
        connection.disconnect()

    def test_malformed_chunk_after_an_early_answer(self) -> None:
        """The connection closes without a second answer."""
        connection = Connection(memory_site(Scripted(deny)))
        connection.send(CHUNKED + b"3\r\nabc\r\n")
        connection.send(b"zzz\r\n" + NEXT)
        self.assertEqual([response.status for response in connection.responses()], [403])
        self.assertTrue(connection.closed)

    def test_chunk_extensions_and_trailers_are_dropped(self) -> None:
        """Neither is part of the body."""
        body = b"3;a=b\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n"
        responses = exchange(memory_site(Scripted(echo)), CHUNKED + body + get("/next"))
        self.assertEqual([r.body for r in responses], [b"PUT /b/k abc", b"GET /next "])


class EarlyAnswerTests(SynchronousTestCase):
    """An answer that comes before the body has."""

    def site_limits(self) -> Limits:
        return Limits(drain_bytes=1000)

    def test_small_rest_is_drained_and_the_connection_kept(self) -> None:
        """A known rest within the limit is dropped; the next request is understood."""
        connection = Connection(memory_site(Scripted(deny), limits=self.site_limits()))
        connection.send(put(b"a" * 10, length=1000))
        self.assertIsNone(connection.responses()[0].header(b"connection"))
        connection.send(b"b" * 990 + get("/next"))
        self.assertEqual([r.status for r in connection.responses()], [403, 403])
        self.assertFalse(connection.closed)

    def test_large_rest_closes_the_connection(self) -> None:
        """A rest beyond the limit is announced as the end of the connection, and only so
        much of it is read."""
        connection = Connection(memory_site(Scripted(deny), limits=self.site_limits()))
        connection.send(put(b"", length=1001))
        self.assertEqual(connection.responses()[0].header(b"connection"), b"close")
        connection.send(b"b" * 1000)
        self.assertFalse(connection.closed)
        connection.send(b"b" + NEXT)
        self.assertTrue(connection.closed)
        self.assertEqual(len(connection.responses()), 1)

    def test_more_than_the_limit_closes_the_connection(self) -> None:
        """A body without a known length is cut off where the limit is."""
        connection = Connection(memory_site(Scripted(deny), limits=self.site_limits()))
        connection.send(chunked(end=False))
        self.assertEqual(connection.responses()[0].header(b"connection"), b"close")
        connection.send(b"384\r\n" + b"a" * 900 + b"\r\n")
        self.assertFalse(connection.closed)
        connection.send(b"65\r\n" + b"a" * 101)
        self.assertTrue(connection.closed)

    def test_time_to_drain(self) -> None:
        """A client that goes on sending slowly is not waited for."""
        connection = Connection(memory_site(Scripted(deny)))
        connection.send(put(b"a", length=100))
        connection.advance(4)
        connection.send(b"a")
        connection.advance(1.5)
        self.assertTrue(connection.closed)

    def test_waiting_client_is_not_kept(self) -> None:
        """A client that waits for `100 Continue` may send its body or not: the connection
        cannot be used again."""
        connection = Connection(memory_site(Scripted(deny)))
        connection.send(put(b"", "Expect: 100-continue", length=10))
        [response] = connection.responses()
        self.assertEqual((response.status, response.header(b"connection")), (403, b"close"))

    def test_body_that_is_there_costs_nothing(self) -> None:
        """Requests that are whole are refused in a row on one connection."""
        responses = exchange(memory_site(Scripted(deny)), put(b"abc") * 3)
        self.assertEqual([r.status for r in responses], [403] * 3)
        self.assertIsNone(responses[-1].header(b"connection"))

    def test_stream_as_early_answer(self) -> None:
        """A streamed answer to an unread body is sent whole."""
        stream = Pieces(b"abc", b"de")
        connection = Connection(memory_site(Scripted(streams([stream], 5))))
        connection.send(put(b"", length=10))
        self.assertEqual(connection.responses()[0].body, b"abcde")
