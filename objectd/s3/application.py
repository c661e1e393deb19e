"""S3 as an application of the web layer: from the head of a request to its response.

The order is always the same: where does the request go, who sent it, which operation is it,
is all of it supported; only then is its body touched.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import attrs
from msgspec import structs
from twisted.internet.interfaces import IReactorTime

from objectd.auth.authenticate import Principal, authenticate
from objectd.errors import ObjectdError
from objectd.interfaces import ICredentials, RunInThread
from objectd.objects import ObjectStore
from objectd.protocol import header_text
from objectd.protocol.errors import S3Error, invalid_argument, render_error
from objectd.protocol.messages import HttpRequest, Response
from objectd.protocol.model import ServiceModel
from objectd.protocol.operations import Operation as Protocol
from objectd.protocol.operations import compiled
from objectd.protocol.results import XML_TYPE
from objectd.protocol.routes import Router
from objectd.protocol.targets import Target, origin_form, parse_target
from objectd.s3.body import (
    VerifiedBody,
    carries_digest,
    check_document,
    check_document_about_object,
)
from objectd.s3.call import Answer, Call
from objectd.s3.errors import to_s3_error
from objectd.s3.hot import HotLeaf, without_length
from objectd.s3.late import in_time_or_late
from objectd.s3.operations import EXPECTED_OWNER, OPERATIONS, Operation
from objectd.s3.owners import require_owner
from objectd.s3.plain import recognised
from objectd.web.application import RefusalCode, RequestBody
from objectd.web.failures import log_failure

_BINDING = (
    b"if-",
    b"x-amz-copy-source",
    b"x-amz-expected-bucket-owner",
    b"x-amz-if-",
    b"x-amz-object-if-",
    b"x-amz-object-lock-",
    b"x-amz-rename-source",
    b"x-amz-server-side-encryption",
    b"x-amz-source-expected-bucket-owner",
    b"x-amz-write-offset-",
)
"""How the headers begin that say what else a request is about, when alone it may be carried
out, or how what it stores must be kept: without them it would be another request."""

_READS = ("GET", "HEAD")

RETRY_SECONDS = 1
"""When a client that was told to slow down may ask again."""

_REFUSALS = {
    RefusalCode.BAD_REQUEST: ("InvalidRequest", 400),
    RefusalCode.URI_TOO_LONG: ("InvalidURI", 414),
    RefusalCode.HEADERS_TOO_LARGE: ("RequestHeaderSectionTooLarge", 431),
    RefusalCode.REQUEST_TIMEOUT: ("RequestTimeout", 400),
    RefusalCode.INCOMPLETE_BODY: ("IncompleteBody", 400),
    RefusalCode.SLOW_DOWN: ("SlowDown", 503),
    RefusalCode.INTERNAL_ERROR: ("InternalError", 500),
}


@attrs.frozen
class S3Settings:
    """`domains` are served in virtual-host style. `strict_region` refuses signatures for
    another region than `region`. After `patience_seconds` an operation that takes long shows
    a first sign of life, and again every so many seconds. `sse_c_without_tls`: customers' keys
    may come over plain HTTP, as behind a proxy that ends TLS."""

    region: str = "us-east-1"
    domains: tuple[str, ...] = ()
    strict_region: bool = False
    patience_seconds: float = 10.0
    sse_c_without_tls: bool = False


class S3Application:
    """Answers the requests of S3 clients. Satisfies `objectd.web.application.Application`."""

    def __init__(
        self,
        store: ObjectStore,
        credentials: ICredentials,
        model: ServiceModel,
        *,
        clock: IReactorTime,
        now_us: Callable[[], int],
        run_in_thread: RunInThread,
        settings: S3Settings,
    ) -> None:
        self._store = store
        self._credentials = credentials
        self._model = model
        self._router = Router(model)
        self._clock = clock
        self._now_us = now_us
        self._run_in_thread = run_in_thread
        self._settings = settings
        self._host_id = base64.b64encode(store.format.store_uuid).decode()
        self._store_id = (b"x-amz-id-2", self._host_id.encode())
        self._leaf = HotLeaf(
            store,
            model,
            settings.region,
            run_in_thread,
            self._authenticated,
            self._carry_out,
            header_text.lines((self._store_id,)),
        )

    def respond(self, request: HttpRequest, body: RequestBody) -> Coroutine[Any, Any, Response]:
        """The answer, also to what is wrong with the request; other errors are raised."""
        plain = recognised(request, self._settings.domains)
        if plain is None:
            return self.respond_at_length(request, body)
        return self._told(request, self._leaf.answer(plain, request, body))

    def respond_at_length(
        self, request: HttpRequest, body: RequestBody
    ) -> Coroutine[Any, Any, Response]:
        """The same without the hot leaf, which must not make a difference."""
        return self._told(request, self._respond(request, body))

    async def _told(self, request: HttpRequest, work: Awaitable[Response]) -> Response:
        """What `work` answers, or the document that tells of its error."""
        try:
            return await work
        except S3Error as error:
            return self._error(request, error)
        except ObjectdError as error:
            known = to_s3_error(error)
            if known is None:
                log_failure(request, error)
                known = S3Error("InternalError")
            return self._error(request, known)

    def refuse(self, request_id: str, code: RefusalCode, message: str) -> Response:
        name, status = _REFUSALS[code]
        error = S3Error(name, message, status=status)
        return self._document(error, "", request_id)

    async def _respond(self, request: HttpRequest, raw_body: RequestBody) -> Response:
        request = origin_form(request)
        target = parse_target(request, self._settings.domains)
        principal = await self._authenticated(request)
        operation, protocol = self._operation(request, target)
        head = protocol.parse_head(request, target)
        refuse_unsupported(operation, protocol, request, target, head)
        if EXPECTED_OWNER in head:
            await require_owner(self._store, str(target.bucket), str(head[EXPECTED_OWNER]))
        if protocol.streaming_input:
            require_length(request)
        body = VerifiedBody(raw_body, principal.payload, run_in_thread=self._run_in_thread)
        arguments = head
        if protocol.has_payload:
            arguments = await _with_document(protocol, request, target, body)
            require_supported(operation, arguments)
        call = Call(
            self._store,
            principal,
            request,
            body,
            self._settings.region,
            self._settings.sse_c_without_tls,
        )
        making = self._carry_out(operation, protocol, call, arguments)
        if not operation.may_take_long:
            return await making
        return await in_time_or_late(
            self._told(request, making),
            self._clock,
            patience_seconds=self._settings.patience_seconds,
            late_headers=(XML_TYPE, *self._ids(request.request_id)),
        )

    def _authenticated(self, request: HttpRequest) -> Awaitable[Principal]:
        region = self._settings.region if self._settings.strict_region else None
        return authenticate(request, self._credentials, now_us=self._now_us(), region=region)

    async def _carry_out(
        self, operation: Operation, protocol: Protocol, call: Call, arguments: dict[str, object]
    ) -> Response:
        answer = await operation.carry_out(call, arguments)
        try:
            return self._response(call.request, protocol, answer)
        except BaseException:
            answer.close()
            raise

    def _operation(self, request: HttpRequest, target: Target) -> tuple[Operation, Protocol]:
        names = {name for name, _ in request.headers}
        name = self._router.resolve(request.method, target, names)
        operation = OPERATIONS.get(name)
        if operation is None:
            raise S3Error("NotImplemented", f"{name} is not implemented.")
        return operation, compiled(self._model, name)

    def _response(self, request: HttpRequest, protocol: Protocol, answer: Answer) -> Response:
        rendered = protocol.render(answer.result, answer.status)
        headers = rendered.headers + self._ids(request.request_id)
        length = answer.result.get("ContentLength")
        if isinstance(length, int):
            headers = without_length(headers)
            body = rendered.body if answer.body is None else answer.body
            return Response(rendered.status, headers, body, length)
        return Response(rendered.status, headers, rendered.body)

    def _error(self, request: HttpRequest, error: S3Error) -> Response:
        if error.status == HTTPStatus.NOT_MODIFIED:
            # Without a type: a cache would take it for the object's own (RFC 9111, 3.2).
            headers = (*error.headers, *self._ids(request.request_id))
            return Response(error.status, headers, error_code=error.code)
        resource = request.raw_path.decode("latin-1")
        response = self._document(error, resource, request.request_id)
        if request.method == "HEAD":
            return structs.replace(response, body=b"", content_length=0)
        return response

    def _document(self, error: S3Error, resource: str, request_id: str) -> Response:
        headers = (XML_TYPE, *error.headers, *self._ids(request_id))
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers += ((b"Retry-After", b"%d" % RETRY_SECONDS),)
        document = render_error(error, resource, request_id, self._host_id)
        return Response(error.status, headers, document, error_code=error.code)

    def _ids(self, request_id: str) -> tuple[tuple[bytes, bytes], ...]:
        return (b"x-amz-request-id", request_id.encode()), self._store_id


async def _with_document(
    protocol: Protocol, request: HttpRequest, target: Target, body: VerifiedBody
) -> dict[str, object]:
    """The arguments of an operation whose body is a document."""
    if protocol.checksum_required and not carries_digest(request, body):
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")
    whole = await body.read_whole(protocol.body_bytes_max)
    if protocol.member_of(b"x-amz-checksum-crc32") is None:
        check_document(request, body, whole)
    else:
        check_document_about_object(request, whole)
    return protocol.parse(request, target, whole)


def refuse_unsupported(
    operation: Operation,
    protocol: Protocol,
    request: HttpRequest,
    target: Target,
    head: Mapping[str, object],
) -> None:
    """Refuse before the body is read what a request may not ask for here.

    A header that binds (`_BINDING`) and is ignored is worse than one that is refused, so none
    gets past that the handler does not take, whether or not S3 knows it for this operation;
    nor, on a write, one that says nothing (an empty header, a date that is none).
    """
    for name, _ in request.headers:
        if name.startswith(_BINDING):
            _require_taken(operation, protocol.member_of(name), name, request, head)
    for parameter, _ in target.query:
        name = parameter.lower().encode()
        if name.startswith(_BINDING):
            # Signers of URLs hoist S3's own headers; from the query, nobody reads others.
            member = protocol.member_of(name) if name.startswith(b"x-amz-") else None
            _require_taken(operation, member, name, request, head)
    require_supported(operation, head)


def _require_taken(
    operation: Operation,
    member: str | None,
    name: bytes,
    request: HttpRequest,
    head: Mapping[str, object],
) -> None:
    header = name.decode("latin-1")
    if member is None or member not in operation.supported:
        raise S3Error(
            "NotImplemented",
            f"{operation.name} does not implement the header {header}.",
            extra={"Header": header},
        )
    is_condition = b"if-" in name
    if is_condition and request.method not in _READS and head.get(member) in (None, ""):
        raise invalid_argument(header, "", f"The value of {header} is not valid.")


def require_length(request: HttpRequest) -> None:
    """A body that is stored must say how long it is, or that it comes in chunks: otherwise a
    client that forgot it would store an empty object."""
    if request.header(b"content-length") is None and request.header(b"transfer-encoding") is None:
        raise S3Error("MissingContentLength")


def require_supported(operation: Operation, arguments: Mapping[str, object]) -> None:
    unsupported = arguments.keys() - operation.supported - operation.ignored
    if unsupported:
        names = ", ".join(sorted(unsupported))
        raise S3Error("NotImplemented", f"{operation.name} does not implement {names}.")
