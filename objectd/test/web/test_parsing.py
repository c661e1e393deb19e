"""Bytes to requests, with Twisted's own channel as the oracle."""

from __future__ import annotations

from itertools import product

from httptools import HttpParserError, HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.security.desync import DESYNC
from objectd.test.web.applications import chunked, get, put
from objectd.test.web.oracle import seen_by_twisted, seen_by_us
from objectd.test.web.test_refusals import BAD_CHUNKS, BAD_HEADS, CHUNKED, HEAD
from objectd.web.parsing import (
    CHUNK_LINE_BYTES_MAX,
    TRAILER_BYTES_MAX,
    Chunks,
    HeaderParser,
    Malformed,
    parse_request_line,
)

NEXT = get("/next")

# What Twisted's channel takes and ours refuses, each with the reason. Reviewed: ours refuses
# more, and nothing else differs.
DIFFERENCES = {
    "a folded header (RFC 9112, 5.2)": HEAD + b"X-A: 1\r\n 2\r\n\r\n",
    "identity, which is no encoding any more (RFC 9112, 7)": (
        HEAD + b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "chunks in HTTP/1.0 (RFC 9112, 6.1)": (
        b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "no Host (RFC 9112, 3.2)": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts (RFC 9112, 3.2)": b"GET / HTTP/1.1\r\nHost: s3\r\nHost: s3\r\n\r\n",
    "a control character in a value (RFC 9110, 5.5)": HEAD + b"X-A: 1\x012\r\n\r\n",
    "DEL in a value (RFC 9110, 5.5)": HEAD + b"X-A: 1\x7f2\r\n\r\n",
    "DEL in the target (RFC 3986, 2)": b"GET /\x7f HTTP/1.1\r\nHost: s3\r\n\r\n",
    "a body behind Upgrade (RFC 9110, 7.8: it might be for either protocol)": (
        HEAD + b"Upgrade: h2c\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "a long chunk extension": (
        CHUNKED + b"3;" + b"x" * CHUNK_LINE_BYTES_MAX + b"\r\nabc\r\n0\r\n\r\n"
    ),
    "a chunk size of more than 64 bits": CHUNKED + b"0" * 17 + b"3\r\nabc\r\n0\r\n\r\n",
    "a trailer that is no field": CHUNKED + b"0\r\nx\r\n\r\n",
    "a folded trailer": CHUNKED + b"0\r\nx: 1\r\n 2\r\n\r\n",
    "a control character in a trailer": CHUNKED + b"0\r\nx: \x01\r\n\r\n",
    "long trailers": CHUNKED + b"0\r\nx: " + b"x" * TRAILER_BYTES_MAX + b"\r\n\r\n",
}

LINES = st.sampled_from(
    (
        b"GET / HTTP/1.1",
        b"PUT /b/k?x=%2F HTTP/1.1",
        b"HEAD //b HTTP/1.1",
        b"get * HTTP/1.1",
        b"GET /\x80\xb0 HTTP/1.1",
        b"GET /\xb1 HTTP/1.1",
        b"X-! http://h/k HTTP/1.1",
        b"CONNECT h:80 HTTP/1.1",
        b"GET / HTTP/1.0",
        b"\r\nGET /z HTTP/1.1",
        b"\r\n\r\nGET / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET / HTTP/1.2",
        b"GET / http/1.1",
        b"G(T / HTTP/1.1",
        b"GET /",
        b"",
    )
)
FIELDS = st.lists(
    st.sampled_from(
        (
            b"X-A: 1",
            b"x-a:2",
            b"X-B: \t b \t",
            b"X-C:",
            b"Accept: \xff",
            b"Connection: close",
            b"Connection: keep-alive, Upgrade",
            b"Upgrade: h2c",
            b"Expect: x",
            b"Expect: 100-continue",
            b"Trailer: x",
            b"X-A : 1",
            b"no colon",
            b": x",
            b"X\xc4: 1",
            b"X-A: 1\nX-B: 2",
            b"X-A: 1\rX-B: 2",
            b"X-A: \x00",
        )
    ),
    max_size=4,
)
LENGTHS = (b"0", b"2", b"3", b"40", b"+3", b"3,3", b"", b"0x3", b"3 ", b"3\r\nContent-Length: 3")
CODINGS = (
    b"chunked",
    b" CHUNKED ",
    b"gzip, chunked",
    b"chunked, chunked",
    b"\x0bchunked",
    b"chunked\r\nContent-Length: 5",
)
CHUNKED_BODIES = (
    b"0\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"03\r\nabc\r\nA;n=v\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\nX-T: 1\r\nHost: t\r\n\r\n",
    b"3;\r\nabc\r\n0;x\r\n\r\n",
    *(body for body in BAD_CHUNKS.values() if len(body) < 100),
)
FRAMINGS = st.one_of(
    st.just((b"", b"")),
    st.tuples(
        st.sampled_from(LENGTHS).map(lambda length: b"Content-Length: %b\r\n" % length),
        st.sampled_from((b"", b"abc", b"x" * 40)),
    ),
    st.tuples(
        st.sampled_from(CODINGS).map(lambda coding: b"Transfer-Encoding: %b\r\n" % coding),
        st.sampled_from(CHUNKED_BODIES),
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, good or bad; most have a Host."""
    fields = draw(FIELDS)
    host = draw(st.sampled_from([b"Host: s3\r\n"] * 6 + [b"", b"host: a\r\nHost: b\r\n"]))
    framing, body = draw(FRAMINGS)
    lines = b"".join(field + b"\r\n" for field in fields)
    return draw(LINES) + b"\r\n" + host + lines + framing + b"\r\n" + body


class OracleTests(SynchronousTestCase):
    """Ours sees what Twisted's sees, or refuses it."""

    def compare(self, data: bytes, pieces: list[int]) -> None:
        ours, theirs = seen_by_us(data, pieces), seen_by_twisted(data, pieces)
        self.assertEqual(ours, theirs[: len(ours)], data)

    @settings(max_examples=300)
    @given(st.lists(requests(), min_size=1, max_size=3), st.lists(st.integers(1, 60), max_size=20))
    def test_no_request_that_twisted_does_not_see(
        self, sent: list[bytes], pieces: list[int]
    ) -> None:
        """Whatever is sent and however it is cut, the requests are those that Twisted's
        channel sees, with the same headers and bodies; only the last ones may be missing."""
        self.compare(b"".join(sent), pieces)

    def test_every_split(self) -> None:
        """The same for each case of the two lists, cut at every third place."""
        for bad in [*BAD_HEADS.values(), *(CHUNKED + body for body in BAD_CHUNKS.values())]:
            data = get("/before") + bad + NEXT
            if len(data) < 200:
                for place in range(0, len(data), 3):
                    self.compare(data, [place])

    def test_desync(self) -> None:
        """The same for requests that hide others."""
        for make, pieces in product(DESYNC.values(), ([], [1], [40], [1] * 400)):
            self.compare(make(get("/hidden")), list(pieces))

    def test_good_requests(self) -> None:
        """What is sent in order is seen whole by both, cut at every place."""
        data = get("/a") + put(b"one") + chunked(b"abc", b"\r\n\r\n", b"fg") + get("/c", "X: y")
        for place in range(len(data)):
            ours = seen_by_us(data, [place])
            self.assertEqual(len(ours), 4)
            self.assertEqual(ours, seen_by_twisted(data, [place]))

    def test_differences(self) -> None:
        """Each row of the table is taken by Twisted's channel, and refused by ours."""
        for name, data in DIFFERENCES.items():
            self.assertEqual(len(seen_by_twisted(data)), 1, name)
            self.assertEqual(seen_by_us(data), [], name)


class LenienceTests(SynchronousTestCase):
    """What llhttp takes and ours does not: why this module decides these things itself."""

    def test_llhttp_takes_it(self) -> None:
        """Each of these gets past llhttp, and not past our parser."""
        for data in (
            b"GET  / HTTP/1.1\r\nHost: s3\r\n\r\n",
            b"GET /\r\nHost: s3\r\n\r\n",
            b"GET / HTTP/0.9\r\nHost: s3\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: s3\r\n\r\n",
            b"GET / RTSP/1.0\r\nHost: s3\r\n\r\n",
            b"\r\n\r\nGET / HTTP/1.1\r\nHost: s3\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            HEAD + b"Content-Length: 1000000000000000000\r\n\r\n",
            CHUNKED + b"3;" + b"x" * 2000 + b"\r\nabc\r\n0\r\n\r\n",
        ):
            HttpRequestParser(object()).feed_data(data)
            self.assertEqual(seen_by_us(data), [], data)

    def test_llhttp_refuses_it(self) -> None:
        """Each of these is refused by llhttp, and nothing else of ours would do it."""
        for field in (
            b"X-A: 1\n",
            b"X-A: 1\r",
            b"X-A: \x00",
            b"X\xc4: 1",
            b"X-A : 1",
            b"no",
            b": 1",
        ):
            section = b"\r\n" + field + b"\r\n\r\n"
            parser = HttpRequestParser(object())
            self.assertRaises(HttpParserError, parser.feed_data, b"GET / HTTP/1.1" + section)
            self.assertRaises(Malformed, HeaderParser().parse, section)


class HeaderParserTests(SynchronousTestCase):
    """One parser for many connections."""

    @settings(max_examples=100)
    @given(
        st.lists(
            st.sampled_from(
                (
                    b"\r\n\r\n",
                    b"\r\nHost: s3\r\nB:2 \r\n\r\n",
                    b"\r\nContent-Length: 9\r\n\r\n",
                    b"\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"\r\nConnection: close\r\n\r\n",
                    b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
                    b"\r\nbad\r\n\r\n",
                    b"\r\nA: \x00\r\n\r\n",
                )
            )
        )
    )
    def test_no_memory(self, sections: list[bytes]) -> None:
        """A section is parsed the same whatever was parsed before."""
        used = HeaderParser()
        for section in sections:
            self.assertEqual(outcome(used, section), outcome(HeaderParser(), section))


def outcome(parser: HeaderParser, section: bytes) -> object:
    try:
        return parser.parse(section)
    except Malformed as error:
        return str(error)


class RequestLineTests(SynchronousTestCase):
    """Three words."""

    def test_lines(self) -> None:
        """Method, target and version."""
        self.assertEqual(parse_request_line(b"GET /a HTTP/1.1"), ("GET", b"/a", True))
        self.assertEqual(parse_request_line(b"X-! * HTTP/1.0"), ("X-!", b"*", False))


class ChunksTests(SynchronousTestCase):
    """Bodies in chunks, without a connection."""

    def test_lines_have_a_limit(self) -> None:
        """A size line or trailers of one byte more than the limit are malformed."""
        for prefix, limit in ((b"0;", CHUNK_LINE_BYTES_MAX), (b"0\r\nx:", TRAILER_BYTES_MAX)):
            counted = len(prefix) - (3 if b"\r" in prefix else 0)
            spare = limit - counted - 2 - (2 if b"\r" in prefix else 0)
            end = b"\r\n\r\n"
            self.assertEqual(Chunks().receive(prefix + b"a" * spare + end), ([], b""))
            more = prefix + b"a" * (spare + 1) + end
            self.assertRaises(Malformed, Chunks().receive, more)
            ones = Chunks()
            with self.assertRaises(Malformed):
                for byte in more:
                    ones.receive(bytes([byte]))

    def test_pieces_are_not_joined(self) -> None:
        """Data is handed on as it comes, and what follows the end is given back."""
        chunks = Chunks()
        self.assertEqual(chunks.receive(b"a\r\n12345"), ([b"12345"], b""))
        self.assertEqual(chunks.receive(b"67890\r\n0\r\n"), ([b"67890"], b""))
        self.assertFalse(chunks.complete)
        self.assertEqual(chunks.receive(b"\r\nGET"), ([], b"GET"))
        self.assertTrue(chunks.complete)
