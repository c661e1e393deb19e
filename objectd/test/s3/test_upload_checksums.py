"""Checksums over the wire of parts, and of what parts become."""

from __future__ import annotations

import io
from hashlib import sha256

import attrs
from boto3.s3.transfer import TransferConfig

from objectd.digests import ALGORITHMS
from objectd.test.s3.test_checksums import (
    BOTO_KNOWS,
    CRCS,
    LARGE,
    WHOLE_ONLY,
    ChecksumsTestCase,
    composite,
    only_checksums,
    value,
)
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic


@attrs.frozen
class Scenario:
    """A multipart upload and what becomes of its checksum. `algorithm` and `kind` are what
    CreateMultipartUpload says; `expected` is the value at the end."""

    parts: tuple[bytes, ...]
    algorithm: str
    kind: str
    expected: str
    expected_kind: str

    @property
    def created(self) -> dict[str, str]:
        given = {"ChecksumAlgorithm": self.algorithm, "ChecksumType": self.kind}
        return {name: text for name, text in given.items() if text}


def scenarios() -> list[Scenario]:
    """Scenarios 1 to 7 of https://github.com/floci-io/floci/pull/3093, which were tried with
    Amazon S3, and the same for the algorithms that S3 has had since."""
    first, second, third = LARGE, LARGE[::-1], b"end"
    found = []
    for algorithm in ALGORITHMS:
        for parts in ((first,), (first, third), (first, second, third)):
            whole = value(algorithm, b"".join(parts))
            if algorithm not in WHOLE_ONLY:
                made = composite(algorithm, *parts)
                found.append(Scenario(parts, algorithm, "", made, "COMPOSITE"))
                found.append(Scenario(parts, algorithm, "COMPOSITE", made, "COMPOSITE"))
            if algorithm in CRCS:
                found.append(Scenario(parts, algorithm, "FULL_OBJECT", whole, "FULL_OBJECT"))
            if algorithm in WHOLE_ONLY:
                found.append(Scenario(parts, algorithm, "", whole, "FULL_OBJECT"))
    return found


class UploadTests(ChecksumsTestCase):
    def test_scenarios(self) -> None:
        """Every allowed pair of algorithm and type, shown alike by every operation."""
        for scenario in scenarios():
            for secure in (False, True):
                self.s3 = self.server.client(secure=secure)
                self.check(scenario)

    def check(self, scenario: Scenario) -> None:
        s3, algorithm, kind = self.s3, scenario.algorithm, scenario.expected_kind
        member = f"Checksum{algorithm}"
        created = s3.create_multipart_upload(Bucket="photos", Key="k", **scenario.created)
        chosen = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        self.assertEqual(only_checksums(created), chosen)
        upload = {"Bucket": "photos", "Key": "k", "UploadId": created["UploadId"]}
        parts = []
        for number, body in enumerate(scenario.parts, 1):
            right = {member: value(algorithm, body)}
            given = {"ChecksumAlgorithm": algorithm} if algorithm in BOTO_KNOWS else right
            sent = s3.upload_part(**upload, PartNumber=number, Body=body, **given)
            self.assertEqual(only_checksums(sent), right)
            parts.append({"PartNumber": number, "ETag": sent["ETag"], **only_checksums(sent)})
        listed = s3.list_parts(**upload)
        self.assertEqual(only_checksums(listed), chosen)
        shown = [part[member] for part in listed["Parts"]]
        self.assertEqual(shown, [part[member] for part in parts])
        [pending] = s3.list_multipart_uploads(Bucket="photos")["Uploads"]
        self.assertEqual(only_checksums(pending), chosen)
        expected = {member: scenario.expected, "ChecksumType": kind}
        declared = {member: scenario.expected, "ChecksumType": kind}
        done = self.complete(upload, parts, **declared)
        self.assertEqual(only_checksums(done), expected)
        asked = {"Bucket": "photos", "Key": "k", "ChecksumMode": "ENABLED"}
        self.assertEqual(only_checksums(s3.head_object(**asked)), expected)
        got = s3.get_object(**asked)
        self.assertEqual(only_checksums(got), expected)
        self.assertEqual(got["Body"].read(), b"".join(scenario.parts))
        attributes = s3.get_object_attributes(
            Bucket="photos", Key="k", ObjectAttributes=["Checksum"]
        )
        bare = {member: scenario.expected.partition("-")[0], "ChecksumType": kind}
        self.assertEqual(attributes["Checksum"], bare)
        [line] = s3.list_objects_v2(Bucket="photos")["Contents"]
        self.assertEqual((line["ChecksumAlgorithm"], line["ChecksumType"]), ([algorithm], kind))

    def test_illegal_pairs(self) -> None:
        """The other pairs are refused in AWS's words."""
        s3 = self.server.client(parameter_validation=False)
        pairs = [(name, "FULL_OBJECT") for name in ALGORITHMS if name not in CRCS]
        for algorithm, kind in [*pairs, *((name, "COMPOSITE") for name in WHOLE_ONLY)]:
            message = self.message_of(
                "InvalidRequest",
                s3.create_multipart_upload,
                Bucket="photos",
                Key="k",
                ChecksumAlgorithm=algorithm,
                ChecksumType=kind,
            )
            self.assertEqual(
                message,
                f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum "
                "algorithm.",
            )
        for given in (
            {"ChecksumAlgorithm": "MD4"},
            {"ChecksumAlgorithm": "CRC32", "ChecksumType": "X"},
        ):
            self.message_of(
                "InvalidRequest", s3.create_multipart_upload, Bucket="photos", Key="k", **given
            )
        self.assertNotIn("Uploads", s3.list_multipart_uploads(Bucket="photos"))

    def test_type_alone(self) -> None:
        """A type without an algorithm is refused."""
        s3 = self.server.client(request_checksum_calculation="when_required")
        message = self.message_of(
            "InvalidRequest",
            s3.create_multipart_upload,
            Bucket="photos",
            Key="k",
            ChecksumType="COMPOSITE",
        )
        self.assertIn("can only be used with the x-amz-checksum-algorithm header", message)

    def test_computed_where_not_sent(self) -> None:
        """A part that comes without the upload's checksum is given it by the server."""
        # https://github.com/pgsty/silo/issues/46: AWS S3 computes it.
        plain = self.server.client(request_checksum_calculation="when_required")
        for kind in ("COMPOSITE", "FULL_OBJECT"):
            upload = self.begin(ChecksumAlgorithm="CRC32C", ChecksumType=kind)
            sent = plain.upload_part(**upload, PartNumber=1, Body=b"data")
            self.assertEqual(only_checksums(sent), {"ChecksumCRC32C": value("CRC32C", b"data")})
            part = {"PartNumber": 1, "ETag": sent["ETag"], **only_checksums(sent)}
            self.assertEqual(self.complete(upload, [part])["ChecksumType"], kind)

    def test_other_algorithm(self) -> None:
        """A part with another checksum than the upload's is refused and leaves nothing."""
        upload = self.begin(ChecksumAlgorithm="SHA256")
        message = self.message_of(
            "InvalidRequest",
            self.s3.upload_part,
            **upload,
            PartNumber=1,
            Body=b"data",
            ChecksumCRC32=value("CRC32", b"data"),
        )
        self.assertEqual(
            message,
            "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum "
            "Type: crc32",
        )
        self.assertNotIn("Parts", self.s3.list_parts(**upload))

    def test_wrong_part(self) -> None:
        """A part whose checksum is wrong is BadDigest, and the one before it stays."""
        upload = self.begin(ChecksumAlgorithm="XXHASH128")
        kept = self.s3.upload_part(
            **upload, PartNumber=1, Body=LARGE, ChecksumXXHASH128=value("XXHASH128", LARGE)
        )
        self.refused(
            "BadDigest",
            self.s3.upload_part,
            **upload,
            PartNumber=1,
            Body=LARGE[1:],
            ChecksumXXHASH128=value("XXHASH128", LARGE),
        )
        [part] = self.s3.list_parts(**upload)["Parts"]
        self.assertEqual(part["ETag"], kept["ETag"])

    def test_list_without_checksums(self) -> None:
        """A composite upload needs the checksum of each listed part; another does not."""
        # boto/s3transfer#241 and apache/opendal#4580 met the refusal on Amazon S3;
        # minio/minio#20944 and pgsty/silo#31 say that there a whole one needs none.
        for kind, fits in (("COMPOSITE", False), ("FULL_OBJECT", True)):
            upload = self.begin(ChecksumAlgorithm="CRC32", ChecksumType=kind)
            sent = self.s3.upload_part(**upload, PartNumber=1, Body=b"data")
            bare = {"PartNumber": 1, "ETag": sent["ETag"]}
            if fits:
                self.assertEqual(self.complete(upload, [bare])["ChecksumType"], kind)
                continue
            message = self.message_of("InvalidRequest", self.complete, upload, [bare])
            self.assertEqual(
                message,
                "The upload was created using a crc32 checksum. The complete request must include "
                "the checksum for each part. It was missing for part 1 in the request.",
            )
            self.complete(upload, [{**bare, "ChecksumCRC32": value("CRC32", b"data")}])

    def test_wrong_at_the_end(self) -> None:
        """What a Complete says wrongly of the whole is refused, and the upload stays open."""
        # floci-io/floci#1950, pgsty/silo#74
        upload = self.begin(ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        sent = self.s3.upload_part(**upload, PartNumber=1, Body=b"data")
        part = {"PartNumber": 1, "ETag": sent["ETag"]}
        right = value("CRC32", b"data")
        for code, given in (
            ("BadDigest", {"ChecksumCRC32": "AAAAAA=="}),
            ("BadDigest", {"ChecksumCRC32": "AAAAAA==", "ChecksumType": "FULL_OBJECT"}),
            ("BadDigest", {"ChecksumCRC32": right, "ChecksumType": "COMPOSITE"}),
            ("BadDigest", {"ChecksumType": "COMPOSITE"}),
            ("BadDigest", {"ChecksumCRC32": right + "-2"}),
            ("InvalidRequest", {"ChecksumSHA1": value("SHA1", b"data")}),
            ("InvalidRequest", {"ChecksumCRC32": "x"}),
            ("InvalidRequest", {"MpuObjectSize": 5}),
        ):
            self.message_of(code, self.complete, upload, [part], **given)
            self.assertEqual(self.keys(), [])
            self.assertEqual(len(self.s3.list_parts(**upload)["Parts"]), 1)
        self.complete(upload, [part], ChecksumCRC32=right, MpuObjectSize=4)
        self.assertEqual(self.keys(), ["k"])

    def test_wrong_parts_count(self) -> None:
        """A composite value tells of as many parts as are listed, or of none."""
        # https://github.com/minio/minio/issues/19670: Amazon S3 takes both forms.
        bodies = (LARGE, b"end")
        for suffix, fits in (("", True), ("-2", True), ("-1", False), ("-x", False), ("-", False)):
            upload = self.begin(ChecksumAlgorithm="SHA1")
            parts = []
            for number, body in enumerate(bodies, 1):
                sent = self.s3.upload_part(
                    **upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA1"
                )
                part = {"PartNumber": number, "ETag": sent["ETag"], **only_checksums(sent)}
                parts.append(part)
            declared = composite("SHA1", *bodies).partition("-")[0] + suffix
            if fits:
                self.complete(upload, parts, ChecksumSHA1=declared)
            else:
                self.message_of("BadDigest", self.complete, upload, parts, ChecksumSHA1=declared)

    def test_values_alone(self) -> None:
        """An upload that was begun without an algorithm is compared by the default one."""
        # adobe/S3Mock#2843: the value and FULL_OBJECT come with the Complete alone.
        plain = self.server.client(request_checksum_calculation="when_required")
        for given, code in (
            ({}, None),
            ({"ChecksumCRC64NVME": value("CRC64NVME", b"data")}, None),
            ({"ChecksumType": "FULL_OBJECT"}, None),
            ({"ChecksumCRC64NVME": value("CRC64NVME", b"other")}, "BadDigest"),
            ({"ChecksumCRC32": value("CRC32", b"data")}, "InvalidRequest"),
            ({"ChecksumType": "COMPOSITE"}, "BadDigest"),
        ):
            self.s3 = plain
            upload = self.begin()
            part = plain.upload_part(**upload, PartNumber=1, Body=b"data")
            listed = [{"PartNumber": 1, "ETag": part["ETag"]}]
            if code is not None:
                self.message_of(code, self.complete, upload, listed, **given)
                continue
            done = self.complete(upload, listed, **given)
            expected = {
                "ChecksumCRC64NVME": value("CRC64NVME", b"data"),
                "ChecksumType": "FULL_OBJECT",
            }
            self.assertEqual(only_checksums(done), expected)

    def test_transfer_manager(self) -> None:
        """boto3's own transfers are checked end to end."""
        config = TransferConfig(
            multipart_threshold=5 << 20, multipart_chunksize=5 << 20, use_threads=False
        )
        body = LARGE * 210
        for algorithm in ("CRC32", "CRC64NVME", "SHA256", "XXHASH128"):
            extra = {"ChecksumAlgorithm": algorithm}
            self.s3.upload_fileobj(io.BytesIO(body), "photos", "k", Config=config, ExtraArgs=extra)
            back = io.BytesIO()
            self.s3.download_fileobj("photos", "k", back, Config=config)
            self.assertEqual(back.getvalue(), body)


class DocumentTests(WireTestCase):
    def test_checksum_of_object(self) -> None:
        """The checksum beside the list of a Complete is of the object, not of the document;
        Content-MD5 is of the document."""
        part = self.s3.upload_part(
            Bucket=BUCKET, Key="parts", PartNumber=1, UploadId=self.upload_id, Body=b"data"
        )
        document = (
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            f"<ETag>{part['ETag']}</ETag></Part></CompleteMultipartUpload>"
        ).encode()
        target = f"/{BUCKET}/parts?uploadId={self.upload_id}"
        of_object = {"x-amz-checksum-crc64nvme": value("CRC64NVME", b"data")}
        for of_document, status in ((b"other", 400), (document, 200)):
            headers = {**of_object, "content-md5": value("MD5", of_document)}
            request = authentic("POST", target, headers, payload=sha256(document).hexdigest())
            self.assertEqual(self.send(request, document).response.status, status)
