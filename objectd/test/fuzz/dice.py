"""Choices from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

_T = TypeVar("_T")

ODD_BYTES = (
    b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b";", b"%", b"\xff", b"\x80",
    b"\x0b", b"\x1b", b"\x7f", b"0", b"-", b"+", b"=", b"&", b"/", b"?", b"#", b"\\", b'"', b",",
    b"\xef\xbb\xbf", b"\xc0\xae", b"\xed\xa0\x80", b"chunked", b"0\r\n\r\n",
)  # fmt: skip


class Dice:
    """The same seed throws the same."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def happens(self, probability: float) -> bool:
        return self.random.random() < probability

    def one_of(self, choices: Sequence[_T]) -> _T:
        return self.random.choice(choices)

    def weighted(self, choices: Mapping[_T, float]) -> _T:
        return self.random.choices(list(choices), list(choices.values()))[0]

    def number(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def data(self, size_bytes: int) -> bytes:
        return self.random.randbytes(size_bytes)

    def pieces(self, data: bytes, count_max: int) -> list[bytes]:
        """The data in order, in up to so many pieces, none of them empty."""
        if len(data) < 2:
            return [data] if data else []
        count = min(self.number(1, count_max), len(data))
        borders = sorted(self.random.sample(range(1, len(data)), count - 1))
        return [data[a:b] for a, b in zip([0, *borders], [*borders, len(data)], strict=True)]

    def spoilt(self, data: bytes) -> bytes:
        """The data with some bytes changed, inserted, lost or moved."""
        spoilt = bytearray(data)
        for _ in range(self.number(1, 3)):
            at = self.number(0, len(spoilt))
            match self.number(0, 5):
                case 0:
                    spoilt[at : at + 1] = self.one_of(ODD_BYTES)
                case 1:
                    spoilt[at:at] = self.one_of(ODD_BYTES)
                case 2:
                    del spoilt[at : at + self.number(1, 8)]
                case 3:
                    spoilt[at:at] = spoilt[at : at + self.number(1, 40)]
                case 4:
                    del spoilt[at:]
                case _:
                    spoilt[at : at + 1] = bytes([self.number(0, 255)])
        return bytes(spoilt)
