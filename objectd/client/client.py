"""The client: any operation of S3, under boto3's names."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from hashlib import md5, sha256
from random import Random
from typing import TypeVar, cast

import attrs
from msgspec import structs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.iweb import IAgent

import objectd
from objectd.auth.claim import UNSIGNED_PAYLOAD
from objectd.auth.signing import KeyPair, presigned, signed
from objectd.client.address import Address
from objectd.client.bodies import Body, BytesBody
from objectd.client.errors import (
    AnswerInvalid,
    ClientError,
    ConnectionBroken,
    Refused,
    Unreachable,
)
from objectd.client.http import Http, Reply
from objectd.client.retrying import Patience, is_passing, is_repeatable, was_not_done
from objectd.protocol.calls import (
    Call,
    CallRequest,
    Refusal,
    Result,
    compiled_call,
    query_of,
    read_refusal,
)
from objectd.protocol.messages import Headers, HttpRequest
from objectd.protocol.model import ServiceModel
from objectd.streams import ByteStream, read_all

__all__ = ["Client"]

DOCUMENT_BYTES_MAX = 64 << 20
"""The most of an answer that is read whole: a page of a listing has some MiB at most."""

SIGNED_BYTES_MAX = 1 << 20
"""The largest body in memory whose SHA-256 is signed where TLS does not protect it. Larger
ones carry a checksum in a header that is signed."""

_EMPTY_SHA256 = sha256(b"").hexdigest()
_USER_AGENT = (b"user-agent", f"objectd/{objectd.__version__}".encode())
_WORKING = frozenset({"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"})
_WRONG_REGION = frozenset({301, 307, 400})
_T = TypeVar("_T")


@attrs.frozen
class _Asked:
    """A call that is under way."""

    call: Call
    request: CallRequest
    body: Body | None
    repeatable: bool

    @property
    def operation(self) -> str:
        return self.call.model.name

    @property
    def can_be_sent_again(self) -> bool:
        return self.body is None or self.body.repeatable


class Client:
    """Speaks to one server with one key pair; any number of calls may be under way at once.

    `agent` keeps the connections. `now_us` is the wall clock, which signatures need. `region` is
    where buckets are looked for at first, and made.
    """

    def __init__(
        self,
        address: Address,
        key_pair: KeyPair,
        *,
        model: ServiceModel,
        agent: IAgent,
        clock: IReactorTime,
        now_us: Callable[[], int],
        random: Random,
        region: str = "us-east-1",
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._address = address
        self._key_pair = key_pair
        self._model = model
        self._http = Http(agent, clock)
        self._clock = clock
        self._now_us = now_us
        self._random = random
        self.region = region
        self._patience = patience
        self._regions: dict[str | None, str] = {}
        self._was_reached = False

    async def call(self, operation: str, /, **arguments: object) -> Result:
        """The result of an operation of S3's model.

        The member that is a stream is `bytes` or a `Body` in arguments, and a `ByteStream` in
        results, which must be closed and raises `ConnectionBroken` if it breaks off. Listings
        show keys as they are, also those that XML cannot carry.

        What passes (500, 502, 503, 504, a lost connection, a time without progress) is tried
        again where that is safe; a server that never was reached is not. Raises `Refused`,
        `ConnectionBroken`, `Untrusted`, `AnswerInvalid`.
        """
        asked = self._asked(operation, arguments)
        return await self._retry(asked, lambda reply: _read(asked, reply))

    async def fetch(self, operation: str, /, *, size_bytes: int, **arguments: object) -> bytes:
        """All bytes of an answer that is a stream of `size_bytes`, tried again as one."""
        asked = self._asked(operation, arguments)

        async def take(reply: Reply) -> bytes:
            await _read(asked, reply)
            return await _exactly(reply.stream, size_bytes)

        return await self._retry(asked, take)

    def presign(
        self, operation: str, /, *, expires_seconds: int, **arguments: object
    ) -> tuple[str, Headers]:
        """A URL that carries out the operation for whoever has it, and the headers (but Host)
        that must be sent along. `ValueError` for a time over a week."""
        request = compiled_call(self._model, operation).request(arguments)
        region = self._region_of(request)
        origin, unsigned = self._unsigned(request, request.headers, region)
        ready = presigned(
            unsigned,
            self._key_pair,
            region=region,
            now_us=self._now_us(),
            expires_seconds=expires_seconds,
        )
        url = (origin + ready.target).decode()
        return url, tuple(header for header in ready.headers if header[0] != b"host")

    def _asked(self, operation: str, arguments: dict[str, object]) -> _Asked:
        call = compiled_call(self._model, operation)
        if call.url_encodes:
            arguments.setdefault("EncodingType", "url")
        content = arguments.pop(call.streaming_input, None) if call.streaming_input else None
        request = call.request(arguments)
        repeatable = is_repeatable(request.method, operation, arguments)
        return _Asked(call, request, _body(content, request.document), repeatable)

    async def _retry(self, asked: _Asked, take: Callable[[Reply], Awaitable[_T]]) -> _T:
        attempt, redirected = 1, False
        while True:
            region = self._region_of(asked.request)
            failure: ClientError
            try:
                return await take(await self._send(asked, region))
            except Refused as error:
                if not redirected and self._learn_region(asked, error.refusal, region):
                    redirected = True
                    continue
                repeatable = asked.repeatable or was_not_done(error.refusal)
                if not (is_passing(error.refusal) and repeatable):
                    raise
                failure, retry_after_seconds = error, error.refusal.retry_after_seconds
            except ConnectionBroken as error:
                never_reached = isinstance(error, Unreachable) and not self._was_reached
                if never_reached or not asked.repeatable:
                    raise
                failure, retry_after_seconds = error, 0
            if attempt >= self._patience.attempts_max or not asked.can_be_sent_again:
                raise failure
            pause = self._patience.pause_seconds(attempt, self._random, retry_after_seconds)
            await deferLater(self._clock, pause)
            attempt += 1

    async def _send(self, asked: _Asked, region: str) -> Reply:
        body = asked.body
        headers = asked.request.headers
        if document := asked.request.document:
            headers += ((b"content-type", b"application/xml"),)
            if asked.call.checksum_required:
                digest = md5(document, usedforsecurity=False).digest()
                headers += ((b"content-md5", base64.b64encode(digest)),)
        origin, unsigned = self._unsigned(asked.request, headers, region)
        ready = signed(
            unsigned,
            self._key_pair,
            payload=self._payload(body),
            region=region,
            now_us=self._now_us(),
        )
        ready = structs.replace(ready, headers=(*ready.headers, _USER_AGENT))
        patience = self._patience
        working = asked.operation in _WORKING
        reply = await self._http.send(
            origin,
            ready,
            body,
            idle_seconds=patience.work_seconds if working else patience.idle_seconds,
        )
        self._was_reached = True
        return reply

    def _unsigned(
        self, request: CallRequest, headers: Headers, region: str
    ) -> tuple[bytes, HttpRequest]:
        """The origin of a request, and the request as it goes there."""
        origin, path = self._address.locate(request, region)
        query = query_of(request.target)
        host = (b"host", origin.partition(b"://")[2])
        target = path + b"?" + query if query else path
        return origin, HttpRequest(request.method, target, (host, *headers), "")

    def _payload(self, body: Body | None) -> str:
        if body is None:
            return _EMPTY_SHA256
        if isinstance(body, BytesBody) and body.size_bytes <= SIGNED_BYTES_MAX:
            return UNSIGNED_PAYLOAD if self._address.secure else sha256(body.data).hexdigest()
        return UNSIGNED_PAYLOAD

    def _region_of(self, request: CallRequest) -> str:
        return self._regions.get(request.target.bucket, self.region)

    def _learn_region(self, asked: _Asked, refusal: Refusal, region: str) -> bool:
        """Whether the bucket is in another region than it was asked for in."""
        told = refusal.details.get("Region", "")
        if refusal.status not in _WRONG_REGION or told in ("", region):
            return False
        self._regions[asked.request.target.bucket] = told
        return asked.can_be_sent_again


async def _read(asked: _Asked, reply: Reply) -> Result:
    """The result in a reply; its stream stays open only if it is part of the result."""
    call = asked.call
    streams = bool(call.streaming_output) and reply.status < 300
    document = b"" if streams else await _document(reply)
    if reply.status >= 300:
        raise Refused(asked.operation, read_refusal(reply.status, reply.headers, document))
    try:
        result = call.result(reply.headers, document)
    except ValueError as error:
        raise AnswerInvalid(f"the answer to {asked.operation} is not S3's: {error}") from error
    if isinstance(result, Refusal):
        raise Refused(asked.operation, result)
    if streams:
        result[call.streaming_output] = reply.stream
    return result


async def _document(reply: Reply) -> bytes:
    try:
        return await read_all(reply.stream, DOCUMENT_BYTES_MAX)
    except ValueError as error:
        raise AnswerInvalid(f"the answer has {error}") from error
    finally:
        reply.stream.close()


async def _exactly(stream: ByteStream, size_bytes: int) -> bytes:
    try:
        data = await read_all(stream, size_bytes)
    except ValueError as error:
        raise AnswerInvalid(f"the answer has {error}") from error
    finally:
        stream.close()
    if len(data) < size_bytes:
        raise AnswerInvalid(f"the answer has {len(data)} bytes, not {size_bytes}")
    return data


def _body(content: object, document: bytes) -> Body | None:
    if content is None:
        return BytesBody(document) if document else None
    if isinstance(content, (bytes, bytearray, memoryview)):
        return BytesBody(bytes(content))
    return cast(Body, content)
