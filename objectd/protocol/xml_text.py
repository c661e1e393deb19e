"""Text as XML can carry it."""

from __future__ import annotations

import re
from typing import NamedTuple

XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile("[&<>\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Markup(NamedTuple):
    """A piece of a document that is written already: nothing in it is to be escaped."""

    text: str


def escape(text: str) -> str:
    """The text with markup escaped.

    Characters that XML 1.0 cannot carry become references to them, as on AWS: a strict parser
    then refuses the document, which is better than a key that is not the one stored. A client
    that has such keys lists them with encoding-type=url.
    """
    if _SPECIAL.search(text) is not None:
        text = _SPECIAL.sub(_replacement, text)
    return text.replace('"', "&quot;")


def _replacement(match: re.Match[str]) -> str:
    character = match.group()
    return _ENTITIES.get(character) or f"&#x{ord(character):x};"
