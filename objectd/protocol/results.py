"""From the result of an operation, under boto3's names, to the response that carries it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from objectd.protocol import header_text, quirks
from objectd.protocol.model import Member, OperationModel, Shape
from objectd.protocol.scalars import http_date, iso_8601_milliseconds
from objectd.protocol.xml_out import bare_document, compile_document, url_encoding

HeaderList: TypeAlias = list[tuple[bytes, bytes]]
BodyMembers: TypeAlias = Mapping[str, object]
HeaderWriter: TypeAlias = Callable[..., None]
BodyWriter: TypeAlias = Callable[[BodyMembers], bytes]

XML_TYPE = (b"Content-Type", b"application/xml")
JSON_TYPE = (b"Content-Type", b"application/json")


def compile_headers(shape: Shape) -> dict[str, HeaderWriter]:
    """By member, what appends its value to the headers of a response, or of a request."""
    return {
        m.name: _metadata_writer(m) if m.location == "headers" else _header_writer(m)
        for m in shape.members.values()
        if m.location in ("header", "headers")
    }


def compile_body(operation: OperationModel, shape: Shape) -> BodyWriter | None:
    """The writer of the body; None if it has none or is a stream."""
    members = {m.name: m for m in shape.members.values() if m.location == "body"}
    if not members or is_stream(shape):
        return None
    if operation.name in quirks.BARE_BODIES:
        return _bare_writer(quirks.BARE_BODIES[operation.name])
    if shape.payload is not None:
        return _payload_writer(members[shape.payload])
    root = quirks.ROOTS.get(operation.name, shape.name)
    write_plain = compile_document(root, shape)
    if "EncodingType" not in members:
        return write_plain
    write_encoded = compile_document(root, shape, encode=url_encoding)
    return lambda result: (write_encoded if result.get("EncodingType") == "url" else write_plain)(
        result
    )


def is_stream(shape: Shape) -> bool:
    if shape.payload is None:
        return False
    payload = shape.members[shape.payload].shape
    return payload.type == "blob" or payload.is_event_stream


def content_type(shape: Shape) -> tuple[bytes, bytes]:
    is_text = shape.payload is not None and shape.members[shape.payload].shape.type == "string"
    return JSON_TYPE if is_text else XML_TYPE


def _bare_writer(member: str) -> BodyWriter:
    def write(result: BodyMembers) -> bytes:
        region = str(result.get(member) or "")
        return bare_document(member, "" if region == quirks.DEFAULT_REGION else region)

    return write


def _payload_writer(payload: Member) -> BodyWriter:
    if payload.shape.type == "string":
        return lambda result: str(result.get(payload.name, "")).encode()
    write = compile_document(payload.wire_name, payload.shape)
    return lambda result: write(cast(BodyMembers, result.get(payload.name, {})))


def _header_writer(member: Member) -> HeaderWriter:
    name, text_of = member.wire_name.encode(), to_text(member.shape)
    return lambda value, headers: headers.append((name, header_text.encode(text_of(value))))


def _metadata_writer(member: Member) -> HeaderWriter:
    prefix = member.wire_name.encode()

    def write(value: Mapping[str, str], headers: HeaderList) -> None:
        for key, text in value.items():
            headers.append((prefix + key.encode(), header_text.encode_metadata(text)))

    return write


def to_text(shape: Shape) -> Callable[..., str]:
    """How a header or a query parameter shows values of a shape."""
    if shape.type == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type == "timestamp":
        return iso_8601_milliseconds if shape.timestamp_format == "iso8601" else http_date
    if shape.type == "list":
        return ",".join
    return str
