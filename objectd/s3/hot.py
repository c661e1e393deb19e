"""The hot leaf: plain requests for objects, answered with little ado.

Most of what a store is asked for are GetObject, HeadObject, PutObject, DeleteObject and
ListObjectsV2 in a plain form, which method, target and the names of the headers tell. Those
are answered here, by the same authentication and the same object store. Whatever is odd about
a request, it takes the long way of `objectd.s3.application`, which knows the plain forms as
well: a test holds both ways to the same answers and the same state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs

from objectd.auth.authenticate import Principal
from objectd.interfaces import RunInThread
from objectd.objects import Object, ObjectStore
from objectd.objects.encryption import check_customer_key
from objectd.objects.remembered import Remembered
from objectd.protocol import header_text
from objectd.protocol.messages import Headers, HttpRequest, Response
from objectd.protocol.model import ServiceModel
from objectd.protocol.operations import Operation as Protocol
from objectd.protocol.operations import compiled
from objectd.protocol.targets import Scope, Target
from objectd.s3.attributes import shown_checksums
from objectd.s3.body import VerifiedBody, declared_in, encoded
from objectd.s3.call import Call
from objectd.s3.encryption import shown_new_encryption
from objectd.s3.lifecycle import expiration_text, shown_expiration
from objectd.s3.object_lock import shown_date
from objectd.s3.operations import OPERATIONS, Operation
from objectd.s3.plain import Plain
from objectd.s3.plain_lines import plain_lines
from objectd.s3.reading import shown
from objectd.s3.restoring import restore_text
from objectd.web.application import RequestBody

CarryOut: TypeAlias = Callable[[Operation, Protocol, Call, dict[str, object]], Awaitable[Response]]


@attrs.frozen(eq=False)
class HotLeaf:
    """Answers requests in plain form. `authenticated` and `carry_out` are the long way's own
    steps; `store_line` is the header line that names this store."""

    _store: ObjectStore
    _model: ServiceModel
    _region: str
    _run_in_thread: RunInThread
    _authenticated: Callable[[HttpRequest], Awaitable[Principal]]
    _carry_out: CarryOut
    _store_line: bytes
    _shown: Mapping[bool, Remembered[Object, bytes]] = attrs.field(
        factory=lambda: {False: Remembered(), True: Remembered()}, init=False
    )

    async def answer(self, plain: Plain, request: HttpRequest, body: RequestBody) -> Response:
        """Raises what the long way raises for the same request."""
        principal = await self._authenticated(request)
        # Who, what and where are known, and nothing is done yet: as on the long way.
        objects = self._store.objects
        match plain.operation:
            case "GetObject":
                known = objects.known(plain.bucket, plain.key)
                if known is None:
                    return await self._get(plain, request)
                # With no coroutine beneath, and no read to be ended, it takes half of the time.
                found, payload = known
                head = self._known_lines(found, request) or await self._head_lines(found, request)
                return Response(200, (), payload, len(payload), head=head)
            case "HeadObject":
                seen = objects.known_head(plain.bucket, plain.key)
                if seen is None or seen.tail.encryption is not None:
                    return await self._head(plain, request)
                head = self._known_lines(seen, request) or await self._head_lines(seen, request)
                return Response(200, (), b"", seen.size_bytes, head=head)
            case "PutObject":
                return await self._put(plain, request, self._verified(body, principal))
            case "DeleteObject":
                return await self._delete(plain, request)
            case _:
                return await self._list(plain, request, self._verified(body, principal), principal)

    async def _get(self, plain: Plain, request: HttpRequest) -> Response:
        opened = await self._store.objects.get(plain.bucket, plain.key)
        try:
            found = opened.object
            head = self._known_lines(found, request) or await self._head_lines(found, request)
        except BaseException:
            opened.close()
            raise
        payload = opened.payload
        if payload is None:
            return Response(200, (), opened.stream(), found.size_bytes, head=head)
        opened.close()
        return Response(200, (), payload, found.size_bytes, head=head)

    async def _head(self, plain: Plain, request: HttpRequest) -> Response:
        found = await self._store.objects.head(plain.bucket, plain.key)
        if found.tail.encryption is not None:
            check_customer_key(found.tail.encryption, None)
        head = self._known_lines(found, request) or await self._head_lines(found, request)
        return Response(200, (), b"", found.size_bytes, head=head)

    async def _put(self, plain: Plain, request: HttpRequest, body: VerifiedBody) -> Response:
        stored = await self._store.objects.put(
            plain.bucket,
            plain.key,
            body,
            headers=plain.kept,
            metadata=plain.metadata,
            declared=declared_in(request.fields, body),
            size_bytes=body.size_bytes,
            whole=body.whole,
        )
        [checksum] = stored.tail.checksums
        if stored.tail.encryption is not None:
            return await self._encrypted(stored, request)
        lines = (
            f'ETag: "{stored.etag}"\r\n'
            f"x-amz-checksum-{checksum.algorithm.lower()}: {encoded(checksum.value)}\r\n"
            f"x-amz-checksum-type: {checksum.kind}\r\n"
        )
        if stored.version_id:
            lines += f"x-amz-version-id: {stored.version_id}\r\n"
        if stored.lifecycle:
            expiration = expiration_text(await self._store.lifecycles.expiration(stored))
            if expiration is not None:
                lines += f"x-amz-expiration: {expiration}\r\n"
        return Response(200, head=lines.encode() + self._ids(request))

    async def _encrypted(self, stored: Object, request: HttpRequest) -> Response:
        """The answer to a put into a bucket that encrypts by default."""
        result = {
            "ETag": f'"{stored.etag}"',
            **shown_checksums(stored.tail.checksums),
            "VersionId": stored.version_id or None,
            **await shown_expiration(self._store, stored),
            **shown_new_encryption(stored.tail.encryption),
        }
        rendered = compiled(self._model, "PutObject").render(result, 200)
        return Response(200, head=header_text.lines(rendered.headers) + self._ids(request))

    async def _delete(self, plain: Plain, request: HttpRequest) -> Response:
        deleted = await self._store.objects.delete(plain.bucket, plain.key)
        lines = b"x-amz-delete-marker: true\r\n" if deleted.is_delete_marker else b""
        if deleted.version_id:
            lines += b"x-amz-version-id: %b\r\n" % deleted.version_id.encode()
        return Response(204, head=lines + self._ids(request))

    async def _list(
        self, plain: Plain, request: HttpRequest, body: VerifiedBody, principal: Principal
    ) -> Response:
        operation, protocol = OPERATIONS[plain.operation], compiled(self._model, plain.operation)
        target = Target(Scope.BUCKET, plain.bucket, None, tuple(plain.parameters.items()))
        call = Call(self._store, principal, request, body, self._region)
        arguments = protocol.parse_head(request, target)
        return await self._carry_out(operation, protocol, call, arguments)

    def _verified(self, body: RequestBody, principal: Principal) -> VerifiedBody:
        return VerifiedBody(body, principal.payload, run_in_thread=self._run_in_thread)

    def _ids(self, request: HttpRequest) -> bytes:
        return b"x-amz-request-id: %b\r\n%b" % (request.request_id.encode(), self._store_line)

    def _known_lines(self, object_: Object, request: HttpRequest) -> bytes | None:
        """The header lines of an object, if they are remembered: they are the same each time
        that it is read. Under another lifecycle it is another value."""
        lines = self._shown[_shows_checksums(request)].get(object_)
        return None if lines is None else self._lines_now(lines, object_, request)

    async def _head_lines(self, object_: Object, request: HttpRequest) -> bytes:
        """The header lines of an object of which none are remembered. Raises `ValueError` for
        one with a header that cannot be one."""
        checksums = _shows_checksums(request)
        lines = None if checksums else plain_lines(object_)
        lasts = True
        if lines is None:
            lines, lasts = await self._rendered(object_, checksums=checksums)
        if lasts:
            self._shown[checksums].keep(object_, lines)
        return self._lines_now(lines, object_, request)

    async def _rendered(self, object_: Object, *, checksums: bool) -> tuple[bytes, bool]:
        """Its header lines, and whether they are the same the next time."""
        result, status, _, _ = shown(object_, None, "", "ENABLED" if checksums else "")
        result.update(await shown_expiration(self._store, object_))
        date = await shown_date(self._store, object_.tail)
        result.update(date)
        rendered = compiled(self._model, "GetObject").render(result, status)
        return header_text.lines(without_length(rendered.headers)), not date

    def _lines_now(self, lines: bytes, object_: Object, request: HttpRequest) -> bytes:
        """With those that are others each time."""
        if object_.tail.restore is not None:
            text = restore_text(self._store, object_.tail)
            lines += b"x-amz-restore: %b\r\n" % text.encode() if text else b""
        return lines + self._ids(request)


def _shows_checksums(request: HttpRequest) -> bool:
    return request.fields.get(b"x-amz-checksum-mode") == b"ENABLED"


def without_length(headers: Headers) -> Headers:
    """The web layer tells the length."""
    return tuple(header for header in headers if header[0].lower() != b"content-length")
