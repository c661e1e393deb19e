"""Headers without which a request would be another one are obeyed or refused, never ignored."""

from __future__ import annotations

from msgspec import structs

from objectd.protocol.messages import HttpRequest, Response
from objectd.protocol.model import OperationModel, load_s3_model
from objectd.s3.operations import EXPECTED_OWNER, OPERATIONS
from objectd.test.s3.test_refusals import EmptyBody, signed_request
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic
from objectd.testing.requests import canonical_request
from objectd.testing.s3 import result_of

BINDING = {
    "if-match": '"x"',
    "if-modified-since": "Sat, 21 Nov 2026 12:00:00 GMT",
    "if-none-match": "*",
    "if-range": '"x"',
    "if-unmodified-since": "Sat, 21 Nov 2026 12:00:00 GMT",
    "x-amz-copy-source": "nowhere/kept",
    "x-amz-copy-source-if-match": '"x"',
    "x-amz-copy-source-range": "bytes=0-1",
    "x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-expected-bucket-owner": "000000000001",
    "x-amz-if-match-anything": "1",
    "x-amz-if-match-last-modified-time": "Sat, 21 Nov 2026 12:00:00 GMT",
    "x-amz-if-match-size": "1",
    "x-amz-object-if-match": '"x"',
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-rename-source": "kept",
    "x-amz-rename-source-if-match": '"x"',
    "x-amz-server-side-encryption": "AES256",
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-source-expected-bucket-owner": "000000000001",
    "x-amz-write-offset-bytes": "0",
}


def headers_of(operation: OperationModel) -> set[str]:
    members = operation.input.members.values() if operation.input else ()
    return {member.wire_name.lower() for member in members if member.location == "header"}


class BindingHeaderTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.model = load_s3_model()

    def answer(self, request: HttpRequest) -> Response:
        response = result_of(self.server.application.respond(signed_request(request), EmptyBody()))
        response.close()
        return response

    def test_every_operation(self) -> None:
        """No operation goes without a header that it does not take, in the head or in the
        query; what selects another operation is at least refused by that one."""
        model = self.model
        selecting = {name for o in model.operations.values() for name in o.required_headers}
        before = self.contents()
        for name in OPERATIONS:
            canonical = canonical_request(model.operations[name])
            mark = b"&" if b"?" in canonical.target else b"?"
            for header in BINDING.keys() - headers_of(model.operations[name]):
                field = header.encode(), BINDING[header].encode()
                in_head = structs.replace(canonical, headers=(*canonical.headers, field))
                in_query = structs.replace(canonical, target=canonical.target + mark + field[0])
                for request in (in_head, in_query):
                    response = self.answer(request)
                    if header in selecting:
                        self.assertGreaterEqual(response.status, 400, (name, header))
                    else:
                        self.assertEqual(response.status, 501, (name, header))
                        if request.method != "HEAD":
                            self.assertIn(header.encode(), response.body)
        self.assertEqual(self.contents(), before)

    def test_foreign_owner(self) -> None:
        """Every operation that takes it is 403 where another owner is expected, before any
        other check of what it asks for, and does nothing."""
        before = self.contents()
        for name, row in OPERATIONS.items():
            if EXPECTED_OWNER in row.supported:
                canonical = canonical_request(self.model.operations[name])
                field = b"x-amz-expected-bucket-owner", b"123456789012"
                request = structs.replace(canonical, headers=(*canonical.headers, field))
                self.assertEqual(self.answer(request).status, 403, name)
        self.assertEqual(self.contents(), before)

    def test_rename_without_its_parameter(self) -> None:
        """A PUT with the source of a rename but without ?renameObject puts no empty object."""
        before = self.contents()
        request = authentic("PUT", f"/{BUCKET}/new", {"x-amz-rename-source": "kept"})
        self.assert_refused(self.send(request), 501, "NotImplemented", before)

    def test_range_of_a_whole_copy(self) -> None:
        """CopyObject has no range: it is not asked for some bytes and copies all."""
        before = self.contents()
        source = {"x-amz-copy-source": f"{BUCKET}/kept", "x-amz-copy-source-range": "bytes=0-1"}
        request = authentic("PUT", f"/{BUCKET}/new", source)
        self.assert_refused(self.send(request), 501, "NotImplemented", before)
