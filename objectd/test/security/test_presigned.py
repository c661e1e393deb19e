"""A presigned URL is good for what was signed and nothing else."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Iterator

import attrs
from msgspec import structs

from objectd.protocol.messages import HttpRequest
from objectd.test.fuzz.heads import Head, Keys, sign_in_query
from objectd.test.s3.wire import BUCKET, Contents, WireTestCase, crc32_trailer, error_document
from objectd.testing.s3 import ACCESS_KEY, SECRET_KEY

KEYS = Keys(ACCESS_KEY, SECRET_KEY)
TARGET = f"/{BUCKET}/kept".encode()
HOST = (b"host", b"s3")
WEEK = 604_800
DATA = b"data"


def url(
    method: str = "GET",
    target: bytes = TARGET,
    *fields: tuple[bytes, bytes],
    keys: Keys = KEYS,
    expires: int = 600,
    hoist: bool = False,
) -> HttpRequest:
    head = Head(method, target, (HOST, *fields))
    signed = sign_in_query(head, "UNSIGNED-PAYLOAD", keys, hoist=hoist, expires=expires).head
    headers = tuple((name.lower(), value) for name, value in signed.fields)
    return HttpRequest(method, signed.target, headers, "")


def replaced(request: HttpRequest, old: bytes, new: bytes) -> HttpRequest:
    assert old in request.target, old
    return structs.replace(request, target=request.target.replace(old, new, 1))


class ScopeTests(WireTestCase):
    def statuses(self, requests: Iterator[tuple[str, HttpRequest]]) -> dict[str, tuple[int, str]]:
        found = {}
        for name, request in requests:
            response = self.send(request).response
            code = error_document(response)["Code"] if response.status >= 400 else ""
            found[name] = (response.status, code)
        return found

    def good(self) -> Iterator[tuple[str, HttpRequest]]:
        yield "as signed", url()
        yield "the longest time", url(expires=WEEK)
        yield "clocks a little apart", url(keys=attrs.evolve(KEYS, ahead_seconds=800))
        yield "nearly expired", url(keys=attrs.evolve(KEYS, ahead_seconds=-590))
        request = url(target=TARGET + b"?response-content-language=de")
        path, _, query = request.target.partition(b"?")
        reordered = b"&".join(reversed(query.split(b"&")))
        yield (
            "parameters in another order",
            structs.replace(request, target=path + b"?" + reordered),
        )
        yield "another header", structs.replace(url(), headers=(HOST, (b"x-forwarded-for", b"::1")))

    def test_good(self) -> None:
        """What means the same as what was signed is carried out."""
        statuses = self.statuses(self.good())
        self.assertEqual(set(statuses.values()), {(200, "")}, statuses)

    def changed(self) -> Iterator[tuple[str, HttpRequest]]:
        request = url()
        yield "method", structs.replace(request, method="DELETE")
        yield "method to write", structs.replace(request, method="PUT")
        yield "key", replaced(request, b"/kept", b"/other")
        yield "bucket", replaced(request, BUCKET.encode(), b"other")
        yield "host", structs.replace(request, headers=((b"host", b"other"),))
        yield "subresource", structs.replace(request, target=request.target + b"&acl")
        yield "parameter", structs.replace(request, target=request.target + b"&versionId=null")
        yield "longer time", replaced(request, b"Expires=600", b"Expires=6000")
        yield "later date", replaced(request, b"X-Amz-Date=2", b"X-Amz-Date=3")
        yield "region", replaced(request, b"us-east-1", b"us-east-2")
        yield "other key", replaced(request, ACCESS_KEY.encode(), b"AKIANOBODY")
        yield "wrong secret", url(keys=attrs.evolve(KEYS, secret_key="another"))
        yield "expired", url(keys=attrs.evolve(KEYS, ahead_seconds=-700))
        yield "not yet", url(keys=attrs.evolve(KEYS, ahead_seconds=1000))
        for name in (b"x-amz-acl", b"x-amz-meta-a", b"x-amz-copy-source", b"x-amz-date"):
            more = structs.replace(request, headers=(HOST, (name, b"private")))
            yield f"unsigned {name.decode()}", more

    def malformed(self) -> Iterator[tuple[str, HttpRequest]]:
        request = url()
        for expires in (b"0", b"-1", b"604801", b"1.5", b"ten", b"", b"9" * 400, b"%D9%A3"):
            name = f"expires {expires[:10]!r}"
            yield name, replaced(request, b"Expires=600", b"Expires=" + expires)
        for more in (b"&X-Amz-Date=20130524T000000Z", b"&X-Amz-Expires=600", b"&x-amz-signature=0"):
            yield f"twice {more!r}", structs.replace(request, target=request.target + more)
        yield "other service", url(keys=attrs.evolve(KEYS, service="sts"))
        yield "other day", replaced(request, time.strftime("%Y%m%d%%2F").encode(), b"20130524%2F")
        yield "other algorithm", replaced(request, b"HMAC-SHA256", b"HMAC-SHA1")

    def test_changed(self) -> None:
        """Whatever else is asked for under the same signature is forbidden, and what does not
        say clearly what was signed is refused; nothing changes."""
        before = self.contents()
        changed = self.statuses(self.changed())
        self.assertEqual({status for status, _ in changed.values()}, {403}, changed)
        malformed = self.statuses(self.malformed())
        expected = {(400, "AuthorizationQueryParametersError")}
        self.assertEqual(set(malformed.values()), expected, malformed)
        self.assertEqual(self.contents(), before)


class HoistedTests(WireTestCase):
    """Headers that signers put into the query are heeded like headers."""

    def put(self, *fields: tuple[bytes, bytes], data: bytes = DATA) -> tuple[int, str]:
        request = url("PUT", f"/{BUCKET}/new".encode(), *fields, hoist=True)
        self.assertNotIn(fields[0][0], dict(request.headers))
        response = self.send(request, data).response
        return response.status, error_document(response)["Code"] if response.body else ""

    def refused(self, before: Contents, *fields: tuple[bytes, bytes]) -> str:
        status, code = self.put(*fields)
        self.assertEqual((status, self.contents()), (400, before))
        return code

    def test_checksum(self) -> None:
        """A checksum is verified, kept and shown; a wrong one refuses the upload."""
        before = self.contents()
        right = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big"))
        name = b"x-amz-checksum-crc32"
        self.assertEqual(self.refused(before, (name, b"AAAAAQ==")), "BadDigest")
        self.assertEqual(self.refused(before, (name, b"AAAA")), "InvalidRequest")
        both = ((name, right), (b"x-amz-checksum-sha1", right))
        self.assertEqual(self.refused(before, *both), "InvalidRequest")
        self.assertEqual(self.put((name, right))[0], 200)
        shown = self.s3.head_object(Bucket=BUCKET, Key="new", ChecksumMode="ENABLED")
        self.assertEqual(shown["ChecksumCRC32"], right.decode())

    def test_checksum_of_nothing(self) -> None:
        """What an SDK computes that signs a URL before there is a body says nothing of the
        body that comes (localstack/localstack#12169, ministackorg/ministack#1695)."""
        nothing = (b"x-amz-checksum-crc32", b"AAAAAA==")
        self.assertEqual(self.put(nothing, (b"x-amz-sdk-checksum-algorithm", b"CRC32"))[0], 200)
        shown = self.s3.head_object(Bucket=BUCKET, Key="new", ChecksumMode="ENABLED")
        self.assertIn("ChecksumCRC64NVME", shown)

    def test_streaming(self) -> None:
        """So is what they say of a body that comes in chunks."""
        request = sign_in_query(
            Head(
                "PUT",
                f"/{BUCKET}/new".encode(),
                (
                    HOST,
                    (b"x-amz-decoded-content-length", b"4"),
                    (b"x-amz-trailer", b"x-amz-checksum-crc32"),
                ),
            ),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            KEYS,
            hoist=True,
            expires=600,
        ).head
        put = HttpRequest("PUT", request.target, (HOST,), "")
        wrong = b"4\r\ndata\r\n0\r\n%b\r\n" % crc32_trailer(b"other").replace(b"\n", b"\r\n")
        right = b"4\r\ndata\r\n0\r\n%b\r\n" % crc32_trailer(DATA).replace(b"\n", b"\r\n")
        before = self.contents()
        self.assert_refused(self.send(put, wrong), 400, "BadDigest", before)
        self.assertEqual(self.send(put, right).response.status, 200)
        self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key="new")["Body"].read(), DATA)
