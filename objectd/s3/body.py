"""Request bodies with their declarations: what a client says of its bytes, and checking it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from msgspec import structs

from objectd.auth.payload import PayloadCheck, PayloadMode
from objectd.digests import ALGORITHMS
from objectd.errors import BadDigest, IncompleteBody
from objectd.interfaces import RunInThread
from objectd.model.records import Checksum
from objectd.objects import Declared
from objectd.objects.checksums import Digests, hasher
from objectd.protocol.errors import S3Error
from objectd.protocol.messages import HttpRequest
from objectd.protocol.targets import with_hoisted_headers
from objectd.web.application import RequestBody

_THREAD_BYTES_MIN = 64 << 10
"""Hashing less than this costs less than handing it to a thread does."""

_HASHED = frozenset(
    {PayloadMode.SHA256, PayloadMode.SIGNED_CHUNKS, PayloadMode.SIGNED_CHUNKS_TRAILER}
)

_PREFIX = b"x-amz-checksum-"
_NOT_OF_BODY = {b"x-amz-checksum-algorithm", b"x-amz-checksum-mode", b"x-amz-checksum-type"}
_WIDTHS_BYTES = {algorithm: len(hasher(algorithm).digest()) for algorithm in ALGORITHMS}


class VerifiedBody:
    """A request body as its sender signed it: framing removed, signatures checked.

    It ends only if all of it was as signed. `trailers` are known after the end.
    """

    def __init__(
        self, raw: RequestBody, check: PayloadCheck, *, run_in_thread: RunInThread
    ) -> None:
        self.size_bytes = check.size_bytes
        self.trailer_names = check.trailers
        self.trailers: Mapping[str, str] = {}
        self._raw = raw
        self._decoder = check.decoder()
        self._hashed = check.mode in _HASHED
        self._run_in_thread = run_in_thread
        self._ended = False

    async def read(self) -> bytes:
        while not self._ended:
            raw = await self._raw.read()
            if not raw:
                self.trailers = self._decoder.finish()
                self._ended = True
            elif pieces := await self._decode(raw):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return b""

    def whole(self) -> bytes | None:
        """All that `read` would give, if all of the body is there already."""
        raw = self._raw.whole()
        if raw is None:
            return None
        pieces = self._decoder.feed(raw)
        self.trailers = self._decoder.finish()
        self._ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        self._raw.close()

    async def read_whole(self, size_bytes_max: int) -> bytes:
        """For bodies that are documents. Raises `MaxMessageLengthExceeded`."""
        if self.size_bytes is not None and self.size_bytes > size_bytes_max:
            raise S3Error("MaxMessageLengthExceeded")
        pieces: list[bytes] = []
        left_bytes = size_bytes_max
        while piece := await self.read():
            left_bytes -= len(piece)
            if left_bytes < 0:
                raise S3Error("MaxMessageLengthExceeded")
            pieces.append(piece)
        whole = b"".join(pieces)
        if self.size_bytes is not None and self.size_bytes != len(whole):
            raise IncompleteBody(f"{len(whole)} bytes came, {self.size_bytes} were declared")
        return whole

    async def _decode(self, raw: bytes) -> list[bytes]:
        if not self._hashed or len(raw) < _THREAD_BYTES_MIN:
            return self._decoder.feed(raw)
        return await self._run_in_thread(self._decoder.feed, raw)


def declared(request: HttpRequest, body: VerifiedBody) -> Declared:
    """What the headers (and the promised trailer) say of the body's digests.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    Raises `S3Error`, `InvalidOperation`, and `BadDigest` for another algorithm than the one
    that was announced.
    """
    return declared_in(_as_meant(request).fields, body)


def declared_in(fields: Mapping[bytes, bytes], body: VerifiedBody) -> Declared:
    """The same, of headers that are joined already, whatever the query says."""
    found = set()
    if _PREFIX in b"\n".join(fields):  # quicker than to ask each name, and mostly it is not
        found = {name for name in fields if name.startswith(_PREFIX)}
    if body.trailer_names:
        trailers = [name.encode("latin-1") for name in body.trailer_names]
        found.update(name for name in trailers if name.startswith(_PREFIX))
    found -= _NOT_OF_BODY
    if len(found) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    md5 = _declared_md5(fields)
    announced = fields.get(b"x-amz-sdk-checksum-algorithm")
    if not found:
        if announced and not md5:
            raise S3Error(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                "x-amz-trailer headers were found.",
            )
        return Declared(md5, is_sent=True)
    [field] = found
    header, sent = field.decode("latin-1"), fields.get(field)
    algorithm = header.removeprefix(_PREFIX.decode()).upper()
    hasher(algorithm)
    if announced and announced.upper() != algorithm.encode():
        raise BadDigest("x-amz-sdk-checksum-algorithm", announced.decode("latin-1"), algorithm)
    if header not in body.trailer_names:
        in_head = _in_head(sent, algorithm)
        return Declared(md5, algorithm, lambda: in_head, is_sent=True)

    def value() -> bytes | None:
        in_head = _in_head(sent, algorithm)
        if header not in body.trailers and in_head is not None:
            return in_head
        in_trailer = decoded(body.trailers.get(header, ""), algorithm).value
        if in_head not in (None, in_trailer):
            raise BadDigest(header, (in_head or b"").hex(), in_trailer.hex())
        return in_trailer

    return Declared(md5, algorithm, value, is_sent=True)


def _in_head(sent: bytes | None, algorithm: str) -> bytes | None:
    return None if sent is None else decoded(sent.decode("latin-1"), algorithm).value


def _as_meant(request: HttpRequest) -> HttpRequest:
    """The request with its hoisted headers, but for a hoisted checksum of no bytes: SDKs that
    sign a URL before there is a body compute one, and AWS ignores it
    (https://github.com/localstack/localstack/issues/12169)."""
    whole = with_hoisted_headers(request)
    hoisted = whole.headers[len(request.headers) :]
    blank = {name for name, value in hoisted if _is_of_nothing(name, value)}
    if not blank:
        return whole
    blank.add(b"x-amz-sdk-checksum-algorithm")
    return structs.replace(whole, headers=tuple(h for h in whole.headers if h[0] not in blank))


def _is_of_nothing(name: bytes, value: bytes) -> bool:
    algorithm = name.removeprefix(_PREFIX).decode("latin-1").upper()
    return algorithm in ALGORITHMS and value.decode() == encoded(hasher(algorithm).digest())


def check_document(request: HttpRequest, body: VerifiedBody, whole: bytes) -> None:
    """A body that is a document is as its headers declare. Raises `BadDigest`."""
    _check(declared(request, body), whole)


def check_document_about_object(request: HttpRequest, whole: bytes) -> None:
    """The same for one that comes with the checksum of an object (CompleteMultipartUpload):
    only Content-MD5 is of the document itself."""
    _check(Declared(_declared_md5(request.fields)), whole)


def carries_digest(request: HttpRequest, body: VerifiedBody) -> bool:
    """Whether a body's integrity can be checked beyond its signature."""
    claim = declared(request, body)
    return claim.md5 is not None or bool(claim.algorithm)


def encoded(digest: bytes) -> str:
    return binascii.b2a_base64(digest, newline=False).decode()


def decoded(text: str, algorithm: str) -> Checksum:
    """A checksum that a client sends. Raises `S3Error`."""
    name = f"x-amz-checksum-{algorithm.lower()}"
    digest = _digest(text.encode(), _WIDTHS_BYTES[algorithm], "InvalidRequest", name)
    return Checksum(algorithm, digest)


def _check(claim: Declared, whole: bytes) -> None:
    digests = Digests(claim)
    digests.update(whole)
    digests.verified()


def _declared_md5(fields: Mapping[bytes, bytes]) -> bytes | None:
    value = fields.get(b"content-md5")
    return None if value is None else _digest(value, 16, "InvalidDigest")


def _digest(value: bytes, size_bytes: int, code: str, name: str = "") -> bytes:
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != size_bytes:
        message = f"Value for {name} header is invalid." if name else None
        raise S3Error(code, message)
    return digest
