"""Conditions on writes over the wire, and who must own the bucket."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from objectd.protocol.errors import ERRORS
from objectd.protocol.model import load_s3_model
from objectd.s3.operations import EXPECTED_OWNER, OPERATIONS
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic

OURS = "000000000001"
OTHERS = "123456789012"
NOON = "Sat, 21 Nov 2026 12:00:00 GMT"


class PutTests(ObjectsTestCase):
    def put(self, **conditions: str) -> Any:
        return self.s3.put_object(Bucket="photos", Key="k", Body=b"x", **conditions)

    def test_new(self) -> None:
        """If-None-Match: * makes one object, and the second time is 412."""
        self.put(IfNoneMatch="*")
        error = self.refused("PreconditionFailed", self.put, IfNoneMatch="*")
        self.assertEqual(error.response["Error"]["Condition"], "If-None-Match")
        self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 412)

    def test_swap(self) -> None:
        """If-Match takes the ETag in any form, is 412 for another and 404 for nothing."""
        self.refused("NoSuchKey", self.put, IfMatch='"x"')
        etag = self.put()["ETag"]
        for tag in (etag, etag.strip('"'), f"W/{etag}", f'"x", {etag}'):
            self.put(IfMatch=tag)
        self.refused("PreconditionFailed", self.put, IfMatch='"x"')

    def test_what_aws_refuses(self) -> None:
        """What AWS does not take on writes is 501, not ignored."""
        self.put()
        for conditions in (
            {"IfMatch": "*"},
            {"IfNoneMatch": '"x"'},
            {"IfNoneMatch": "*, *"},
            {"IfMatch": '"x"', "IfNoneMatch": "*"},
        ):
            self.refused("NotImplemented", self.put, **conditions)

    def test_complete(self) -> None:
        """A Complete has the conditions of a PUT, may be repeated, and stays open when they
        fail."""
        create = self.s3.create_multipart_upload(Bucket="photos", Key="k")
        upload = {"Bucket": "photos", "Key": "k", "UploadId": create["UploadId"]}
        part = self.s3.upload_part(**upload, PartNumber=1, Body=b"part")
        listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}

        def complete(**conditions: str) -> Any:
            return self.s3.complete_multipart_upload(**upload, MultipartUpload=listed, **conditions)

        self.put()
        self.refused("PreconditionFailed", complete, IfNoneMatch="*")
        self.refused("PreconditionFailed", complete, IfMatch='"x"')
        self.refused("NotImplemented", complete, IfMatch="*")
        self.s3.delete_object(Bucket="photos", Key="k")
        self.refused("NoSuchKey", complete, IfMatch='"x"')
        first = complete(IfNoneMatch="*")
        self.assertEqual(complete(IfNoneMatch="*")["ETag"], first["ETag"])


class DeleteTests(ObjectsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.etag = self.s3.put_object(Bucket="photos", Key="k", Body=b"123")["ETag"]
        self.modified = self.s3.head_object(Bucket="photos", Key="k")["LastModified"]

    def delete(self, **conditions: Any) -> None:
        self.s3.delete_object(Bucket="photos", Key="k", **conditions)

    def test_one(self) -> None:
        """DeleteObject compares ETag, size and time, each alone and all together."""
        second = timedelta(seconds=1)
        for conditions in (
            {"IfMatch": '"x"'},
            {"IfMatchSize": 0},
            {"IfMatchLastModifiedTime": self.modified - second},
            {"IfMatch": self.etag, "IfMatchSize": 4},
        ):
            self.refused("PreconditionFailed", self.delete, **conditions)
        self.assertEqual(self.keys(), ["k"])
        self.delete(IfMatch=self.etag, IfMatchSize=3, IfMatchLastModifiedTime=self.modified)
        self.assertEqual(self.keys(), [])

    def test_gone(self) -> None:
        """Of what is gone, an ETag and `*` are 404, size and time are no hindrance."""
        self.delete(IfMatch="*")
        for tag in ("*", self.etag):
            self.refused("NoSuchKey", self.delete, IfMatch=tag)
        self.delete(IfMatchSize=3)
        self.delete(IfMatchLastModifiedTime=self.modified)

    def test_many(self) -> None:
        """DeleteObjects tells of each line what became of it."""
        for key in ("a", "b", "c", "d"):
            self.s3.put_object(Bucket="photos", Key=key, Body=b"123")
        lines: list[dict[str, Any]] = [
            {"Key": "a", "ETag": self.etag},
            {"Key": "b", "ETag": '"x"'},
            {"Key": "c", "Size": 3, "LastModifiedTime": self.modified},
            {"Key": "d", "Size": 4},
            {"Key": "gone", "ETag": self.etag},
            {"Key": "gone", "Size": 3},
            {"Key": "k"},
        ]
        answer = self.s3.delete_objects(Bucket="photos", Delete={"Objects": lines})
        self.assertEqual([line["Key"] for line in answer["Deleted"]], ["a", "c", "gone", "k"])
        self.assertEqual(
            {(line["Key"], line["Code"]) for line in answer["Errors"]},
            {("b", "PreconditionFailed"), ("d", "PreconditionFailed"), ("gone", "NoSuchKey")},
        )
        self.assertEqual(self.keys(), ["b", "d"])

    def test_empty_etag(self) -> None:
        """An ETag that says nothing deletes nothing."""
        answer = self.s3.delete_objects(
            Bucket="photos", Delete={"Objects": [{"Key": "k", "ETag": ""}]}
        )
        self.assertEqual([line["Code"] for line in answer["Errors"]], ["InvalidArgument"])
        self.assertEqual(self.keys(), ["k"])


class UnknownConditionTests(WireTestCase):
    def refusal(self, method: str, target: str, headers: Mapping[str, str]) -> int:
        before = self.contents()
        status = self.send(authentic(method, target, headers)).response.status
        self.assertEqual(self.contents(), before)
        return status

    def test_not_taken(self) -> None:
        """A condition that an operation does not take is 501 in a header and in a query."""
        kept, part = f"/{BUCKET}/kept", self.part(1)
        for method, target, name in (
            ("PUT", kept, "if-modified-since"),
            ("PUT", kept, "if-unmodified-since"),
            ("PUT", kept, "if-range"),
            ("PUT", kept, "if-anything"),
            ("PUT", kept, "x-amz-if-match-size"),
            ("PUT", kept, "x-amz-copy-source-if-match"),
            ("PUT", kept, "x-amz-rename-source-if-match"),
            ("PUT", part, "if-match"),
            ("PUT", part, "if-none-match"),
            ("DELETE", kept, "if-none-match"),
            ("DELETE", kept, "x-amz-if-match-anything"),
            ("GET", kept, "x-amz-if-match-size"),
            ("GET", kept, "if-range"),
            ("DELETE", f"/{BUCKET}", "if-match"),
        ):
            self.assertEqual(self.refusal(method, target, {name: "1"}), 501, (method, name))
            query = f"{target}{'&' if '?' in target else '?'}{name}=1"
            self.assertEqual(self.refusal(method, query, {}), 501, query)

    def test_only_headers_of_s3_are_hoisted(self) -> None:
        """A standard condition in a query, where nobody reads it, is 501 also where the
        operation takes it as a header."""
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            self.assertEqual(self.refusal(method, f"/{BUCKET}/kept?if-match=1", {}), 501, method)

    def test_says_nothing(self) -> None:
        """A condition on a write that is empty or no date is 400, also where a read would
        ignore it."""
        kept, new = f"/{BUCKET}/kept", f"/{BUCKET}/new?renameObject"
        source = {"x-amz-rename-source": "kept"}
        for method, target, headers in (
            ("PUT", kept, {"if-match": ""}),
            ("PUT", kept, {"if-none-match": " "}),
            ("DELETE", kept, {"if-match": ""}),
            ("DELETE", kept, {"x-amz-if-match-size": ""}),
            ("DELETE", kept, {"x-amz-if-match-size": "-1"}),
            ("DELETE", kept, {"x-amz-if-match-last-modified-time": "soon"}),
            ("PUT", new, {**source, "if-unmodified-since": "soon"}),
            ("PUT", new, {**source, "if-modified-since": ""}),
            ("PUT", new, {**source, "x-amz-rename-source-if-unmodified-since": "soon"}),
        ):
            self.assertEqual(self.refusal(method, target, headers), 400, (method, headers))
        read = self.send(authentic("GET", kept, {"if-modified-since": "soon"}))
        self.assertEqual(read.response.status, 200)

    def test_hoisted(self) -> None:
        """A condition in the query of a presigned URL holds as it would in a header."""
        kept = f"/{BUCKET}/kept"
        for query, status in (("x-amz-if-match-size=1", 412), ("X-Amz-If-Match-Size=36000", 204)):
            sent = self.send(authentic("DELETE", f"{kept}?{query}"))
            self.assertEqual(sent.response.status, status)


class OwnerTests(WireTestCase):
    def test_every_operation(self) -> None:
        """Whatever is done to a bucket of somebody else's is 403, and does nothing."""
        members = {
            name: operation.input.members
            for name, operation in load_s3_model().operations.items()
            if operation.input is not None
        }
        for name, row in OPERATIONS.items():
            takes_it = EXPECTED_OWNER in members.get(name, {})
            self.assertEqual(EXPECTED_OWNER in row.supported, takes_it, name)
        before = self.contents()
        for method, target in (
            ("PUT", f"/{BUCKET}/kept"),
            ("GET", f"/{BUCKET}/kept"),
            ("HEAD", f"/{BUCKET}/kept"),
            ("DELETE", f"/{BUCKET}/kept"),
            ("DELETE", f"/{BUCKET}"),
            ("GET", f"/{BUCKET}?list-type=2"),
            ("PUT", self.part(1)),
            ("POST", f"/{BUCKET}?delete"),
            ("GET", f"/{BUCKET}/kept?x-amz-expected-bucket-owner={OTHERS}"),
        ):
            headers = {} if "owner" in target else {"x-amz-expected-bucket-owner": OTHERS}
            sent = self.send(authentic(method, target, headers))
            self.assertEqual(sent.response.status, 403, (method, target))
        self.assertEqual(self.contents(), before)

    def test_ours(self) -> None:
        """The owner of a bucket may expect to be that."""
        headers = {"x-amz-expected-bucket-owner": OURS}
        self.assertEqual(
            self.send(authentic("GET", f"/{BUCKET}/kept", headers)).response.status, 200
        )
        self.assertEqual(self.send(authentic("GET", "/nowhere/kept", headers)).response.status, 404)

    def test_no_account(self) -> None:
        """What is not the number of an account is refused as such."""
        before = self.contents()
        self.assertEqual(ERRORS["InvalidBucketOwnerAWSAccountID"].status, 400)
        for owner in ("1", "", "x" * 12, OURS + "0", "root", "１" * 12):
            headers = {"x-amz-expected-bucket-owner": owner.encode().decode("latin-1")}
            sent = self.send(authentic("PUT", f"/{BUCKET}/kept", headers))
            self.assert_refused(sent, 400, "InvalidBucketOwnerAWSAccountID", before)


class ModifiedTimeTests(ObjectsTestCase):
    def test_forms(self) -> None:
        """A modification time may be an HTTP date, as boto3 sends it, with any offset."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"1")
        wrong = datetime(2026, 11, 21, 12, tzinfo=UTC)
        self.refused(
            "PreconditionFailed",
            self.s3.delete_object,
            Bucket="photos",
            Key="k",
            IfMatchLastModifiedTime=wrong,
        )
