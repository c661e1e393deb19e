"""AWS's own description of S3, as botocore ships it, in typed form.

botocore is a source of data here and is never imported: that takes five times as long as
reading the file.
"""

from __future__ import annotations

import enum
import gzip
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs

_S3_MODEL = "data/s3/2006-03-01/service-2.json.gz"

_Json: TypeAlias = dict[str, Any]


class Scope(enum.Enum):
    """What the path of a request names."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


@attrs.frozen(eq=False)
class Shape:
    """The type of a value. `type` is 'structure', 'list', 'map', 'string', 'integer',
    'long', 'boolean', 'timestamp' or 'blob'; the fields that a type does not use are empty."""

    name: str
    type: str
    members: Mapping[str, Member]
    required: frozenset[str]
    payload: str | None
    element: Member | None
    enum: frozenset[str]
    minimum: int | None
    maximum: int | None
    timestamp_format: str | None
    namespace: tuple[str, str] | None
    is_event_stream: bool


@attrs.frozen(eq=False)
class Member:
    """A member of a structure, or the element of a list.

    `location` is 'uri', 'querystring', 'header', 'headers' (`wire_name` is then a prefix), or
    'body'. `flattened`: a list whose elements stand in the parent, without one around them.
    """

    name: str
    wire_name: str
    location: str
    shape: Shape
    flattened: bool
    is_attribute: bool


@attrs.frozen(eq=False)
class OperationModel:
    """One operation. `discriminators` are the query parameters that its URI fixes.

    `alias_of`: the successor of a deprecated operation that shares its method and URI.
    `literal_path`: the first segment of a path that names no bucket (WriteGetObjectResponse).
    """

    name: str
    method: str
    uri: str
    scope: Scope
    literal_path: str | None
    discriminators: Mapping[str, str | None]
    status: int
    input: Shape | None
    input_root: str | None
    output: Shape | None
    deprecated: bool
    alias_of: str | None
    checksum_required: bool
    required_query: frozenset[str]
    required_headers: frozenset[str]
    query_names: frozenset[str]


@attrs.frozen(eq=False)
class ServiceModel:
    operations: Mapping[str, OperationModel]


def load_s3_model() -> ServiceModel:
    """Read the S3 model out of the installed botocore; takes about 0.1 s."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("botocore, which ships the S3 model, is not installed")
    document = json.loads(gzip.decompress((Path(spec.origin).parent / _S3_MODEL).read_bytes()))
    return _service(document)


def _service(document: _Json) -> ServiceModel:
    shapes = _Shapes(document["shapes"])
    successors = {
        (o["http"]["method"], o["http"]["requestUri"]): name
        for name, o in document["operations"].items()
        if not o.get("deprecated")
    }
    return ServiceModel(
        {
            name: _operation(name, definition, shapes, successors)
            for name, definition in document["operations"].items()
        }
    )


def _operation(
    name: str, definition: _Json, shapes: _Shapes, successors: Mapping[tuple[str, str], str]
) -> OperationModel:
    method, uri = definition["http"]["method"], definition["http"]["requestUri"]
    path, _, query = uri.partition("?")
    segment = path[1:].partition("/")[0]
    deprecated = definition.get("deprecated", False)
    input_shape = shapes.reference(definition.get("input"))
    members = list(input_shape.members.values()) if input_shape else []
    required = [m for m in members if input_shape and m.name in input_shape.required]
    return OperationModel(
        name=name,
        method=method,
        uri=uri,
        scope=_scope(path),
        literal_path=segment if segment and not segment.startswith("{") else None,
        discriminators=_fixed_parameters(query),
        status=definition["http"].get("responseCode", 200),
        input=input_shape,
        input_root=definition.get("input", {}).get("locationName"),
        output=shapes.reference(definition.get("output")),
        deprecated=deprecated,
        alias_of=successors.get((method, uri)) if deprecated else None,
        checksum_required=definition.get("httpChecksum", {}).get("requestChecksumRequired", False),
        required_query=frozenset(m.wire_name for m in required if m.location == "querystring"),
        required_headers=frozenset(m.wire_name.lower() for m in required if m.location == "header"),
        query_names=frozenset(m.wire_name for m in members if m.location == "querystring"),
    )


def _scope(path: str) -> Scope:
    if path == "/":
        return Scope.SERVICE
    return Scope.OBJECT if path.endswith("/{Key+}") else Scope.BUCKET


def _fixed_parameters(query: str) -> Mapping[str, str | None]:
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    return {name: value if equals else None for name, equals, value in pairs}


class _Shapes:
    """The shapes of a document, each built when it is first referred to.

    S3 has no recursive shape: one would end here in a `RecursionError`.
    """

    def __init__(self, definitions: Mapping[str, _Json]) -> None:
        self._definitions = definitions
        self._built: dict[str, Shape] = {}

    def reference(self, reference: _Json | None) -> Shape | None:
        return None if reference is None else self[reference["shape"]]

    def __getitem__(self, name: str) -> Shape:
        shape = self._built.get(name)
        if shape is None:
            shape = self._built[name] = self._build(name, self._definitions[name])
        return shape

    def _build(self, name: str, definition: _Json) -> Shape:
        element = definition.get("member")
        namespace = definition.get("xmlNamespace")
        return Shape(
            name=name,
            type=definition["type"],
            members={
                member: self._member(member, reference)
                for member, reference in definition.get("members", {}).items()
            },
            required=frozenset(definition.get("required", ())),
            payload=definition.get("payload"),
            element=self._member("member", element) if element else None,
            enum=frozenset(definition.get("enum", ())),
            minimum=definition.get("min"),
            maximum=definition.get("max"),
            timestamp_format=definition.get("timestampFormat"),
            namespace=(namespace["prefix"], namespace["uri"]) if namespace else None,
            is_event_stream=definition.get("eventstream", False),
        )

    def _member(self, name: str, reference: _Json) -> Member:
        definition = self._definitions[reference["shape"]]
        return Member(
            name=name,
            wire_name=reference.get("locationName") or definition.get("locationName") or name,
            location=reference.get("location", "body"),
            shape=self[reference["shape"]],
            flattened=bool(reference.get("flattened") or definition.get("flattened")),
            is_attribute=reference.get("xmlAttribute", False),
        )
