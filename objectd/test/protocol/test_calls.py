"""The client's side of the protocol, against the server's side of it, operation by operation."""

from __future__ import annotations

from itertools import product
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.calls import (
    CallRequest,
    Refusal,
    compiled_call,
    query_of,
    read_refusal,
)
from objectd.protocol.errors import S3Error, render_error
from objectd.protocol.messages import Headers, HttpRequest
from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import compiled
from objectd.protocol.results import is_stream
from objectd.protocol.scalars import http_date
from objectd.protocol.targets import parse_target
from objectd.test.protocol.values import Values

MODEL = load_s3_model()
NAMES = sorted(name for name, each in MODEL.operations.items() if not each.alias_of)
SEEDS = range(20)
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def on_the_wire(request: CallRequest) -> HttpRequest:
    """As the server gets it, in path style."""
    query = query_of(request.target)
    target = request.raw_path + (b"?" + query if query else b"")
    return HttpRequest(request.method, target, request.headers, "id")


class RoundTripTests(SynchronousTestCase):
    def test_requests(self) -> None:
        """The server reads from a request the arguments that it was made of, for every
        operation."""
        for name, seed in product(NAMES, SEEDS):
            self.send(name, seed)

    def test_results(self) -> None:
        """The client reads from a response the result that the server made it of, for every
        operation."""
        for name, seed in product(NAMES, SEEDS):
            self.answer(name, seed)

    @given(st.text(min_size=1))
    def test_keys(self, key: str) -> None:
        """Any key comes through, in path and query."""
        arguments = {"Bucket": "b", "Key": key, "UploadId": key + "x"}
        received = on_the_wire(compiled_call(MODEL, "ListParts").request(arguments))
        found = compiled(MODEL, "ListParts").parse(received, parse_target(received, ()))
        self.assertEqual(found, arguments)

    def send(self, name: str, seed: int) -> None:
        shape = MODEL.operations[name].input
        if shape is None or MODEL.operations[name].literal_path:
            return
        call = compiled_call(MODEL, name)
        arguments = Values(seed).structure(shape, call.streaming_input)
        if "ResponseExpires" in arguments:
            arguments["ResponseExpires"] = http_date(cast(int, arguments["ResponseExpires"]))
        request = call.request(arguments)
        received = on_the_wire(request)
        found = compiled(MODEL, name).parse(received, parse_target(received, ()), request.document)
        self.assertEqual(found, arguments, f"{name}, seed {seed}")

    def answer(self, name: str, seed: int) -> None:
        shape = MODEL.operations[name].output
        if shape is None or name == "GetBucketLocation":
            return
        result = Values(seed).structure(shape, *(shape.payload or "",) * is_stream(shape))
        if isinstance(metadata := result.get("Metadata"), dict):
            result["Metadata"] = {key.lower(): text for key, text in metadata.items()}
        rendered = compiled(MODEL, name).render(result)
        self.assertEqual(
            compiled_call(MODEL, name).result(received_headers(rendered.headers), rendered.body),
            result,
            f"{name}, seed {seed}",
        )

    def test_location(self) -> None:
        """The location of a bucket is the text of the document; none is us-east-1."""
        for region in ("us-east-1", "eu-west-1"):
            rendered = compiled(MODEL, "GetBucketLocation").render({"LocationConstraint": region})
            self.assertEqual(
                compiled_call(MODEL, "GetBucketLocation").result((), rendered.body),
                {"LocationConstraint": region},
            )


def received_headers(headers: Headers) -> Headers:
    return tuple((name.lower(), value) for name, value in headers)


class RequestTests(SynchronousTestCase):
    def test_unknown_and_missing(self) -> None:
        """An argument that the operation does not have, or lacks, is named."""
        call = compiled_call(MODEL, "GetObject")
        with self.assertRaisesRegex(TypeError, "GetObject has no argument Colour"):
            call.request({"Bucket": "b", "Key": "k", "Colour": "red"})
        with self.assertRaisesRegex(TypeError, "GetObject needs Key"):
            call.request({"Bucket": "b", "Key": None})

    def test_empty_key(self) -> None:
        """An empty key or bucket is refused: DELETE of '' would be DELETE of the bucket."""
        for arguments in ({"Bucket": "b", "Key": ""}, {"Bucket": "", "Key": "k"}):
            self.assertRaises(ValueError, compiled_call(MODEL, "DeleteObject").request, arguments)

    def test_odd_keys(self) -> None:
        """Dots, slashes and question marks are plain parts of a key."""
        for key in ("../up", "/", "a//b", ".", "a?b#c;d", "%2F", "+ +", "\x00\n"):
            request = compiled_call(MODEL, "HeadObject").request({"Bucket": "b", "Key": key})
            self.assertEqual(parse_target(on_the_wire(request), ()).key, key)

    def test_header_injection(self) -> None:
        """A value that would end its header is refused."""
        arguments = {"Bucket": "b", "Key": "k", "ContentType": "a\r\nx-amz-acl: public-read"}
        self.assertRaises(ValueError, compiled_call(MODEL, "PutObject").request, arguments)


class AnswerTests(SynchronousTestCase):
    def listing(self, body: bytes) -> object:
        return compiled_call(MODEL, "ListObjectsV2").result((), DECLARATION + body)

    def test_error_inside_success(self) -> None:
        """An error document is a refusal whatever the status, also after white space."""
        document = render_error(S3Error("SlowDown"), "/b/k", "R1", "H1")
        call = compiled_call(MODEL, "CopyObject")
        for body in (document, b"\n  \n" + document):
            refusal = call.result((), body)
            assert isinstance(refusal, Refusal)
            self.assertEqual((refusal.status, refusal.code), (200, "SlowDown"))

    def test_white_space_before_a_result(self) -> None:
        """White space that kept a connection alive is no part of the result."""
        rendered = compiled(MODEL, "CopyObject").render({"CopyObjectResult": {"ETag": '"e"'}})
        for body in (b" \n " + rendered.body, rendered.body):
            self.assertEqual(
                compiled_call(MODEL, "CopyObject").result((), body),
                {"CopyObjectResult": {"ETag": '"e"'}},
            )

    def test_unknown_elements(self) -> None:
        """What other servers add is skipped, with all that is in it, and so are empty values."""
        body = b"""<ListBucketResult><New><Size>x</Size>text</New><Name>b</Name><MaxKeys/>
            <Contents><Key>k</Key><Odd>1</Odd><Size>3</Size></Contents></ListBucketResult>"""
        self.assertEqual(self.listing(body), {"Name": "b", "Contents": [{"Key": "k", "Size": 3}]})

    def test_doctype(self) -> None:
        """A DOCTYPE is refused, in errors too."""
        doctype = b'<!DOCTYPE x [<!ENTITY e "boom">]>'
        self.assertRaises(ValueError, self.listing, doctype + b"<ListBucketResult/>")
        error = doctype + b"<Error><Code>&e;</Code></Error>"
        self.assertEqual(read_refusal(400, (), error).code, "400")

    def test_not_xml(self) -> None:
        """What is no listing is an error, never an empty listing."""
        for body in (b"<html><p>Login</html>", b"<ListBucketResult>", b"<a><Size>x"):
            self.assertRaises(ValueError, self.listing, body)

    def test_encoded_keys(self) -> None:
        """Keys of an encoded listing come decoded; what is not a key stays as it is."""
        result = {
            "EncodingType": "url",
            "Prefix": "a b/\x01",
            "ContinuationToken": "a+b",
            "Contents": [{"Key": "a+b c%\x02", "ETag": '"a+b"'}],
            "CommonPrefixes": [{"Prefix": "ü/"}],
        }
        rendered = compiled(MODEL, "ListObjectsV2").render(result)
        self.assertEqual(compiled_call(MODEL, "ListObjectsV2").result((), rendered.body), result)


class RefusalTests(SynchronousTestCase):
    def test_document(self) -> None:
        """Code, message, id and details come from the document."""
        error = S3Error("AuthorizationHeaderMalformed", extra={"Region": "eu-west-1"})
        refusal = read_refusal(400, (), render_error(error, "/b", "R1", "H1"))
        self.assertEqual(
            (refusal.code, refusal.message, refusal.request_id),
            (error.code, error.message, "R1"),
        )
        self.assertEqual(refusal.details["Region"], "eu-west-1")

    def test_no_document(self) -> None:
        """Without one the status is the code, as in boto3; id and region are in headers."""
        headers = ((b"x-amz-request-id", b"R2"), (b"x-amz-bucket-region", b"eu-west-1"))
        for body in (b"", b"<html>Bad Gateway</html>"):
            refusal = read_refusal(404, headers, body)
            self.assertEqual(
                (refusal.code, refusal.message, refusal.request_id), ("404", "Not Found", "R2")
            )
            self.assertEqual(refusal.details, {"Region": "eu-west-1"})
