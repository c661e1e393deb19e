"""What is not built is refused by name and changes nothing."""

from __future__ import annotations

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import Entry, Scan
from objectd.protocol.messages import HttpRequest, Response
from objectd.protocol.model import load_s3_model
from objectd.s3.operations import OPERATIONS
from objectd.streams import BytesStream
from objectd.testing.requests import RequestLine, canonical_request, every_request
from objectd.testing.s3 import ACCESS_KEY, HOST, SECRET_KEY, MemoryServer, result_of

SAFE = {"GET", "HEAD", "OPTIONS"}


class EmptyBody(BytesStream):
    """The body of a request without one."""

    length = 0

    def __init__(self) -> None:
        super().__init__(b"")

    def whole(self) -> bytes:
        return b""


class EveryRequestTests(SynchronousTestCase):
    """Every method × scope × query discriminator of the model, each pair, and an unknown one."""

    def setUp(self) -> None:
        self.server = MemoryServer()
        s3 = self.server.client()
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="some/key", Body=b"x" * 20000)
        self.model = load_s3_model()

    def rows(self) -> list[Entry]:
        """The whole metadata store but what `now` alone changes."""
        page = result_of(self.server.store.core.metadata.scan(Scan(b" ", b"\xff", limit=10_000)))
        return page.entries

    def answer(self, line: RequestLine) -> Response:
        """The answer of the application to an authentic request without a body."""
        request = HttpRequest(line.method, line.target().encode(), (), request_id="1")
        response = result_of(self.server.application.respond(signed_request(request), EmptyBody()))
        response.close()
        return response

    def test_nothing_changes_by_mistake(self) -> None:
        """Only a request that is exactly an operation we have built changes the store; all
        others are answered, and leave every row as it was."""
        built = {
            (canonical.method, canonical.target.decode())
            for name in OPERATIONS
            for canonical in [canonical_request(self.model.operations[name])]
        }
        before = self.rows()
        for line in every_request(self.model):
            meant = (line.method, line.target()) in built
            if meant and line.method not in SAFE:
                continue
            response = self.answer(line)
            self.assertLess(response.status, 600)
            if line.method == "HEAD":
                self.assertEqual(response.body if response.status >= 400 else b"", b"")
            self.assertEqual(self.rows(), before, line)

    def test_operations_not_built(self) -> None:
        """Every operation of the model without a handler is a 501 that names it."""
        for name, operation in self.model.operations.items():
            if (operation.alias_of or name) in OPERATIONS or name == "ListDirectoryBuckets":
                continue  # the latter is ListBuckets on another host, which we are not
            canonical = canonical_request(operation)
            signed = signed_request(canonical)
            response = result_of(self.server.application.respond(signed, EmptyBody()))
            self.assertEqual(response.status, 501, name)
            if canonical.method != "HEAD":
                self.assertIn((operation.alias_of or name).encode(), response.body, name)


def signed_request(request: HttpRequest) -> HttpRequest:
    """The request with the signature of the server's one key in its query."""
    url = f"http://{HOST}{request.target.decode()}"
    headers = {name.decode(): value.decode() for name, value in request.headers}
    signed = AWSRequest(request.method, url, headers=headers)
    S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(signed)
    target = signed.prepare().url.removeprefix(f"http://{HOST}")
    return structs.replace(
        request,
        target=target.encode(),
        headers=((b"host", HOST.encode()), *request.headers),
    )
