"""XML bodies of responses: shapes compiled to writers of values.

A writer walks the value, not the shape, so elements come in the order in which the value
holds them, and a listing costs what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from objectd.protocol import quirks
from objectd.protocol.model import Member, Shape
from objectd.protocol.scalars import iso_8601_milliseconds, iso_8601_seconds
from objectd.protocol.xml_text import XML_DECLARATION, Markup, escape

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Emit: TypeAlias = Callable[[str], None]
_Writer: TypeAlias = Callable[..., None]
_ToText: TypeAlias = Callable[[str], str]
DocumentWriter: TypeAlias = Callable[[Mapping[str, object]], bytes]


def compile_document(
    root: str, shape: Shape, *, encode: Callable[[Shape], _ToText] | None = None
) -> DocumentWriter:
    """A writer of whole documents. Elements of a list may come as `Markup`, written already.

    `encode` gives, for a shape of text, what is to be done to it (`url_encoding`); without it
    text is escaped only. The writer raises `TypeError` for a member that the shape lacks.
    """
    write = _compile_structure(f'{root} xmlns="{NAMESPACE}"', root, shape, encode or _escaping)

    def render(value: Mapping[str, object]) -> bytes:
        pieces = [XML_DECLARATION]
        write(value, pieces.append)
        return "".join(pieces).encode()

    return render


def bare_document(root: str, text: str) -> bytes:
    """A document that is one element with text."""
    return f'{XML_DECLARATION}<{root} xmlns="{NAMESPACE}">{escape(text)}</{root}>'.encode()


def url_encoding(shape: Shape) -> _ToText:
    """What encoding-type=url does to the text of a shape."""
    return quirks.url_encoded if shape.name in quirks.URL_ENCODED else escape


def _escaping(_shape: Shape) -> _ToText:
    return escape


def _compile(member: Member, encode: Callable[[Shape], _ToText]) -> _Writer:
    shape, name = member.shape, member.wire_name
    if shape.type == "structure":
        return _compile_structure(_opening(name, shape), name, shape, encode)
    if shape.type == "list" and shape.element is not None:
        if member.flattened:
            return _compile_elements(name, shape.element.shape, encode)
        return _compile_list(name, shape.element, encode)
    return _compile_scalar(name, shape, encode)


def _compile_structure(
    opening: str, name: str, shape: Shape, encode: Callable[[Shape], _ToText]
) -> _Writer:
    members = [m for m in shape.members.values() if m.location == "body"]
    writers = {m.name: _compile(m, encode) for m in members if not m.is_attribute}
    attributes = {m.name: m.wire_name for m in members if m.is_attribute}
    start, end = f"<{opening}>", f"</{name}>"

    def write(value: Mapping[str, object], emit: Emit) -> None:
        emit(start)
        write_members(value, emit)
        emit(end)

    def write_with_attributes(value: Mapping[str, object], emit: Emit) -> None:
        given = [(wire, str(value[m])) for m, wire in attributes.items() if m in value]
        emit(f"<{opening}" + "".join(f' {wire}="{escape(text)}"' for wire, text in given) + ">")
        write_members({m: v for m, v in value.items() if m not in attributes}, emit)
        emit(end)

    def write_members(value: Mapping[str, object], emit: Emit) -> None:
        for member, content in value.items():
            if content is not None:
                writer = writers.get(member)
                if writer is None:
                    raise TypeError(f"{shape.name} has no member {member!r}")
                writer(content, emit)

    return write_with_attributes if attributes else write


def _compile_list(name: str, element: Member, encode: Callable[[Shape], _ToText]) -> _Writer:
    write_elements = _compile_elements(element.wire_name, element.shape, encode)

    def write(value: Iterable[object], emit: Emit) -> None:
        emit(f"<{name}>")
        write_elements(value, emit)
        emit(f"</{name}>")

    return write


def _compile_elements(name: str, shape: Shape, encode: Callable[[Shape], _ToText]) -> _Writer:
    if shape.type == "structure":
        write_one = _compile_structure(_opening(name, shape), name, shape, encode)
    else:
        write_one = _compile_scalar(name, shape, encode)

    def write(value: Iterable[object], emit: Emit) -> None:
        if isinstance(value, Markup):
            emit(value.text)
            return
        for element in value:
            write_one(element, emit)

    return write


def _compile_scalar(name: str, shape: Shape, encode: Callable[[Shape], _ToText]) -> _Writer:
    start, end, to_text = f"<{name}>", f"</{name}>", _to_text(shape, encode)

    def write(value: object, emit: Emit) -> None:
        emit(start + to_text(value) + end)

    if not shape.enum:
        return write
    # A third of what a listing shows is one of a few words.
    elements: dict[object, str] = {word: start + to_text(word) + end for word in shape.enum}

    def write_word(value: object, emit: Emit) -> None:
        element = elements.get(value)
        if element is None:
            write(value, emit)
        else:
            emit(element)

    return write_word


def _to_text(shape: Shape, encode: Callable[[Shape], _ToText]) -> Callable[..., str]:
    if shape.type == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type in ("integer", "long"):
        return str
    if shape.type == "timestamp":
        return iso_8601_milliseconds if shape.timestamp_format == "iso8601" else iso_8601_seconds
    if shape.type == "string":
        return encode(shape)
    raise TypeError(f"no XML form of {shape.type} {shape.name} is known")


def _opening(name: str, shape: Shape) -> str:
    if shape.namespace is None:
        return name
    prefix, uri = shape.namespace
    return f'{name} xmlns:{prefix}="{uri}"'
