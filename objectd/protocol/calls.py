"""The client's side of an operation, compiled from the same model: arguments become a request,
and a response becomes a result, both under the names that boto3 gives them.

Times are microseconds since 1970 UTC, both ways. A result of a listing with
encoding-type=url holds plain keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import TypeAlias, cast
from urllib.parse import quote, unquote_plus

import attrs

from objectd.protocol import header_text, quirks, results, xml_in, xml_out
from objectd.protocol.messages import Headers
from objectd.protocol.model import Member, OperationModel, Scope, ServiceModel, Shape
from objectd.protocol.results import BodyWriter, HeaderList, HeaderWriter
from objectd.protocol.scalars import parse_boolean, parse_integer, parse_timestamp
from objectd.protocol.targets import Target

__all__ = ["Call", "CallRequest", "Refusal", "compiled_call", "query_of", "read_refusal"]

Result: TypeAlias = dict[str, object]

RETRY_AFTER_SECONDS_MAX = 60
"""The longest that a server may tell a client to wait."""

_BodyReader: TypeAlias = Callable[[bytes], Result]
_ERROR_DOCUMENT = re.compile(rb"\s*(<\?xml[^>]*\?>\s*)?<(\w+:)?Error[\s/>]")
_ERROR_DETAILS = ("Region", "Resource", "BucketName", "Key", "Endpoint", "Condition")
_read_error = xml_in.compile_texts(("Code", "Message", "RequestId", *_ERROR_DETAILS))


@attrs.frozen
class CallRequest:
    """A request but for its host, its signature and, if the body is a stream, its body."""

    method: str
    target: Target
    headers: Headers
    document: bytes

    @property
    def raw_path(self) -> bytes:
        """In path style, each segment of the key encoded as a signature wants it."""
        bucket = "" if self.target.bucket is None else quote(self.target.bucket, safe="")
        return f"/{bucket}{self.raw_key.decode()}".encode()

    @property
    def raw_key(self) -> bytes:
        """The path where the host names the bucket; empty if there is no key."""
        key = self.target.key
        return b"" if key is None else b"/" + quote(key, safe="/").encode()


@attrs.frozen
class Refusal:
    """What an error response says. Without a document the code is the status, as in boto3."""

    status: int
    code: str
    message: str
    request_id: str
    details: Mapping[str, str]
    retry_after_seconds: int = 0


@cache
def compiled_call(model: ServiceModel, name: str) -> Call:
    """The call of an operation, compiled at its first use. `KeyError` if there is no such."""
    operation = model.operations[name]
    members = list(operation.input.members.values()) if operation.input else []
    output = operation.output
    result_members = list(output.members.values()) if output else []
    return Call(
        model=operation,
        streaming_input=_stream_of(operation.input),
        streaming_output=_stream_of(output),
        url_encodes="EncodingType" in {m.name for m in members},
        query={m.name: _query_writer(m) for m in members if m.location == "querystring"},
        headers=results.compile_headers(operation.input) if operation.input else {},
        body_names=frozenset(m.name for m in members if m.location == "body"),
        document=_document_writer(operation),
        result_headers=_header_readers(output) if output else {},
        result_metadata=next((m for m in result_members if m.location == "headers"), None),
        result_body=_body_reader(operation, output) if output else None,
    )


@attrs.frozen(eq=False)
class Call:
    """How one operation is asked for, and how its answer is read.

    `streaming_input` and `streaming_output` name the member that is a stream of bytes, "" if
    there is none; it is neither in arguments nor in results here. `url_encodes`: a listing
    that can show keys which XML cannot carry.
    """

    model: OperationModel
    streaming_input: str
    streaming_output: str
    url_encodes: bool
    _query: Mapping[str, tuple[str, Callable[..., str]]]
    _headers: Mapping[str, HeaderWriter]
    _body_names: frozenset[str]
    _document: BodyWriter | None
    _result_headers: Mapping[bytes, tuple[str, Callable[[str], object]]]
    _result_metadata: Member | None
    _result_body: _BodyReader | None

    @property
    def checksum_required(self) -> bool:
        """The document must come with Content-MD5 or an x-amz-checksum-* header."""
        return self.model.checksum_required

    def request(self, arguments: Mapping[str, object]) -> CallRequest:
        """None leaves an argument out. `TypeError` for an argument that the operation does not
        take or that is missing, `ValueError` for a value that cannot be one."""
        given = {name: value for name, value in arguments.items() if value is not None}
        self._check_names(given)
        bucket, key = _path_part(given, "Bucket"), _path_part(given, "Key")
        query: list[tuple[str, str | None]] = list(self.model.discriminators.items())
        headers: HeaderList = []
        members: dict[str, object] = {}
        for name, value in given.items():
            if name in self._query:
                wire_name, text_of = self._query[name]
                query.append((wire_name, text_of(value)))
            elif name in self._headers:
                self._headers[name](value, headers)
            elif name in self._body_names:
                members[name] = value
        lowered = tuple((name.lower(), value) for name, value in headers)
        document = self._document(members) if self._document else b""
        scope = self.model.scope
        if self.model.literal_path is not None:
            bucket = self.model.literal_path
        target = Target(scope, bucket, key if scope is Scope.OBJECT else None, tuple(query))
        return CallRequest(self.model.method, target, lowered, document)

    def result(self, headers: Headers, body: bytes) -> Result | Refusal:
        """What a response of success says; `headers` in lower case.

        S3 reports some errors inside a 200: then a `Refusal`. `ValueError` for a body that is
        not what it should be."""
        found: Result = {}
        for name, raw in headers:
            self._read_header(found, name, raw)
        if self._result_body is not None and body:
            if _ERROR_DOCUMENT.match(body):
                return read_refusal(200, headers, body)
            found.update(self._result_body(body))
        return found

    def _read_header(self, found: Result, name: bytes, raw: bytes) -> None:
        reader = self._result_headers.get(name)
        if reader is not None:
            member, convert = reader
            # A header may be there for other reasons than the member, and hold anything.
            try:
                found[member] = convert(header_text.decode(raw))
            except ValueError:
                return
        elif self._result_metadata is not None:
            prefix = self._result_metadata.wire_name.encode()
            if name.startswith(prefix):
                metadata = cast(dict[str, str], found.setdefault(self._result_metadata.name, {}))
                metadata[name[len(prefix) :].decode("latin-1")] = header_text.decode_metadata(raw)

    def _check_names(self, given: Mapping[str, object]) -> None:
        shape = self.model.input
        known = shape.members.keys() if shape else frozenset[str]()
        required = shape.required if shape else frozenset[str]()
        if unknown := given.keys() - known:
            raise TypeError(f"{self.model.name} has no argument {', '.join(sorted(unknown))}")
        if missing := required - given.keys() - {self.streaming_input}:
            raise TypeError(f"{self.model.name} needs {', '.join(sorted(missing))}")


def query_of(target: Target) -> bytes:
    """The query string, encoded as a signature wants it."""
    return "&".join(
        quote(name, safe="") if value is None else f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in target.query
    ).encode()


def read_refusal(status: int, headers: Headers, body: bytes) -> Refusal:
    """What an error response says, whether or not there is a document (HEAD has none, a proxy
    sends HTML)."""
    fields = dict(headers)
    try:
        texts = cast(dict[str, str], _read_error(body)) if _ERROR_DOCUMENT.match(body) else {}
    except ValueError:
        texts = {}
    details = {name: texts[name] for name in _ERROR_DETAILS if name in texts}
    region = fields.get(b"x-amz-bucket-region", b"").decode("latin-1")
    if region:
        details.setdefault("Region", region)
    return Refusal(
        status=status,
        code=texts.get("Code") or str(status),
        message=texts.get("Message") or _phrase(status),
        request_id=texts.get("RequestId") or fields.get(b"x-amz-request-id", b"").decode("latin-1"),
        details=details,
        retry_after_seconds=_retry_after(fields.get(b"retry-after", b"")),
    )


def _retry_after(raw: bytes) -> int:
    """A date instead of a number is not worth a clock; nobody waits for longer than told."""
    return min(int(raw), RETRY_AFTER_SECONDS_MAX) if raw.isdigit() else 0


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _path_part(given: Mapping[str, object], name: str) -> str | None:
    """An empty name would make the request mean something larger: DELETE of a bucket, not of
    an object in it."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text that is not empty, not {value!r}")
    return value


def _stream_of(shape: Shape | None) -> str:
    if shape is None or shape.payload is None:
        return ""
    payload = shape.members[shape.payload]
    is_stream = payload.shape.type == "blob" or payload.shape.is_event_stream
    return payload.name if is_stream else ""


def _query_writer(member: Member) -> tuple[str, Callable[..., str]]:
    is_text = member.shape.name in quirks.TEXT_TIMESTAMPS
    return member.wire_name, str if is_text else results.to_text(member.shape)


def _document_writer(operation: OperationModel) -> BodyWriter | None:
    shape = operation.input
    if shape is None:
        return None
    if operation.input_root is not None:
        return xml_out.compile_document(operation.input_root, shape)
    payload = shape.members[shape.payload] if shape.payload else None
    if payload is None or payload.shape.type == "blob":
        return None
    if payload.shape.type == "string":
        return lambda members: str(members.get(payload.name, "")).encode()
    write = xml_out.compile_document(payload.wire_name, payload.shape)

    def write_payload(members: Mapping[str, object]) -> bytes:
        if payload.name not in members:
            return b""
        return write(cast(Mapping[str, object], members[payload.name]))

    return write_payload


def _header_readers(shape: Shape) -> dict[bytes, tuple[str, Callable[[str], object]]]:
    return {
        m.wire_name.lower().encode(): (m.name, _from_text(m.shape))
        for m in shape.members.values()
        if m.location == "header"
    }


def _from_text(shape: Shape) -> Callable[[str], object]:
    if shape.type in ("integer", "long"):
        return parse_integer
    if shape.type == "boolean":
        return parse_boolean
    if shape.type == "timestamp":
        return parse_timestamp
    if shape.type == "list":
        return lambda text: [part.strip() for part in text.split(",")]
    return str


def _body_reader(operation: OperationModel, shape: Shape) -> _BodyReader | None:
    if not any(m.location == "body" for m in shape.members.values()) or _stream_of(shape):
        return None
    if operation.name in quirks.BARE_BODIES:
        return _bare_reader(quirks.BARE_BODIES[operation.name])
    if shape.payload is not None:
        return _payload_reader(shape.members[shape.payload])
    read = xml_in.compile_answer(shape)
    if "EncodingType" not in shape.members:
        return read

    def read_listing(body: bytes) -> Result:
        found = read(body)
        if found.get("EncodingType") == "url":
            _decode_keys(found, shape)
        return found

    return read_listing


def _bare_reader(member: str) -> _BodyReader:
    read = xml_in.compile_text()
    return lambda body: {member: read(body) or quirks.DEFAULT_REGION}


def _payload_reader(payload: Member) -> _BodyReader:
    if payload.shape.type == "string":
        return lambda body: {payload.name: body.decode()}
    read = xml_in.compile_answer(payload.shape)
    return lambda body: {payload.name: read(body)}


def _decode_keys(value: object, shape: Shape) -> None:
    """Undo, in place, what encoding-type=url did to the texts of a structure."""
    if not isinstance(value, dict):
        return
    for name, content in value.items():
        member = shape.members[name].shape
        if member.name in quirks.URL_ENCODED:
            value[name] = unquote_plus(content, errors="strict")
        elif member.type == "structure":
            _decode_keys(content, member)
        elif member.element is not None and member.element.shape.type == "structure":
            for element in content:
                _decode_keys(element, member.element.shape)
