"""From a request to the arguments of an operation, under the names that boto3 gives them.

Compiled so that parsing costs what the request carries, not what the operation could take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

import attrs

from objectd.protocol import header_text, quirks, xml_in
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.protocol.messages import HttpRequest
from objectd.protocol.model import Member, OperationModel, Shape
from objectd.protocol.scalars import (
    INTEGER_MAX,
    LONG_MAX,
    parse_boolean,
    parse_integer,
    parse_timestamp,
)
from objectd.protocol.targets import Target

Arguments: TypeAlias = dict[str, object]
BodyParser: TypeAlias = Callable[[bytes], Arguments]

_Converter: TypeAlias = Callable[[str], object]


@attrs.frozen(eq=False)
class _Parameter:
    """A member that one header or query parameter carries as text."""

    member: str
    wire_name: str
    convert: _Converter

    def read(self, text: str) -> object:
        try:
            return self.convert(text)
        except ValueError:
            message = f"Provided {self.wire_name} is not valid: {text}"
            raise invalid_argument(self.wire_name, text, message) from None


@attrs.frozen(eq=False)
class HeadParser:
    """Reads the members that come from path, query and headers."""

    headers: Mapping[bytes, _Parameter]
    query: Mapping[str, _Parameter]
    metadata_prefix: bytes | None
    required: frozenset[str]

    def parse(self, request: HttpRequest, target: Target) -> Arguments:
        """What the request carries. Raises `S3Error` InvalidArgument or InvalidRequest."""
        arguments: Arguments = {}
        if target.bucket is not None:
            arguments["Bucket"] = target.bucket
        if target.key is not None:
            arguments["Key"] = target.key
        for name, raw in request.headers:
            self._read_header(arguments, name, raw)
        for parameter, text in target.query:
            self._read_query(arguments, parameter, text or "")
        if not self.required <= arguments.keys():
            raise self._missing(arguments)
        return arguments

    def _read_header(self, arguments: Arguments, name: bytes, raw: bytes) -> None:
        parameter = self.headers.get(name)
        if parameter is not None:
            value = parameter.read(header_text.decode(raw))
            if parameter.member in arguments:
                value = _combined(parameter, arguments[parameter.member], value)
            if value is not None:
                arguments[parameter.member] = value
        elif self.metadata_prefix is not None and name.startswith(self.metadata_prefix):
            metadata = cast(dict[str, str], arguments.setdefault("Metadata", {}))
            key = header_text.decode(name[len(self.metadata_prefix) :])
            text = header_text.decode_metadata(raw)
            metadata[key] = f"{metadata[key]},{text}" if key in metadata else text

    def _read_query(self, arguments: Arguments, name: str, text: str) -> None:
        parameter = self.query.get(name)
        if parameter is None:
            if name[:6].lower() == "x-amz-":
                self._read_hoisted_header(arguments, name, text)
            return
        if parameter.member in arguments:
            raise invalid_argument(name, text, "A parameter was given twice.")
        arguments[parameter.member] = parameter.read(text)

    def _read_hoisted_header(self, arguments: Arguments, name: str, text: str) -> None:
        """Presigned URLs carry headers in the query, where they may hold anything."""
        if not (header_text.is_name(name) and header_text.is_safe(text)):
            raise invalid_argument(name, text, f"{name} cannot be a header.")
        self._read_header(arguments, name.lower().encode(), text.encode())

    def _missing(self, arguments: Arguments) -> S3Error:
        names = {p.member: p.wire_name for p in (*self.query.values(), *self.headers.values())}
        missing = ", ".join(sorted(names.get(m, m) for m in self.required - arguments.keys()))
        return S3Error("InvalidRequest", f"Missing required parameter: {missing}")


def compile_head(operation: OperationModel) -> HeadParser:
    members = list(operation.input.members.values()) if operation.input else []
    required = operation.input.required if operation.input else frozenset()
    prefixes = [m.wire_name for m in members if m.location == "headers"]
    return HeadParser(
        headers={
            m.wire_name.lower().encode(): _parameter(m) for m in members if m.location == "header"
        },
        query={m.wire_name: _parameter(m) for m in members if m.location == "querystring"},
        metadata_prefix=prefixes[0].encode() if prefixes else None,
        required=frozenset(m.name for m in members if m.name in required and m.location != "body"),
    )


def compile_body(operation: OperationModel) -> BodyParser | None:
    """The parser of a body that is read whole; None if it is a stream or there is none."""
    shape = operation.input
    if shape is None:
        return None
    code = quirks.MALFORMED_CODES.get(operation.name, "MalformedXML")
    if operation.input_root is not None:
        return xml_in.compile_document(operation.input_root, shape, code)
    payload = shape.members[shape.payload] if shape.payload else None
    if payload is None or payload.shape.type == "blob":
        return None
    parse = _payload_parser(payload, code)
    is_required = payload.name in shape.required

    def parse_payload(body: bytes) -> Arguments:
        if body:
            return {payload.name: parse(body)}
        if is_required:
            raise S3Error("MissingRequestBodyError")
        return {}

    return parse_payload


def _payload_parser(payload: Member, error_code: str) -> Callable[[bytes], object]:
    if payload.shape.type == "structure":
        return xml_in.compile_document(payload.wire_name, payload.shape, error_code)

    def parse_text(body: bytes) -> str:
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise S3Error("InvalidArgument", "The body is not UTF-8.") from None

    return parse_text


def _parameter(member: Member) -> _Parameter:
    return _Parameter(member.name, member.wire_name, _converter(member))


def _converter(member: Member) -> _Converter:
    shape = member.shape
    if shape.type in ("integer", "long"):
        return _bounded_integer(shape)
    if shape.type == "boolean":
        return parse_boolean
    if shape.type == "list":
        return lambda text: [part.strip() for part in text.split(",")]
    if shape.type == "timestamp" and shape.name not in quirks.TEXT_TIMESTAMPS:
        return _lenient_timestamp if shape.name in quirks.LENIENT_TIMESTAMPS else parse_timestamp
    if member.location == "header":
        return str
    return _query_text(member)


def _bounded_integer(shape: Shape) -> _Converter:
    minimum = shape.minimum or 0
    maximum = shape.maximum or (INTEGER_MAX if shape.type == "integer" else LONG_MAX)

    def convert(text: str) -> int:
        value = parse_integer(text)
        if not minimum <= value <= maximum:
            raise ValueError(f"{value} is not between {minimum} and {maximum}")
        return value

    return convert


def _lenient_timestamp(text: str) -> int | None:
    try:
        return parse_timestamp(text)
    except ValueError:
        return None


def _query_text(member: Member) -> _Converter:
    allowed, never_empty = member.shape.enum, member.wire_name in quirks.NEVER_EMPTY
    becomes_header = member.wire_name.startswith("response-")

    def convert(text: str) -> str:
        if allowed and text not in allowed:
            raise ValueError(f"{text!r} is not one of {sorted(allowed)}")
        if never_empty and not text:
            raise ValueError("it is empty")
        if becomes_header and not header_text.is_safe(text):
            raise ValueError("it cannot be a header")
        return text

    return convert


def _combined(parameter: _Parameter, first: object, second: object) -> object:
    """The value of a header that came twice: lists are joined (RFC 9110, 5.3); of S3's own
    headers only equal ones are taken, for each has one value."""
    if first == second:
        return first
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    is_s3_header = parameter.wire_name.lower().startswith("x-amz-")
    if isinstance(first, str) and isinstance(second, str) and not is_s3_header:
        return f"{first},{second}"
    raise invalid_argument(parameter.wire_name, str(second), "A header was given twice.")
