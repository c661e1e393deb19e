"""Multipart uploads over the wire, through boto3 and the real site."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any

from boto3.s3.transfer import TransferConfig
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects import ObjectSettings
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.testing.s3 import HOST, MemoryServer

MIB = 1 << 20


class MultipartTests(ObjectsTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=10))
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")

    def begin(self, key: str = "k", **arguments: Any) -> dict[str, str]:
        upload = self.s3.create_multipart_upload(Bucket="photos", Key=key, **arguments)
        return {"Bucket": "photos", "Key": key, "UploadId": upload["UploadId"]}

    def part(self, upload: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
        answer = self.s3.upload_part(**upload, PartNumber=number, Body=body)
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def complete(self, upload: dict[str, str], *parts: dict[str, Any]) -> Any:
        return self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": list(parts)})

    def body(self, key: str = "k", **arguments: Any) -> bytes:
        got: bytes = self.s3.get_object(Bucket="photos", Key=key, **arguments)["Body"].read()
        return got

    def test_life(self) -> None:
        """Parts sent in any order become one object with S3's ETag."""
        upload = self.begin(Metadata={"a": "b"}, ContentType="text/plain")
        bodies = {1: b"1" * 20, 2: os.urandom(30000), 7: b"7"}
        parts = {number: self.part(upload, number, bodies[number]) for number in (7, 1, 2)}
        done = self.complete(upload, parts[1], parts[2], parts[7])
        self.assertEqual(self.body(), b"".join(bodies.values()))
        md5s = b"".join(hashlib.md5(body).digest() for body in bodies.values())
        self.assertEqual(done["ETag"], f'"{hashlib.md5(md5s).hexdigest()}-3"')
        self.assertEqual(done["Location"], f"http://{HOST}/photos/k")
        head = self.s3.head_object(Bucket="photos", Key="k")
        self.assertEqual((head["ETag"], head["ContentLength"]), (done["ETag"], 30021))
        self.assertEqual((head["Metadata"], head["ContentType"]), ({"a": "b"}, "text/plain"))

    def test_location(self) -> None:
        """A completed object is located in the style in which its client addresses it."""
        self.s3 = self.server.client(s3={"addressing_style": "virtual"})
        upload = self.begin("a b/ü")
        done = self.complete(upload, self.part(upload, 1, b"1"))
        self.assertEqual(done["Location"], f"http://photos.{HOST}/a%20b/%C3%BC")

    def test_ranges(self) -> None:
        """A range may begin and end in any part."""
        upload = self.begin()
        whole = b"".join(bytes([65 + n]) * (10 + n) for n in range(4))
        parts = [self.part(upload, n + 1, bytes([65 + n]) * (10 + n)) for n in range(4)]
        self.complete(upload, *parts)
        for first in range(0, len(whole), 3):
            for last in range(first, len(whole), 5):
                got = self.body(Range=f"bytes={first}-{last}")
                self.assertEqual(got, whole[first : last + 1])

    def test_transfer_manager(self) -> None:
        """boto3's own multipart upload works with its defaults, and so does its download."""
        body = os.urandom(11 * MIB)
        config = TransferConfig(multipart_chunksize=5 * MIB, use_threads=False)
        self.s3.upload_fileobj(io.BytesIO(body), "photos", "k", Config=config)
        back = io.BytesIO()
        self.s3.download_fileobj("photos", "k", back, Config=config)
        self.assertEqual(back.getvalue(), body)
        self.assertIn("-3", self.s3.head_object(Bucket="photos", Key="k")["ETag"])

    def test_overwritten_part(self) -> None:
        """The last part of a number counts."""
        upload = self.begin()
        old = self.part(upload, 1, b"old old old old")
        new = self.part(upload, 1, b"new")
        self.refused(
            "InvalidPart",
            self.s3.complete_multipart_upload,
            **upload,
            MultipartUpload={"Parts": [old]},
        )
        self.complete(upload, new)
        self.assertEqual(self.body(), b"new")

    def test_refused_lists(self) -> None:
        """A list that does not fit is refused by name, and the upload stays open."""
        upload = self.begin()
        small, large = self.part(upload, 1, b"small"), self.part(upload, 2, b"x" * 20)
        for code, parts in (
            ("MalformedXML", []),
            ("InvalidPartOrder", [large, small]),
            ("InvalidPart", [large, {**large, "PartNumber": 3}]),
            ("InvalidPart", [{**large, "ETag": small["ETag"]}]),
            ("EntityTooSmall", [small, large]),
        ):
            self.refused(
                code,
                self.s3.complete_multipart_upload,
                **upload,
                MultipartUpload={"Parts": parts},
            )
        self.complete(upload, large)
        self.assertEqual(self.body(), b"x" * 20)

    def test_repeated_complete(self) -> None:
        """The same Complete again has the same answer; another list is NoSuchUpload."""
        upload = self.begin()
        one, two = self.part(upload, 1, b"1" * 10), self.part(upload, 2, b"2" * 10)
        done = self.complete(upload, one, two)
        self.assertEqual(self.complete(upload, one, two)["ETag"], done["ETag"])
        self.refused(
            "NoSuchUpload",
            self.s3.complete_multipart_upload,
            **upload,
            MultipartUpload={"Parts": [one]},
        )

    def test_abort(self) -> None:
        """An aborted upload is gone for every operation."""
        upload = self.begin()
        part = self.part(upload, 1, b"x")
        self.s3.abort_multipart_upload(**upload)
        self.refused("NoSuchUpload", self.s3.abort_multipart_upload, **upload)
        self.refused("NoSuchUpload", self.s3.list_parts, **upload)
        self.refused("NoSuchUpload", self.s3.upload_part, **upload, PartNumber=1, Body=b"x")
        self.refused(
            "NoSuchUpload",
            self.s3.complete_multipart_upload,
            **upload,
            MultipartUpload={"Parts": [part]},
        )

    def test_part_numbers(self) -> None:
        """Part numbers are 1 to 10,000."""
        upload = self.begin()
        for number in (1, 10_000):
            self.part(upload, number, b"x")
        for number in (0, 10_001):
            self.refused(
                "InvalidArgument", self.s3.upload_part, **upload, PartNumber=number, Body=b"x"
            )

    def test_list_parts(self) -> None:
        """Parts are listed by number, page by page, and the last page says so."""
        upload = self.begin()
        for number in (3, 1, 2, 9):
            self.part(upload, number, b"x" * number)
        first = self.s3.list_parts(**upload, MaxParts=3)
        self.assertEqual([part["Size"] for part in first["Parts"]], [1, 2, 3])
        self.assertEqual((first["IsTruncated"], first["NextPartNumberMarker"]), (True, 3))
        last = self.s3.list_parts(**upload, PartNumberMarker=3)
        self.assertEqual([part["PartNumber"] for part in last["Parts"]], [9])
        self.assertFalse(last["IsTruncated"])

    def test_list_uploads(self) -> None:
        """Uploads are listed by key and start, with prefix, delimiter and markers."""
        uploads = [self.begin(key) for key in ("a/1", "b", "a/2", "b", "c")]
        everything = self.s3.list_multipart_uploads(Bucket="photos")["Uploads"]
        self.assertEqual([u["Key"] for u in everything], ["a/1", "a/2", "b", "b", "c"])
        ids = [u["UploadId"] for u in everything]
        self.assertEqual(ids[2:4], [uploads[1]["UploadId"], uploads[3]["UploadId"]])
        rolled = self.s3.list_multipart_uploads(Bucket="photos", Delimiter="/", MaxUploads=2)
        self.assertEqual([p["Prefix"] for p in rolled["CommonPrefixes"]], ["a/"])
        self.assertEqual([u["Key"] for u in rolled["Uploads"]], ["b"])
        rest = self.s3.list_multipart_uploads(
            Bucket="photos",
            Delimiter="/",
            KeyMarker=rolled["NextKeyMarker"],
            UploadIdMarker=rolled["NextUploadIdMarker"],
        )
        self.assertEqual([u["Key"] for u in rest["Uploads"]], ["b", "c"])
        self.assertNotIn("CommonPrefixes", rest)

    def test_longest_list(self) -> None:
        """A list of more than 10,000 parts is no list of parts."""
        upload = self.begin()
        part = self.part(upload, 1, b"x")
        too_many = [{**part, "PartNumber": number} for number in range(1, 10_002)]
        for parts, code in ((too_many, "MalformedXML"), (too_many[:-1], "InvalidPart")):
            self.refused(
                code,
                self.s3.complete_multipart_upload,
                **upload,
                MultipartUpload={"Parts": parts},
            )
        self.complete(upload, part)

    def test_other_places(self) -> None:
        """An upload is one of its own key and bucket."""
        upload = self.begin()
        part = self.part(upload, 1, b"x")
        self.s3.create_bucket(Bucket="others")
        for other in ({**upload, "Key": "other"}, {**upload, "Bucket": "others"}):
            self.refused("NoSuchUpload", self.s3.upload_part, **other, PartNumber=1, Body=b"x")
            self.refused("NoSuchUpload", self.s3.list_parts, **other)
            self.refused("NoSuchUpload", self.s3.abort_multipart_upload, **other)
            self.refused(
                "NoSuchUpload",
                self.s3.complete_multipart_upload,
                **other,
                MultipartUpload={"Parts": [part]},
            )
        self.complete(upload, part)


class DefaultLimitTests(SynchronousTestCase):
    def test_five_mebibytes(self) -> None:
        """By default every part but the last has at least 5 MiB."""
        server = MemoryServer()
        s3 = server.client()
        s3.create_bucket(Bucket="photos")
        for size_bytes, fits in ((5 * MIB, True), (5 * MIB - 1, False)):
            upload_id = s3.create_multipart_upload(Bucket="photos", Key="k")["UploadId"]
            upload = {"Bucket": "photos", "Key": "k", "UploadId": upload_id}
            parts = [
                {
                    "PartNumber": number,
                    "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"],
                }
                for number, body in ((1, bytes(size_bytes)), (2, b"x"))
            ]
            call = s3.complete_multipart_upload
            if fits:
                call(**upload, MultipartUpload={"Parts": parts})
            else:
                refusal = self.assertRaises(
                    s3.exceptions.ClientError, call, **upload, MultipartUpload={"Parts": parts}
                )
                self.assertEqual(refusal.response["Error"]["Code"], "EntityTooSmall")
