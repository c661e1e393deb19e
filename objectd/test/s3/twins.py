"""Requests in plain and nearly plain form, and two equal servers to answer them."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import attrs
from hypothesis import strategies as st
from msgspec import structs
from twisted.internet.task import Clock
from typing_extensions import override
from zope.interface import implementer

from objectd.auth.signing import KeyPair, presigned, signed
from objectd.blobs.memory import MemoryBlobs
from objectd.errors import BucketNotFound
from objectd.interfaces import (
    ROOT_ACCOUNT,
    Credential,
    Entry,
    EnvelopeKey,
    ICredentials,
    KeyDescription,
    Scan,
)
from objectd.keys.memory import MemoryKeys
from objectd.metadata.memory import MemoryMetadata
from objectd.model.records import Versioning
from objectd.objects.opening import run_at_once
from objectd.objects.store import open_store
from objectd.objects.uptime import Uptime
from objectd.protocol.messages import Headers, HttpRequest, Response
from objectd.protocol.model import load_s3_model
from objectd.s3.application import S3Application, S3Settings
from objectd.streams import read_all
from objectd.test.auth.signing import ChunkSigner
from objectd.test.auth.signing import verified as proven
from objectd.testing.s3 import result_of

MODEL = load_s3_model()
NOW_US = 1_763_700_000_000_000
KEYS = KeyPair("AKIAMEMORYSERVER", "not-a-secret-at-all-0123456789")
HOST = (b"host", b"s3.test:9000")
LARGE_BYTES = 80_000
"""A body that is not kept in a row."""

BODIES = (b"", b"hello", b"x" * 5000, bytes(LARGE_BYTES))


@implementer(ICredentials)
class _Credentials:
    async def find(self, access_key: str) -> Credential | None:
        if access_key != KEYS.access_key:
            return None
        return Credential(KEYS.access_key, KEYS.secret_key, ROOT_ACCOUNT)


class _Keys(MemoryKeys):
    """Keys that are the same for both of two servers."""

    @override
    async def generate(self, name: str, context: Mapping[str, str]) -> EnvelopeKey:
        return self.keyring.generate(name, context, bytes)

    @override
    async def create(self, name: str) -> KeyDescription:
        self.keyring = self.keyring.created(name, NOW_US, bytes)
        return self.keyring.describe(name)


class Body:
    """A body that is there at once (`whole`), or comes piece by piece."""

    def __init__(self, data: bytes, *, at_once: bool) -> None:
        self.length: int | None = len(data)
        self._at_once = at_once
        self._pieces = [data] if at_once else [data[:3], data[3:]]

    def whole(self) -> bytes | None:
        return self._pieces.pop() if self._at_once and self._pieces else None

    async def read(self) -> bytes:
        while self._pieces:
            if piece := self._pieces.pop(0):
                return piece
        return b""

    def close(self) -> None:
        self._pieces = []


@attrs.frozen
class Seen:
    """What a client sees of an answer, or the error that would become a 500."""

    status: int = 0
    headers: Headers = ()
    body: bytes = b""
    content_length: int | None = None
    error_code: str = ""
    raised: str = ""


class Twin:
    """A server whose clock stands still and whose ids depend on nothing but what it did."""

    def __init__(self) -> None:
        self.metadata = MemoryMetadata()
        self.blobs = MemoryBlobs()
        self.store = result_of(
            open_store(
                self.metadata,
                self.blobs,
                clock=Clock(),
                run_in_thread=run_at_once,
                now_us=lambda: NOW_US,
                uptime=lambda: Uptime("boot", 0),
                random_bytes=bytes,
                key_manager=_Keys(),
            )
        )
        self.application = S3Application(
            self.store,
            _Credentials(),
            MODEL,
            clock=Clock(),
            now_us=lambda: NOW_US,
            run_in_thread=run_at_once,
            settings=S3Settings(domains=("s3.test",)),
        )
        result_of(self.store.buckets.create("bucket"))

    def set_versioning(self, mode: Versioning | None) -> None:
        """What cannot be gone back to is left as it is, and so is a bucket that is gone."""
        if mode:
            enabled = mode is Versioning.ENABLED
            with suppress(BucketNotFound):
                result_of(self.store.buckets.set_versioning("bucket", enabled=enabled))

    def ask(
        self, way: Callable[[HttpRequest, Body], Awaitable[Response]], request: Request
    ) -> Seen:
        async def asking() -> Seen:
            body = Body(request.body, at_once=request.at_once)
            try:
                response = await way(request.head, body)
            except Exception as error:
                return Seen(raised=type(error).__name__)
            content = response.body
            if not isinstance(content, bytes):
                content = await read_all(content, 1 << 20)
                response.close()
            return Seen(
                response.status,
                (*response.headers, *_fields(response.head)),
                content,
                response.content_length,
                response.error_code,
            )

        return result_of(asking())

    def state(self) -> list[Entry]:
        """Every row that there is; the names of blobs follow from them."""
        return result_of(self.metadata.scan(Scan(b"\x04", b"\xff" * 9, limit=10_000))).entries

    @property
    def reads_under_way(self) -> int:
        return len(self.store.core.reads._under_way)


@attrs.frozen
class Request:
    head: HttpRequest
    body: bytes
    at_once: bool


def _fields(head: bytes) -> Headers:
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[:-1]]
    return tuple((name, value) for name, _, value in lines)


def _b64(digest: bytes) -> bytes:
    return base64.b64encode(digest)


def _crc32(data: bytes) -> bytes:
    return _b64(zlib.crc32(data).to_bytes(4, "big"))


TARGETS = (
    "/bucket/key",
    "/bucket/key",
    "/bucket/key",
    "/bucket/a/b%20c%2Fd",
    "/bucket//%C3%A4",
    "/bucket/%ff",
    "/bucket/%zz",
    "/bucket/" + "k" * 1025,
    "/bucket",
    "/bucket/",
    "/nobody/key",
    "//key",
    "/",
    "/buck%65t/key",
)
QUERIES = (
    "",
    "",
    "",
    "x-id=GetObject",
    "list-type=2",
    "list-type=2&prefix=k&delimiter=%2F&max-keys=1&encoding-type=url&fetch-owner=true",
    "list-type=2&start-after=a&max-keys=0",
    "list-type=2&max-keys=x",
    "list-type=2&max-keys=5000&encoding-type=base64",
    "list-type=2&continuation-token=nonsense",
    "list-type=2&prefix=a&prefix=k",
    "list-type=2&prefix",
    "list-type=1",
    "list-type=2&versions",
    "prefix=k",
    "versionId=null",
    "versionId=7",
    "versionId=",
    "partNumber=1",
    "acl",
    "response-content-type=text%2Fplain",
    "x-amz-checksum-mode=ENABLED",
    "x-amz-storage-class=GLACIER",
    "unknown",
    "%zz=1",
)
FIELDS: tuple[tuple[bytes, bytes], ...] = (
    (b"range", b"bytes=1-2"),
    (b"range", b"bytes=9999999-"),
    (b"if-match", b'"0"'),
    (b"if-none-match", b"*"),
    (b"if-modified-since", b"Sat, 01 Jan 2000 00:00:00 GMT"),
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-type", b"caf\xe9"),
    (b"content-type", b""),
    (b"cache-control", b"no-cache"),
    (b"content-language", b"de"),
    (b"content-disposition", "anhang; filename=ä".encode()),
    (b"content-encoding", b"gzip,aws-chunked"),
    (b"expires", b"never"),
    (b"content-md5", b"nonsense"),
    (b"content-md5", _b64(hashlib.md5(b"hello", usedforsecurity=False).digest())),
    (b"x-amz-checksum-crc32", _crc32(b"hello")),
    (b"x-amz-checksum-crc32", b"AAAA"),
    (b"x-amz-checksum-sha256", _b64(hashlib.sha256(b"hello").digest())),
    (b"x-amz-checksum-rot13", b"AAAA"),
    (b"x-amz-checksum-mode", b"ENABLED"),
    (b"x-amz-checksum-type", b"FULL_OBJECT"),
    (b"x-amz-sdk-checksum-algorithm", b"CRC32"),
    (b"x-amz-sdk-checksum-algorithm", b"SHA256"),
    (b"x-amz-meta-colour", b"blue"),
    (b"x-amz-meta-coded", b"=?UTF-8?B?w6Q=?="),
    (b"x-amz-meta-large", b"m" * 2100),
    (b"x-amz-acl", b"private"),
    (b"x-amz-acl", b"public-read"),
    (b"x-amz-storage-class", b"GLACIER"),
    (b"x-amz-tagging", b"a=b"),
    (b"x-amz-expected-bucket-owner", b"000000000001"),
    (b"x-amz-expected-bucket-owner", b"000000000002"),
    (b"x-amz-server-side-encryption", b"AES256"),
    (b"x-amz-copy-source", b"/bucket/key"),
    (b"x-amz-write-offset-bytes", b"0"),
    (b"x-amz-request-payer", b"requester"),
    (b"x-amz-object-lock-mode", b"GOVERNANCE"),
    (b"x-amz-security-token", b"token"),
    (b"x-amz-unheard-of", b"1"),
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"cookie", b"a=b"),
    (b"expect", b"100-continue"),
)
KINDS = ("unsigned", "signed", "wrong digest", "nonsense", "trailer", "wrong trailer", "chunks")
ODD_SIGNERS = ("nobody", "wrong secret", "unknown key", "late", "both")
PLAIN_TARGETS = ("/bucket/key", "/bucket/key", "/bucket/a/b%20c%2Fd", "/bucket//%C3%A4")
PLAIN_LISTINGS = (
    "/bucket?list-type=2",
    "/bucket/?list-type=2&prefix=k&delimiter=%2F&max-keys=1&encoding-type=url&fetch-owner=true",
    "/bucket/?list-type=2&start-after=a&max-keys=0&x-id=ListObjectsV2",
)
PLAIN_FIELDS: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "GET": ((b"x-amz-checksum-mode", b"ENABLED"), (b"user-agent", b"twins/1  (two)")),
    "PUT": (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"content-encoding", b"gzip,aws-chunked"),
        (b"content-md5", _b64(hashlib.md5(b"hello", usedforsecurity=False).digest())),
        (b"x-amz-checksum-crc32", _crc32(b"hello")),
        (b"x-amz-checksum-sha256", _b64(hashlib.sha256(b"hello").digest())),
        (b"x-amz-meta-colour", b"blue"),
        (b"x-amz-sdk-checksum-algorithm", b"CRC32"),
    ),
}
ODDITIES = ("target", "query", "field", "unsigned field", "signer", "length", "method")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Half are plain, and the others for all but a thing or two."""
    odd = draw(st.one_of(st.just(set()), st.sets(st.sampled_from(ODDITIES), max_size=2)))
    method = draw(st.sampled_from(("GET", "GET", "HEAD", "PUT", "PUT", "DELETE")))
    plain_targets = PLAIN_TARGETS + (PLAIN_LISTINGS if method == "GET" else ())
    target = draw(st.sampled_from(TARGETS if "target" in odd else plain_targets))
    if "query" in odd:
        mark = "&" if "?" in target else "?"
        target = f"{target}{mark}{draw(st.sampled_from(QUERIES))}"
    if "method" in odd:
        method = "POST"
    fields = draw(st.lists(st.sampled_from(PLAIN_FIELDS.get(method, FIELDS[-1:])), max_size=2))
    if "field" in odd:
        fields.append(draw(st.sampled_from(FIELDS)))
    unsigned = [draw(st.sampled_from(FIELDS))] if "unsigned field" in odd else []
    data = draw(st.sampled_from(BODIES)) if method == "PUT" else b""
    # A blob that is dropped because its digest was wrong would have taken an id.
    kinds = KINDS if len(data) < LARGE_BYTES else KINDS[:2]
    kind = draw(st.sampled_from(kinds)) if method == "PUT" else "signed"
    signer = draw(st.sampled_from(ODD_SIGNERS if "signer" in odd else ("header", "url")))
    head = HttpRequest(method, target.encode(), (HOST,), request_id="0123456789ABCDEF")
    head, body = _with_body(head, fields, unsigned, data, kind, signer)
    lengths: tuple[bytes, ...] = (b"%d" % len(body),) if method == "PUT" else ()
    if "length" in odd:
        lengths = draw(st.sampled_from(((), (b"%d" % (len(body) + 1),), (b"x",), (b"0", b"0"))))
    given = [(b"content-length", length) for length in lengths]
    return Request(
        structs.replace(head, headers=(*head.headers, *given)), body, draw(st.booleans())
    )


def _with_body(
    head: HttpRequest,
    fields: list[tuple[bytes, bytes]],
    unsigned: list[tuple[bytes, bytes]],
    data: bytes,
    kind: str,
    signer: str,
) -> tuple[HttpRequest, bytes]:
    digest = hashlib.sha256(data).hexdigest()
    payload = {
        "unsigned": "UNSIGNED-PAYLOAD",
        "signed": digest,
        "wrong digest": "0" * 64,
        "nonsense": "nonsense",
        "chunks": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    }.get(kind, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    own: list[tuple[bytes, bytes]] = []
    if payload.startswith("STREAMING"):
        own.append((b"x-amz-decoded-content-length", b"%d" % len(data)))
    if "trailer" in kind:
        own.append((b"x-amz-trailer", b"x-amz-checksum-crc32"))
    head = structs.replace(head, headers=(*head.headers, *own, *fields))
    pair = {
        "wrong secret": KeyPair(KEYS.access_key, "wrong"),
        "unknown key": KeyPair("AKIAUNKNOWN", KEYS.secret_key),
    }.get(signer, KEYS)
    now_us = NOW_US - (3_600_000_000 if signer == "late" else 0)
    if signer in ("url", "both"):
        head = presigned(head, pair, region="mars", now_us=now_us, expires_seconds=60)
    if signer not in ("url", "nobody"):
        head = signed(head, pair, payload=payload, region="mars", now_us=now_us)
    body = data
    if "trailer" in kind:
        crc = _crc32(b"wrong" if kind == "wrong trailer" else data)
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        body = chunk + b"0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % crc
    elif kind == "chunks" and signer == "header":
        body = ChunkSigner.following(proven(head, KEYS.secret_key)).body([data] if data else [])
    return structs.replace(head, headers=(*head.headers, *unsigned)), body
