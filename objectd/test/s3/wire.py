"""S3 requests as bytes, signed in every form, to a whole server in memory."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping
from hashlib import md5, sha256
from itertools import pairwise
from typing import Any, NamedTuple
from xml.etree import ElementTree

import attrs
from botocore.exceptions import ClientError
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.payload import PayloadMode
from objectd.interfaces import BlobFile, Entry, Scan
from objectd.objects import ObjectSettings
from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import ChunkSigner, presigned, signed, verified
from objectd.testing.http import ClientResponse, Connection
from objectd.testing.s3 import ACCESS_KEY, SECRET_KEY, MemoryServer, result_of

BUCKET = "bucket"
CHUNK_BYTES = 64 << 10

CHUNKED_MODES = (
    PayloadMode.SIGNED_CHUNKS,
    PayloadMode.SIGNED_CHUNKS_TRAILER,
    PayloadMode.UNSIGNED_CHUNKS_TRAILER,
)
TRAILER_MODES = (PayloadMode.SIGNED_CHUNKS_TRAILER, PayloadMode.UNSIGNED_CHUNKS_TRAILER)


class Contents(NamedTuple):
    """All that a server holds."""

    rows: list[Entry]
    files: set[BlobFile]


class WireTestCase(SynchronousTestCase):
    """Tests of one server with one bucket, which holds one object and one upload."""

    def setUp(self) -> None:
        self.server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=1))
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="kept", Body=b"kept" * 9000)
        self.upload_id = self.s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]

    def part(self, number: int) -> str:
        """The target of a part of the upload."""
        return f"/{BUCKET}/parts?partNumber={number}&uploadId={self.upload_id}"

    def send(self, request: HttpRequest, body: bytes = b"", *, outer: bool = False) -> Exchange:
        """Send a request with its body, with `outer` in HTTP's own chunks, as a client that
        waits for no answer in between."""
        connection = Connection(self.server.site)
        connection.send(as_bytes(request, body, outer=outer))
        responses = connection.responses([request.method])
        connection.disconnect()
        return Exchange(responses[-1], [response.status for response in responses[:-1]])

    def send_document(
        self, target: str, document: bytes, *, method: str = "PUT", outer: bool = False
    ) -> Exchange:
        """Send a document with the digest that S3 wants of it."""
        digest = base64.b64encode(md5(document).digest()).decode()
        payload = sha256(document).hexdigest()
        request = authentic(method, target, {"content-md5": digest}, payload=payload)
        return self.send(request, document, outer=outer)

    def contents(self) -> Contents:
        """Compared before and after, it shows that a refused request left no trace."""
        core = self.server.store.core
        rows = result_of(core.metadata.scan(Scan(b" ", b"\xff", limit=10_000))).entries
        return Contents(rows, result_of(self._files()))

    async def _files(self) -> set[BlobFile]:
        blobs = self.server.store.core.blobs
        return {file for drive in blobs.drives async for file in blobs.files(drive)}

    def assert_refused(self, exchange: Exchange, status: int, code: str, before: Contents) -> None:
        """The answer is this error, and the server holds what it did before."""
        document = error_document(exchange.response)
        found = (exchange.response.status, document["Code"])
        self.assertEqual(found, (status, code), document)
        self.assertEqual(self.contents(), before)


class Exchange(NamedTuple):
    """The answer to a request, and the statuses below 200 that came before it."""

    response: ClientResponse
    interim: list[int]


@attrs.frozen
class Upload:
    """A body and how it is to be signed and sent: as by an honest client, but for what is
    given. `alter` is done to the body after it has been signed and framed."""

    mode: PayloadMode
    data: bytes
    target: str = f"/{BUCKET}/new"
    headers: Mapping[str, str] = attrs.field(factory=dict)
    secret_key: str = SECRET_KEY
    alter: Callable[[bytes], bytes] = bytes
    decoded_length: str | None = attrs.field()
    promised: str = attrs.field()
    trailers: bytes = attrs.field()

    @decoded_length.default
    def _size_of_data(self) -> str:
        return str(len(self.data))

    @promised.default
    def _checksum_promised(self) -> str:
        return "x-amz-checksum-crc32" if self.mode in TRAILER_MODES else ""

    @trailers.default
    def _right_checksum(self) -> bytes:
        return crc32_trailer(self.data) if self.promised else b""

    def request(self) -> HttpRequest:
        payload = self.mode.value
        headers = dict(self.headers)
        if self.mode is PayloadMode.SHA256:
            payload = sha256(self.data).hexdigest()
        if self.mode in CHUNKED_MODES:
            headers.setdefault("content-encoding", "aws-chunked")
            if self.decoded_length is not None:
                headers["x-amz-decoded-content-length"] = self.decoded_length
        if self.promised:
            headers["x-amz-trailer"] = self.promised
        return authentic("PUT", self.target, headers, payload=payload, secret_key=self.secret_key)

    def body(self, request: HttpRequest) -> bytes:
        """The bytes that follow the head of this request."""
        starts = range(0, len(self.data), CHUNK_BYTES)
        pieces = [self.data[start : start + CHUNK_BYTES] for start in starts]
        if self.mode not in CHUNKED_MODES:
            return self.alter(self.data)
        if self.mode is PayloadMode.UNSIGNED_CHUNKS_TRAILER:
            return self.alter(_unsigned_chunks(pieces, self.trailers))
        proof = verified(request, self.secret_key)
        return self.alter(ChunkSigner.following(proof).body(pieces, self.trailers))

    def send(self, case: WireTestCase, *, outer: bool = False) -> Exchange:
        request = self.request()
        return case.send(request, self.body(request), outer=outer)


def authentic(
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    payload: str | None = None,
    secret_key: str = SECRET_KEY,
) -> HttpRequest:
    """A request signed in its headers with the server's key."""
    return signed(
        method, target, headers, payload=payload, access_key=ACCESS_KEY, secret_key=secret_key
    )


def authentic_url(method: str, target: str, *, secret_key: str = SECRET_KEY) -> HttpRequest:
    """A request signed in its query with the server's key."""
    return presigned(method, target, access_key=ACCESS_KEY, secret_key=secret_key)


def crc32_trailer(data: bytes) -> bytes:
    return b"x-amz-checksum-crc32:%b\n" % base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))


def as_bytes(request: HttpRequest, body: bytes, *, outer: bool = False) -> bytes:
    """The request with its body framed by a Content-Length, or by HTTP's chunks."""
    framing = b"transfer-encoding: chunked" if outer else b"content-length: %d" % len(body)
    return head_bytes(request, framing) + (outer_chunks(body) if outer else body)


def head_bytes(request: HttpRequest, *fields: bytes) -> bytes:
    """The head of a request, with these fields instead of the signer's Content-Length."""
    kept = (b"%b: %b" % field for field in request.headers if field[0] != b"content-length")
    line = b"%b %b HTTP/1.1" % (request.method.encode(), request.target)
    return b"\r\n".join([line, *kept, *fields, b"", b""])


def outer_chunks(body: bytes) -> bytes:
    """HTTP's chunks, whose borders lie elsewhere than those of the signed ones."""
    borders = [0, 1, 1001, 30_001, len(body)]
    pieces = [body[start:stop] for start, stop in pairwise(borders)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
    return b"".join(chunks) + b"0\r\n\r\n"


def error_document(response: ClientResponse) -> dict[str, str]:
    """The elements of an error document."""
    root = ElementTree.fromstring(response.body)
    assert root.tag == "Error", root.tag
    return {element.tag: element.text or "" for element in root}


def _unsigned_chunks(pieces: list[bytes], trailers: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return chunks + b"0\r\n" + trailers.replace(b"\n", b"\r\n") + b"\r\n"


def refusal(
    case: SynchronousTestCase, status: int, code: str, call: Any, **arguments: Any
) -> dict[str, Any]:
    """The elements of the error that a call of boto3 ends with, which must be this one."""
    error = case.assertRaises(ClientError, call, **arguments)
    answer, elements = error.response["ResponseMetadata"], error.response["Error"]
    case.assertEqual((answer["HTTPStatusCode"], elements["Code"]), (status, code), error)
    found: dict[str, Any] = elements
    return found
