"""Bodies in `aws-chunked` framing: chunks, signed or not, and trailers after the last one.

    <size in hex>[;chunk-signature=<64 hex digits>] CRLF <data> CRLF     any number of times
    0[;chunk-signature=<64 hex digits>] CRLF
    [<name>:<value> CRLF ... [x-amz-trailer-signature:<64 hex digits> CRLF]]
    CRLF

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Generator
from hashlib import sha256
from typing import TypeAlias, TypeVar

from objectd.auth.errors import InvalidChunkSize, MalformedTrailer, SignatureDoesNotMatch
from objectd.auth.sigv4 import Verified, sign
from objectd.errors import IncompleteBody

SIGNED_CHUNK_BYTES_MAX = 4 << 20
"""A signed chunk is held back until it is verified, so this bounds the memory of an upload.
Clients sign chunks of 64 KiB (minio, Kotlin, Swift, C++) to 128 KiB (Java)."""

CHUNK_HEADER_BYTES_MAX = 128
TRAILERS_BYTES_MAX = 4096

_CRLF_BYTES = 2
_EMPTY_SHA256 = sha256().hexdigest()
_TRAILER_SIGNATURE = "x-amz-trailer-signature"

_match_header = re.compile(rb"([0-9a-fA-F]{1,16})").fullmatch
_match_signed_header = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})").fullmatch
_match_trailer = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*").fullmatch

_T = TypeVar("_T")
_Parsing: TypeAlias = Generator[None, None, _T]
"""Yields whenever it needs more input."""


class _Chunks(ABC):
    """The grammar above as one generator, `_parse`, that stops wherever the input does."""

    def __init__(self, size_bytes: int, promised_trailers: tuple[str, ...]) -> None:
        self._missing_bytes = size_bytes
        self._promised_trailers = promised_trailers
        self._trailers: dict[str, str] | None = None
        self._input = b""
        self._position = 0
        self._payload: list[bytes] = []
        self._parser = self._parse()

    def feed(self, data: bytes) -> list[bytes]:
        self._input = data
        self._position = 0
        next(self._parser, None)
        # Nothing is kept until the next call: of many slow uploads it would be a lot.
        payload, self._payload = self._payload, []
        if self._position == len(data):
            self._input, self._position = b"", 0
        return payload

    def finish(self) -> dict[str, str]:
        if self._trailers is None:
            raise IncompleteBody("the body ended before its last chunk and trailers")
        return self._trailers

    def _parse(self) -> _Parsing[None]:
        while (yield from self._read_chunk()):
            yield from self._read_line(_CRLF_BYTES)
        if self._missing_bytes:
            raise IncompleteBody(f"{self._missing_bytes} bytes of the payload are missing")
        trailers = yield from self._read_trailers()
        self._check_trailers(trailers)
        self._trailers = trailers
        while self._position == len(self._input):
            yield
        self._trailers = None
        raise IncompleteBody("the body went on after its last chunk and trailers")

    @abstractmethod
    def _read_chunk(self) -> _Parsing[int]:
        """Read a chunk up to the end of its data and return its size."""

    def _check_trailers(self, trailers: dict[str, str]) -> None:
        if trailers.keys() != set(self._promised_trailers):
            raise MalformedTrailer

    def _claim_bytes(self, size_bytes: int) -> None:
        """Count the size of a chunk before its data is taken."""
        self._missing_bytes -= size_bytes
        if self._missing_bytes < 0:
            raise IncompleteBody("the payload is longer than declared")

    def _read_trailers(self) -> _Parsing[dict[str, str]]:
        trailers: dict[str, str] = {}
        bytes_max = TRAILERS_BYTES_MAX
        while line := (yield from self._read_line(bytes_max)):
            bytes_max -= len(line)
            # The examples of AWS end each trailer with LF, and minio-go, which S3 accepts,
            # sends them so: <name>:<value> LF ... CRLF.
            for field in line.removesuffix(b"\n").split(b"\n"):
                match = _match_trailer(field)
                if match is None:
                    raise MalformedTrailer
                name = match[1].decode().lower()
                if name in trailers:
                    raise MalformedTrailer
                trailers[name] = match[2].decode()
        return trailers

    def _read_line(self, bytes_max: int) -> _Parsing[bytes]:
        """A line without its CRLF, which counts in `bytes_max`."""
        line = bytearray()
        while not line.endswith(b"\r\n"):
            while self._position == len(self._input):
                yield
            end = self._input.find(b"\n", self._position) + 1 or len(self._input)
            line += self._input[self._position : end]
            self._position = end
            if len(line) > bytes_max:
                raise IncompleteBody("the framing of the chunks is broken")
        return bytes(line[:-_CRLF_BYTES])

    def _read_some(self, bytes_max: int) -> _Parsing[bytes]:
        """What there is of the next bytes, at least one."""
        while self._position == len(self._input):
            yield
        start = self._position
        self._position = min(start + bytes_max, len(self._input))
        return self._input[start : self._position]


class UnsignedChunks(_Chunks):
    """Data goes through as it comes: some clients send all of a large body as one chunk."""

    def _read_chunk(self) -> _Parsing[int]:
        header = _match_header((yield from self._read_line(CHUNK_HEADER_BYTES_MAX)))
        if header is None:
            raise IncompleteBody("a chunk header is malformed")
        size_bytes = int(header[1], 16)
        self._claim_bytes(size_bytes)
        left_bytes = size_bytes
        while left_bytes:
            left_bytes -= yield from self._pass_on(left_bytes)
        return size_bytes

    def _pass_on(self, bytes_max: int) -> _Parsing[int]:
        """How many bytes of payload there were, at least one. A generator of its own, so that
        the piece is not kept while the parser waits for more."""
        piece = yield from self._read_some(bytes_max)
        self._payload.append(piece)
        return len(piece)


class SignedChunks(_Chunks):
    """Each chunk is held back until its signature is verified. The signatures are a chain:
    each covers its chunk and the signature before it, the first of which is the request's."""

    def __init__(
        self, size_bytes: int, promised_trailers: tuple[str, ...], verified: Verified
    ) -> None:
        super().__init__(size_bytes, promised_trailers)
        claim = verified.claim
        self._access_key = claim.access_key
        self._signing_key = verified.signing_key
        self._context = f"{claim.timestamp}\n{claim.scope}"
        self._previous_signature = claim.signature

    def _read_chunk(self) -> _Parsing[int]:
        header = _match_signed_header((yield from self._read_line(CHUNK_HEADER_BYTES_MAX)))
        if header is None:
            raise IncompleteBody("a chunk header is malformed")
        size_bytes = int(header[1], 16)
        if size_bytes > SIGNED_CHUNK_BYTES_MAX:
            raise InvalidChunkSize(size_bytes, SIGNED_CHUNK_BYTES_MAX)
        self._claim_bytes(size_bytes)
        data = bytearray()
        while len(data) < size_bytes:
            data += yield from self._read_some(size_bytes - len(data))
        digest = sha256(data).hexdigest()
        self._check_signature("PAYLOAD", f"{_EMPTY_SHA256}\n{digest}", header[2].decode())
        if data:
            self._payload.append(bytes(data))
        return size_bytes

    def _check_trailers(self, trailers: dict[str, str]) -> None:
        signature = trailers.pop(_TRAILER_SIGNATURE, "")
        super()._check_trailers(trailers)
        if signature or trailers:
            lines = "".join([f"{name}:{value}\n" for name, value in trailers.items()])
            self._check_signature("TRAILER", sha256(lines.encode()).hexdigest(), signature)

    def _check_signature(self, kind: str, digests: str, signature: str) -> None:
        to_sign = (
            f"AWS4-HMAC-SHA256-{kind}\n{self._context}\n{self._previous_signature}\n{digests}"
        ).encode()
        if not hmac.compare_digest(sign(self._signing_key, to_sign), signature):
            raise SignatureDoesNotMatch(self._access_key, signature, to_sign)
        self._previous_signature = signature
