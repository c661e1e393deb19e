"""The signatures that the Amazon S3 API reference works out by hand."""

from __future__ import annotations

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.claim import read_claim
from objectd.auth.payload import PayloadCheck, read_payload
from objectd.auth.sigv4 import Verified, verify
from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import SECRET_KEY, ChunkSigner, request

_NOW_US = 1369353600 * 1_000_000
_EMPTY = sha256(b"").hexdigest()
_BUCKET = "examplebucket.s3.amazonaws.com"


def _signed(method: str, target: str, headers: dict[str, str], signature: str) -> HttpRequest:
    names = ";".join(sorted(name.lower() for name in headers))
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names},Signature={signature}"
    )
    return request(method, target, {"Authorization": authorization, **headers})


def _verify(signed: HttpRequest) -> Verified:
    return verify(signed, read_claim(signed), SECRET_KEY, now_us=_NOW_US, region="us-east-1")


class AuthorizationHeaderExamples(SynchronousTestCase):
    """sig-v4-header-based-auth.html"""

    def test_get_object(self) -> None:
        """GET Object with a Range is verified."""
        signed = _signed(
            "GET",
            "/test.txt",
            {
                "Host": _BUCKET,
                "Range": "bytes=0-9",
                "x-amz-content-sha256": _EMPTY,
                "x-amz-date": "20130524T000000Z",
            },
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        )
        self.assertEqual(_verify(signed).claim.access_key, "AKIAIOSFODNN7EXAMPLE")

    def test_put_object(self) -> None:
        """PUT Object is verified, its unescaped `$` and its Date header included."""
        payload = b"Welcome to Amazon S3."
        signed = _signed(
            "PUT",
            "/test$file.text",
            {
                "Host": _BUCKET,
                "Date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-content-sha256": sha256(payload).hexdigest(),
                "x-amz-date": "20130524T000000Z",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        )
        decoder = read_payload(signed, _verify(signed)).decoder()
        self.assertEqual(decoder.feed(payload), [payload])
        self.assertEqual(decoder.finish(), {})

    def test_get_bucket_lifecycle(self) -> None:
        """A query key without a value is verified."""
        signed = _signed(
            "GET",
            "/?lifecycle",
            {"Host": _BUCKET, "x-amz-content-sha256": _EMPTY, "x-amz-date": "20130524T000000Z"},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        )
        self.assertEqual(_verify(signed).claim.scope.region, "us-east-1")

    def test_list_objects(self) -> None:
        """Query parameters are verified."""
        signed = _signed(
            "GET",
            "/?max-keys=2&prefix=J",
            {"Host": _BUCKET, "x-amz-content-sha256": _EMPTY, "x-amz-date": "20130524T000000Z"},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        )
        self.assertEqual(_verify(signed).claim.scope.region, "us-east-1")


class QueryExample(SynchronousTestCase):
    """sigv4-query-string-auth.html"""

    def test_presigned_get_object(self) -> None:
        """A presigned URL is verified."""
        signed = request(
            "GET",
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            {"Host": _BUCKET},
        )
        self.assertEqual(_verify(signed).claim.expires_seconds, 86400)


class ChunkedExamples(SynchronousTestCase):
    """sigv4-streaming.html and sigv4-streaming-trailers.html"""

    def _check(self, seed: str, payload: str, extra: dict[str, str]) -> PayloadCheck:
        headers = {
            "Host": "s3.amazonaws.com",
            "x-amz-date": "20130524T000000Z",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": payload,
            "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            **extra,
        }
        signed = _signed("PUT", "/examplebucket/chunkObject.txt", headers, seed)
        self.signer = ChunkSigner.following(_verify(signed))
        return read_payload(signed, _verify(signed))

    def test_chunks(self) -> None:
        """65 KiB in two signed chunks and an empty one are decoded."""
        check = self._check(
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            {"Content-Length": "66824"},
        )
        body = (
            b"10000;chunk-signature="
            b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
            + b"a"
            * 65536
            + b"\r\n400;chunk-signature="
            b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
            + b"a"
            * 1024
            + b"\r\n0;chunk-signature="
            b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
        )
        decoder = check.decoder()
        self.assertEqual(decoder.feed(body), [b"a" * 65536, b"a" * 1024])
        self.assertEqual(decoder.finish(), {})
        self.assertEqual(self.signer.body([b"a" * 65536, b"a" * 1024]), body)

    def test_trailers(self) -> None:
        """The same with a signed trailer is decoded."""
        check = self._check(
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            {"x-amz-trailer": "x-amz-checksum-crc32c"},
        )
        body = (
            b"10000;chunk-signature="
            b"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
            + b"a"
            * 65536
            + b"\r\n400;chunk-signature="
            b"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
            + b"a"
            * 1024
            + b"\r\n0;chunk-signature="
            b"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
            b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
            b"x-amz-trailer-signature:"
            b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
        )
        decoder = check.decoder()
        self.assertEqual(decoder.feed(body), [b"a" * 65536, b"a" * 1024])
        self.assertEqual(decoder.finish(), {"x-amz-checksum-crc32c": "sOO8/Q=="})
        self.assertEqual(
            self.signer.body([b"a" * 65536, b"a" * 1024], b"x-amz-checksum-crc32c:sOO8/Q==\n"),
            body,
        )
