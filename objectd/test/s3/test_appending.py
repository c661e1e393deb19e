"""Appends over the wire: PutObject with x-amz-write-offset-bytes."""

from __future__ import annotations

from typing import Any

from objectd.test.s3.test_objects import ObjectsTestCase

LARGE = b"as large as need be " * 1000


class AppendTests(ObjectsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.s3.put_object(
            Bucket="photos", Key="k", Body=LARGE, ContentType="text/plain", Metadata={"x": "y"}
        )

    def append(self, data: bytes = b"more", offset: int = len(LARGE), **more: Any) -> Any:
        return self.s3.put_object(
            Bucket="photos", Key="k", Body=data, WriteOffsetBytes=offset, **more
        )

    def test_answer(self) -> None:
        """The answer tells size, ETag and checksum of the longer object, as HEAD does."""
        answer = self.append()
        head = self.s3.head_object(Bucket="photos", Key="k", ChecksumMode="ENABLED")
        self.assertEqual(answer["Size"], len(LARGE) + 4)
        self.assertEqual(head["ContentLength"], len(LARGE) + 4)
        for member in ("ETag", "ChecksumCRC32", "ChecksumType"):
            self.assertEqual(answer[member], head[member], member)
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/plain", {"x": "y"}))

    def test_bytes(self) -> None:
        """The pieces are read as one, whole and in ranges, and boto3 verifies them."""
        data = LARGE
        for piece in (b"1", b"22", LARGE):
            self.append(piece, len(data))
            data += piece
        got = self.s3.get_object(Bucket="photos", Key="k", ChecksumMode="ENABLED")
        self.assertEqual(got["Body"].read(), data)
        at = f"bytes={len(LARGE) - 1}-{len(LARGE) + 3}"
        got = self.s3.get_object(Bucket="photos", Key="k", Range=at)
        self.assertEqual(got["Body"].read(), data[len(LARGE) - 1 : len(LARGE) + 4])

    def test_no_size_of_a_put(self) -> None:
        """A PUT that appends nothing tells no size."""
        put = self.s3.put_object(Bucket="photos", Key="k", Body=b"x")
        self.assertNotIn("Size", put)

    def test_refusals(self) -> None:
        """What AWS refuses is refused in its words, and leaves the object as it was."""
        self.refused("InvalidWriteOffset", self.append, offset=1)
        self.refused("InvalidWriteOffset", self.append, offset=0)
        self.refused("InvalidArgument", self.append, offset=-1)
        self.refused("PreconditionFailed", self.append, IfNoneMatch="*")
        self.refused("PreconditionFailed", self.append, IfMatch='"x"')
        for words, arguments in (
            ("user-defined object metadata", {"Metadata": {"a": "b"}}),
            ("cannot be empty", {"data": b""}),
            ("expected checksum Type: crc32", {"ChecksumAlgorithm": "SHA256"}),
        ):
            error = self.refused("InvalidRequest", self.append, **arguments)
            self.assertIn(words, error.response["Error"]["Message"])
        got = self.s3.get_object(Bucket="photos", Key="k")
        self.assertEqual(got["Body"].read(), LARGE)

    def test_no_object(self) -> None:
        """Where there is no object, 0 makes one and any other offset is 404."""
        self.s3.delete_object(Bucket="photos", Key="k")
        self.refused("NoSuchKey", self.append)
        self.assertEqual(self.append(offset=0)["Size"], 4)
