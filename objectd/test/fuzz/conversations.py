"""What is sent over one connection: requests, how they are cut, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import accumulate, pairwise

import attrs

from objectd.test.fuzz.dice import Dice
from objectd.test.fuzz.requests import Requests, Sent


class End(Enum):
    """What a client does after its last byte."""

    WAITS = "waits for its answers"
    FINISHES = "says that it sends no more, and waits"
    GOES = "closes the connection"


@attrs.frozen
class Conversation:
    """`cuts` are the places, in bytes from the start, where what is sent is cut in pieces;
    the client goes away after `sent_bytes_max`, if that is not None."""

    requests: tuple[Sent, ...]
    cuts: tuple[int, ...] = ()
    end: End = End.WAITS
    sent_bytes_max: int | None = None

    @property
    def data(self) -> bytes:
        return b"".join([sent.data for sent in self.requests])[: self.sent_bytes_max]

    def pieces(self) -> Iterator[bytes]:
        data = self.data
        borders = [0, *[cut for cut in self.cuts if cut < len(data)], len(data)]
        for start, stop in pairwise(borders):
            if start < stop:
                yield data[start:stop]

    @property
    def certain(self) -> bool:
        """It is beyond doubt how many requests there are."""
        return all(sent.intact for sent in self.requests) and self.sent_bytes_max is None

    @property
    def answers_max(self) -> int:
        """More answers than this can be to no request of the client's."""
        count = 0
        for sent in self.requests:
            if sent.refused:
                return count + 1
            if not sent.intact:
                return count + self.data.count(b"HTTP/") + 2
            count += 1
        return count

    def smaller(self) -> Iterator[Conversation]:
        """Simpler conversations that may show the same fault."""
        if self.cuts:
            yield attrs.evolve(self, cuts=())
        if self.end is not End.WAITS:
            yield attrs.evolve(self, end=End.WAITS)
        for number in range(len(self.requests)):
            rest = self.requests[:number] + self.requests[number + 1 :]
            if rest:
                yield attrs.evolve(self, requests=rest, cuts=())
        for number, sent in enumerate(self.requests):
            head, _, body = sent.data.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            for at in range(1, len(lines)):
                data = b"\r\n".join([*lines[:at], *lines[at + 1 :]]) + b"\r\n\r\n" + body
                fewer = attrs.evolve(sent, data=data, waits=None)
                requests = (*self.requests[:number], fewer, *self.requests[number + 1 :])
                yield attrs.evolve(self, requests=requests, cuts=())


def draw(dice: Dice, requests: Requests) -> Conversation:
    """One of which nearly all say nothing that HTTP forbids, though S3 may."""
    wild = dice.happens(0.2)
    count = dice.weighted({1: 6, 2: 2, 3: 1, 5: 0.5})
    sent = tuple(requests.draw(wild=wild) for _ in range(count))
    size_bytes = sum(len(each.data) for each in sent)
    end = dice.weighted({End.WAITS: 8, End.FINISHES: 1.5, End.GOES: 0.5})
    sent_bytes_max = None
    if dice.happens(0.06):
        sent_bytes_max = dice.number(0, size_bytes)
    return Conversation(sent, _cuts(dice, sent, size_bytes), end, sent_bytes_max)


def _cuts(dice: Dice, sent: tuple[Sent, ...], size_bytes: int) -> tuple[int, ...]:
    match dice.weighted({"none": 5, "some": 4, "waiting": 2, "all": 0.3}):
        case "some":
            return tuple(sorted(dice.number(1, size_bytes) for _ in range(dice.number(1, 8))))
        case "waiting":
            starts = accumulate((len(each.data) for each in sent), initial=0)
            pairs = zip(starts, sent, strict=False)
            return tuple(start + each.waits for start, each in pairs if each.waits)
        case "all" if size_bytes < 3000:
            return tuple(range(1, size_bytes))
        case _:
            return ()
