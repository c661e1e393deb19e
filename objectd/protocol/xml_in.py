"""XML bodies, read straight into the values that their shape describes.

The shape drives the parser. In a request an element that it does not allow at that place ends
the parsing there and then, so nothing nests deeper or grows larger than the shape and the size
of the body allow. What a server answers may hold more than we know of: that is skipped. A
DOCTYPE is refused in both. Elements may come in any order and in any namespace or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, cast
from xml.parsers import expat

import attrs

from objectd.protocol import quirks
from objectd.protocol.errors import S3Error
from objectd.protocol.model import Member, Shape
from objectd.protocol.scalars import (
    INTEGER_MAX,
    LONG_MAX,
    parse_boolean,
    parse_integer,
    parse_timestamp,
)

Value: TypeAlias = object
DocumentParser: TypeAlias = Callable[[bytes], dict[str, Value]]

TOKEN_BYTES_MAX = 1 << 16
"""The most bytes of one tag or comment: a million attributes cost a second to take apart."""

LIST_ELEMENTS_MAX = 10_000
"""The longest list of S3 is that of an upload's parts. As many elements as a body may hold
bytes for cost a second and a half."""

_XML_BOOLEANS = {"1": "true", "0": "false"}


def compile_document(root: str, shape: Shape, error_code: str) -> DocumentParser:
    """A parser of documents with this root element.

    It raises `S3Error` with `error_code` for a document that is not well-formed or does not
    fit the shape: unknown, repeated or missing elements, a value that is not one, a tag
    longer than `TOKEN_BYTES_MAX`, or a list longer than `LIST_ELEMENTS_MAX`.
    """
    structure = _compile_structure(shape, _REQUESTS)

    def parse(body: bytes) -> dict[str, Value]:
        try:
            return cast(dict[str, Value], _Document(root, structure).parse(body))
        except (_DoesNotFit, expat.ExpatError, ValueError, LookupError) as error:
            raise S3Error(error_code) from error

    return parse


def compile_answer(shape: Shape) -> DocumentParser:
    """A parser of what a server answers, whatever the root element is called.

    Elements that the shape does not have are skipped, as are values that are empty but no
    text. It raises `ValueError` for what is not XML, holds a DOCTYPE, or has a value that is
    not one.
    """
    return _document_parser(_compile_structure(shape, _ANSWERS))


def compile_texts(names: Iterable[str]) -> DocumentParser:
    """The same for a document of which these elements are wanted, all of them plain text."""
    fields = {name: _Field(name, _Scalar(str), repeats=False) for name in names}
    return _document_parser(_Structure(fields, {}, frozenset(), _SKIPPED))


def compile_text() -> Callable[[bytes], str]:
    """The same for a document that is one element with text."""
    parse = _answer_parser(_Scalar(str))
    return lambda body: str(parse(body))


def _document_parser(structure: _Structure) -> DocumentParser:
    return cast(DocumentParser, _answer_parser(structure))


def _answer_parser(root: _Node) -> Callable[[bytes], Value]:
    def parse(body: bytes) -> Value:
        try:
            # A server may send white space before a document for as long as it works on it.
            return _Document(None, root).parse(body.lstrip())
        except (_DoesNotFit, expat.ExpatError, LookupError) as error:
            raise ValueError(str(error)) from error

    return parse


class _DoesNotFit(Exception):
    """The document is XML but not what the shape describes."""


@attrs.frozen(eq=False)
class _Scalar:
    convert: Callable[[str], Value]


@attrs.frozen(eq=False)
class _Skipped:
    """What nobody asked for, with everything in it."""


@attrs.frozen(eq=False)
class _List:
    element_name: str
    element: _Node
    other: _Field | None


@attrs.frozen(eq=False)
class _Field:
    """Where an element's value goes; `repeats`: it is one of a list's elements."""

    member: str
    node: _Node
    repeats: bool


@attrs.frozen(eq=False)
class _Structure:
    """`other` is what any element means that is not among `fields`; None: it ends the parsing."""

    fields: Mapping[str, _Field]
    attributes: Mapping[str, _Field]
    required: frozenset[str]
    other: _Field | None


_Node: TypeAlias = _Scalar | _List | _Structure | _Skipped

_SKIPPED = _Field("", _Skipped(), repeats=True)


@attrs.frozen(eq=False)
class _Rules:
    """What tells the parsers of requests from those of answers."""

    converter: Callable[[Shape], Callable[[str], Value]]
    requires: Callable[[Shape], frozenset[str]]
    other: _Field | None


@attrs.define(eq=False)
class _Open:
    """An element whose end has not come: what it is, and what it holds so far."""

    node: _Node
    field: _Field
    members: dict[str, Value] = attrs.field(factory=dict)
    elements: list[Value] = attrs.field(factory=list)
    text: list[str] = attrs.field(factory=list)

    def child(self, name: str) -> _Field:
        node = self.node
        if isinstance(node, _Structure) and name in node.fields:
            field = node.fields[name]
            if field.repeats or field.member not in self.members:
                return field
        if isinstance(node, _List) and name == node.element_name:
            return _Field(name, node.element, repeats=True)
        if isinstance(node, _Skipped):
            return _SKIPPED
        if isinstance(node, (_Structure, _List)) and node.other is not None:
            return node.other
        raise _DoesNotFit(f"<{name}> may not stand here")

    def add(self, field: _Field, value: Value) -> None:
        if value is None:
            return
        if isinstance(self.node, _List):
            _append(self.elements, value)
        elif field.repeats:
            _append(cast(list[Value], self.members.setdefault(field.member, [])), value)
        else:
            self.members[field.member] = value

    def value(self) -> Value:
        """None for what is not to be kept."""
        if isinstance(self.node, _Skipped):
            return None
        text = "".join(self.text)
        if isinstance(self.node, _Scalar):
            return self.node.convert(text)
        if text and not text.isspace():
            raise _DoesNotFit("text beside elements")
        if isinstance(self.node, _List):
            return self.elements
        if not self.node.required <= self.members.keys():
            raise _DoesNotFit(f"{self.node.required - self.members.keys()} missing")
        return self.members


class _Document:
    """One run of the parser."""

    def __init__(self, root_name: str | None, root: _Node) -> None:
        self._root_name = root_name
        self._root = _Field(root_name or "", root, repeats=False)
        self._open: list[_Open] = []
        self._result: Value = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def parse(self, body: bytes) -> Value:
        for start in range(0, len(body), TOKEN_BYTES_MAX):
            piece = body[start : start + TOKEN_BYTES_MAX]
            self._parser.Parse(piece, False)
            # The index is where the token begins that expat has not seen the end of.
            if start + len(piece) - self._parser.CurrentByteIndex > TOKEN_BYTES_MAX:
                raise _DoesNotFit("a tag or comment is too long")
        self._parser.Parse(b"", True)
        return self._result

    def _doctype(self, *_: object) -> None:
        raise _DoesNotFit("a DOCTYPE is never allowed")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        if self._open:
            field = self._open[-1].child(name)
        elif self._root_name in (name, None):
            field = self._root
        else:
            raise _DoesNotFit(f"the root is <{name}>")
        element = _Open(field.node, field)
        if isinstance(field.node, _Structure) and field.node.attributes:
            for attribute, text in attributes.items():
                known = field.node.attributes.get(_local(attribute))
                if known is not None and isinstance(known.node, _Scalar):
                    element.add(known, known.node.convert(text))
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        element = self._open.pop()
        value = element.value()
        if self._open:
            self._open[-1].add(element.field, value)
        else:
            self._result = value

    def _text(self, text: str) -> None:
        self._open[-1].text.append(text)


def _append(elements: list[Value], value: Value) -> None:
    if len(elements) == LIST_ELEMENTS_MAX:
        raise _DoesNotFit(f"a list of more than {LIST_ELEMENTS_MAX} elements")
    elements.append(value)


def _local(name: str) -> str:
    """The name without its namespace, which expat puts before a space."""
    return name.rpartition(" ")[2]


def _compile_structure(shape: Shape, rules: _Rules) -> _Structure:
    members = [m for m in shape.members.values() if m.location == "body"]
    return _Structure(
        fields={m.wire_name: _compile_field(m, rules) for m in members if not m.is_attribute},
        attributes={
            m.wire_name.rpartition(":")[2]: _compile_field(m, rules)
            for m in members
            if m.is_attribute
        },
        required=rules.requires(shape) & {m.name for m in members},
        other=rules.other,
    )


def _compile_field(member: Member, rules: _Rules) -> _Field:
    element = member.shape.element
    if member.flattened and element is not None:
        return _Field(member.name, _compile(element.shape, rules), repeats=True)
    return _Field(member.name, _compile(member.shape, rules), repeats=False)


def _compile(shape: Shape, rules: _Rules) -> _Node:
    if shape.type == "structure":
        return _compile_structure(shape, rules)
    if shape.type == "list" and shape.element is not None:
        return _List(shape.element.wire_name, _compile(shape.element.shape, rules), rules.other)
    return _Scalar(rules.converter(shape))


def _converter(shape: Shape) -> Callable[[str], Value]:
    if shape.type in ("integer", "long"):
        return _integer(INTEGER_MAX if shape.type == "integer" else LONG_MAX)
    if shape.type == "boolean":
        return lambda text: parse_boolean(_XML_BOOLEANS.get(text.strip(), text))
    if shape.type == "timestamp":
        return parse_timestamp
    if shape.type == "string":
        return _enumerated(shape) if shape.enum and shape.name not in quirks.OPEN_ENUMS else str
    raise TypeError(f"no XML form of {shape.type} {shape.name} is known")


def _integer(maximum: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = parse_integer(text)
        if abs(value) > maximum:
            raise ValueError(f"{value} is too large")
        return value

    return convert


def _enumerated(shape: Shape) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in shape.enum:
            raise ValueError(f"{text!r} is not a {shape.name}")
        return text

    return convert


def _answer_converter(shape: Shape) -> Callable[[str], Value]:
    if shape.type == "string":
        return str
    convert = _converter(shape)
    return lambda text: convert(text) if text else None


_REQUESTS = _Rules(_converter, lambda shape: shape.required, None)
_ANSWERS = _Rules(_answer_converter, lambda _: frozenset(), _SKIPPED)
