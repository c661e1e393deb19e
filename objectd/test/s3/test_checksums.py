"""Checksums of objects over the wire, and what a request may declare."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from typing import Any

from objectd.auth.payload import PayloadMode
from objectd.digests import ALGORITHMS
from objectd.objects import ObjectSettings
from objectd.objects.checksums import hasher
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import Upload, WireTestCase, error_document
from objectd.testing.s3 import MemoryServer

LARGE = bytes(range(256)) * 100
WHOLE_ONLY = ("CRC64NVME",)
BOTO_KNOWS = tuple(name for name in ALGORITHMS if name != "MD5")
"""Of these boto3 computes the values, and over HTTPS sends them as trailers."""

CRCS = ("CRC32", "CRC32C", "CRC64NVME")


def digest(algorithm: str, data: bytes) -> bytes:
    whole = hasher(algorithm)
    whole.update(data)
    return whole.digest()


def value(algorithm: str, data: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(digest(algorithm, data)).decode()


def composite(algorithm: str, *parts: bytes) -> str:
    whole = value(algorithm, b"".join(digest(algorithm, part) for part in parts))
    return f"{whole}-{len(parts)}"


def only_checksums(answer: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name, text in answer.items() if name.startswith("Checksum")}


class ChecksumsTestCase(ObjectsTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=5))
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")

    def begin(self, **arguments: Any) -> dict[str, str]:
        upload = self.s3.create_multipart_upload(Bucket="photos", Key="k", **arguments)
        return {"Bucket": "photos", "Key": "k", "UploadId": upload["UploadId"]}

    def complete(
        self, upload: dict[str, str], parts: list[dict[str, Any]], **arguments: Any
    ) -> Any:
        return self.s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": parts}, **arguments
        )

    def message_of(self, code: str, call: Any, *args: Any, **arguments: Any) -> str:
        """What a refusal with this code says."""
        error = self.refused(code, partial(call, *args), **arguments)
        return str(error.response["Error"]["Message"])


class ObjectTests(ChecksumsTestCase):
    def test_every_algorithm(self) -> None:
        """Each of the ten comes back from every operation that can show it."""
        for algorithm in ALGORITHMS:
            computed = [{"ChecksumAlgorithm": algorithm}] if algorithm in BOTO_KNOWS else []
            for secure in (False, True):
                s3 = self.server.client(secure=secure)
                for body in (b"", b"small", LARGE):
                    right = {f"Checksum{algorithm}": value(algorithm, body)}
                    expected = {**right, "ChecksumType": "FULL_OBJECT"}
                    for given in (right, *computed):
                        put = s3.put_object(Bucket="photos", Key="k", Body=body, **given)
                        self.assertEqual(only_checksums(put), expected)
                    asked = {"Bucket": "photos", "Key": "k", "ChecksumMode": "ENABLED"}
                    self.assertEqual(only_checksums(s3.head_object(**asked)), expected)
                    got = s3.get_object(**asked)
                    self.assertEqual((got["Body"].read(), only_checksums(got)), (body, expected))
                    attributes = s3.get_object_attributes(
                        Bucket="photos", Key="k", ObjectAttributes=["Checksum"]
                    )
                    self.assertEqual(attributes["Checksum"], expected)
                    [listed] = s3.list_objects_v2(Bucket="photos")["Contents"]
                    self.assertEqual(listed["ChecksumAlgorithm"], [algorithm])
                    self.assertEqual(listed["ChecksumType"], "FULL_OBJECT")

    def test_not_asked_for(self) -> None:
        """Checksums are shown only with ChecksumMode, and never of a range."""
        s3 = self.server.client(response_checksum_validation="when_required")
        s3.put_object(Bucket="photos", Key="k", Body=LARGE)
        for call in (s3.get_object, s3.head_object):
            self.assertEqual(only_checksums(call(Bucket="photos", Key="k")), {})
            ranged = call(Bucket="photos", Key="k", Range="bytes=1-5", ChecksumMode="ENABLED")
            self.assertEqual(only_checksums(ranged), {})

    def test_wrong(self) -> None:
        """A wrong value is BadDigest in AWS's words, and nothing is stored."""
        s3 = self.server.client()
        for algorithm in ALGORITHMS:
            for body in (b"small", LARGE):
                message = self.message_of(
                    "BadDigest",
                    s3.put_object,
                    Bucket="photos",
                    Key="k",
                    Body=body,
                    **{f"Checksum{algorithm}": value(algorithm, b"other")},
                )
                self.assertEqual(
                    message, f"The {algorithm} you specified did not match the calculated checksum."
                )
        self.assertEqual(self.keys(), [])


class DeclarationTests(WireTestCase):
    """What headers say of a body, sent as no SDK would."""

    def put(self, headers: Mapping[str, str]) -> tuple[int, str]:
        """Status and error code of a PUT with these headers."""
        upload = Upload(PayloadMode.SHA256, b"data", headers=headers)
        response = upload.send(self).response
        if response.status == 200:
            return 200, ""
        return response.status, error_document(response)["Code"]

    def test_announced(self) -> None:
        """x-amz-sdk-checksum-algorithm must name the checksum that is sent, in any case."""
        sha1 = {"x-amz-checksum-sha1": value("SHA1", b"data")}
        announced = "x-amz-sdk-checksum-algorithm"
        self.assertEqual(self.put({**sha1, announced: "SHA1"}), (200, ""))
        self.assertEqual(self.put({**sha1, announced: "sha1"}), (200, ""))
        before = self.contents()
        self.assertEqual(self.put({**sha1, announced: "SHA256"}), (400, "BadDigest"))
        self.assertEqual(self.put({**sha1, announced: "MD4"}), (400, "BadDigest"))
        self.assertEqual(self.put({announced: "SHA1"}), (400, "InvalidRequest"))
        self.assertEqual(self.contents(), before)

    def test_unknown(self) -> None:
        """A checksum that S3 does not have is refused, not ignored."""
        before = self.contents()
        self.assertEqual(self.put({"x-amz-checksum-md4": "AAAA"}), (400, "InvalidRequest"))
        for mode in (PayloadMode.SIGNED_CHUNKS_TRAILER, PayloadMode.UNSIGNED_CHUNKS_TRAILER):
            upload = Upload(
                mode, b"data", promised="x-amz-checksum-md4", trailers=b"x-amz-checksum-md4:AAAA\n"
            )
            self.assert_refused(upload.send(self), 400, "InvalidRequest", before)

    def test_several(self) -> None:
        """Two checksums are one too many, though both be right."""
        both = {f"x-amz-checksum-{name.lower()}": value(name, b"data") for name in ("MD5", "SHA1")}
        before = self.contents()
        self.assertEqual(self.put(both), (400, "InvalidRequest"))
        one = {"x-amz-checksum-md5": both["x-amz-checksum-md5"]}
        upload = Upload(PayloadMode.UNSIGNED_CHUNKS_TRAILER, b"data", headers=one)
        self.assert_refused(upload.send(self), 400, "InvalidRequest", before)

    def test_not_a_value(self) -> None:
        """A value of another width, or that is not base64, is refused."""
        before = self.contents()
        for algorithm in ALGORITHMS:
            for text in ("", "x", "AAAA", value(algorithm, b"data") + "AAAA"):
                headers = {f"x-amz-checksum-{algorithm.lower()}": text}
                self.assertEqual(self.put(headers), (400, "InvalidRequest"), headers)
        self.assertEqual(self.contents(), before)

    def test_content_md5_beside(self) -> None:
        """Content-MD5 is another thing than x-amz-checksum-md5; both are compared."""
        right, wrong = value("MD5", b"data"), value("MD5", b"other")
        for content_md5, checksum, expected in (
            (right, right, (200, "")),
            (wrong, right, (400, "BadDigest")),
            (right, wrong, (400, "BadDigest")),
        ):
            headers = {"content-md5": content_md5, "x-amz-checksum-md5": checksum}
            self.assertEqual(self.put(headers), expected)
