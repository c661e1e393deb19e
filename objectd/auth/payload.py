"""How the body of a verified request is checked while it arrives.

The value of x-amz-content-sha256 says it:
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import Protocol

import attrs

from objectd.auth.chunks import SignedChunks, UnsignedChunks
from objectd.auth.claim import ASYMMETRIC_ALGORITHM, UNSIGNED_PAYLOAD
from objectd.auth.errors import (
    InvalidContentSHA256,
    MissingDecodedLength,
    TrailerNotAllowed,
    UnsupportedSignatureAlgorithm,
    XAmzContentSHA256Mismatch,
)
from objectd.auth.sigv4 import Verified
from objectd.protocol.messages import HttpRequest

_is_sha256 = re.compile(r"[0-9a-fA-F]{64}").fullmatch
_is_length = re.compile(rb"\d{1,15}").fullmatch


class PayloadMode(Enum):
    """The values of x-amz-content-sha256; `SHA256` stands for any digest."""

    SHA256 = "SHA256"
    UNSIGNED = UNSIGNED_PAYLOAD
    SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


_WITH_TRAILER = frozenset({PayloadMode.SIGNED_CHUNKS_TRAILER, PayloadMode.UNSIGNED_CHUNKS_TRAILER})
_DECLARED = {mode.value: mode for mode in PayloadMode if mode is not PayloadMode.SHA256}


class PayloadDecoder(Protocol):
    """Takes a body piece by piece, as the HTTP framing leaves it, and gives the payload.

    Synchronous, and for one thread at a time; hashing releases the GIL. Once it has raised
    an error it is of no more use.
    """

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the payload that `data` completes, perhaps none. Where chunks are
        signed, no byte comes out before the signature of its chunk is verified.

        Raises `SignatureDoesNotMatch`, `InvalidChunkSize`, `MalformedTrailer`, and
        `IncompleteBody` where the body is not what was declared.
        """

    def finish(self) -> dict[str, str]:
        """The body is over: the trailers, by lower-case name. Only if this returns is the
        payload what was signed. Raises `XAmzContentSHA256Mismatch`, `IncompleteBody`."""


@attrs.frozen
class PayloadCheck:
    """What a verified request declares of its body.

    `size_bytes` is the size of the payload without any framing: always known where it
    comes in chunks, else the Content-Length if there is one. `trailers` are the lower-case
    names that x-amz-trailer promises. `decoder` makes a fresh decoder, for one body.
    """

    mode: PayloadMode
    size_bytes: int | None
    trailers: tuple[str, ...]
    decoder: Callable[[], PayloadDecoder] = attrs.field(repr=False)


def read_payload(request: HttpRequest, verified: Verified) -> PayloadCheck:
    """What a request that was verified declares of its body."""
    declared = verified.claim.payload
    if declared in _OF_NOTHING and _LENGTHS.isdisjoint(request.fields):
        return _OF_NOTHING[declared]
    mode = _read_mode(declared)
    trailers = _read_trailers(request)
    if trailers and mode not in _WITH_TRAILER:
        raise TrailerNotAllowed
    match mode:
        case PayloadMode.SHA256:
            size_bytes = _read_length(request, b"content-length")
            return PayloadCheck(mode, size_bytes, (), partial(_DigestChecked, declared))
        case PayloadMode.UNSIGNED:
            size_bytes = _read_length(request, b"content-length")
            return PayloadCheck(mode, size_bytes, (), _Unchecked)
        case PayloadMode.UNSIGNED_CHUNKS_TRAILER:
            decoded_bytes = _read_decoded_length(request)
            decoder = partial(UnsignedChunks, decoded_bytes, trailers)
            return PayloadCheck(mode, decoded_bytes, trailers, decoder)
        case PayloadMode.SIGNED_CHUNKS | PayloadMode.SIGNED_CHUNKS_TRAILER:
            decoded_bytes = _read_decoded_length(request)
            signed_decoder = partial(SignedChunks, decoded_bytes, trailers, verified)
            return PayloadCheck(mode, decoded_bytes, trailers, signed_decoder)


def _read_mode(declared: str) -> PayloadMode:
    mode = _DECLARED.get(declared)
    if mode is not None:
        return mode
    if _is_sha256(declared):
        return PayloadMode.SHA256
    if declared.startswith(f"STREAMING-{ASYMMETRIC_ALGORITHM}"):
        raise UnsupportedSignatureAlgorithm
    raise InvalidContentSHA256


def _read_trailers(request: HttpRequest) -> tuple[str, ...]:
    header = request.header(b"x-amz-trailer")
    if header is None:
        return ()
    names = header.decode("latin-1").lower().split(",")
    return tuple(name.strip() for name in names if name.strip())


def _read_length(request: HttpRequest, name: bytes) -> int | None:
    value = request.header(name)
    return int(value) if value is not None and _is_length(value) else None


def _read_decoded_length(request: HttpRequest) -> int:
    decoded_bytes = _read_length(request, b"x-amz-decoded-content-length")
    if decoded_bytes is None:
        raise MissingDecodedLength
    return decoded_bytes


class _DigestChecked:
    """A body whose SHA-256 is signed: it passes, and at its end it is judged."""

    def __init__(self, declared: str) -> None:
        self._declared = declared
        self._digest = sha256()

    def feed(self, data: bytes) -> list[bytes]:
        self._digest.update(data)
        return [data] if data else []

    def finish(self) -> dict[str, str]:
        computed = self._digest.hexdigest()
        if computed != self._declared.lower():
            raise XAmzContentSHA256Mismatch(self._declared, computed)
        return {}


class _Unchecked:
    """A body of which nothing is signed."""

    def feed(self, data: bytes) -> list[bytes]:
        return [data] if data else []

    def finish(self) -> dict[str, str]:
        return {}


_EMPTY_SHA256 = sha256().hexdigest()
_LENGTHS = frozenset({b"content-length", b"x-amz-trailer"})
_OF_NOTHING = {
    _EMPTY_SHA256: PayloadCheck(
        PayloadMode.SHA256, None, (), partial(_DigestChecked, _EMPTY_SHA256)
    ),
    UNSIGNED_PAYLOAD: PayloadCheck(PayloadMode.UNSIGNED, None, (), _Unchecked),
}
"""What most GET requests declare, and those whose signature is in the query."""
