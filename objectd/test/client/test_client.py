"""Calls: what they return, what they raise, and when they are tried again."""

from __future__ import annotations

import errno
from typing import cast

import attrs
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.error import ConnectionRefusedError as ConnectionWasRefused
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from objectd.auth.signing import KeyPair
from objectd.client.bodies import StreamBody
from objectd.client.client import Client
from objectd.client.errors import (
    AnswerInvalid,
    ConnectionBroken,
    Refused,
    Unreachable,
    Untrusted,
)
from objectd.client.retrying import Patience
from objectd.protocol.errors import S3Error, render_error
from objectd.protocol.messages import Headers as HeaderList
from objectd.protocol.messages import Response
from objectd.s3.application import S3Settings
from objectd.streams import BytesStream, ByteStream, read_all
from objectd.test.client.cases import BUCKET, Disturbed, Losing, client_of, disturbed_site
from objectd.testing.agent import MemoryAgent
from objectd.testing.s3 import ACCESS_KEY, SECRET_KEY, MemoryServer, result_of

MIB = 1 << 20


def error_answer(code: str, status: int, headers: HeaderList = (), **details: str) -> Response:
    document = render_error(S3Error(code, extra=details), "/", "R1", "H1")
    return Response(status, headers, document)


SLOW_DOWN = error_answer("SlowDown", 503)
INTERNAL_ERROR = error_answer("InternalError", 500)


class ClientCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer()
        self.server.client().create_bucket(Bucket=BUCKET)
        self.clock = Clock()

    def client(self, *script: Response | None) -> Client:
        """A client of the server, the first of whose answers are scripted."""
        self.application = Disturbed(self.server, script)
        return client_of(disturbed_site(self.application), clock=self.clock)

    def put(self, client: Client, key: str = "k", **more: object) -> Deferred[dict[str, object]]:
        arguments = {"Bucket": BUCKET, "Key": key, "Body": b"meow", **more}
        return Deferred.fromCoroutine(client.call("PutObject", **arguments))

    def content(self, key: str = "k") -> bytes:
        data: bytes = self.server.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data


class CallTests(ClientCase):
    def test_round_trip(self) -> None:
        """What is stored comes back, over HTTP and HTTPS, whatever the key."""
        for secure in (False, True):
            client = client_of(self.server, secure=secure)
            for key in ("a/b", "../up", "a//b", "+ &=?#%2F", "\x01ü😀", "end/"):
                result_of(client.call("PutObject", Bucket=BUCKET, Key=key, Body=key.encode()))
                found = result_of(client.call("GetObject", Bucket=BUCKET, Key=key))
                self.assertEqual(found["ContentLength"], len(key.encode()))
                self.assertEqual(result_of(_read(found)), key.encode())

    def test_addresses(self) -> None:
        """A server can be named by any kind of address."""
        for authority in ("localhost", "127.0.0.1:9000", "[::1]:9000"):
            client = client_of(self.server, authority=authority)
            self.assertIn("Buckets", result_of(client.call("ListBuckets")))

    def test_large(self) -> None:
        """Bodies of several MiB stream both ways."""
        data = bytes(range(256)) * (16 << 10)
        client = client_of(self.server)
        result_of(client.call("PutObject", Bucket=BUCKET, Key="k", Body=data))
        found = result_of(client.call("GetObject", Bucket=BUCKET, Key="k"))
        self.assertEqual(result_of(_read(found)), data)

    def test_stored_encoding(self) -> None:
        """An object that is stored compressed comes as it is stored, and says so."""
        client = client_of(self.server)
        result_of(
            client.call(
                "PutObject", Bucket=BUCKET, Key="k", Body=b"no gzip", ContentEncoding="gzip"
            )
        )
        found = result_of(client.call("GetObject", Bucket=BUCKET, Key="k"))
        self.assertEqual((found["ContentEncoding"], result_of(_read(found))), ("gzip", b"no gzip"))

    def test_listing(self) -> None:
        """A listing shows every key as it is, also one that XML cannot carry."""
        client = client_of(self.server)
        keys = sorted(["a b", "\x01", "ü+%", "\n"])
        for key in keys:
            result_of(client.call("PutObject", Bucket=BUCKET, Key=key, Body=b""))
        listing = result_of(client.call("ListObjectsV2", Bucket=BUCKET))
        contents = listing["Contents"]
        assert isinstance(contents, list)
        self.assertEqual([each["Key"] for each in contents], keys)

    def test_documents(self) -> None:
        """Operations whose arguments are a document carry it with its digest."""
        client = client_of(self.server)
        self.put(client)
        deleted = result_of(
            client.call("DeleteObjects", Bucket=BUCKET, Delete={"Objects": [{"Key": "k"}]})
        )
        self.assertEqual(deleted, {"Deleted": [{"Key": "k"}]})

    def test_refused(self) -> None:
        """An error of the server is raised with its code, message, status and request id."""
        client = client_of(self.server)
        error = self.failureResultOf(
            Deferred.fromCoroutine(client.call("GetObject", Bucket=BUCKET, Key="k")), Refused
        ).value
        self.assertEqual((error.code, error.status), ("NoSuchKey", 404))
        self.assertEqual(error.message, "The specified key does not exist.")
        self.assertTrue(error.request_id)

    def test_refused_head(self) -> None:
        """HEAD has no document: the code is the status, and we say what it means."""
        client = client_of(self.server)
        work = Deferred.fromCoroutine(client.call("HeadObject", Bucket=BUCKET, Key="k"))
        error = self.failureResultOf(work, Refused).value
        self.assertEqual(error.code, "404")
        self.assertEqual(str(error), "it does not exist (404, HeadObject)")

    def test_error_inside_success(self) -> None:
        """An error document inside a 200 is an error, not a copy."""
        client = self.client(error_answer("NoSuchKey", 200))
        work = Deferred.fromCoroutine(
            client.call("CopyObject", Bucket=BUCKET, Key="k", CopySource=f"{BUCKET}/nothing")
        )
        self.assertEqual(self.failureResultOf(work, Refused).value.code, "NoSuchKey")

    def test_not_s3(self) -> None:
        """What answers but does not speak S3 is called that."""
        client = self.client(Response(200, (), b"<html><p>Welcome</html>"))
        work = Deferred.fromCoroutine(client.call("ListObjectsV2", Bucket=BUCKET))
        self.failureResultOf(work, AnswerInvalid)

    def test_wrong_key(self) -> None:
        """A wrong secret is refused, and not tried again."""
        client = client_of(self.server, key_pair=KeyPair(ACCESS_KEY, SECRET_KEY + "x"))
        self.assertEqual(
            self.failureResultOf(self.put(client), Refused).value.code, "SignatureDoesNotMatch"
        )

    def test_presigned(self) -> None:
        """A presigned URL works without keys."""
        client = client_of(self.server)
        self.successResultOf(self.put(client))
        url, headers = client.presign("GetObject", expires_seconds=60, Bucket=BUCKET, Key="k")
        self.assertEqual(headers, ())
        origin = "http://s3.test:9000"
        self.assertTrue(url.startswith(origin + "/"))
        head = f"GET {url.removeprefix(origin)} HTTP/1.1\r\nHost: s3.test:9000\r\n\r\n"
        self.assertEqual(self.server.send("GET", head.encode()).body, b"meow")


async def _read(result: dict[str, object]) -> bytes:
    return await read_all(cast(ByteStream, result["Body"]), 64 * MIB)


class RetryTests(ClientCase):
    def test_passing_errors(self) -> None:
        """What passes is tried again, after a while that grows."""
        work = self.put(self.client(SLOW_DOWN, INTERNAL_ERROR, error_answer("InternalError", 502)))
        for count in (1, 2, 3):
            self.assertNoResult(work)
            self.assertEqual(len(self.application.requests), count)
            self.clock.advance(0.2 * 2 ** (count - 1))
        self.successResultOf(work)
        self.assertEqual(self.content(), b"meow")

    def test_bounded(self) -> None:
        """What does not pass is raised after the last attempt."""
        work = self.put(self.client(*[SLOW_DOWN] * 10))
        self.clock.pump([10] * 10)
        self.assertEqual(self.failureResultOf(work, Refused).value.code, "SlowDown")
        self.assertEqual(len(self.application.requests), Patience().attempts_max)

    def test_retry_after(self) -> None:
        """A server that says how long to wait is not asked before."""
        work = self.put(self.client(error_answer("SlowDown", 503, ((b"Retry-After", b"7"),))))
        self.clock.advance(6.9)
        self.assertNoResult(work)
        self.clock.advance(0.4)
        self.successResultOf(work)

    def test_other_errors(self) -> None:
        """What will be refused again is not asked again."""
        work = self.put(self.client(error_answer("AccessDenied", 403)))
        self.assertEqual(self.failureResultOf(work, Refused).value.code, "AccessDenied")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lost_answers(self) -> None:
        """A request whose answer was lost is sent again: it says the same again."""
        agent = Losing(MemoryAgent(self.server.site), lost=2)
        work = self.put(client_of(self.server, agent=agent, clock=self.clock))
        self.clock.pump([1, 1])
        self.successResultOf(work)
        self.assertEqual(agent.requests, 3)

    def test_conditional(self) -> None:
        """A conditional write whose answer was lost is not: it would fail by its own success."""
        agent = Losing(MemoryAgent(self.server.site), lost=1)
        client = client_of(self.server, agent=agent, clock=self.clock)
        self.failureResultOf(self.put(client, IfNoneMatch="*"), ConnectionBroken)
        self.assertEqual((agent.requests, self.content()), (1, b"meow"))

    def test_conditional_that_was_not_begun(self) -> None:
        """It is, if the server says that it did not even begin."""
        work = self.put(self.client(SLOW_DOWN), IfNoneMatch="*")
        self.clock.advance(1)
        self.successResultOf(work)

    def test_stream_that_is_gone(self) -> None:
        """A body that can be read once is sent once."""
        body = StreamBody(BytesStream(b"meow"), 4)
        work = self.put(self.client(SLOW_DOWN), Body=body)
        self.failureResultOf(work, Refused)
        self.assertEqual(len(self.application.requests), 1)

    def test_broken_body(self) -> None:
        """`fetch` asks again for an answer that breaks off in its middle."""
        self.server.client().put_object(Bucket=BUCKET, Key="k", Body=b"meow")
        broken = Response(200, (), _Broken(b"me"), content_length=4)
        client = self.client(broken)
        work = Deferred.fromCoroutine(
            client.fetch("GetObject", size_bytes=4, Bucket=BUCKET, Key="k")
        )
        self.assertNoResult(work)
        self.flushLoggedErrors()
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(work), b"meow")

    def test_no_answer(self) -> None:
        """A server that does not answer at all is given up after a time without progress."""
        patience = Patience(attempts_max=2, idle_seconds=30)
        agent = _Silent()
        client = client_of(self.server, agent=agent, clock=self.clock, patience=patience)
        work = self.put(client)
        self.clock.pump([29.9, 0.2, 1, 29])
        self.assertNoResult(work)
        self.clock.advance(2)
        error = self.failureResultOf(work, ConnectionBroken).value
        self.assertIn("30 seconds", str(error))
        self.assertEqual(agent.cancelled, 2)

    def test_no_server(self) -> None:
        """A server that cannot be connected to at the very first is told at once, and why."""
        agent = _Failing(Failure(ConnectionWasRefused(errno.ECONNREFUSED, "in other words")))
        work = self.put(client_of(self.server, agent=agent, clock=self.clock))
        error = self.failureResultOf(work, Unreachable).value
        self.assertEqual(str(error), "no connection to http://s3.test:9000: Connection refused")

    def test_server_that_went(self) -> None:
        """One that has answered before may come back, and is waited for."""
        refused = Failure(ConnectionWasRefused(errno.ECONNREFUSED, "in other words"))
        agent = _Restarting(MemoryAgent(self.server.site), refused)
        client = client_of(self.server, agent=agent, clock=self.clock)
        self.successResultOf(self.put(client))
        agent.is_down = True
        work = self.put(client)
        self.assertNoResult(work)
        agent.is_down = False
        self.clock.advance(0.2)
        self.successResultOf(work)

    def test_untrusted(self) -> None:
        """A server whose certificate is not trusted is not asked again."""
        failure = Failure(
            ResponseNeverReceived([Failure(SSL.Error([("", "", "bad certificate")]))])
        )
        agent = _Failing(failure)
        work = self.put(client_of(self.server, agent=agent, clock=self.clock))
        self.assertIn("bad certificate", str(self.failureResultOf(work, Untrusted).value))

    def test_cancelled(self) -> None:
        """A cancelled call gives its request up before its caller goes on, and leaves no timer
        behind."""
        agent = _Silent()
        work = self.put(client_of(self.server, agent=agent, clock=self.clock))
        given_up: list[int] = []

        def go_on(failure: Failure) -> Failure:
            given_up.append(agent.cancelled)
            return failure

        work.addErrback(go_on)
        work.cancel()
        self.failureResultOf(work, CancelledError)
        self.assertEqual((given_up, self.clock.getDelayedCalls()), ([1], []))


class _Broken:
    """A stream that ends in an error."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self) -> bytes:
        if not self._data:
            raise OSError("the disk is gone")
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        pass


@implementer(IAgent)
class _Silent:
    """An agent whose requests are never answered. Cancelled, it says so in Twisted's words."""

    cancelled = 0

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        def cancel(answer: Deferred[IResponse]) -> None:
            self.cancelled += 1
            answer.errback(ResponseNeverReceived([Failure(CancelledError())]))

        return Deferred(cancel)


@implementer(IAgent)
@attrs.frozen
class _Failing:
    """An agent whose every request fails."""

    _failure: Failure

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        return fail(self._failure)


@implementer(IAgent)
class _Restarting:
    """An agent whose requests fail while the server is down."""

    is_down = False

    def __init__(self, agent: IAgent, failure: Failure) -> None:
        self._agent = agent
        self._failure = failure

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        if self.is_down:
            return fail(self._failure)
        return maybeDeferred(self._agent.request, method, uri, headers, bodyProducer)


class RegionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer(settings=S3Settings(region="eu-west-1", strict_region=True))

    def test_learned(self) -> None:
        """A client that signs for another region is told, signs again, and remembers it."""
        application = Disturbed(self.server)
        client = client_of(disturbed_site(application), region="us-east-1")
        result_of(client.call("CreateBucket", Bucket=BUCKET))
        result_of(client.call("PutObject", Bucket=BUCKET, Key="k", Body=b"meow"))
        self.assertEqual(len(application.requests), 3)

    def test_once(self) -> None:
        """A server that tells another region each time is not followed for ever."""
        script = [
            error_answer("AuthorizationHeaderMalformed", 400, Region=f"region-{number}")
            for number in range(5)
        ]
        application = Disturbed(self.server, script)
        client = client_of(disturbed_site(application))
        work = Deferred.fromCoroutine(client.call("ListObjectsV2", Bucket=BUCKET))
        self.failureResultOf(work, Refused)
        self.assertEqual(len(application.requests), 2)
