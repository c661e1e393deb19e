"""Multipart uploads, as S3 keeps them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

from objectd.test.machine import sums
from objectd.test.machine.plain import Answer, PlainS3, Refused, Stored, Upload, kept


class PlainUploads(PlainS3):
    """Create, add parts, complete, abort and list."""

    def __init__(self) -> None:
        super().__init__()
        self.next_upload_id = ""
        """What the server calls the upload that is created next: the one thing that the
        model cannot know."""

    def create_multipart_upload(
        self, *, Bucket: str, Key: str, ChecksumAlgorithm: str, ChecksumType: str, **given: object
    ) -> Answer:
        upload = Upload(Bucket, Key, ChecksumAlgorithm, ChecksumType, kept(given))
        self.bucket(Bucket).uploads[self.next_upload_id] = upload
        shown = {"ChecksumAlgorithm": ChecksumAlgorithm, "ChecksumType": ChecksumType}
        return {"Bucket": Bucket, "Key": Key, "UploadId": self.next_upload_id, **shown}

    def upload_part(
        self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes, **_: object
    ) -> Answer:
        upload = self.open_upload(Bucket, Key, UploadId)
        upload.parts[PartNumber] = Body
        return _shown_part(upload, Body)

    def upload_part_copy(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        CopySource: Mapping[str, str],
        CopySourceRange: str = "",
    ) -> Answer:
        upload = self.open_upload(Bucket, Key, UploadId)
        data = self.object(CopySource["Bucket"], CopySource["Key"]).data
        if CopySourceRange:
            first, last = map(int, CopySourceRange.removeprefix("bytes=").split("-"))
            if last >= len(data):
                raise Refused("InvalidArgument")
            data = data[first : last + 1]
        upload.parts[PartNumber] = data
        return {"CopyPartResult": _shown_part(upload, data)}

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        MultipartUpload: Mapping[str, object],
        **conditions: str,
    ) -> Answer:
        lines = cast("list[dict[str, Any]]", MultipartUpload["Parts"])
        listed = [(line["PartNumber"], line["ETag"]) for line in lines]
        if any(one >= other for (one, _), (other, _) in itertools.pairwise(listed)):
            raise Refused("InvalidPartOrder")
        upload = self.bucket(Bucket).uploads.get(UploadId)
        if upload is None or upload.key != Key or not (upload.is_open or upload.became):
            raise Refused("NoSuchUpload")
        if upload.became is not None:
            if upload.listed != listed:
                raise Refused("NoSuchUpload")
            return upload.answer
        for number, etag in listed:
            if number not in upload.parts or sums.etag(upload.parts[number]) != etag:
                raise Refused("InvalidPart")
        if any(not upload.parts[number] for number, _ in listed[:-1]):
            raise Refused("EntityTooSmall")  # the least size that is set is 1
        self.require(Bucket, Key, **conditions)
        stored = completed(upload, [upload.parts[number] for number, _ in listed])
        self.buckets[Bucket].objects[Key] = stored
        upload.is_open, upload.became, upload.listed = False, stored, listed
        upload.answer = {"Bucket": Bucket, "Key": Key, "ETag": stored.etag, **stored.checksums}
        return upload.answer

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> Answer:
        self.open_upload(Bucket, Key, UploadId).is_open = False
        return {}

    def list_parts(self, *, Bucket: str, Key: str, UploadId: str) -> Answer:
        upload = self.open_upload(Bucket, Key, UploadId)
        lines = [
            {"PartNumber": number, "Size": len(data), **_shown_part(upload, data)}
            for number, data in sorted(upload.parts.items())
        ]
        shown = {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.kind}
        return {"Parts": lines, "IsTruncated": False, **shown}

    def list_multipart_uploads(self, *, Bucket: str) -> Answer:
        uploads = self.bucket(Bucket).uploads.items()
        lines = [
            {"Key": upload.key, "UploadId": upload_id, "ChecksumAlgorithm": upload.algorithm}
            for upload_id, upload in uploads
            if upload.is_open
        ]
        # Of one key in the order in which they were begun: the sort is stable.
        lines.sort(key=lambda line: str(line["Key"]).encode())
        return {"Uploads": lines, "IsTruncated": False}

    def open_upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        upload = self.bucket(bucket).uploads.get(upload_id)
        if upload is None or not upload.is_open or upload.key != key:
            raise Refused("NoSuchUpload")
        return upload


def completed(upload: Upload, parts: list[bytes]) -> Stored:
    """What an upload becomes with these parts."""
    etag = sums.multipart_etag(parts)
    whole, algorithm, kind = b"".join(parts), upload.algorithm, upload.kind
    return Stored(whole, etag, upload.kept, algorithm, kind, tuple(parts))


def _shown_part(upload: Upload, data: bytes) -> Answer:
    value = sums.checksum(upload.algorithm, data)
    return {"ETag": sums.etag(data), f"Checksum{upload.algorithm}": value}
