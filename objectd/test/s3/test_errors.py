"""Error documents, and the bridge from domain errors to them."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from objectd import errors
from objectd.auth.errors import AuthError
from objectd.client.errors import ClientError
from objectd.errors import ObjectdError
from objectd.process.children import ChildFailed
from objectd.protocol.errors import ERRORS
from objectd.protocol.messages import HttpRequest
from objectd.s3.errors import CODES, to_s3_error
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic, authentic_url, error_document
from objectd.testing.http import ClientResponse, exchange
from objectd.web.application import RefusalCode

OUR_OWN_FAULT = (
    errors.CommitInvalid,
    errors.Conflict,
    errors.CounterLimitReached,
    errors.DamagedBlob,
    errors.DamagedRecord,
    errors.Fenced,
    errors.StoreFailed,
    errors.TokenReused,
    errors.WrappedKeyDamaged,
)
"""What the client learns as an InternalError."""

BEFORE_ANY_REQUEST = (
    errors.ConfigurationInvalid,
    errors.ForeignDrive,
    errors.FormatUnsupported,
    ChildFailed,
)


class BridgeTests(SynchronousTestCase):
    def test_every_domain_error(self) -> None:
        """Each domain error has a code, or is our own fault on purpose."""
        without_code = {
            error
            for error in _below(ObjectdError)
            if error not in CODES and not issubclass(error, (AuthError, ClientError))
        }
        self.assertEqual(without_code, {*OUR_OWN_FAULT, *BEFORE_ANY_REQUEST})
        self.assertIsNone(to_s3_error(errors.StoreFailed("the disk is gone")))

    def test_codes_are_known(self) -> None:
        """Every code that a domain error or a signature's error leads to is in the table."""
        of_signatures = {error.code for error in _below(AuthError) if hasattr(error, "code")}
        self.assertLessEqual({*CODES.values(), *of_signatures}, ERRORS.keys())


def _below(base: type[ObjectdError]) -> Iterator[type[ObjectdError]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)


class DocumentTests(WireTestCase):
    """Whatever goes wrong, the answer is a document that names it."""

    def failing(self) -> Iterator[tuple[HttpRequest, str]]:
        """Requests that fail, each for another reason, and the code of the error."""
        missing = f"/{BUCKET}/missing"
        yield HttpRequest("GET", missing.encode(), ((b"host", b"s3"),), ""), "AccessDenied"
        yield authentic("GET", missing, secret_key="wrong"), "SignatureDoesNotMatch"
        yield authentic_url("GET", missing, secret_key="wrong"), "SignatureDoesNotMatch"
        yield authentic("GET", missing), "NoSuchKey"
        yield authentic("GET", "/nowhere/key"), "NoSuchBucket"
        yield authentic("GET", f"/{BUCKET}/kept?versionId=1"), "InvalidArgument"
        yield authentic("GET", f"/{BUCKET}/kept?versionId={'f' * 40}"), "NoSuchVersion"
        yield authentic("GET", f"/{BUCKET}/kept", {"range": "bytes=99999-"}), "InvalidRange"
        yield authentic("GET", f"/{BUCKET}/kept", {"if-match": '"x"'}), "PreconditionFailed"
        yield authentic("GET", f"/{BUCKET}?metadataTable"), "NotImplemented"
        yield authentic("GET", f"/{BUCKET}?acl&cors"), "InvalidArgument"
        yield authentic("POST", f"/{BUCKET}"), "NotImplemented"
        yield authentic("PUT", "/B_A_D"), "InvalidBucketName"
        yield authentic("PUT", f"/{BUCKET}"), "BucketAlreadyOwnedByYou"
        yield authentic("DELETE", f"/{BUCKET}"), "BucketNotEmpty"
        yield authentic("DELETE", f"/{BUCKET}/kept?uploadId=none"), "NoSuchUpload"
        yield authentic("PUT", f"/{BUCKET}/{'k' * 1025}"), "KeyTooLongError"

    def assert_document(self, response: ClientResponse, code: str, resource: str) -> None:
        document = error_document(response)
        self.assertEqual((document["Code"], document["Resource"]), (code, resource))
        self.assertEqual(response.status, ERRORS[code].status)
        self.assertTrue(document["Message"], code)
        for element, header in (("RequestId", b"x-amz-request-id"), ("HostId", b"x-amz-id-2")):
            self.assertTrue(document[element], code)
            self.assertEqual(document[element].encode(), response.header(header), code)
        self.assertEqual(response.header(b"content-type"), b"application/xml")

    def test_elements(self) -> None:
        """A document has the code, a message, the resource, and the ids of the headers."""
        for request, code in self.failing():
            response = self.send(request).response
            self.assert_document(response, code, request.raw_path.decode())

    def test_head(self) -> None:
        """The answer to a HEAD that fails has its status and no body."""
        for target, status in (("missing", 404), ("kept?versionId=1", 400), ("kept?acl", 405)):
            response = self.send(authentic("HEAD", f"/{BUCKET}/{target}")).response
            self.assertEqual((response.status, response.body), (status, b""), target)
            self.assertEqual(response.header(b"content-length"), b"0")
            self.assertTrue(response.header(b"x-amz-request-id"))
        denied = self.send(authentic("HEAD", f"/{BUCKET}/kept", secret_key="wrong")).response
        self.assertEqual((denied.status, denied.body), (403, b""))

    def test_not_http(self) -> None:
        """What never becomes a request gets a document, too."""
        for data, status, code in (
            (b"nonsense\r\n\r\n", 400, "InvalidRequest"),
            (b"GET / HTTP/1.1\r\n\r\n", 400, "InvalidRequest"),
            (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "InvalidURI"),
            (
                b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
                431,
                "RequestHeaderSectionTooLarge",
            ),
        ):
            [response] = exchange(self.server.site, data)
            document = error_document(response)
            self.assertEqual((response.status, document["Code"]), (status, code))
            self.assertTrue(document["RequestId"] and document["HostId"])

    def test_refusals_of_the_web_layer(self) -> None:
        """For each of its reasons to refuse a request there is a document."""
        for code in RefusalCode:
            response = self.server.application.refuse("id", code, "why")
            assert isinstance(response.body, bytes)
            self.assertIn(b"<Message>why</Message>", response.body)
