"""Requests become the arguments that boto3 was given."""

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import S3Error
from objectd.protocol.messages import Headers, HttpRequest
from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import compiled
from objectd.protocol.scalars import http_date
from objectd.protocol.targets import parse_target
from objectd.test.protocol.boto import serialized
from objectd.test.protocol.values import Values, to_boto

MODEL = load_s3_model()
SEEDS = range(20)


class RoundTripTests(SynchronousTestCase):
    def test_botocore_round_trip(self) -> None:
        """What botocore's serializer writes is read back to equal values, for every operation."""
        for name, operation in MODEL.operations.items():
            shape = operation.input
            if shape is None or operation.literal_path or operation.alias_of:
                continue
            compiled_operation = compiled(MODEL, name)
            stream = {shape.payload} if compiled_operation.streaming_input else set()
            for seed in SEEDS:
                arguments = Values(seed).structure(shape, *cast(set[str], stream))
                request, body = serialized(name, to_boto(arguments, shape))
                if "ResponseExpires" in arguments:
                    arguments["ResponseExpires"] = http_date(
                        cast(int, arguments["ResponseExpires"])
                    )
                found = compiled_operation.parse(request, parse_target(request, ()), body)
                self.assertEqual(found, arguments, f"{name}, seed {seed}")


class ArgumentTests(SynchronousTestCase):
    def parse(
        self, operation: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> dict[str, object]:
        compiled_operation = compiled(MODEL, operation)
        request = HttpRequest(compiled_operation.model.method, target.encode(), headers, "id")
        return compiled_operation.parse(request, parse_target(request, ()), body)

    def refusal(
        self, operation: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> S3Error:
        with self.assertRaises(S3Error) as caught:
            self.parse(operation, target, headers, body)
        error: S3Error = caught.exception
        return error

    def test_only_what_is_carried(self) -> None:
        """The arguments are those that the request carries; what S3 does not know is ignored."""
        headers = ((b"range", b"bytes=0-1"), (b"user-agent", b"x"), (b"x-amz-date", b"now"))
        self.assertEqual(
            self.parse("GetObject", "/b/k?x-id=GetObject&other=1", headers),
            {"Bucket": "b", "Key": "k", "Range": "bytes=0-1"},
        )

    def test_metadata(self) -> None:
        """Metadata keeps lower-case keys; a header that comes twice is joined."""
        headers = ((b"x-amz-meta-a", b"1"), (b"x-amz-meta-b", b"x"), (b"x-amz-meta-a", b"2"))
        self.assertEqual(
            self.parse("PutObject", "/b/k", headers)["Metadata"], {"a": "1,2", "b": "x"}
        )

    def test_metadata_beyond_ascii(self) -> None:
        """Metadata may be an encoded word, UTF-8 or Latin-1."""
        for raw in (b"=?UTF-8?B?w6Q=?=", b"=?utf-8?q?=C3=A4?=", b"\xc3\xa4", b"\xe4"):
            arguments = self.parse("PutObject", "/b/k", ((b"x-amz-meta-a", raw),))
            self.assertEqual(arguments["Metadata"], {"a": "ä"})

    def test_hoisted_headers(self) -> None:
        """In a presigned URL headers of S3 are query parameters."""
        self.assertEqual(
            self.parse("PutObject", "/b/k?x-amz-acl=private&X-Amz-Meta-Who=me&X-Amz-Expires=5"),
            {"Bucket": "b", "Key": "k", "ACL": "private", "Metadata": {"who": "me"}},
        )

    def test_hoisted_and_header(self) -> None:
        """The same value in the query and in a header is fine, another one is refused."""
        target, name = "/b/k?x-amz-acl=private", b"x-amz-acl"
        self.assertEqual(self.parse("PutObject", target, ((name, b"private"),))["ACL"], "private")
        error = self.refusal("PutObject", target, ((name, b"public-read"),))
        self.assertEqual(error.code, "InvalidArgument")

    def test_repeated_headers(self) -> None:
        """Standard lists are joined, a header of S3 that has one value may not come twice."""
        headers = ((b"cache-control", b"a"), (b"cache-control", b"b"))
        self.assertEqual(self.parse("PutObject", "/b/k", headers)["CacheControl"], "a,b")
        headers = ((b"x-amz-copy-source", b"a/b"), (b"x-amz-copy-source", b"c/d"))
        self.assertEqual(self.refusal("CopyObject", "/b/k", headers).code, "InvalidArgument")

    def test_numbers(self) -> None:
        """A number that is none, or not in range, is an InvalidArgument that names it."""
        for value in ("x", "", "-1", "1.5", "2147483648", "1_0", "٣"):
            error = self.refusal("ListObjectsV2", f"/b?list-type=2&max-keys={value}")
            self.assertEqual(error.code, "InvalidArgument")
            self.assertEqual(error.extra["ArgumentName"], "max-keys")
        found = self.parse("ListObjectsV2", "/b?list-type=2&max-keys=2147483647")
        self.assertEqual(found["MaxKeys"], 2147483647)

    def test_valueless(self) -> None:
        """A text parameter without a value is empty text."""
        found = self.parse("ListObjectsV2", "/b?list-type=2&prefix&delimiter=")
        self.assertEqual(found, {"Bucket": "b", "Prefix": "", "Delimiter": ""})

    def test_empty_version(self) -> None:
        """An empty version id must not come to mean the current version."""
        for query in ("versionId", "versionId="):
            error = self.refusal("DeleteObject", f"/b/k?{query}")
            self.assertEqual(error.code, "InvalidArgument")

    def test_encoding_type(self) -> None:
        """There is no other encoding of listings than url."""
        error = self.refusal("ListObjects", "/b?encoding-type=base64")
        self.assertEqual(error.extra["ArgumentName"], "encoding-type")

    def test_response_headers(self) -> None:
        """What is to become a response header cannot end it."""
        for operation, name in (
            ("GetObject", "response-content-type"),
            ("GetObject", "response-expires"),
            ("PutObject", "x-amz-website-redirect-location"),
            ("PutObject", "x-amz-meta-a"),
        ):
            error = self.refusal(operation, f"/b/k?{name}=a%0d%0aSet-Cookie:b")
            self.assertEqual(error.extra["ArgumentName"], name)

    def test_hoisted_names(self) -> None:
        """A query parameter that stands for a header has a name that a header can have."""
        for name in ("x-amz-meta-a%0d%0aSet-Cookie:b", "x-amz-meta-a%00", "x-amz-meta-%C3%A9"):
            error = self.refusal("PutObject", f"/b/k?{name}=1")
            self.assertEqual(error.code, "InvalidArgument")
        found = self.parse("PutObject", "/b/k?X-Amz-Meta-A_b=1")
        self.assertEqual(found["Metadata"], {"a_b": "1"})

    def test_invalid_condition(self) -> None:
        """A condition with a date that is none is ignored."""
        found = self.parse("GetObject", "/b/k", ((b"if-modified-since", b"yesterday"),))
        self.assertNotIn("IfModifiedSince", found)

    def test_missing(self) -> None:
        """A required parameter that is missing is named."""
        error = self.refusal("UploadPart", "/b/k?partNumber=1")
        self.assertEqual(error.code, "InvalidRequest")
        self.assertIn("uploadId", error.message)

    def test_missing_body(self) -> None:
        """An empty body is refused where one is required and absent where it is not."""
        error = self.refusal("PutBucketTagging", "/b?tagging")
        self.assertEqual(error.code, "MissingRequestBodyError")
        self.assertEqual(self.parse("CreateBucket", "/b"), {"Bucket": "b"})

    def test_body_size(self) -> None:
        """A body may have its operation's greatest size and not a byte more."""
        policy = b"{" + b" " * (20 * 1024 - 2) + b"}"
        found = self.parse("PutBucketPolicy", "/b?policy", (), policy)
        self.assertEqual(found["Policy"], policy.decode())
        error = self.refusal("PutBucketPolicy", "/b?policy", (), policy + b" ")
        self.assertEqual(error.code, "MaxMessageLengthExceeded")

    def test_head_only(self) -> None:
        """What the headers say is known before the body is there."""
        operation = compiled(MODEL, "DeleteObjects")
        request = HttpRequest("POST", b"/b?delete", ((b"x-amz-mfa", b"x"),), "id")
        self.assertEqual(
            operation.parse_head(request, parse_target(request, ())),
            {"Bucket": "b", "MFA": "x"},
        )

    def test_streams(self) -> None:
        """Streaming payloads are no arguments."""
        operation = compiled(MODEL, "PutObject")
        self.assertTrue(operation.streaming_input)
        self.assertFalse(operation.has_payload)
        self.assertEqual(operation.body_bytes_max, 0)
        self.assertTrue(compiled(MODEL, "GetObject").streaming_output)
        self.assertTrue(compiled(MODEL, "DeleteObjects").payload_required)
        self.assertTrue(compiled(MODEL, "DeleteObjects").checksum_required)
