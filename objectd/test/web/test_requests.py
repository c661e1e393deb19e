"""Requests as the application gets them, and connections that carry several."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import Held, Pieces, Scripted, chunked, echo, get, put, streams
from objectd.testing.http import ClientResponse, Connection, exchange, memory_site
from objectd.web.accesslog import AccessLog
from objectd.web.application import AccessEvent, RequestBody

PIPELINES = [
    get("/a") + put(b"one") + get("/c"),
    chunked(b"abc", b"de", b"fghij") + get("/z"),
    get("/h", method="HEAD") + put(b"", "Expect: 100-continue") + put(b"0\r\n\r\n") + get("/"),
    put(b"GET /smuggled HTTP/1.1\r\nHost: s3\r\n\r\n") + get("/after"),
    put(b"x" * 70_000) + get("/after") + get("/close", "Connection: close") + get("/never"),
    get("/ok") + b"GET /bad HTTP/1.1\r\nno colon\r\n\r\n" + get("/never"),
]


def final(responses: list[ClientResponse]) -> list[ClientResponse]:
    """Without `100 Continue`, which depends on when a body arrives."""
    return [response for response in responses if response.status >= 200]


class TargetTests(SynchronousTestCase):
    """Whatever the target, the application gets it."""

    def assert_reaches_application(self, target: bytes, host: bytes = b"s3") -> None:
        application = Scripted(echo)
        request = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host)
        [response] = exchange(memory_site(application), request)
        self.assertEqual((response.status, response.body), (200, b"GET %s " % target))
        self.assertEqual([request.target for request in application.requests], [target])

    def test_odd_targets(self) -> None:
        """No target is redirected, merged, decoded or answered with HTML."""
        for target in [
            b"/",
            b"//",
            b"/b",
            b"/b/",
            b"//b/k",
            b"/b//k",
            b"/b/%2Fk",
            b"/b/a//",
            b"/b/./k",
            b"/b/../k",
            b"/b/%2e%2e/k",
            b"/b/a%0Ab",
            b"/b/%00",
            b"/b/%FF",
            b"/b/\x80\xb0",
            b"/b/%",
            b"/b/k?acl&x=;y#z",
            b"?",
            b"*",
            b"http://other/b/k",
            b"b",
            b"/-/",
            b"//-/health/live",
            b"/%2D/health/live",
            b"/-/health/unknown",
            b"/" + b"k" * 4096,
        ]:
            self.assert_reaches_application(target)

    def test_odd_hosts(self) -> None:
        """A Host that no name can be does not keep a request from the application."""
        for host in [b"", b"a..b", b"x" * 70, b"[::1]:9000", b"\xff", b"a:b:c", b"*"]:
            self.assert_reaches_application(b"/b/k", host)

    def test_any_method_reaches_the_application_as_sent(self) -> None:
        """Methods are neither known nor folded to upper case."""
        application = Scripted(echo)
        site = memory_site(application)
        for method in ["get", "POST", "PROPFIND", "X-!"]:
            [response] = exchange(site, get("/-/health/live/x", method=method))
            self.assertEqual(response.status, 200)
        self.assertEqual(
            [request.method for request in application.requests],
            ["get", "POST", "PROPFIND", "X-!"],
        )


class HeadTests(SynchronousTestCase):
    """What a request says besides its target."""

    def test_headers_keep_their_order(self) -> None:
        """Names are lower case, values stripped, and repeated headers stay apart."""
        application = Scripted(echo)
        exchange(
            memory_site(application),
            b"GET / HTTP/1.1\r\nX-B: \t 2 \r\nhost: s3\r\nX-a:\r\nx-B: a: b\r\n\r\n",
        )
        self.assertEqual(
            application.requests[0].headers,
            ((b"x-b", b"2"), (b"host", b"s3"), (b"x-a", b""), (b"x-b", b"a: b")),
        )

    def test_expect_is_kept_for_signatures(self) -> None:
        """The application sees the Expect header though the web layer acts on it."""
        application = Scripted(echo)
        exchange(memory_site(application), put(b"x", "Expect: 100-continue"))
        self.assertEqual(application.requests[0].header(b"expect"), b"100-continue")

    def test_connection_facts(self) -> None:
        """A request carries its id, its peer and whether it came over TLS."""
        application = Scripted(echo)
        site = memory_site(application)
        Connection(site, secure=True).send(get())
        Connection(site).send(get())
        first, second = application.requests
        self.assertEqual(
            (first.request_id, first.peer, first.secure), ("0000000000000001", "192.0.2.1", True)
        )
        self.assertEqual((second.request_id, second.secure), ("0000000000000002", False))

    def test_response_head(self) -> None:
        """The web layer dates and sizes a response; the rest is the application's."""

        async def answer(request: HttpRequest, body: RequestBody) -> Response:
            return Response(404, ((b"x-amz-request-id", b"7"), (b"ETag", b'"e"')), b"gone")

        [response] = exchange(memory_site(Scripted(answer)), get())
        self.assertEqual(
            response.headers,
            (
                (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
                (b"server", b"objectd"),
                (b"x-amz-request-id", b"7"),
                (b"etag", b'"e"'),
                (b"content-length", b"4"),
            ),
        )

    def test_head_has_the_length_and_no_body(self) -> None:
        """A HEAD response tells the length of a stream that is closed unread."""
        stream = Pieces(b"abc")
        site = memory_site(Scripted(streams([stream], 3)))
        request = get(method="HEAD") + get(method="HEAD")
        responses = exchange(site, request, methods=["HEAD", "HEAD"])
        self.assertEqual([r.header(b"content-length") for r in responses], [b"3", b"3"])
        self.assertEqual((stream.reads, stream.closed), (0, True))

    def test_no_content_has_no_length(self) -> None:
        """204 and 304 carry neither a body nor a length."""
        for status in (204, 304):

            async def answer(
                request: HttpRequest, body: RequestBody, status: int = status
            ) -> Response:
                return Response(status)

            responses = exchange(memory_site(Scripted(answer)), get() + get())
            self.assertEqual([r.status for r in responses], [status, status])
            self.assertIsNone(responses[0].header(b"content-length"))

    def test_header_injection(self) -> None:
        """A response header with a line break is an internal error, not a second header."""
        for value in [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b"]:

            async def answer(
                request: HttpRequest, body: RequestBody, value: bytes = value
            ) -> Response:
                return Response(200, ((b"x-amz-meta-a", value),), b"body")

            [response] = exchange(memory_site(Scripted(answer)), get())
            self.assertEqual(response.status, 500)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class ContinueTests(SynchronousTestCase):
    """`100 Continue` is sent when, and only when, the application wants the body."""

    def statuses(self, connection: Connection) -> list[int]:
        return [response.status for response in connection.responses()]

    def test_sent_at_the_first_read(self) -> None:
        """A client that waits is told to go on, once."""
        connection = Connection(memory_site(Scripted(echo)))
        connection.send(put(b"", "Expect: 100-continue", length=4))
        self.assertEqual(self.statuses(connection), [100])
        connection.send(b"ab")
        connection.send(b"cd")
        self.assertEqual(self.statuses(connection), [100, 200])

    def test_not_sent_before_the_application_reads(self) -> None:
        """While the application makes up its mind, the client waits."""
        held = Held()
        connection = Connection(memory_site(Scripted(held)))
        connection.send(put(b"", "Expect: 100-continue", length=4))
        self.assertEqual(connection.received, b"")
        held.release(Response(403, (), b"no"))
        connection.run()
        [response] = connection.responses()
        self.assertEqual((response.status, response.header(b"connection")), (403, b"close"))

    def test_not_sent_without_need(self) -> None:
        """It is not sent to HTTP/1.0, for an empty body, unasked, for another expectation,
        or once body bytes are there."""
        old = put(b"", "Expect: 100-continue", length=4).replace(b"HTTP/1.1", b"HTTP/1.0")
        for request in [
            old,
            put(b"", "Expect: 100-continue"),
            put(b"", length=4),
            put(b"", "Expect: 200-ok", length=4),
            put(b"a", "Expect: 100-continue", length=4),
        ]:
            connection = Connection(memory_site(Scripted(echo)))
            connection.send(request)
            self.assertNotIn(b" 100 ", connection.received)
            connection.disconnect()


class PipeliningTests(SynchronousTestCase):
    """Requests sent without waiting for answers."""

    def test_answers_come_in_order(self) -> None:
        """A slow first request holds the answer of the second back."""
        held = Held()
        application = Scripted(held)
        connection = Connection(memory_site(application))
        connection.send(get("/slow") + get("/fast"))
        self.assertEqual([request.target for request in application.requests], [b"/slow"])
        held.release(Response(200, (), b"slow"))
        connection.run()
        held.release(Response(200, (), b"fast"))
        connection.run()
        self.assertEqual([r.body for r in connection.responses()], [b"slow", b"fast"])

    @settings(deadline=None, max_examples=60)
    @given(st.sampled_from(PIPELINES), st.data())
    def test_splits_do_not_matter(self, pipeline: bytes, data: st.DataObject) -> None:
        """However the bytes are cut on their way, the answers are the same."""
        methods = ["HEAD"] if pipeline.startswith(b"HEAD") else []
        whole = exchange(memory_site(Scripted(echo)), pipeline, methods=methods)
        pieces = data.draw(st.lists(st.integers(1, 40), max_size=60))
        cut = exchange(memory_site(Scripted(echo)), pipeline, methods=methods, pieces=pieces)
        self.assertEqual(final(cut), final(whole))

    def test_every_single_split(self) -> None:
        """The same at every place where one cut can be, for the short pipelines."""
        for pipeline in PIPELINES:
            if len(pipeline) > 1000:
                continue
            methods = ["HEAD"] if pipeline.startswith(b"HEAD") else []
            whole = exchange(memory_site(Scripted(echo)), pipeline, methods=methods)
            for cut in range(1, len(pipeline)):
                responses = exchange(
                    memory_site(Scripted(echo)), pipeline, methods=methods, pieces=[cut]
                )
                self.assertEqual(final(responses), final(whole), f"cut at {cut}")

    def test_pipelines_hold_what_they_should(self) -> None:
        """Bodies stay bodies, and what follows `Connection: close` or an error is dropped."""
        bodies = []
        for pipeline in PIPELINES:
            methods = ["HEAD"] if pipeline.startswith(b"HEAD") else []
            responses = final(exchange(memory_site(Scripted(echo)), pipeline, methods=methods))
            bodies.append([response.body[:24] for response in responses])
        self.assertEqual(
            bodies,
            [
                [b"GET /a ", b"PUT /b/k one", b"GET /c "],
                [b"PUT /b/k abcdefghij", b"GET /z "],
                [b"", b"PUT /b/k ", b"PUT /b/k 0\r\n\r\n", b"GET / "],
                [b"PUT /b/k GET /smuggled H", b"GET /after "],
                [b"PUT /b/k " + b"x" * 15, b"GET /after ", b"GET /close "],
                [b"GET /ok ", b"BadRequest 0000000000000"],
            ],
        )

    def test_old_clients_get_one_answer(self) -> None:
        """HTTP/1.0 and `Connection: close` end the connection after the answer."""
        old = b"GET / HTTP/1.0\r\n\r\n"
        for request in [old, get("/", "Connection: TE, Close"), get("/", "connection: close,x")]:
            connection = Connection(memory_site(Scripted(echo)))
            connection.send(request + get("/second"))
            [response] = connection.responses()
            self.assertEqual(response.header(b"connection"), b"close")
            self.assertTrue(connection.closed)


class AccessLogTests(SynchronousTestCase):
    """One event for each request."""

    def test_answered_request(self) -> None:
        """The event has the path without its query, sizes and time."""
        events: list[AccessEvent] = []
        held = Held()
        connection = Connection(memory_site(Scripted(held), log_request=events.append))
        connection.send(put(b"abc", target="/b/k?X-Amz-Signature=secret"))
        connection.clock.advance(1.5)
        held.release(Response(409, (), b"no", error_code="Conflict"))
        connection.run()
        self.assertEqual(
            events,
            [
                AccessEvent(
                    request_id="0000000000000001",
                    peer="192.0.2.1",
                    method="PUT",
                    path="/b/k",
                    status=409,
                    error_code="Conflict",
                    bytes_in=3,
                    bytes_out=len(connection.received),
                    milliseconds=1500.0,
                    complete=True,
                )
            ],
        )

    def test_unanswered_request(self) -> None:
        """A request whose client went away has no status."""
        events: list[AccessEvent] = []
        connection = Connection(memory_site(Scripted(Held()), log_request=events.append))
        connection.send(get())
        connection.disconnect()
        [event] = events
        self.assertEqual((event.status, event.bytes_out, event.complete), (None, 0, False))

    def test_logged_fields(self) -> None:
        """A log event has the events of requests and their lines, without the query."""
        seen = EventLoggingObserver()
        globalLogPublisher.addObserver(seen)
        self.addCleanup(globalLogPublisher.removeObserver, seen)
        log = AccessLog(Clock())
        site = memory_site(Scripted(echo), log_request=log.add)
        exchange(site, get("/b/k?secret"))
        log.flush()
        [event] = [event for event in seen if event["log_namespace"] == "objectd.access"]
        self.assertEqual([(e.status, e.path) for e in event["events"]], [(200, "/b/k")])
        self.assertRegex(
            str(formatEvent(event)), r"^0+1 192\.0\.2\.1 GET /b/k 200 - in=0 out=\d+ ms=0.0$"
        )
        self.assertNotIn("secret", str(event))
