"""XML documents that are not what they should be, made of ones that are."""

from __future__ import annotations

import re
from collections.abc import Callable

from objectd.test.fuzz.dice import Dice

_ROOT = re.compile(rb"<([A-Za-z]+)[^>]*>")
_ELEMENT = re.compile(rb"<([A-Za-z]+)>[^<]*</\1>")
_BOMB = b"".join(
    b'<!ENTITY %c "%b">' % (97 + n, b"&%c;" % (96 + n) * 10 if n else b"lol") for n in range(10)
)


def spoilt_document(dice: Dice, document: bytes) -> bytes:
    """Well-formed or not, and not the document that was given; perhaps as good as it."""
    return dice.one_of(_WAYS)(dice, document)


def _with_doctype(dice: Dice, document: bytes) -> bytes:
    root = _root(document)
    doctype = dice.one_of(
        [
            b"<!DOCTYPE %b>" % root,
            b'<!DOCTYPE %b SYSTEM "file:///etc/passwd">' % root,
            b'<!DOCTYPE %b [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]>' % root,
            b"<!DOCTYPE %b [%b]>" % (root, _BOMB),
            b'<!DOCTYPE %b [<!ENTITY %% p SYSTEM "file:///dev/zero">%%p;]>' % root,
        ]
    )
    return doctype + document.replace(b"</", b"&j;</", dice.number(0, 1))


def _nested(dice: Dice, document: bytes) -> bytes:
    depth = dice.one_of([2, 50, 5000, 50_000])
    name = dice.one_of([_root(document), b"a"])
    inside = b"<%b>" % name * depth + b"</%b>" % name * dice.one_of([0, depth])
    return _inserted(dice, document, inside)


def _with_attributes(dice: Dice, document: bytes) -> bytes:
    form = dice.one_of([b' a%d="b"', b' xmlns:a%d="b"', b' a="%d"', b" a%d=b"])
    attributes = b"".join(form % n for n in range(dice.one_of([1, 100, 8000])))
    return document.replace(b">", attributes + b">", 1)


def _recoded(dice: Dice, document: bytes) -> bytes:
    text = document.decode("utf-8", "replace")
    encoding = dice.one_of(["utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1", "cp037"])
    declared = dice.one_of(["", encoding, "utf-8", "utf-16", "x", "a" * 3000])
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    return (declaration + text).encode(encoding, "replace")


def _marked(dice: Dice, document: bytes) -> bytes:
    return dice.one_of([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b" ", b"\x00"]) + document


def _cut(dice: Dice, document: bytes) -> bytes:
    return document[: dice.number(0, len(document))]


def _commented(dice: Dice, document: bytes) -> bytes:
    size_bytes = dice.one_of([0, 10, 60_000, 70_000, 200_000])
    form = dice.one_of([b"<!--%b-->", b"<?p %b?>", b"<![CDATA[%b]]>", b"<a %b/>"])
    return _inserted(dice, document, form % (b"x" * size_bytes))


def _repeated(dice: Dice, document: bytes) -> bytes:
    elements = list(_ELEMENT.finditer(document))
    if not elements:
        return document * 2
    element = dice.one_of(elements)
    count = dice.one_of([2, 3, 1001, 10_001])
    return document[: element.start()] + element[0] * count + document[element.end() :]


def _with_value(dice: Dice, document: bytes) -> bytes:
    elements = list(_ELEMENT.finditer(document))
    if not elements:
        return document
    element = dice.one_of(elements)
    value = dice.one_of(
        [
            b"", b" ", b"0", b"-1", b"1e9", b"9" * 30, b"9" * 5000, b"true", b"TRUE", b"NaN",
            b"&#0;", b"&#x1;", b"&#xD800;", b"&#xFFFE;", b"&lt;", b"&x;", b"\xff", b"\xed\xa0\x80",
            b"k" * 1025, b"a\x00b", b"2038-01-19T03:14:08Z", b"99999-01-01T00:00:00Z", b"null",
            b"<b/>", "漢😀".encode(), b"]]>", b"&#13;&#10;X: y", b"0x10", b"1_0", "٣".encode(),
        ]
    )  # fmt: skip
    name = element[1]
    replaced = b"<%b>%b</%b>" % (name, value, name)
    return document[: element.start()] + replaced + document[element.end() :]


def _other(dice: Dice, document: bytes) -> bytes:
    return dice.one_of(
        [b"", b"{}", b"<", b"<a/>", b"\x00" * 100, b"<Delete/>", b"<Tagging></Tagging>", b"&" * 50]
    )


def _renamed(dice: Dice, document: bytes) -> bytes:
    name = dice.one_of([match[1] for match in _ROOT.finditer(document)] or [b"a"])
    other = dice.one_of([b"a", b"Key", b"Object", name.lower(), name + b"s", b"x:" + name])
    return document.replace(b"<" + name, b"<" + other).replace(b"</" + name, b"</" + other)


def _inserted(dice: Dice, document: bytes, inside: bytes) -> bytes:
    places = [match.end() for match in _ROOT.finditer(document)] or [0]
    place = dice.one_of(places)
    return document[:place] + inside + document[place:]


def _root(document: bytes) -> bytes:
    match = _ROOT.search(document)
    return match[1] if match else b"a"


_WAYS: tuple[Callable[[Dice, bytes], bytes], ...] = (
    _with_doctype,
    _nested,
    _with_attributes,
    _recoded,
    _marked,
    _cut,
    _commented,
    _repeated,
    _with_value,
    _with_value,
    _with_value,
    _other,
    _renamed,
    Dice.spoilt,
    Dice.spoilt,
)
