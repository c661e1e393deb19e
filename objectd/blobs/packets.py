"""Encrypted bytes in packets, so that a range is decrypted without what is around it.

    packet 0 ‖ packet 1 ‖ … ‖ the last packet

A packet is up to 64 KiB of plain data under AES-256-GCM, with its tag behind it; all but the last
are full, and there is at least one. The nonce is the packet's number and the last one is marked
in what is authenticated besides, so packets that were swapped, dropped or added do not decrypt.
A key must therefore be used for one sequence of packets only. With several keys a packet is
encrypted with each of them, the first one innermost.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from objectd.blobs.format import Damaged, Data

PACKET_BYTES = 64 << 10
"""Of plain data."""

TAG_BYTES = 16
KEY_BYTES = 32

_NONCE_BYTES = 12
_LAST = b"\x01"
_NOT_LAST = b"\x00"


def packets_in(plain_bytes: int) -> int:
    return -(-plain_bytes // PACKET_BYTES) or 1


def sealed_bytes(plain_bytes: int, layers: int) -> int:
    """How long the packets are that hold so much data under so many keys."""
    return plain_bytes + packets_in(plain_bytes) * layers * TAG_BYTES


class Packets:
    """Packets under these keys, of which each is good for one sequence of packets."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]
        self.packet_bytes = PACKET_BYTES + TAG_BYTES * len(keys)

    def seal(self, number: int, data: Data, *, last: bool) -> bytes:
        """One packet."""
        nonce, marked = number.to_bytes(_NONCE_BYTES, "big"), _LAST if last else _NOT_LAST
        sealed: Data = data
        for cipher in self._ciphers:
            sealed = cipher.encrypt(nonce, sealed, marked)
        return bytes(sealed)

    def open(self, number: int, packet: Data, *, last: bool) -> bytes:
        """The plain data of one packet. Raises `Damaged`."""
        nonce, marked = number.to_bytes(_NONCE_BYTES, "big"), _LAST if last else _NOT_LAST
        plain: Data = packet
        try:
            for cipher in reversed(self._ciphers):
                plain = cipher.decrypt(nonce, plain, marked)
        except InvalidTag:
            raise Damaged(f"packet {number} is not what was encrypted") from None
        return bytes(plain)

    def sealed_bytes(self, plain_bytes: int) -> int:
        """How long the packets are that hold so much data."""
        return sealed_bytes(plain_bytes, len(self._ciphers))

    def plain_bytes(self, sealed_bytes: int) -> int:
        """The inverse of `sealed_bytes`. Raises `Damaged` for what no data makes."""
        count = -(-sealed_bytes // self.packet_bytes) or 1
        plain = sealed_bytes - count * len(self._ciphers) * TAG_BYTES
        if plain < 0 or self.sealed_bytes(plain) != sealed_bytes:
            raise Damaged(f"{sealed_bytes} bytes are not whole packets")
        return plain

    def span(self, start: int, stop: int, plain_bytes: int) -> Span:
        """Where the packets lie that hold bytes start <= i < stop of so much data. There must be
        at least one such byte."""
        first, end = start // PACKET_BYTES, -(-stop // PACKET_BYTES)
        return Span(
            first=first,
            count=packets_in(plain_bytes),
            start=first * self.packet_bytes,
            stop=min(end * self.packet_bytes, self.sealed_bytes(plain_bytes)),
            skip=start - first * PACKET_BYTES,
            size_bytes=stop - start,
        )


@attrs.frozen
class Span:
    """Bytes start <= i < stop of the packets, which begin with packet `first` of `count`; of their
    data, `skip` bytes come before those that are wanted."""

    first: int
    count: int
    start: int
    stop: int
    skip: int
    size_bytes: int


class Sealer:
    """Makes packets of data that comes in pieces of any size."""

    def __init__(self, packets: Packets) -> None:
        self._packets = packets
        self._number = 0
        self._rest = b""

    def update(self, data: Data) -> bytes:
        """The packets that are complete with this. One that may be the last is held back."""
        pieces, self._rest = _cut(self._rest, data, PACKET_BYTES, keep_bytes=1)
        numbers = range(self._number, self._number + len(pieces))
        self._number += len(pieces)
        seal = self._packets.seal
        return b"".join(
            [seal(number, piece, last=False) for number, piece in zip(numbers, pieces, strict=True)]
        )

    def finish(self) -> bytes:
        """The last packet."""
        return self._packets.seal(self._number, self._rest, last=True)


class Opener:
    """Gives the data of a span of packets, which come in pieces of any size."""

    def __init__(self, packets: Packets, span: Span) -> None:
        self._packets = packets
        self._number = span.first
        self._count = span.count
        self._skip = span.skip
        self._wanted_bytes = span.size_bytes
        self._rest = b""

    def update(self, data: Data, *, ended: bool = False) -> bytes:
        """The wanted data of the packets that are complete with this; `ended`: no more will
        come. Raises `Damaged`."""
        packets, self._rest = _cut(self._rest, data, self._packets.packet_bytes, keep_bytes=0)
        if ended and self._rest:
            packets.append(self._rest)
            self._rest = b""
        plain: list[bytes] = []
        for packet in packets:
            last = self._number == self._count - 1
            plain.append(self._packets.open(self._number, packet, last=last))
            self._number += 1
        return self._wanted(b"".join(plain))

    def _wanted(self, plain: bytes) -> bytes:
        wanted = plain[self._skip : self._skip + self._wanted_bytes]
        self._skip = max(0, self._skip - len(plain))
        self._wanted_bytes -= len(wanted)
        return wanted


def _cut(rest: bytes, data: Data, piece_bytes: int, *, keep_bytes: int) -> tuple[list[Data], bytes]:
    """Pieces of this length of all the bytes, and what is left: at least `keep_bytes`. No more
    than one piece is copied."""
    view = memoryview(data)
    pieces: list[Data] = []
    if rest:
        missing = piece_bytes - len(rest)
        if len(view) < missing + keep_bytes:
            return pieces, rest + bytes(view)
        pieces.append(rest + bytes(view[:missing]))
        view = view[missing:]
    while len(view) >= piece_bytes + keep_bytes:
        pieces.append(view[:piece_bytes])
        view = view[piece_bytes:]
    return pieces, bytes(view)


def seal_whole(packets: Packets, data: bytes) -> bytes:
    sealer = Sealer(packets)
    return sealer.update(data) + sealer.finish()


def open_whole(packets: Packets, sealed: bytes) -> bytes:
    """The inverse of `seal_whole`. Raises `Damaged`."""
    plain_bytes = packets.plain_bytes(len(sealed))
    span = Span(0, packets_in(plain_bytes), 0, len(sealed), 0, plain_bytes)
    return Opener(packets, span).update(sealed, ended=True)
