"""Results become responses that boto3 reads back."""

from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_plus

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import compiled
from objectd.test.protocol.boto import parsed
from objectd.test.protocol.values import Values, to_boto

MODEL = load_s3_model()
SEEDS = range(20)
GOLDEN = Path(__file__).parent / "golden"
MODIFIED = 1_700_000_000_123_456
OBJECT = {
    "Key": "a&b <c>",
    "LastModified": MODIFIED,
    "ETag": '"d41d8cd98f00b204e9800998ecf8427e"',
    "Size": 0,
    "StorageClass": "STANDARD",
}
OWNER = {"ID": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"}
LISTING = {
    "Name": "bucket",
    "Prefix": "",
    "MaxKeys": 1000,
    "Delimiter": "/",
    "IsTruncated": False,
    "Contents": [OBJECT],
    "CommonPrefixes": [{"Prefix": "photos/"}],
}
RESULTS: dict[str, dict[str, object]] = {
    "ListBuckets": {
        "Owner": OWNER,
        "Buckets": [{"Name": "bucket", "CreationDate": MODIFIED}],
    },
    "ListObjects": {**LISTING, "Marker": "", "NextMarker": "photos/"},
    "ListObjectsV2": {**LISTING, "KeyCount": 2, "NextContinuationToken": "1ueGcxLPRx1Tr"},
    "GetBucketLocation": {"LocationConstraint": "eu-west-1"},
    "GetBucketVersioning": {},
    "GetBucketAcl": {
        "Owner": OWNER,
        "Grants": [{"Grantee": {"Type": "CanonicalUser", **OWNER}, "Permission": "FULL_CONTROL"}],
    },
    "DeleteObjects": {
        "Deleted": [{"Key": "a"}],
        "Errors": [{"Key": "b", "Code": "AccessDenied", "Message": "Access Denied"}],
    },
    "CopyObject": {"CopyObjectResult": {"ETag": '"e"', "LastModified": MODIFIED}},
    "CreateMultipartUpload": {"Bucket": "bucket", "Key": "key", "UploadId": "VXBsb2Fk"},
    "CompleteMultipartUpload": {
        "Location": "http://localhost:9000/bucket/key",
        "Bucket": "bucket",
        "Key": "key",
        "ETag": '"e-2"',
    },
    "ListParts": {
        "Bucket": "bucket",
        "Key": "key",
        "UploadId": "VXBsb2Fk",
        "PartNumberMarker": 0,
        "MaxParts": 1000,
        "IsTruncated": False,
        "Parts": [{"PartNumber": 1, "LastModified": MODIFIED, "ETag": '"e"', "Size": 5}],
    },
    "ListMultipartUploads": {
        "Bucket": "bucket",
        "KeyMarker": "",
        "UploadIdMarker": "",
        "MaxUploads": 1000,
        "IsTruncated": False,
        "Uploads": [{"Key": "key", "UploadId": "VXBsb2Fk", "Initiated": MODIFIED}],
    },
    "GetBucketTagging": {"TagSet": [{"Key": "k", "Value": "v"}]},
}


class RoundTripTests(SynchronousTestCase):
    def test_botocore_round_trip(self) -> None:
        """What we render botocore parses back to equal values, for every operation whose body
        is not its own kind of thing (a bare element, a stream of events)."""
        for name, operation in MODEL.operations.items():
            shape = operation.output
            if shape is None or operation.alias_of:
                continue
            if name in ("GetBucketLocation", "SelectObjectContent"):
                continue
            compiled_operation = compiled(MODEL, name)
            skipped = {"EncodingType"}
            if compiled_operation.streaming_output:
                skipped.add(cast(str, shape.payload))
            for seed in SEEDS:
                result = Values(seed).structure(shape, *skipped)
                found = parsed(name, compiled_operation.render(result))
                found = {k: v for k, v in found.items() if k not in skipped}
                expected = cast(dict[str, Any], to_boto(result, shape))
                if "Metadata" in shape.members:
                    expected.setdefault("Metadata", {})  # botocore always shows it
                self.assertEqual(found, expected, f"{name}, seed {seed}")

    @settings(deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_any_key_url_encoded(self, key: str) -> None:
        """Any key whatever survives a listing with encoding-type=url."""
        result = {"EncodingType": "url", "Prefix": key, "Contents": [{"Key": key}]}
        found = parsed("ListObjectsV2", compiled(MODEL, "ListObjectsV2").render(result))
        self.assertEqual(unquote_plus(found["Prefix"]), key)
        self.assertEqual(unquote_plus(found["Contents"][0]["Key"]), key)


class GoldenTests(SynchronousTestCase):
    def test_golden_documents(self) -> None:
        """The main documents are, byte for byte, those that were reviewed."""
        for name, result in RESULTS.items():
            body = compiled(MODEL, name).render(result).body
            self.assertEqual(body, (GOLDEN / f"{name}.xml").read_bytes(), name)


class RenderTests(SynchronousTestCase):
    def body(self, operation: str, result: dict[str, object]) -> str:
        return compiled(MODEL, operation).render(result).body.decode()

    def test_status(self) -> None:
        """The model's status of success, unless the caller has another."""
        self.assertEqual(compiled(MODEL, "DeleteObject").render({}).status, 204)
        self.assertEqual(compiled(MODEL, "GetObject").render({}, status=206).status, 206)

    def test_headers(self) -> None:
        """Members of the head are headers, in the result's order; None leaves one out."""
        rendered = compiled(MODEL, "HeadObject").render(
            {
                "ETag": '"e"',
                "LastModified": MODIFIED,
                "ContentLength": 5,
                "VersionId": None,
                "DeleteMarker": False,
                "ObjectLockRetainUntilDate": MODIFIED,
                "Metadata": {"a": "b", "c": "ä"},
            }
        )
        self.assertEqual(
            rendered.headers,
            (
                (b"ETag", b'"e"'),
                (b"Last-Modified", b"Tue, 14 Nov 2023 22:13:20 GMT"),
                (b"Content-Length", b"5"),
                (b"x-amz-delete-marker", b"false"),
                (b"x-amz-object-lock-retain-until-date", b"2023-11-14T22:13:20.123Z"),
                (b"x-amz-meta-a", b"b"),
                (b"x-amz-meta-c", b"=?UTF-8?B?w6Q=?="),
            ),
        )
        self.assertEqual(rendered.body, b"")

    def test_header_injection(self) -> None:
        """What would end a header is never written as one."""
        for value in ("a\r\nb: c", "a\nb", "a\0"):
            with self.assertRaises(ValueError):
                compiled(MODEL, "GetObject").render({"ContentType": value})
            rendered = compiled(MODEL, "GetObject").render({"Metadata": {"a": value}})
            self.assertTrue(rendered.headers[0][1].startswith(b"=?UTF-8?B?"))

    def test_unknown_member(self) -> None:
        """A member that the operation does not have is the caller's mistake."""
        for operation, result in (
            ("HeadObject", {"Etag": "e"}),
            ("ListObjects", {"Contents": [{"key": "k"}]}),
            ("DeleteBucket", {"Bucket": "b"}),
        ):
            with self.assertRaises(TypeError):
                compiled(MODEL, operation).render(cast(dict[str, object], result))

    def test_xml_type(self) -> None:
        """A document says that it is XML; a policy is the JSON that it is."""
        headers = compiled(MODEL, "GetBucketVersioning").render({}).headers
        self.assertEqual(headers, ((b"Content-Type", b"application/xml"),))
        rendered = compiled(MODEL, "GetBucketPolicy").render({"Policy": "{}"})
        self.assertEqual(rendered.headers, ((b"Content-Type", b"application/json"),))
        self.assertEqual(rendered.body, b"{}")

    def test_default_region(self) -> None:
        """The oldest region has no name."""
        for result in ({}, {"LocationConstraint": None}, {"LocationConstraint": "us-east-1"}):
            body = self.body("GetBucketLocation", cast(dict[str, object], result))
            self.assertIn('2006-03-01/"></LocationConstraint>', body)

    def test_control_characters(self) -> None:
        """Characters that XML cannot carry become references, never other characters."""
        body = self.body("ListObjects", {"Prefix": "a\0\x1b\r\ud800\uffff\n"})
        self.assertIn("<Prefix>a&#x0;&#x1b;&#xd;&#xd800;&#xffff;\n</Prefix>", body)

    def test_url_encoding(self) -> None:
        """encoding-type=url encodes as in a form, but keeps slashes; tokens stay plain."""
        body = self.body(
            "ListObjectsV2",
            {
                "EncodingType": "url",
                "NextContinuationToken": "a b",
                "Contents": [{"Key": "a b+c/ä%"}],
                "CommonPrefixes": [{"Prefix": "run books/"}],
            },
        )
        self.assertIn("<Key>a+b%2Bc/%C3%A4%25</Key>", body)
        self.assertIn("<Prefix>run+books/</Prefix>", body)
        self.assertIn("<NextContinuationToken>a b</NextContinuationToken>", body)
