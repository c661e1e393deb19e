"""boto3 against the real server, over plain HTTP and over HTTPS."""

from __future__ import annotations

import io
import signal
from base64 import b64encode
from hashlib import sha256
from random import Random
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from objectd.test.functional.boto_case import BotoCase
from objectd.test.functional.server import BUCKET, MIB


class _Tape:
    """What boto3 put into the heads of its requests."""

    def __init__(self, client: Any) -> None:
        self.heads: list[dict[str, str]] = []
        client.meta.events.register("before-send.s3", self._record)

    def _record(self, request: AWSPreparedRequest, **_: Any) -> None:
        self.heads.append(
            {
                name.lower(): value.decode() if isinstance(value, bytes) else str(value)
                for name, value in request.headers.items()
            }
        )


class PlainTests(BotoCase):
    """Everyday use over plain HTTP."""

    def setUp(self) -> None:
        super().setUp()
        self.random = Random(self.id())

    def bucket(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET)
        return [found["Key"] for found in listed.get("Contents", [])]

    def test_payload_form(self) -> None:
        """Over HTTP boto3 signs the digest of what it sends and declares its length."""
        tape = _Tape(self.client)
        self.client.put_object(Bucket=BUCKET, Key="k", Body=b"data")
        [head] = tape.heads
        self.assertEqual(head["x-amz-content-sha256"], sha256(b"data").hexdigest())
        self.assertEqual(head["content-length"], "4")
        self.assertNotIn("transfer-encoding", head)

    def test_copies(self) -> None:
        """Objects are copied, summed up on the way, and put together of parts of others; the
        copies outlive their source and the server's restart."""
        body = self.random.randbytes(6 * MIB)
        self.client.put_object(Bucket=BUCKET, Key="k", Body=body)
        source = {"CopySource": {"Bucket": BUCKET, "Key": "k"}, "Bucket": BUCKET}
        copied = self.client.copy_object(**source, Key="c", ChecksumAlgorithm="SHA256")
        checksum = copied["CopyObjectResult"]["ChecksumSHA256"]
        self.assertEqual(checksum, b64encode(sha256(body).digest()).decode())
        upload_id = self.client.create_multipart_upload(Bucket=BUCKET, Key="m")["UploadId"]
        etags = [
            self.client.upload_part_copy(
                **source, Key="m", UploadId=upload_id, PartNumber=number, CopySourceRange=span
            )["CopyPartResult"]["ETag"]
            for number, span in enumerate((f"bytes=0-{6 * MIB - 1}", f"bytes=1-{5 * MIB}"), 1)
        ]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        self.client.complete_multipart_upload(
            Bucket=BUCKET, Key="m", UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
        self.client.delete_object(Bucket=BUCKET, Key="k")
        self.server.stop(signal.SIGKILL)
        self.server.start()
        client = self.server.client(secure=self.secure)
        for key, expected in (("c", body), ("m", body + body[1 : 5 * MIB + 1])):
            self.assertEqual(client.get_object(Bucket=BUCKET, Key=key)["Body"].read(), expected)

    def test_put_get(self) -> None:
        """Objects small, at the edges of a piece and large come back as they went up."""
        for size_bytes in [0, 1, 16384, 65536, 65537, MIB, 9 * MIB + 1]:
            data = self.random.randbytes(size_bytes)
            put = self.client.put_object(Bucket=BUCKET, Key=str(size_bytes), Body=data)
            got = self.client.get_object(Bucket=BUCKET, Key=str(size_bytes), ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), data)
            self.assertEqual((got["ContentLength"], got["ETag"]), (size_bytes, put["ETag"]))
            self.assertEqual(got["ChecksumCRC32"], put["ChecksumCRC32"])

    def test_checksums(self) -> None:
        """A checksum of every algorithm is verified, kept and given back."""
        for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
            put = self.client.put_object(
                Bucket=BUCKET, Key="k", Body=b"data" * 9999, ChecksumAlgorithm=algorithm
            )
            head = self.client.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
            self.assertEqual(head[f"Checksum{algorithm}"], put[f"Checksum{algorithm}"])

    def test_transfer(self) -> None:
        """The transfer methods move a large file in parts, at once, both ways."""
        data = self.random.randbytes(20 * MIB + 1)
        self.client.upload_fileobj(
            io.BytesIO(data), BUCKET, "k", ExtraArgs={"Metadata": {"a": "b"}}
        )
        head = self.client.head_object(Bucket=BUCKET, Key="k")
        self.assertEqual(head["Metadata"], {"a": "b"})
        self.assertTrue(head["ETag"].endswith('-3"'))
        back = io.BytesIO()
        self.client.download_fileobj(BUCKET, "k", back)
        self.assertEqual(back.getvalue(), data)

    def test_ranges(self) -> None:
        """Ranges of a large object are exactly the bytes asked for."""
        data = self.random.randbytes(3 * MIB)
        self.client.put_object(Bucket=BUCKET, Key="k", Body=data)
        for asked, wanted in [
            ("bytes=0-0", data[:1]),
            ("bytes=65535-65536", data[65535:65537]),
            ("bytes=1048570-", data[1048570:]),
            ("bytes=-7", data[-7:]),
        ]:
            got = self.client.get_object(Bucket=BUCKET, Key="k", Range=asked)
            self.assertEqual(got["Body"].read(), wanted)

    def test_pages_and_deletion(self) -> None:
        """A bucket of many keys is listed page by page and emptied in one request."""
        keys = sorted(f"k/{number:03}" for number in range(60))
        for key in keys:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, PaginationConfig={"PageSize": 7}
        )
        self.assertEqual([found["Key"] for page in pages for found in page["Contents"]], keys)
        deleted = self.client.delete_objects(
            Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]}
        )
        self.assertEqual(sorted(found["Key"] for found in deleted["Deleted"]), keys)
        self.assertEqual(self.bucket(), [])

    def test_errors(self) -> None:
        """boto3 raises the errors that it raises with AWS, with their codes."""
        with self.assertRaises(self.client.exceptions.NoSuchKey):
            self.client.get_object(Bucket=BUCKET, Key="absent")
        with self.assertRaises(self.client.exceptions.NoSuchBucket):
            self.client.list_objects_v2(Bucket="absent")
        with self.assertRaises(ClientError) as raised:
            self.client.head_object(Bucket=BUCKET, Key="absent")
        self.assertEqual(raised.exception.response["Error"]["Code"], "404")
        with self.assertRaises(ClientError) as raised:
            self.client.put_object(Bucket=BUCKET, Key="k", Body=b"x", ChecksumCRC32="AAAAAA==")
        self.assertEqual(raised.exception.response["Error"]["Code"], "BadDigest")
        self.assertEqual(self.bucket(), [])

    def test_restart(self) -> None:
        """Another process on the same directory serves what the first one took."""
        data = self.random.randbytes(2 * MIB)
        self.client.put_object(Bucket=BUCKET, Key="small", Body=b"small")
        self.client.put_object(Bucket=BUCKET, Key="large", Body=data)
        self.restart()
        self.assertEqual(self.bucket(), ["large", "small"])
        got = self.client.get_object(Bucket=BUCKET, Key="large")
        self.assertEqual(got["Body"].read(), data)


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True

    def test_payload_form(self) -> None:
        """Over HTTPS boto3 sends an unsigned trailer, in an outer chunked encoding."""
        tape = _Tape(self.client)
        self.client.put_object(Bucket=BUCKET, Key="k", Body=b"data")
        [head] = tape.heads
        self.assertEqual(head["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        self.assertEqual(head["transfer-encoding"], "chunked")
        self.assertEqual(head["x-amz-trailer"], "x-amz-checksum-crc32")
        got = self.client.get_object(Bucket=BUCKET, Key="k")
        self.assertEqual(got["Body"].read(), b"data")
        self.assertNotIn("ContentEncoding", got)
