"""Steps with multipart uploads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, multiple, rule

from objectd.test.machine import sums
from objectd.test.machine.draws import (
    BUCKETS,
    CHECKSUM_KINDS,
    CONDITIONS,
    CONTENTS,
    KEPT,
    PART_NUMBERS,
    PLACES,
    XML_KEYS,
    Place,
    declared,
)
from objectd.test.machine.machine import S3Machine
from objectd.test.machine.plain import Answer, Upload

UPLOADS: Bundle[Answer] = Bundle("uploads")


class UploadRules(S3Machine):
    """Uploads stay in the bundle when they are over, for who asks for them again."""

    @rule(target=UPLOADS, bucket=BUCKETS, key=XML_KEYS, checksum=CHECKSUM_KINDS, kept=KEPT)
    def create_upload(
        self, bucket: str, key: str, checksum: tuple[str, str], kept: Answer
    ) -> MultipleResults[Answer]:
        return multiple(*self.created(bucket, key, checksum, kept))

    def created(
        self, bucket: str, key: str, checksum: tuple[str, str], kept: Answer
    ) -> list[Answer]:
        """An upload, or none without its bucket."""
        algorithm, kind = checksum
        found = self.ask(
            "create_multipart_upload",
            Bucket=bucket,
            Key=key,
            ChecksumAlgorithm=algorithm,
            ChecksumType=kind,
            **kept,
        )
        return [{"Bucket": bucket, "Key": key, "UploadId": found["UploadId"]}] if found else []

    @rule(
        bucket=BUCKETS,
        key=XML_KEYS,
        checksum=CHECKSUM_KINDS,
        parts=st.dictionaries(PART_NUMBERS, CONTENTS, min_size=1),
    )
    def put_in_parts(
        self, bucket: str, key: str, checksum: tuple[str, str], parts: Mapping[int, bytes]
    ) -> None:
        """A whole upload from its beginning to its end."""
        for upload in self.created(bucket, key, checksum, {}):
            for number, data in parts.items():
                self.send_part(upload, number, data)
            self.complete(upload, sorted(parts))

    @rule(upload=UPLOADS, number=PART_NUMBERS, data=CONTENTS)
    def upload_part(self, upload: Answer, number: int, data: bytes) -> None:
        self.send_part(upload, number, data)

    def send_part(self, upload: Answer, number: int, data: bytes) -> None:
        algorithm = self.algorithm_of(upload)
        given = declared(algorithm, data)
        self.ask("upload_part", **upload, PartNumber=number, Body=data, **given)

    @rule(
        upload=UPLOADS,
        number=PART_NUMBERS,
        source=PLACES,
        span=st.none() | st.tuples(st.integers(0, 120), st.integers(1, 120)),
    )
    def copy_part(
        self, upload: Answer, number: int, source: Place, span: tuple[int, int] | None
    ) -> None:
        given: Answer = {"CopySource": self.place(source)}
        if span is not None:
            given["CopySourceRange"] = f"bytes={span[0]}-{span[0] + span[1] - 1}"
        self.ask("upload_part_copy", **upload, PartNumber=number, **given)

    @rule(upload=UPLOADS, numbers=st.lists(PART_NUMBERS, min_size=1, max_size=4))
    def complete_with(self, upload: Answer, numbers: list[int]) -> None:
        """A list that may name parts that are not there, in any order."""
        self.complete(upload, numbers)

    @rule(upload=UPLOADS, condition=CONDITIONS)
    def complete_all(self, upload: Answer, condition: str) -> None:
        known = self.upload(upload)
        numbers = [number for number, _ in known.listed] if known else []
        if known is not None and known.is_open:
            numbers = sorted(known.parts)
        self.complete(upload, numbers or [1], condition)

    @rule(upload=UPLOADS)
    def abort(self, upload: Answer) -> None:
        self.ask("abort_multipart_upload", **upload)

    @rule(upload=UPLOADS)
    def list_parts(self, upload: Answer) -> None:
        self.ask("list_parts", **upload)

    @rule(bucket=BUCKETS)
    def list_uploads(self, bucket: str) -> None:
        self.ask("list_multipart_uploads", Bucket=bucket)

    def complete(self, upload: Answer, numbers: Sequence[int], condition: str = "") -> None:
        known = self.upload(upload)
        algorithm = self.algorithm_of(upload)
        parts = known.parts if known else {}
        lines = [
            {
                "PartNumber": number,
                "ETag": sums.etag(parts.get(number, b"")),
                f"Checksum{algorithm}": sums.checksum(algorithm, parts.get(number, b"")),
            }
            for number in numbers
        ]
        given = self.condition(condition, str(upload["Bucket"]), str(upload["Key"]))
        request = {**upload, **given, "MultipartUpload": {"Parts": lines}}
        if known is None or known.became is None or self.is_current(known):
            self.ask("complete_multipart_upload", **request)
        else:
            # What it became was replaced: nobody owes it the answer of then any more.
            self.ask_forgotten("complete_multipart_upload", **request)

    def upload(self, upload: Answer) -> Upload | None:
        """None if its bucket was deleted since."""
        bucket = self.model.buckets.get(str(upload["Bucket"]))
        return bucket.uploads.get(str(upload["UploadId"])) if bucket else None

    def algorithm_of(self, upload: Answer) -> str:
        known = self.upload(upload)
        return known.algorithm if known else "CRC32"

    def is_current(self, upload: Upload) -> bool:
        return self.model.buckets[upload.bucket].objects.get(upload.key) is upload.became
