"""The seam between HTTP and what is served over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

from objectd.protocol.messages import HttpRequest, Response
from objectd.streams import ByteStream

__all__ = ["AccessEvent", "Application", "RefusalCode", "RequestBody", "Respond"]


class RequestBody(ByteStream, Protocol):
    """The body of a request, which stays on the client's side until it is read.

    The first `read` sends `100 Continue` to a client that waits for it. Besides the client
    going away, a body that is malformed, too slow or cut off raises `IncompleteBody`; the web layer
    then answers with the reason, whatever the application says of it.
    """

    @property
    def length(self) -> int | None:
        """In bytes; None if the client sends it in chunks."""

    def whole(self) -> bytes | None:
        """All of the body, if it has arrived, is small, and nothing of it was read: taken at
        once. None otherwise: it must be read."""


Respond: TypeAlias = Callable[[HttpRequest, RequestBody], Awaitable[Response]]


class RefusalCode(StrEnum):
    """Why the web layer answers without the application: S3's names of these errors."""

    BAD_REQUEST = "BadRequest"
    URI_TOO_LONG = "URITooLong"
    HEADERS_TOO_LARGE = "RequestHeaderSectionTooLarge"
    REQUEST_TIMEOUT = "RequestTimeout"
    INCOMPLETE_BODY = "IncompleteBody"
    SLOW_DOWN = "SlowDown"
    INTERNAL_ERROR = "InternalError"


class Application(Protocol):
    """What the server is for."""

    def respond(self, request: HttpRequest, body: RequestBody) -> Awaitable[Response]:
        """Answer one request. Called once its headers are complete, before any byte of its
        body was taken from the client.

        Cancelled when the client goes away. Anything raised is logged and answered with
        `RefusalCode.INTERNAL_ERROR`. The body is closed when this returns.
        """

    def refuse(self, request_id: str, code: RefusalCode, message: str) -> Response:
        """The error document for a request that the web layer answers itself. It has a
        body of bytes. Called also for what never became a request, so it must not fail."""


class AccessEvent(msgspec.Struct, frozen=True, gc=False):
    """One request after its end, for the access log: no query, no header, no secret.

    `status` is None if nothing was answered; `complete` says whether the answer was handed
    to the network whole.
    """

    request_id: str
    peer: str
    method: str
    path: str
    status: int | None
    error_code: str
    bytes_in: int
    bytes_out: int
    milliseconds: float
    complete: bool
