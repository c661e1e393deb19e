"""The parts of objects over the wire: `partNumber`, and GetObjectAttributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

from objectd.objects import ObjectSettings
from objectd.test.s3.test_checksums import composite, only_checksums, value
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import as_bytes, authentic
from objectd.testing.s3 import MemoryServer

BODIES = (b"first part", b"second", b"the third part", b"x")
EVERYTHING = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


class PartsTestCase(ObjectsTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=1))
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")

    def put_parts(
        self,
        *bodies: bytes,
        numbers: tuple[int, ...] = (),
        created: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Make an object of parts, and return the answer to the Complete."""
        algorithm = created.get("ChecksumAlgorithm", "CRC64NVME")
        upload_id = self.s3.create_multipart_upload(Bucket="photos", Key="k", **created)["UploadId"]
        upload = {"Bucket": "photos", "Key": "k", "UploadId": upload_id}
        parts = []
        for number, body in zip(numbers or range(1, len(bodies) + 1), bodies, strict=True):
            sent = self.s3.upload_part(
                **upload,
                PartNumber=number,
                Body=body,
                **{f"Checksum{algorithm}": value(algorithm, body)},
            )
            parts.append({"PartNumber": number, "ETag": sent["ETag"], **only_checksums(sent)})
        done: dict[str, Any] = self.s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": parts}
        )
        return done


class PartNumberTests(PartsTestCase):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""

    def both(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        for call in (self.s3.get_object, self.s3.head_object):
            yield call(Bucket="photos", Key="k", **arguments)

    def test_each_part(self) -> None:
        """A part is the bytes that were uploaded as it, whichever numbers the parts had: they
        are counted without gaps, for who asks knows no more than how many there are."""
        for numbers in ((1, 2, 3, 4), (2, 3, 500, 10_000)):
            done = self.put_parts(*BODIES, numbers=numbers)
            whole, start = b"".join(BODIES), 0
            for number, body in enumerate(BODIES, 1):
                for answer in self.both(PartNumber=number):
                    self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
                    self.assertEqual((answer["PartsCount"], answer["ETag"]), (4, done["ETag"]))
                    self.assertEqual(answer["ContentLength"], len(body))
                    last = start + len(body) - 1
                    self.assertEqual(answer["ContentRange"], f"bytes {start}-{last}/{len(whole)}")
                got = self.s3.get_object(Bucket="photos", Key="k", PartNumber=number)
                self.assertEqual(got["Body"].read(), body)
                start += len(body)

    def test_whole_has_no_count(self) -> None:
        """The number of parts is told to who asks for a part."""
        self.put_parts(*BODIES)
        for answer in self.both():
            self.assertNotIn("PartsCount", answer)

    def test_checksums(self) -> None:
        """A part comes with its own checksum, which boto3 compares."""
        for created in (
            {"ChecksumAlgorithm": "SHA256"},
            {"ChecksumAlgorithm": "CRC32C", "ChecksumType": "FULL_OBJECT"},
            {"ChecksumAlgorithm": "XXHASH3"},
            {},
        ):
            kind = self.put_parts(*BODIES, created=created)["ChecksumType"]
            algorithm = created.get("ChecksumAlgorithm", "CRC64NVME")
            for answer in self.both(PartNumber=3, ChecksumMode="ENABLED"):
                self.assertEqual(
                    only_checksums(answer),
                    {f"Checksum{algorithm}": value(algorithm, BODIES[2]), "ChecksumType": kind},
                )
            got = self.s3.get_object(Bucket="photos", Key="k", PartNumber=3, ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), BODIES[2])

    def test_beyond(self) -> None:
        """A part that the object does not have is not satisfiable."""
        self.put_parts(*BODIES)
        error = self.refused(
            "InvalidPartNumber", self.s3.get_object, Bucket="photos", Key="k", PartNumber=5
        )
        self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 416)
        shown = error.response["Error"]
        self.assertEqual((shown["PartNumberRequested"], shown["ActualPartCount"]), ("5", "4"))
        self.refused("416", self.s3.head_object, Bucket="photos", Key="k", PartNumber=5)

    def test_not_a_number_of_a_part(self) -> None:
        """Part numbers go from 1 to 10,000."""
        self.put_parts(*BODIES)
        self.refused(
            "InvalidPartNumber", self.s3.get_object, Bucket="photos", Key="k", PartNumber=10_000
        )
        for number in (0, -1, 10_001):
            self.refused(
                "InvalidArgument", self.s3.get_object, Bucket="photos", Key="k", PartNumber=number
            )
            self.refused("400", self.s3.head_object, Bucket="photos", Key="k", PartNumber=number)

    def test_put_in_one_go(self) -> None:
        """An object that was put in one go is its own part 1, with its checksum."""
        for body in (b"small", b"large" * 9000):
            put = self.s3.put_object(Bucket="photos", Key="k", Body=body)
            for answer in self.both(PartNumber=1, ChecksumMode="ENABLED"):
                self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
                last = len(body) - 1
                self.assertEqual(answer["ContentRange"], f"bytes 0-{last}/{len(body)}")
                self.assertEqual(only_checksums(answer), only_checksums(put))
                self.assertNotIn("PartsCount", answer)
            got = self.s3.get_object(Bucket="photos", Key="k", PartNumber=1)
            self.assertEqual(got["Body"].read(), body)
            self.refused(
                "InvalidPartNumber", self.s3.get_object, Bucket="photos", Key="k", PartNumber=2
            )

    def test_empty(self) -> None:
        """A part without bytes is no range: its answer is 200."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"")
        for answer in self.both(PartNumber=1):
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 200)
            self.assertNotIn("ContentRange", answer)
        self.put_parts(b"x", b"")
        for answer in self.both(PartNumber=2):
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 200)
            self.assertEqual((answer["ContentLength"], answer["PartsCount"]), (0, 2))

    def test_with_range(self) -> None:
        """A part and a range together are refused, as on AWS."""
        # https://github.com/ceph/ceph/pull/66780 has Amazon's answer.
        self.put_parts(*BODIES)
        error = self.refused(
            "InvalidRequest",
            self.s3.get_object,
            Bucket="photos",
            Key="k",
            PartNumber=1,
            Range="bytes=0-1",
        )
        self.assertEqual(
            error.response["Error"]["Message"],
            "Cannot specify both Range header and partNumber query parameter",
        )

    def test_conditions(self) -> None:
        """Conditions come before the part."""
        done = self.put_parts(*BODIES)
        self.refused(
            "PreconditionFailed",
            self.s3.get_object,
            Bucket="photos",
            Key="k",
            PartNumber=5,
            IfMatch='"other"',
        )
        for number in (1, 5):
            self.refused(
                "304",
                self.s3.head_object,
                Bucket="photos",
                Key="k",
                PartNumber=number,
                IfNoneMatch=done["ETag"],
            )


class AttributesTests(PartsTestCase):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html"""

    def attributes(self, *names: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.get_object_attributes(
            Bucket="photos", Key="k", ObjectAttributes=list(names), **arguments
        )
        del answer["ResponseMetadata"]
        return answer

    def test_only_what_is_asked(self) -> None:
        """Of the attributes those are shown that are asked for, and the time always."""
        put = self.s3.put_object(Bucket="photos", Key="k", Body=b"data", ChecksumAlgorithm="SHA1")
        modified = self.s3.head_object(Bucket="photos", Key="k")["LastModified"]
        everything = {
            "ETag": put["ETag"].strip('"'),
            "Checksum": {"ChecksumSHA1": value("SHA1", b"data"), "ChecksumType": "FULL_OBJECT"},
            "StorageClass": "STANDARD",
            "ObjectSize": 4,
        }
        self.assertEqual(self.attributes(*EVERYTHING), {"LastModified": modified, **everything})
        for name in EVERYTHING:
            expected = {name: everything[name]} if name in everything else {}
            self.assertEqual(self.attributes(name), {"LastModified": modified, **expected})

    def test_parts(self) -> None:
        """The parts of a composite checksum are listed with their sizes and checksums."""
        done = self.put_parts(*BODIES, created={"ChecksumAlgorithm": "SHA512"})
        shown = self.attributes("ETag", "Checksum", "ObjectParts", "ObjectSize")
        self.assertEqual(f'"{shown["ETag"]}"', done["ETag"])
        self.assertEqual(shown["ObjectSize"], len(b"".join(BODIES)))
        whole = composite("SHA512", *BODIES).removesuffix("-4")
        self.assertEqual(shown["Checksum"], {"ChecksumSHA512": whole, "ChecksumType": "COMPOSITE"})
        self.assertEqual(
            shown["ObjectParts"],
            {
                "TotalPartsCount": 4,
                "PartNumberMarker": 0,
                "NextPartNumberMarker": 4,
                "MaxParts": 1000,
                "IsTruncated": False,
                "Parts": [
                    {
                        "PartNumber": number,
                        "Size": len(body),
                        "ChecksumSHA512": value("SHA512", body),
                    }
                    for number, body in enumerate(BODIES, 1)
                ],
            },
        )

    def test_pages_of_parts(self) -> None:
        """The parts are listed page by page."""
        self.put_parts(*BODIES, created={"ChecksumAlgorithm": "CRC32"})
        for parts_max in (1, 2, 3, 4, 5, 2000):
            numbers: list[int] = []
            marker, truncated = 0, True
            while truncated:
                page = self.attributes("ObjectParts", MaxParts=parts_max, PartNumberMarker=marker)
                parts = page["ObjectParts"]
                shown = [part["PartNumber"] for part in parts["Parts"]]
                self.assertEqual(parts["MaxParts"], min(parts_max, 1000))
                self.assertEqual((parts["PartNumberMarker"], parts["TotalPartsCount"]), (marker, 4))
                self.assertLessEqual(len(shown), parts_max)
                numbers += shown
                marker, truncated = parts["NextPartNumberMarker"], parts["IsTruncated"]
                self.assertEqual(marker, shown[-1])
            self.assertEqual(numbers, [1, 2, 3, 4])
        for arguments in (
            {"MaxParts": 0},
            {"PartNumberMarker": 4},
            {"PartNumberMarker": 2**31 - 1},
        ):
            parts = self.attributes("ObjectParts", **arguments)["ObjectParts"]
            self.assertNotIn("Parts", parts)
            self.assertFalse(parts["IsTruncated"])

    def test_parts_counted(self) -> None:
        """Without a composite checksum the parts are counted, and not listed."""
        # https://github.com/boto/boto3/issues/3509, localstack/localstack#12764
        for created in ({}, {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}):
            self.put_parts(*BODIES, created=created)
            shown = self.attributes("ObjectParts")["ObjectParts"]
            self.assertEqual(shown, {"TotalPartsCount": 4})

    def test_wire_names(self) -> None:
        """The count of the parts is called PartsCount on the wire, and each part Part."""
        self.put_parts(*BODIES, created={"ChecksumAlgorithm": "CRC32"})
        headers = {"x-amz-object-attributes": "ObjectParts"}
        request = authentic("GET", "/photos/k?attributes", headers)
        response = self.server.send("GET", as_bytes(request, b""))
        root = ElementTree.fromstring(response.body)
        names = [element.tag.rpartition("}")[2] for element in root[0]]
        self.assertTrue(root.tag.endswith("}GetObjectAttributesResponse"))
        self.assertEqual(names.count("Part"), 4)
        self.assertIn("PartsCount", names)

    def test_refused(self) -> None:
        """Attributes that there are not, none, and conditions are refused."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"data")
        for attributes, code in (
            ("Size", "InvalidArgument"),
            ("ETag,etag", "InvalidArgument"),
            ("", "InvalidRequest"),
            (None, "InvalidRequest"),
        ):
            headers = {} if attributes is None else {"x-amz-object-attributes": attributes}
            request = authentic("GET", "/photos/k?attributes", headers)
            response = self.server.send("GET", as_bytes(request, b""))
            self.assertEqual(response.status, 400)
            self.assertIn(f"<Code>{code}</Code>".encode(), response.body)
        headers = {"x-amz-object-attributes": "ETag", "if-match": "*"}
        request = authentic("GET", "/photos/k?attributes", headers)
        self.assertEqual(self.server.send("GET", as_bytes(request, b"")).status, 501)

    def test_missing(self) -> None:
        """What is not there has no attributes."""
        for code, bucket in (("NoSuchKey", "photos"), ("NoSuchBucket", "nowhere")):
            self.refused(
                code,
                self.s3.get_object_attributes,
                Bucket=bucket,
                Key="k",
                ObjectAttributes=["ETag"],
            )
