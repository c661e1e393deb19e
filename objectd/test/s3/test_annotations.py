"""Annotations over the wire: put, read, listed, deleted, copied, and refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from botocore.exceptions import ClientError

from objectd.auth.payload import PayloadMode
from objectd.digests import ALGORITHMS, digest_of
from objectd.protocol.messages import HttpRequest
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import (
    BUCKET,
    CHUNKED_MODES,
    Exchange,
    Upload,
    WireTestCase,
    authentic,
    error_document,
)
from objectd.testing.s3 import result_of

WHERE: dict[str, Any] = {"Bucket": "photos", "Key": "k"}
MIB = 1 << 20


class AnnotationsTests(ObjectsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.etag = self.s3.put_object(**WHERE, Body=b"x")["ETag"]

    def put(self, name: str, payload: bytes = b"text", **more: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.s3.put_object_annotation(
            **WHERE, AnnotationName=name, AnnotationPayload=payload, **more
        )
        return answer

    def put_refused(
        self, code: str, name: str, payload: bytes = b"text", **more: Any
    ) -> ClientError:
        put = self.s3.put_object_annotation
        return self.refused(
            code, put, **WHERE, AnnotationName=name, AnnotationPayload=payload, **more
        )

    def get(self, name: str, **more: Any) -> bytes:
        found = self.s3.get_object_annotation(**{**WHERE, **more}, AnnotationName=name)
        payload: bytes = found["AnnotationPayload"].read()
        return payload

    def names(self, **more: Any) -> list[str]:
        listed = self.s3.list_object_annotations(**{**WHERE, **more})
        names = [entry["AnnotationName"] for entry in listed["Annotations"]]
        self.assertEqual(listed["AnnotationCount"], len(names))
        return names

    def enable_versioning(self) -> None:
        result_of(self.server.store.buckets.set_versioning("photos", enabled=True))

    def test_put_get_delete(self) -> None:
        """An annotation is put, read and deleted; its object stays as it is."""
        before = self.s3.head_object(**WHERE)
        put = self.put("note", "grün".encode())
        self.assertEqual((put["Key"], put["AnnotationName"]), ("k", "note"))
        self.assertEqual(put["ETag"], f'"{hashlib.md5("grün".encode()).hexdigest()}"')
        self.assertNotIn("ObjectVersionId", put)
        found = self.s3.get_object_annotation(**WHERE, AnnotationName="note")
        self.assertEqual(found["AnnotationPayload"].read(), "grün".encode())
        self.assertEqual((found["ContentLength"], found["ETag"]), (5, put["ETag"]))
        self.assertIn("LastModified", found)
        self.put("note", b"other")
        self.assertEqual(self.get("note"), b"other")
        after = self.s3.head_object(**WHERE)
        for name in ("ETag", "LastModified", "ContentLength"):
            self.assertEqual(after[name], before[name])
        for _ in range(2):
            answer = self.s3.delete_object_annotation(**WHERE, AnnotationName="note")
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(
            "NoSuchAnnotation", self.s3.get_object_annotation, **WHERE, AnnotationName="note"
        )

    def test_names(self) -> None:
        """A name is UTF-8 and goes through a query, whatever it consists of."""
        for name in ("a&b=c+d e/%2F?", "ä日😀", "x" * 512, "<&>\"'"):
            self.put(name, name.encode())
            self.assertEqual(self.get(name), name.encode())
        self.assertEqual(
            self.names(), sorted(("a&b=c+d e/%2F?", "ä日😀", "x" * 512, "<&>\"'"), key=str.encode)
        )
        self.put_refused("AnnotationNameTooLong", "x" * 513)
        for name in ("", "aws-x", "S3", "a\n"):
            self.put_refused("InvalidAnnotationName", name)

    def test_sizes(self) -> None:
        """1 byte to 1 MiB of UTF-8."""
        self.put("note", b"x" * MIB)
        self.assertEqual(self.get("note"), b"x" * MIB)
        self.put_refused("EntityTooLarge", "note", b"x" * (MIB + 1))
        self.put_refused("InvalidRequest", "note", b"")
        error = self.put_refused("UnsupportedMediaType", "note", b"\xff")
        self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 415)
        self.assertEqual(self.get("note"), b"x" * MIB)

    def test_limit(self) -> None:
        """A thousand, and no more."""
        put = self.server.store.annotations.put
        for number in range(999):
            result_of(put("photos", "k", str(number), b"x"))
        self.put("999")
        self.put_refused("AnnotationLimitExceeded", "1000")
        self.put("999", b"again")
        self.assertEqual(len(self.names()), 1000)

    def test_checksums(self) -> None:
        """What is declared is verified, kept, and shown to whoever asks."""
        for algorithm in ALGORITHMS:
            value = base64.b64encode(digest_of(algorithm, b"text")).decode()
            member = f"Checksum{algorithm}"
            put = self.put("note", b"text", **{member: value})
            self.assertEqual((put[member], put["ChecksumType"]), (value, "FULL_OBJECT"))
            found = self.s3.get_object_annotation(
                **WHERE, AnnotationName="note", ChecksumMode="ENABLED"
            )
            self.assertEqual(found[member], value)
            [entry] = self.s3.list_object_annotations(**WHERE)["Annotations"]
            self.assertEqual(entry["ChecksumAlgorithm"], [algorithm])
            wrong = base64.b64encode(digest_of(algorithm, b"other")).decode()
            self.put_refused("BadDigest", "note", b"text", **{member: wrong})

    def test_content_md5(self) -> None:
        """So is Content-MD5."""
        self.put("note", ContentMD5=base64.b64encode(hashlib.md5(b"text").digest()).decode())
        wrong = base64.b64encode(bytes(16)).decode()
        self.put_refused("BadDigest", "note", ContentMD5=wrong)
        self.put_refused("InvalidDigest", "note", ContentMD5="x")

    def test_if_match(self) -> None:
        """The ETag that a put or a delete demands is the object's."""
        self.put("note", ObjectIfMatch=self.etag)
        delete = self.s3.delete_object_annotation
        self.put_refused("PreconditionFailed", "note", ObjectIfMatch='"other"')
        self.refused(
            "PreconditionFailed", delete, **WHERE, AnnotationName="note", ObjectIfMatch='"other"'
        )
        self.assertEqual(self.names(), ["note"])
        delete(**WHERE, AnnotationName="note", ObjectIfMatch=self.etag)
        self.assertEqual(self.names(), [])

    def test_pages(self) -> None:
        """Pages lead to each other by their tokens."""
        names = [f"n{number}" for number in range(7)]
        for name in names:
            self.put(name)
        found: list[str] = []
        more: dict[str, object] = {}
        while True:
            page = self.s3.list_object_annotations(**WHERE, MaxAnnotationResults=3, **more)
            self.assertEqual((page["Bucket"], page["Key"]), ("photos", "k"))
            self.assertEqual(page["MaxAnnotationResults"], 3)
            self.assertEqual(page.get("ContinuationToken"), more.get("ContinuationToken"))
            found += [entry["AnnotationName"] for entry in page["Annotations"]]
            self.assertEqual(page["Annotations"][0]["Size"], 4)
            if "NextContinuationToken" not in page:
                break
            more = {"ContinuationToken": page["NextContinuationToken"]}
        self.assertEqual(found, names)
        for wrong in (
            {"MaxAnnotationResults": 0},
            {"MaxAnnotationResults": 1001},
            {"ContinuationToken": "x"},
        ):
            unvalidated = self.server.client(parameter_validation=False)
            self.refused("InvalidArgument", unvalidated.list_object_annotations, **WHERE, **wrong)

    def test_prefix(self) -> None:
        """A prefix picks some; one of no name is refused."""
        for name in ("a", "b1", "b2"):
            self.put(name)
        page = self.s3.list_object_annotations(**WHERE, AnnotationPrefix="b")
        self.assertEqual(page["AnnotationPrefix"], "b")
        self.assertEqual([e["AnnotationName"] for e in page["Annotations"]], ["b1", "b2"])
        for prefix in ("aws", "x" * 513):
            self.refused(
                "InvalidPrefix",
                self.s3.list_object_annotations,
                **WHERE,
                AnnotationPrefix=prefix,
            )

    def calls(self) -> Sequence[tuple[Any, Mapping[str, Any]]]:
        """Each operation, with what it takes besides the object."""
        name = {"AnnotationName": "note"}
        return (
            (self.s3.put_object_annotation, {**name, "AnnotationPayload": b"x"}),
            (self.s3.get_object_annotation, name),
            (self.s3.list_object_annotations, {}),
            (self.s3.delete_object_annotation, name),
        )

    def test_not_found(self) -> None:
        """What is not there has no annotations, nor any version of it but null."""
        self.put("note")
        for call, more in self.calls():
            self.refused("NoSuchKey", call, Bucket="photos", Key="absent", **more)
            self.refused("NoSuchBucket", call, Bucket="albums", Key="k", **more)
            self.refused("InvalidArgument", call, **WHERE, VersionId="abc", **more)
            self.refused("NoSuchVersion", call, **WHERE, VersionId="0" * 40, **more)
            self.refused("AccessDenied", call, **WHERE, ExpectedBucketOwner="999999999999", **more)
            call(**WHERE, VersionId="null", **more)

    def test_versions(self) -> None:
        """Each version has its own, and every answer says which version that is."""
        self.put("note", b"of null")
        self.enable_versioning()
        self.s3.put_object(**WHERE, Body=b"2")
        version = self.put("note", b"of 2")["ObjectVersionId"]
        self.assertNotEqual(version, "null")
        self.s3.put_object(**WHERE, Body=b"3")
        self.assertEqual(self.names(), [])
        self.assertEqual(self.get("note", VersionId="null"), b"of null")
        self.assertEqual(self.get("note", VersionId=version), b"of 2")
        more = {**WHERE, "VersionId": version}
        name = {"AnnotationName": "note"}
        for answer in (
            self.s3.get_object_annotation(**more, **name),
            self.s3.list_object_annotations(**more),
            self.s3.delete_object_annotation(**more, **name),
        ):
            self.assertEqual(answer["ObjectVersionId"], version)
        self.assertEqual(self.names(VersionId=version), [])
        self.assertEqual(self.names(VersionId="null"), ["note"])

    def test_delete_markers(self) -> None:
        """A delete marker has none: as what is current it hides the object, by its id it is no
        object at all."""
        self.enable_versioning()
        marker = result_of(self.server.store.objects.delete("photos", "k")).version_id
        for call, more in self.calls():
            self.refused("NoSuchKey", call, **WHERE, **more)
            self.refused("MethodNotAllowed", call, **WHERE, VersionId=marker, **more)

    def test_copy(self) -> None:
        """A copy has its source's annotations, unless they are excluded."""
        self.put("note", b"copied")
        source = {"Bucket": "photos", "CopySource": "photos/k"}
        for more, names in (
            ({}, ["note"]),
            ({"AnnotationDirective": "COPY"}, ["note"]),
            ({"AnnotationDirective": "EXCLUDE"}, []),
        ):
            self.s3.copy_object(**source, **more, Key="c")
            self.assertEqual(self.names(Key="c"), names)
        self.refused(
            "InvalidArgument", self.s3.copy_object, **source, Key="c", AnnotationDirective="REPLACE"
        )

    def test_gone_with_its_object(self) -> None:
        """What replaces an object has no annotations."""
        self.put("note")
        self.s3.put_object(**WHERE, Body=b"y")
        self.assertEqual(self.names(), [])


class RequestTests(WireTestCase):
    """Requests that no SDK sends."""

    def put(self, upload: Upload) -> Exchange:
        request = upload.request()
        return self.send(request, upload.body(request))

    def test_chunks(self) -> None:
        """The payload may come in any form in which a body may."""
        for mode in (*CHUNKED_MODES, PayloadMode.SHA256):
            target = f"/{BUCKET}/kept?annotation&annotationName={mode.name}"
            exchange = self.put(Upload(mode, b"text" * 30_000, target))
            self.assertEqual(exchange.response.status, 200)
            found = self.send(authentic("GET", target))
            self.assertEqual(found.response.body, b"text" * 30_000)
            self.assertEqual(found.response.header(b"content-length"), b"120000")

    def test_spoilt(self) -> None:
        """One that was changed on its way leaves no trace."""
        before = self.contents()
        target = f"/{BUCKET}/kept?annotation&annotationName=n"
        for mode in (*CHUNKED_MODES, PayloadMode.SHA256):
            spoilt = Upload(
                mode, b"text" * 20_000, target, alter=lambda body: body.replace(b"tt", b"tu", 1)
            )
            self.assertGreaterEqual(self.put(spoilt).response.status, 400)
            self.assertEqual(self.contents(), before)

    def test_missing(self) -> None:
        """A put or a delete needs a name, and a put a length."""
        before = self.contents()
        target = f"/{BUCKET}/kept?annotation"
        for method in ("PUT", "DELETE"):
            self.assert_refused(self.send(authentic(method, target)), 400, "InvalidRequest", before)

    def test_empty_condition(self) -> None:
        """A condition that says nothing is none that could hold."""
        before = self.contents()
        target = f"/{BUCKET}/kept?annotation&annotationName=n"
        empty = {"x-amz-object-if-match": ""}
        for method in ("PUT", "DELETE"):
            request = authentic(method, target, empty)
            self.assert_refused(self.send(request), 400, "InvalidArgument", before)

    def test_hoisted_directive(self) -> None:
        """A presigned copy carries its directive in the query."""
        self.s3.put_object_annotation(
            Bucket=BUCKET, Key="kept", AnnotationName="n", AnnotationPayload=b"x"
        )
        copy = {"x-amz-copy-source": f"{BUCKET}/kept"}
        target = f"/{BUCKET}/c?x-amz-object-annotation-directive="
        for directive, count in (("EXCLUDE", 0), ("COPY", 1)):
            answer = self.send(authentic("PUT", target + directive, copy))
            self.assertEqual(answer.response.status, 200)
            listed = self.s3.list_object_annotations(Bucket=BUCKET, Key="c")
            self.assertEqual(listed["AnnotationCount"], count)

    def test_document(self) -> None:
        """The listing's document has the names of AWS's model."""
        self.s3.put_object_annotation(
            Bucket=BUCKET, Key="kept", AnnotationName="n", AnnotationPayload=b"x"
        )
        answer = self.send(authentic("GET", f"/{BUCKET}/kept?annotation"))
        root = ElementTree.fromstring(answer.response.body)
        found = [element.tag.rpartition("}")[2] for element in root.iter()]
        self.assertEqual(found[0], "ListObjectAnnotationsOutput")
        self.assertIn("AnnotationEntry", found)

    def test_not_found_names_it(self) -> None:
        """The error says which annotation there is not."""
        request: HttpRequest = authentic("GET", f"/{BUCKET}/kept?annotation&annotationName=n")
        document = error_document(self.send(request).response)
        self.assertEqual((document["Code"], document["AnnotationName"]), ("NoSuchAnnotation", "n"))
