"""Bodies in every form that x-amz-content-sha256 has, and their framing by HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import sha256

import attrs

from objectd.auth.payload import PayloadMode
from objectd.digests import ALGORITHMS
from objectd.objects.checksums import hasher
from objectd.test.auth.signing import ChunkSigner
from objectd.test.fuzz.dice import Dice
from objectd.test.fuzz.heads import Field

_WEIGHTS = {
    PayloadMode.SHA256: 3,
    PayloadMode.UNSIGNED: 3,
    PayloadMode.SIGNED_CHUNKS: 2,
    PayloadMode.SIGNED_CHUNKS_TRAILER: 2,
    PayloadMode.UNSIGNED_CHUNKS_TRAILER: 2,
}
_ODD_MODES = (
    "",
    "STREAMING-",
    "unsigned-payload",
    "0" * 64,
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
)
_ODD_LENGTHS = (b"", b"-1", b"0", b"1", b"9" * 15, b"9" * 40, b"four", b"+3", "٣".encode())


@attrs.frozen
class Body:
    """What is to be sent, and how its head declares it.

    `payload` is the value of x-amz-content-sha256. `frame` makes of the chunks' signer the
    bytes of the body, before any framing by HTTP.
    """

    payload: str
    fields: tuple[Field, ...]
    frame: Callable[[ChunkSigner], bytes]


def draw_body(dice: Dice, data: bytes) -> Body:
    """The data, nearly always rightly declared."""
    mode = dice.weighted(_WEIGHTS)
    fields: list[Field] = []
    trailers = b""
    algorithm = dice.one_of(ALGORITHMS) if dice.happens(0.5) else ""
    if algorithm:
        name = b"x-amz-checksum-%b" % algorithm.lower().encode()
        value = _digest(algorithm, data if dice.happens(0.9) else data + b"x")
        if mode.value.endswith("TRAILER") and dice.happens(0.8):
            fields.append((b"x-amz-trailer", name))
            trailers = b"%b:%b\n" % (name, value)
        else:
            fields.append((name, value))
    if "STREAMING" not in mode.value:
        payload = sha256(data).hexdigest() if mode is PayloadMode.SHA256 else mode.value
        body = data if dice.happens(0.95) else dice.spoilt(data)
        return Body(_odd_mode(dice, payload), tuple(fields), lambda _: body)
    length = b"%d" % len(data) if dice.happens(0.95) else dice.one_of(_ODD_LENGTHS)
    fields.append((b"x-amz-decoded-content-length", length))
    if dice.happens(0.8):
        fields.append((b"Content-Encoding", dice.one_of([b"aws-chunked", b"aws-chunked,gzip"])))
    pieces = dice.pieces(data, 4)
    signed = mode is not PayloadMode.UNSIGNED_CHUNKS_TRAILER

    def frame(signer: ChunkSigner) -> bytes:
        chunks = _signed_chunks(signer, pieces, trailers) if signed else _chunks(pieces, trailers)
        return b"".join(_disturbed(dice, chunks))

    return Body(_odd_mode(dice, mode.value), tuple(fields), frame)


def in_chunks(dice: Dice, body: bytes) -> bytes:
    """HTTP's own chunks, with all that RFC 9112 lets them have."""
    framed = b""
    for piece in dice.pieces(body, 5):
        size = b"%x" % len(piece)
        size = dice.one_of([size, size, size.upper(), b"000" + size])
        extension = dice.one_of([b"", b"", b"", b";a=b", b';a="b c"', b";chunk-signature=0"])
        framed += size + extension + b"\r\n" + piece + b"\r\n"
    trailers = dice.one_of([b"", b"", b"", b"x-trailer: 1\r\n", b"x-amz-checksum-crc32: AAAA\r\n"])
    return framed + b"0\r\n" + trailers + b"\r\n"


def _odd_mode(dice: Dice, payload: str) -> str:
    return payload if dice.happens(0.98) else dice.one_of(_ODD_MODES)


def _digest(algorithm: str, data: bytes) -> bytes:
    digest = hasher(algorithm)
    digest.update(data)
    return base64.b64encode(digest.digest())


def _signed_chunks(signer: ChunkSigner, pieces: list[bytes], trailers: bytes) -> list[bytes]:
    chunks = [signer.chunk(piece) for piece in [*pieces, b""]]
    if not trailers:
        return [*chunks, b"\r\n"]
    lines = trailers.replace(b"\n", b"\r\n")
    return [*chunks, lines, signer.trailer_signature(trailers), b"\r\n"]


def _chunks(pieces: list[bytes], trailers: bytes) -> list[bytes]:
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return [*chunks, b"0\r\n", trailers.replace(b"\n", b"\r\n"), b"\r\n"]


def _disturbed(dice: Dice, chunks: list[bytes]) -> list[bytes]:
    """Mostly as they were."""
    if dice.happens(0.88):
        return chunks
    at = dice.number(0, len(chunks) - 1)
    match dice.number(0, 6):
        case 0:
            return [*chunks[:at], *chunks[at + 1 :]]
        case 1:
            return [*chunks[: at + 1], *chunks[at:]]
        case 2:
            return [*chunks[:at], dice.spoilt(chunks[at]), *chunks[at + 1 :]]
        case 3:
            return [*chunks, dice.data(10)]
        case 4:
            return [*chunks[:at], b"ffffffffffffffff\r\n", *chunks[at:]]
        case 5:
            return [*chunks[:at], b"0" * dice.one_of([17, 200, 5000]) + b"\r\n", *chunks[at:]]
        case _:
            lines = b"x-amz-t-%d:1\r\n" * 1
            return [
                *chunks[:-1],
                b"".join(lines % n for n in range(dice.one_of([1, 500]))),
                b"\r\n",
            ]
