"""One operation of S3, compiled from the model: requests in, responses out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import attrs

from objectd.protocol import arguments, quirks, results
from objectd.protocol.arguments import Arguments, BodyParser, HeadParser
from objectd.protocol.errors import S3Error
from objectd.protocol.messages import Headers, HttpRequest
from objectd.protocol.model import OperationModel, ServiceModel
from objectd.protocol.results import BodyWriter, HeaderList, HeaderWriter
from objectd.protocol.targets import Target

__all__ = ["Operation", "Rendered", "compiled"]


class Rendered(NamedTuple):
    """A response without what the transport adds (Date, Content-Length of `body`, ids)."""

    status: int
    headers: Headers
    body: bytes


@cache
def compiled(model: ServiceModel, name: str) -> Operation:
    """The operation of that name, compiled at its first use (well under a millisecond)."""
    operation = model.operations[name]
    output = operation.output
    return Operation(
        model=operation,
        head_parser=arguments.compile_head(operation),
        body_parser=arguments.compile_body(operation),
        header_writers=results.compile_headers(output) if output else {},
        body_writer=results.compile_body(operation, output) if output else None,
        content_type=results.content_type(output) if output else results.XML_TYPE,
        streaming_input=_takes_stream(operation),
        streaming_output=output is not None and results.is_stream(output),
    )


@attrs.frozen(eq=False)
class Operation:
    """How one operation's requests are read and its results are written.

    `streaming_input`: the body is a stream that is not parsed, such as PutObject's.
    `streaming_output`: the caller sends a stream after what `render` gives.
    """

    model: OperationModel
    streaming_input: bool
    streaming_output: bool
    _head_parser: HeadParser
    _body_parser: BodyParser | None
    _header_writers: Mapping[str, HeaderWriter]
    _body_writer: BodyWriter | None
    _content_type: tuple[bytes, bytes]

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def status(self) -> int:
        """The status of success."""
        return self.model.status

    @property
    def checksum_required(self) -> bool:
        """A request must carry Content-MD5 or an x-amz-checksum-* header."""
        return self.model.checksum_required

    @property
    def has_payload(self) -> bool:
        """A body is part of the arguments: it is read whole and given to `parse`."""
        return self._body_parser is not None

    @property
    def payload_required(self) -> bool:
        shape = self.model.input
        return shape is not None and shape.payload in shape.required

    @property
    def body_bytes_max(self) -> int:
        """The most bytes of a body that `parse` takes."""
        if self._body_parser is None:
            return 0
        return quirks.BODY_BYTES_MAX_OF.get(self.name, quirks.BODY_BYTES_MAX)

    def member_of(self, header: bytes) -> str | None:
        """The member that a header (in lower case) carries, if any."""
        parameter = self._head_parser.headers.get(header)
        return None if parameter is None else parameter.member

    def parse(self, request: HttpRequest, target: Target, body: bytes = b"") -> Arguments:
        """The arguments under boto3's names: only those that the request carries, so that a
        caller can refuse by name what it does not support. A streaming payload is not among
        them. Raises `S3Error`."""
        found = self.parse_head(request, target)
        if self._body_parser is not None:
            if len(body) > self.body_bytes_max:
                raise S3Error("MaxMessageLengthExceeded")
            found.update(self._body_parser(body))
        return found

    def parse_head(self, request: HttpRequest, target: Target) -> Arguments:
        """What `parse` knows before the body is there: enough to authorise the request."""
        return self._head_parser.parse(request, target)

    def render(self, result: Mapping[str, object], status: int | None = None) -> Rendered:
        """The response that carries a result, given under boto3's names.

        None leaves a member out. Elements come in the order of `result`. A streaming payload
        is skipped. `TypeError` for a member that the operation does not have and `ValueError`
        for a header value that cannot be one: both are mistakes of the caller.
        """
        headers: HeaderList = []
        members: dict[str, object] = {}
        for name, value in result.items():
            if value is None:
                continue
            writer = self._header_writers.get(name)
            if writer is not None:
                writer(value, headers)
            else:
                members[name] = value
        body = self._render_body(members, headers)
        return Rendered(self.status if status is None else status, tuple(headers), body)

    def _render_body(self, members: dict[str, object], headers: HeaderList) -> bytes:
        output = self.model.output
        unknown = members.keys() - (output.members.keys() if output else ())
        if unknown:
            raise TypeError(f"{self.name} has no result {', '.join(sorted(unknown))}")
        if self._body_writer is None:
            return b""
        headers.append(self._content_type)
        return self._body_writer(members)


def _takes_stream(operation: OperationModel) -> bool:
    shape = operation.input
    if shape is None or shape.payload is None:
        return False
    return shape.members[shape.payload].shape.type == "blob"
