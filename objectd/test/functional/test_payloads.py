"""Every form in which SigV4 lets a body come, on the wire, with and without an outer
`Transfer-Encoding: chunked`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from random import Random

import attrs
from awscrt.checksums import crc32
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import ChunkSigner, signed, verified
from objectd.test.functional.server import BUCKET, MIB, Server

TARGET = f"/{BUCKET}/k"
DATA = Random("payloads").randbytes(3 * MIB + 17)
SENT_AT_ONCE_BYTES = 100_003


def _pieces(data: bytes, size_bytes: int) -> Iterator[bytes]:
    for start in range(0, len(data), size_bytes):
        yield data[start : start + size_bytes]


def _trailer(data: bytes) -> bytes:
    return b"x-amz-checksum-crc32:" + base64.b64encode(crc32(data).to_bytes(4, "big")) + b"\n"


def _as_is(put: HttpRequest, data: bytes) -> bytes:
    return data


def _signed_chunks(put: HttpRequest, data: bytes) -> bytes:
    return ChunkSigner.following(verified(put)).body(_pieces(data, 64 << 10))


def _signed_chunks_and_trailer(put: HttpRequest, data: bytes) -> bytes:
    signer = ChunkSigner.following(verified(put))
    return signer.body(_pieces(data, 64 << 10), _trailer(data))


def _unsigned_chunks_and_trailer(put: HttpRequest, data: bytes) -> bytes:
    chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(data, 64 << 10))
    return b"".join(chunks) + b"0\r\n" + _trailer(data).replace(b"\n", b"\r\n") + b"\r\n"


@attrs.frozen
class Form:
    """`encode` gives the bytes on the wire. `tells` is the error code by which a changed byte
    of the data is found, None where nothing protects it."""

    payload: str
    encode: Callable[[HttpRequest, bytes], bytes]
    tells: str | None

    def put(self) -> HttpRequest:
        headers = {"x-amz-meta-form": "a"}
        if self.payload.startswith("STREAMING"):
            headers["x-amz-decoded-content-length"] = str(len(DATA))
            headers["content-encoding"] = "aws-chunked"
        if self.payload.endswith("TRAILER"):
            headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        return signed("PUT", TARGET, headers, payload=self.payload)


FORMS = [
    Form("UNSIGNED-PAYLOAD", _as_is, None),
    Form(sha256(DATA).hexdigest(), _as_is, "XAmzContentSHA256Mismatch"),
    Form("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", _signed_chunks, "SignatureDoesNotMatch"),
    Form(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        _signed_chunks_and_trailer,
        "SignatureDoesNotMatch",
    ),
    Form("STREAMING-UNSIGNED-PAYLOAD-TRAILER", _unsigned_chunks_and_trailer, "BadDigest"),
]


class PayloadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), workers=1)
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()
        self.connection = HTTPConnection(*self.server.address, timeout=60)
        self.addCleanup(self.connection.close)

    def send(self, put: HttpRequest, body: bytes, *, chunked: bool) -> tuple[int, str]:
        """Status and text of the answer."""
        headers = {
            name.decode(): value.decode()
            for name, value in put.headers
            if name != b"content-length"
        }
        framing = "transfer-encoding" if chunked else "content-length"
        headers[framing] = "chunked" if chunked else str(len(body))
        self.connection.request(
            put.method,
            put.target.decode(),
            _pieces(body, SENT_AT_ONCE_BYTES),
            headers,
            encode_chunked=chunked,
        )
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def test_whole(self) -> None:
        """Every form delivers the data, and nothing of its framing is stored."""
        for form in FORMS:
            for chunked in [False, True]:
                put = form.put()
                status, text = self.send(put, form.encode(put, DATA), chunked=chunked)
                self.assertEqual((status, text), (200, ""), (form.payload, chunked))
                got = self.client.get_object(Bucket=BUCKET, Key="k")
                self.assertEqual(sha256(got["Body"].read()).digest(), sha256(DATA).digest())
                self.assertNotIn("aws-chunked", json.dumps(got["ResponseMetadata"]))
                self.client.delete_object(Bucket=BUCKET, Key="k")

    def test_changed(self) -> None:
        """Where the form protects the data, one changed byte is refused and leaves nothing."""
        for form in filter(lambda form: form.tells, FORMS):
            for chunked in [False, True]:
                put = form.put()
                body = bytearray(form.encode(put, DATA))
                body[body.index(DATA[2 * MIB : 2 * MIB + 32])] ^= 1
                status, text = self.send(put, bytes(body), chunked=chunked)
                self.assertEqual(status // 100, 4, (form.payload, chunked))
                self.assertIn(f"<Code>{form.tells}</Code>", text)
        listed = self.client.list_objects_v2(Bucket=BUCKET)
        self.assertEqual(listed["KeyCount"], 0)
        self.assertEqual(self.server.blob_files(), [])

    def test_cut(self) -> None:
        """A body in chunks that ends before its last chunk is refused and leaves nothing."""
        for form in FORMS[2:]:
            put = form.put()
            body = form.encode(put, DATA)
            end = body.rindex(b"\r\n0") + 2
            status, text = self.send(put, body[:end], chunked=True)
            self.assertEqual((status, "<Code>IncompleteBody</Code>" in text), (400, True), text)
        self.assertEqual(self.client.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0)
        self.assertEqual(self.server.blob_files(), [])
