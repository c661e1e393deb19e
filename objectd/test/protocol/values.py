"""Random values of the model's shapes, the way boto3's users would write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from objectd.protocol.model import Member, Shape

_HEADER_TEXT = "abcXYZ019 -_./:=%+&;~*()"
_QUERY_TEXT = _HEADER_TEXT + "<>#?§漢😀"
_BODY_TEXT = _QUERY_TEXT + "\"'\t\n"
_ALPHABETS = {"body": _BODY_TEXT, "uri": _BODY_TEXT, "querystring": _QUERY_TEXT}
_SECOND = 1_000_000
_SPAN_SECONDS = 4_000_000_000


class Values:
    """Draws values of shapes; the same seed draws the same values."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def structure(self, shape: Shape, *leave_out: str) -> dict[str, object]:
        """A structure with its required members, its payload, and some of the others."""
        always = shape.required | {shape.payload}
        return {
            m.name: self.member(m)
            for m in shape.members.values()
            if m.name not in leave_out and (m.name in always or self._random.random() < 0.5)
        }

    def member(self, member: Member) -> object:
        return self._value(member.shape, self._text(member.location))

    def _value(self, shape: Shape, text: str) -> object:
        if shape.type == "structure":
            return self.structure(shape)
        if shape.type == "list":
            assert shape.element is not None
            elements = range(self._random.randint(1, 3))
            return [self._value(shape.element.shape, f"{text}{i}") for i in elements]
        if shape.type == "map":
            return {"a": text, "b-c": text[::-1].strip() or "x"}
        if shape.type in ("integer", "long"):
            return self._random.randint(shape.minimum or 0, shape.maximum or 100_000)
        if shape.type == "boolean":
            return self._random.random() < 0.5
        if shape.type == "timestamp":
            return self._random.randrange(_SPAN_SECONDS) * _SECOND
        return self._random.choice(sorted(shape.enum)) if shape.enum else text

    def _text(self, location: str) -> str:
        alphabet = _ALPHABETS.get(location, _HEADER_TEXT)
        text = "".join(self._random.choices(alphabet, k=self._random.randint(1, 12)))
        return text.strip() or "x"


def to_boto(value: object, shape: Shape) -> object:
    """The value with times as boto3 has them."""
    if isinstance(value, dict):
        if shape.type == "map":
            return value
        return {name: to_boto(v, shape.members[name].shape) for name, v in value.items()}
    if isinstance(value, list):
        assert shape.element is not None
        return [to_boto(v, shape.element.shape) for v in value]
    if shape.type == "timestamp":
        assert isinstance(value, int)
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    return value
