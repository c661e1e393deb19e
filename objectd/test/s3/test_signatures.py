"""Nothing happens without a valid signature, whichever route and whichever kind it is.

Each class of tests is derived from faults that S3 servers were published for.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from msgspec import structs

from objectd.auth.payload import PayloadMode
from objectd.protocol.messages import HttpRequest
from objectd.protocol.model import load_s3_model
from objectd.test.s3.wire import (
    BUCKET,
    CHUNK_BYTES,
    Upload,
    WireTestCase,
    authentic,
    authentic_url,
    error_document,
    head_bytes,
)
from objectd.testing.http import Connection
from objectd.testing.requests import canonical_request
from objectd.testing.s3 import SECRET_KEY as SECRET

HOST = ((b"host", b"s3"),)
WRONG = "not-the-secret-of-this-server"
FRAME_BYTES = len("10000;chunk-signature=\r\n\r\n") + 64 + CHUNK_BYTES
DATA = b"abcd" * (3 * CHUNK_BYTES // 4)


class EveryRouteTests(WireTestCase):
    """A new kind of signature must hold for every route (CVE-2026-40344, CVE-2020-11012)."""

    def forged(self, request: HttpRequest) -> Iterator[tuple[str, HttpRequest]]:
        """The request under each kind of credentials, signed with another secret."""
        target = request.target.decode()
        headers = {name.decode(): value.decode() for name, value in request.headers}
        for mode in PayloadMode:
            payload = None if mode is PayloadMode.SHA256 else mode.value
            extra = {"x-amz-decoded-content-length": "0"} if "STREAMING" in mode.value else {}
            yield (
                mode.value,
                authentic(
                    request.method, target, headers | extra, payload=payload, secret_key=WRONG
                ),
            )
        yield "presigned", authentic_url(request.method, target, secret_key=WRONG)
        yield "anonymous", structs.replace(request, headers=(*HOST, *request.headers))

    def test_bad_signature(self) -> None:
        """Every operation of the model, supported or not, is 403 under every kind of
        credentials that are not good, and nothing changes."""
        before = self.contents()
        for name, operation in load_s3_model().operations.items():
            for kind, request in self.forged(canonical_request(operation)):
                exchange = self.send(request)
                self.assertEqual(exchange.response.status, 403, (name, kind))
                self.assertEqual(exchange.interim, [])
            self.assertEqual(self.contents(), before, name)

    def test_existence_does_not_leak(self) -> None:
        """Without a signature a key that exists looks like one that does not, whatever
        conditions and ranges are asked for (CVE-2024-36107)."""
        for method in ("GET", "HEAD"):
            for field in ((), (b"if-match", b"*"), (b"if-none-match", b"*"), (b"range", b"0-")):
                answers = set()
                for key in (b"kept", b"none"):
                    headers = (*HOST, field) if field else HOST
                    request = HttpRequest(method, b"/bucket/" + key, headers, "")
                    response = self.send(request).response
                    code = error_document(response)["Code"] if response.body else ""
                    answers.add((response.status, code, len(response.body)))
                self.assertEqual({status for status, _, _ in answers}, {403})
                self.assertEqual(len(answers), 1, (method, field))


class UnsignedTrailerTests(WireTestCase):
    """The signature counts though the payload is unsigned (CVE-2025-31489)."""

    def test_wrong_secret(self) -> None:
        """An upload with unsigned trailers by a known access key and a wrong secret is
        refused, be it of an object or of a part, and not a byte of it is asked for."""
        before = self.contents()
        for target in (f"/{BUCKET}/new", f"/{BUCKET}/kept", self.part(1)):
            for outer in (False, True):
                upload = Upload(PayloadMode.UNSIGNED_CHUNKS_TRAILER, DATA, target, secret_key=WRONG)
                exchange = upload.send(self, outer=outer)
                self.assert_refused(exchange, 403, "SignatureDoesNotMatch", before)


class TwoSourcesTests(WireTestCase):
    """Credentials come from one place (CVE-2026-41145)."""

    TARGET = f"/{BUCKET}/new"

    def test_credential_without_signature(self) -> None:
        """An access key in the query does not make a request anybody's."""
        credential = self.query_parameter("X-Amz-Credential")
        before = self.contents()
        for query in (credential, f"{credential}&X-Amz-Algorithm=AWS4-HMAC-SHA256"):
            request = HttpRequest("PUT", f"{self.TARGET}?{query}".encode(), HOST, "")
            exchange = self.send(request, b"data")
            self.assert_refused(exchange, 400, "AuthorizationQueryParametersError", before)

    def test_both_places(self) -> None:
        """A request with credentials in its headers and in its query is refused, whether
        one of the two is good or both are."""
        before = self.contents()
        for in_header, in_query in ((SECRET, WRONG), (WRONG, SECRET), (SECRET, SECRET)):
            url = authentic_url("PUT", self.TARGET, secret_key=in_query)
            request = authentic("PUT", url.target.decode(), secret_key=in_header)
            self.assert_refused(self.send(request, b"data"), 400, "InvalidArgument", before)
        credential = self.query_parameter("X-Amz-Credential")
        request = authentic("PUT", f"{self.TARGET}?{credential}")
        self.assert_refused(self.send(request, b"data"), 400, "InvalidArgument", before)

    def query_parameter(self, name: str) -> str:
        """One parameter of a good query."""
        query = authentic_url("PUT", self.TARGET).raw_query.decode()
        return next(pair for pair in query.split("&") if pair.startswith(f"{name}="))


class SignedChunkTests(WireTestCase):
    """Every chunk is checked, in its place (seaweedfs#2180, CVE-2021-21390)."""

    MODES = (PayloadMode.SIGNED_CHUNKS, PayloadMode.SIGNED_CHUNKS_TRAILER)

    def refused(self, upload: Upload, status: int, code: str) -> None:
        before = self.contents()
        for target in (f"/{BUCKET}/new", f"/{BUCKET}/kept", self.part(1)):
            for outer in (False, True):
                exchange = attrs.evolve(upload, target=target).send(self, outer=outer)
                self.assert_refused(exchange, status, code, before)

    def test_seed(self) -> None:
        """A request whose own signature is bad, with chunks that follow it rightly."""
        for mode in self.MODES:
            self.refused(Upload(mode, DATA, secret_key=WRONG), 403, "SignatureDoesNotMatch")

    def test_chunks_of_another_request(self) -> None:
        """Chunks that follow the signature of another request with the same bytes."""
        for mode in self.MODES:
            other = Upload(mode, DATA, f"/{BUCKET}/other")
            body = other.body(other.request())
            self.refused(Upload(mode, DATA, alter=_Instead(body)), 403, "SignatureDoesNotMatch")

    def test_altered_chunk(self) -> None:
        """A byte or the signature of any chunk, altered on the way."""
        for mode in self.MODES:
            for position in (100, FRAME_BYTES + 100, 3 * FRAME_BYTES - 10, FRAME_BYTES + 40):
                self.refused(
                    Upload(mode, DATA, alter=_Altered(position)), 403, "SignatureDoesNotMatch"
                )

    def test_swapped_chunks(self) -> None:
        """Chunks of one request, each signed, in another order, or one of them twice."""
        for mode in self.MODES:
            for order in ((1, 0, 2), (0, 2, 1), (0, 0, 2)):
                self.refused(
                    Upload(mode, DATA, alter=_Reordered(order)), 403, "SignatureDoesNotMatch"
                )

    def test_no_last_chunk(self) -> None:
        """A body that ends before the chunk of 0 bytes."""
        for mode in self.MODES:
            upload = Upload(mode, DATA, alter=lambda body: body[: 3 * FRAME_BYTES])
            self.refused(upload, 400, "IncompleteBody")

    def test_altered_trailer(self) -> None:
        """A trailer that is not the one that was signed."""
        altered = Upload(
            PayloadMode.SIGNED_CHUNKS_TRAILER,
            DATA,
            alter=lambda body: body.replace(b"crc32:", b"crc32:AAAA", 1),
        )
        self.refused(altered, 403, "SignatureDoesNotMatch")


@attrs.frozen
class _Instead:
    other: bytes

    def __call__(self, body: bytes) -> bytes:
        return self.other


@attrs.frozen
class _Altered:
    position: int

    def __call__(self, body: bytes) -> bytes:
        other = b"0" if body[self.position : self.position + 1] != b"0" else b"1"
        return body[: self.position] + other + body[self.position + 1 :]


@attrs.frozen
class _Reordered:
    order: tuple[int, ...]

    def __call__(self, body: bytes) -> bytes:
        frames = [body[n * FRAME_BYTES : (n + 1) * FRAME_BYTES] for n in self.order]
        return b"".join(frames) + body[3 * FRAME_BYTES :]


class ContinueTests(WireTestCase):
    """`100 Continue` says that the body is wanted, so it comes after all that can be refused."""

    def begin(self, request: HttpRequest, length: int = 5) -> bytes:
        """What comes back while the client still holds its body back."""
        connection = Connection(self.server.site)
        content_length = b"content-length: %d" % length
        connection.send(head_bytes(request, content_length, b"expect: 100-continue"))
        received = bytes(connection.received)
        connection.disconnect()
        return received

    def test_wanted(self) -> None:
        """A body that can be stored is asked for, once; one of 0 bytes need not be."""
        target = f"/{BUCKET}/new"
        self.assertEqual(
            self.begin(authentic("PUT", target, payload="UNSIGNED-PAYLOAD")),
            b"HTTP/1.1 100 Continue\r\n\r\n",
        )
        empty = self.begin(authentic("PUT", target, payload="UNSIGNED-PAYLOAD"), 0)
        self.assertTrue(empty.startswith(b"HTTP/1.1 200 "), empty)

    def test_refused(self) -> None:
        """A request that is refused whatever its body is gets its answer and no 100."""
        new = f"/{BUCKET}/new"
        long = "v" * 2048
        before = self.contents()
        for status, target, headers, secret_key in (
            (403, new, {}, WRONG),
            (404, "/nowhere/new", {}, SECRET),
            (400, f"/{BUCKET}/{'k' * 1025}", {}, SECRET),
            (400, new, {"x-amz-meta-a": long}, SECRET),
            (400, new, {"content-md5": "short"}, SECRET),
            (400, new, {"x-amz-checksum-crc32": "short"}, SECRET),
            (400, new, {"x-amz-sdk-checksum-algorithm": "CRC32"}, SECRET),
            (412, f"/{BUCKET}/kept", {"if-none-match": "*"}, SECRET),
            (404, new, {"if-match": '"x"'}, SECRET),
            (501, new, {"if-none-match": '"x"'}, SECRET),
            (501, new, {"if-modified-since": "Sat, 21 Nov 2026 00:00:00 GMT"}, SECRET),
            (400, new, {"if-match": ""}, SECRET),
            (403, new, {"x-amz-expected-bucket-owner": "123456789012"}, SECRET),
            (400, f"/{BUCKET}/kept", {"x-amz-write-offset-bytes": "1"}, SECRET),
            (404, new, {"x-amz-write-offset-bytes": "1"}, SECRET),
            (400, new, {"x-amz-tagging": "a=b&a=c"}, SECRET),
            (400, new, {"x-amz-server-side-encryption": "AES128"}, SECRET),
            (501, f"{new}?acl", {}, SECRET),
            (404, self.part(1).replace(self.upload_id, "none"), {}, SECRET),
            (400, self.part(0), {}, SECRET),
            (400, self.part(10_001), {}, SECRET),
        ):
            request = authentic(
                "PUT", target, headers, payload="UNSIGNED-PAYLOAD", secret_key=secret_key
            )
            received = self.begin(request)
            self.assertTrue(
                received.startswith(b"HTTP/1.1 %d " % status), (target, headers, received)
            )
        self.assertEqual(self.contents(), before)

    def test_too_large(self) -> None:
        """An object or part of more than 5 GiB is refused before it is sent."""
        for target in (f"/{BUCKET}/new", self.part(1)):
            request = authentic("PUT", target, payload="UNSIGNED-PAYLOAD")
            received = self.begin(request, (5 << 30) + 1)
            self.assertTrue(received.startswith(b"HTTP/1.1 400 "), received)
            self.assertIn(b"<Code>EntityTooLarge</Code>", received)
