"""Routing, against a table written by hand from the S3 API reference."""

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import S3Error
from objectd.protocol.messages import HttpRequest
from objectd.protocol.model import Scope, load_s3_model
from objectd.protocol.routes import Router
from objectd.protocol.targets import parse_target
from objectd.testing.requests import (
    UNKNOWN_PARAMETER,
    RequestLine,
    canonical_request,
    every_request,
)

MODEL = load_s3_model()

SERVICE = {"": {"GET": "ListBuckets"}}
BUCKET = {
    "": {
        "GET": "ListObjects",
        "HEAD": "HeadBucket",
        "PUT": "CreateBucket",
        "DELETE": "DeleteBucket",
    },
    "abac": {"GET": "GetBucketAbac", "PUT": "PutBucketAbac"},
    "accelerate": {
        "GET": "GetBucketAccelerateConfiguration",
        "PUT": "PutBucketAccelerateConfiguration",
    },
    "acl": {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
    "analytics": {
        "GET": "ListBucketAnalyticsConfigurations",
        "PUT": "PutBucketAnalyticsConfiguration",
        "DELETE": "DeleteBucketAnalyticsConfiguration",
    },
    "cors": {"GET": "GetBucketCors", "PUT": "PutBucketCors", "DELETE": "DeleteBucketCors"},
    "delete": {"POST": "DeleteObjects"},
    "encryption": {
        "GET": "GetBucketEncryption",
        "PUT": "PutBucketEncryption",
        "DELETE": "DeleteBucketEncryption",
    },
    "intelligent-tiering": {
        "GET": "ListBucketIntelligentTieringConfigurations",
        "PUT": "PutBucketIntelligentTieringConfiguration",
        "DELETE": "DeleteBucketIntelligentTieringConfiguration",
    },
    "inventory": {
        "GET": "ListBucketInventoryConfigurations",
        "PUT": "PutBucketInventoryConfiguration",
        "DELETE": "DeleteBucketInventoryConfiguration",
    },
    "lifecycle": {
        "GET": "GetBucketLifecycleConfiguration",
        "PUT": "PutBucketLifecycleConfiguration",
        "DELETE": "DeleteBucketLifecycle",
    },
    "list-type=2": {"GET": "ListObjectsV2"},
    "location": {"GET": "GetBucketLocation"},
    "logging": {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
    "metadataAnnotationTable": {"PUT": "UpdateBucketMetadataAnnotationTableConfiguration"},
    "metadataConfiguration": {
        "GET": "GetBucketMetadataConfiguration",
        "POST": "CreateBucketMetadataConfiguration",
        "DELETE": "DeleteBucketMetadataConfiguration",
    },
    "metadataInventoryTable": {"PUT": "UpdateBucketMetadataInventoryTableConfiguration"},
    "metadataJournalTable": {"PUT": "UpdateBucketMetadataJournalTableConfiguration"},
    "metadataTable": {
        "GET": "GetBucketMetadataTableConfiguration",
        "POST": "CreateBucketMetadataTableConfiguration",
        "DELETE": "DeleteBucketMetadataTableConfiguration",
    },
    "metrics": {
        "GET": "ListBucketMetricsConfigurations",
        "PUT": "PutBucketMetricsConfiguration",
        "DELETE": "DeleteBucketMetricsConfiguration",
    },
    "notification": {
        "GET": "GetBucketNotificationConfiguration",
        "PUT": "PutBucketNotificationConfiguration",
    },
    "object-lock": {"GET": "GetObjectLockConfiguration", "PUT": "PutObjectLockConfiguration"},
    "ownershipControls": {
        "GET": "GetBucketOwnershipControls",
        "PUT": "PutBucketOwnershipControls",
        "DELETE": "DeleteBucketOwnershipControls",
    },
    "policy": {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"},
    "policyStatus": {"GET": "GetBucketPolicyStatus"},
    "publicAccessBlock": {
        "GET": "GetPublicAccessBlock",
        "PUT": "PutPublicAccessBlock",
        "DELETE": "DeletePublicAccessBlock",
    },
    "replication": {
        "GET": "GetBucketReplication",
        "PUT": "PutBucketReplication",
        "DELETE": "DeleteBucketReplication",
    },
    "requestPayment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "session": {"GET": "CreateSession"},
    "tagging": {
        "GET": "GetBucketTagging",
        "PUT": "PutBucketTagging",
        "DELETE": "DeleteBucketTagging",
    },
    "uploads": {"GET": "ListMultipartUploads"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "versions": {"GET": "ListObjectVersions"},
    "website": {
        "GET": "GetBucketWebsite",
        "PUT": "PutBucketWebsite",
        "DELETE": "DeleteBucketWebsite",
    },
}
OBJECT = {
    "": {
        "GET": "GetObject",
        "HEAD": "HeadObject",
        "PUT": "PutObject",
        "DELETE": "DeleteObject",
    },
    "acl": {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
    "annotation": {
        "GET": "ListObjectAnnotations",
        "PUT": "PutObjectAnnotation",
        "DELETE": "DeleteObjectAnnotation",
    },
    "attributes": {"GET": "GetObjectAttributes"},
    "encryption": {"PUT": "UpdateObjectEncryption"},
    "legal-hold": {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
    "partNumber=1": {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "UploadPart"},
    "partNumber=1&uploadId=1": {"PUT": "UploadPart"},
    "renameObject": {"PUT": "RenameObject"},
    "restore": {"POST": "RestoreObject"},
    "retention": {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
    "select&select-type=2": {"POST": "SelectObjectContent"},
    "tagging": {
        "GET": "GetObjectTagging",
        "PUT": "PutObjectTagging",
        "DELETE": "DeleteObjectTagging",
    },
    "torrent": {"GET": "GetObjectTorrent"},
    "uploadId=1": {
        "GET": "ListParts",
        "PUT": "UploadPart",
        "POST": "CompleteMultipartUpload",
        "DELETE": "AbortMultipartUpload",
    },
    "uploads": {"POST": "CreateMultipartUpload"},
}
TABLE = {Scope.SERVICE: SERVICE, Scope.BUCKET: BUCKET, Scope.OBJECT: OBJECT}

# Reading ignores these beside anything else: AWS does, and no harm comes of it.
HARMLESS_TO_READ = (UNKNOWN_PARAMETER, "select-type=2")


def expected(line: RequestLine) -> str | None:
    """The operation that a request means; None if it must be refused."""
    query = line.query
    if line.method in ("GET", "HEAD"):
        query = "&".join(p for p in query.split("&") if p not in HARMLESS_TO_READ)
    return TABLE[line.scope].get(query, {}).get(line.method)


class RouterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.router = Router(MODEL)

    def resolve(self, method: str, target: str, headers: Iterable[bytes] = ()) -> str:
        request = HttpRequest(method, target.encode(), (), "id")
        return self.router.resolve(method, parse_target(request, ()), set(headers))

    def refusal(self, method: str, target: str, headers: Iterable[bytes] = ()) -> tuple[int, str]:
        with self.assertRaises(S3Error) as caught:
            self.resolve(method, target, headers)
        return caught.exception.status, caught.exception.code

    def test_canonical_requests(self) -> None:
        """Each operation, or its successor, is what its own request resolves to."""
        for operation in MODEL.operations.values():
            request = canonical_request(operation)
            target = parse_target(request, ())
            if operation.name == "ListDirectoryBuckets":
                target = parse_target(
                    HttpRequest("GET", b"/?max-directory-buckets=5", (), "id"), ()
                )
            headers = [name for name, _ in request.headers]
            self.assertEqual(
                self.router.resolve(operation.method, target, headers),
                operation.alias_of or operation.name,
            )

    def test_every_request(self) -> None:
        """Every method, scope and pair of parameters is what the table says, or refused."""
        wrong = []
        for line in every_request(MODEL):
            try:
                found = self.resolve(line.method, line.target())
            except S3Error as error:
                self.assertIn(error.status, (400, 405, 501))
                found = None
            if found != expected(line):
                wrong.append((line, found, expected(line)))
        self.assertEqual(wrong, [])

    def test_table_is_whole(self) -> None:
        """The table names every operation that is not told apart by more than its query."""
        named = {
            name
            for rows in TABLE.values()
            for by_method in rows.values()
            for name in by_method.values()
        }
        told_apart = {
            "CopyObject",
            "GetBucketAnalyticsConfiguration",
            "GetBucketIntelligentTieringConfiguration",
            "GetBucketInventoryConfiguration",
            "GetBucketMetricsConfiguration",
            "GetObjectAnnotation",
            "ListDirectoryBuckets",
            "UploadPartCopy",
            "WriteGetObjectResponse",
        }
        aliases = {o.name for o in MODEL.operations.values() if o.alias_of}
        self.assertEqual(named | told_apart | aliases, set(MODEL.operations))

    def test_required_query(self) -> None:
        """An id tells one configuration from the list of all."""
        self.assertEqual(
            self.resolve("GET", "/b?inventory&id=1"), "GetBucketInventoryConfiguration"
        )
        self.assertEqual(
            self.resolve("GET", "/b/k?annotation&annotationName=n"), "GetObjectAnnotation"
        )

    def test_required_header(self) -> None:
        """The copy source tells a copy from an upload."""
        copy = [b"x-amz-copy-source"]
        self.assertEqual(self.resolve("PUT", "/b/k", copy), "CopyObject")
        self.assertEqual(
            self.resolve("PUT", "/b/k?partNumber=1&uploadId=u", copy), "UploadPartCopy"
        )

    def test_hoisted_header(self) -> None:
        """In a presigned URL the copy source is a query parameter, in any case."""
        self.assertEqual(self.resolve("PUT", "/b/k?x-amz-copy-source=a/b"), "CopyObject")
        self.assertEqual(self.resolve("PUT", "/b/k?X-Amz-Copy-Source=a/b"), "CopyObject")

    def test_presigned(self) -> None:
        """What signs a URL, and the SDK's remark of the operation, select nothing."""
        signed = "X-Amz-Algorithm=A&X-Amz-Signature=s&X-Amz-SignedHeaders=host&x-id=DeleteObject"
        self.assertEqual(self.resolve("PUT", f"/b/k?{signed}"), "PutObject")
        signed = "AWSAccessKeyId=A&Signature=s&Expires=1"
        self.assertEqual(self.resolve("DELETE", f"/b/k?{signed}"), "DeleteObject")

    def test_conflict(self) -> None:
        """Two discriminators are refused, naming both."""
        with self.assertRaises(S3Error) as caught:
            self.resolve("GET", "/b?acl&policy")
        self.assertEqual(
            caught.exception.message, "Conflicting query string parameters: acl, policy"
        )
        self.assertEqual(self.refusal("PUT", "/b/k?acl&uploadId=1"), (400, "InvalidArgument"))

    def test_twice(self) -> None:
        """A parameter that means something may not come twice."""
        self.assertEqual(
            self.refusal("GET", "/b?list-type=2&list-type=1"), (400, "InvalidArgument")
        )
        self.assertEqual(
            self.refusal("GET", "/b/k?versionId=1&versionId=2"), (400, "InvalidArgument")
        )

    def test_list_type(self) -> None:
        """There is no other type of list than the second."""
        self.assertEqual(self.refusal("GET", "/b?list-type=1"), (400, "InvalidArgument"))
        self.assertEqual(self.refusal("POST", "/b/k?select"), (400, "InvalidArgument"))

    def test_unknown_subresource(self) -> None:
        """A valueless parameter that nobody knows is not implemented when it could change
        something, and ignored when not."""
        for method, target in (("PUT", "/b/k"), ("DELETE", "/b"), ("DELETE", "/b/k")):
            for query in ("newthing", "newthing=", "ACL"):
                self.assertEqual(self.refusal(method, f"{target}?{query}"), (501, "NotImplemented"))
        self.assertEqual(self.resolve("GET", "/b/k?newthing"), "GetObject")
        self.assertEqual(self.resolve("PUT", "/b/k?tracking=7"), "PutObject")

    def test_parameter_of_another_operation(self) -> None:
        """A parameter that the operation does not take is refused when it could be meant."""
        for method, target in (("PUT", "/b/k?versionId=1"), ("DELETE", "/b?prefix=a")):
            self.assertEqual(self.refusal(method, target), (400, "InvalidArgument"))

    def test_other_scope(self) -> None:
        """A bucket's subresource is not implemented for an object, and the reverse."""
        self.assertEqual(self.refusal("PUT", "/b/k?cors"), (501, "NotImplemented"))
        self.assertEqual(self.refusal("DELETE", "/b?retention"), (501, "NotImplemented"))

    def test_method_not_allowed(self) -> None:
        """What exists but not with this method is 405."""
        for method, target in (
            ("HEAD", "/b/k?acl"),
            ("HEAD", "/b/k?cors"),
            ("HEAD", "/b/k?uploadId=1"),
            ("DELETE", "/b/k?acl"),
            ("PUT", "/"),
            ("HEAD", "/"),
            ("POST", "/b/k"),
            ("PATCH", "/b/k"),
        ):
            self.assertEqual(self.refusal(method, target), (405, "MethodNotAllowed"))

    def test_not_in_the_model(self) -> None:
        """Form uploads and preflights are S3 but not in its model: 501."""
        self.assertEqual(self.refusal("POST", "/b"), (501, "NotImplemented"))
        self.assertEqual(self.refusal("OPTIONS", "/b/k"), (501, "NotImplemented"))
