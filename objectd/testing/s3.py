"""A whole S3 server in memory, with boto3 in front of it.

boto3 builds, signs and parses as it always does; instead of opening a socket it hands its
requests to the real site. Nothing waits: a test is over in milliseconds.

    server = MemoryServer()
    server.client().create_bucket(Bucket="photos")
"""

from __future__ import annotations

import io
from collections.abc import Coroutine
from typing import Any, TypeVar

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from objectd.interfaces import ROOT_ACCOUNT, Credential, ICredentials
from objectd.objects import ObjectSettings, ObjectStore, open_in_memory
from objectd.objects.opening import run_at_once
from objectd.objects.store import wall_clock_us
from objectd.protocol.model import load_s3_model
from objectd.s3.application import S3Application, S3Settings
from objectd.testing.http import ClientResponse, Connection, memory_site

__all__ = ["ACCESS_KEY", "SECRET_KEY", "MemoryServer", "result_of"]

ACCESS_KEY = "AKIAMEMORYSERVER"
SECRET_KEY = "not-a-secret-at-all-0123456789"
HOST = "s3.test:9000"

_T = TypeVar("_T")
_model = load_s3_model()


def result_of(work: Coroutine[Deferred[Any], Any, _T]) -> _T:
    """The result of a coroutine that never really waits."""
    results: list[_T] = []
    failures: list[Any] = []
    Deferred.fromCoroutine(work).addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    assert results, "the coroutine waits for something that has not happened"
    return results[0]


@implementer(ICredentials)
class _OneKey:
    async def find(self, access_key: str) -> Credential | None:
        if access_key != ACCESS_KEY:
            return None
        return Credential(ACCESS_KEY, SECRET_KEY, ROOT_ACCOUNT)


class MemoryServer:
    """An object store in memory, its S3 application and its site. A `store` that is open
    already, wherever it lives, is served instead of a new one. `clock` is what those of its
    answers wait by that take long."""

    def __init__(
        self,
        *,
        store: ObjectStore | None = None,
        settings: S3Settings = S3Settings(domains=("s3.test",)),  # noqa: B008 - frozen
        object_settings: ObjectSettings = ObjectSettings(),  # noqa: B008 - frozen
    ) -> None:
        self.store: ObjectStore = store or result_of(open_in_memory(object_settings))
        self.clock = Clock()
        self.application = S3Application(
            self.store,
            _OneKey(),
            _model,
            clock=self.clock,
            now_us=wall_clock_us,
            run_in_thread=run_at_once,
            settings=settings,
        )
        self.site = memory_site(self.application)

    def client(self, *, secure: bool = False, **config: Any) -> Any:
        """A boto3 client with its defaults, talking to this server. `secure` makes it
        believe in TLS, over which it sends its checksums as trailers."""
        client = boto3.client(
            "s3",
            endpoint_url=f"{'https' if secure else 'http'}://{HOST}",
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
        client.meta.events.register("before-send.s3", self._answer)
        return client

    def send(self, method: str, data: bytes, *, secure: bool = False) -> ClientResponse:
        """Send one request as bytes, and return its response."""
        connection = Connection(self.site, secure=secure)
        connection.send(data)
        [response] = connection.responses([method])
        connection.disconnect()
        return response

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        response = self.send(
            request.method, _wire_form(request), secure=request.url.startswith("https")
        )
        headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}
        return AWSResponse(request.url, response.status, headers, _Raw(response.body))


class _Raw(io.BytesIO):
    """As much of an urllib3 response as botocore uses."""

    def stream(self, amt: int = 1 << 16, decode_content: bool | None = None) -> Any:
        while data := self.read(amt):
            yield data


def _wire_form(request: AWSPreparedRequest) -> bytes:
    target = request.url.split("/", 3)
    body = request.body or b""
    if hasattr(body, "read"):
        body = b"".join(iter(body.read, b""))
    headers = {name: _text(value) for name, value in request.headers.items()}
    if "host" not in {name.lower() for name in headers}:
        headers["Host"] = target[2]
    if headers.get("Transfer-Encoding") == "chunked":
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    lines = [f"{request.method} /{target[3] if len(target) > 3 else ''} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
