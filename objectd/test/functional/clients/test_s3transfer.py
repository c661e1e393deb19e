"""The managed transfers of boto3: what upload_file and its siblings make of a large object."""

from __future__ import annotations

from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig

from objectd.test.functional.clients.programs import MIB, ClientTests, content

SIZE_BYTES = 100 * MIB


class _Pipe(RawIOBase):
    """A file that cannot tell how long it is."""

    def __init__(self, data: bytes) -> None:
        self._data = BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


class PlainTests(ClientTests):
    def test_files(self) -> None:
        """A file of 100 MiB goes up, is copied by the server and comes down, each in parts
        that ten threads move."""
        data = content(SIZE_BYTES)
        path = self.write("large", data)
        moved: list[int] = []
        self.s3.upload_file(str(path), self.bucket, "large", Callback=moved.append)
        self.assertEqual(sum(moved), SIZE_BYTES)
        self.assertEqual(self.part_count("large"), 13)
        source = {"Bucket": self.bucket, "Key": "large"}
        self.s3.copy(source, self.bucket, "copied")
        self.assertEqual(self.part_count("copied"), 13)
        back = self.home / "back"
        self.s3.download_file(self.bucket, "copied", str(back))
        self.same(back, data)

    def test_stream(self) -> None:
        """What comes from a pipe goes up in parts until it ends."""
        data = content(20 * MIB + 1)
        self.s3.upload_fileobj(
            _Pipe(data), self.bucket, "stream", ExtraArgs={"Metadata": {"colour": "blue"}}
        )
        head = self.s3.head_object(Bucket=self.bucket, Key="stream", ChecksumMode="ENABLED")
        self.assertEqual((head["ContentLength"], head["Metadata"]), (len(data), {"colour": "blue"}))
        self.assertEqual((self.part_count("stream"), head["ChecksumType"]), (3, "COMPOSITE"))
        back = self.home / "back"
        with back.open("wb") as file:
            self.s3.download_fileobj(self.bucket, "stream", file)
        self.same(back, data)

    def test_copies(self) -> None:
        """A copy keeps metadata, headers and tags, below the size of a part and above it."""
        kept: dict[str, Any] = {"Metadata": {"colour": "blue"}, "ContentType": "x/y"}
        source = {"Bucket": self.bucket, "Key": "k"}
        for data in [b"data", content(9 * MIB)]:
            self.s3.put_object(**source, Body=data, Tagging="shape=round", **kept)
            self.s3.copy(source, self.bucket, "copied", ExtraArgs={"TaggingDirective": "COPY"})
            copied = {"Bucket": self.bucket, "Key": "copied"}
            head = self.s3.head_object(**copied)
            self.assertEqual({name: head[name] for name in kept}, kept)
            tags = self.s3.get_object_tagging(**copied)["TagSet"]
            self.assertEqual(tags, [{"Key": "shape", "Value": "round"}])
            self.assertTrue(self.get("copied") == data)

    def test_sizes(self) -> None:
        """At the edge of a part nothing is lost and nothing is added."""
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        for size_bytes in [0, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB]:
            data = content(size_bytes)
            self.s3.upload_fileobj(BytesIO(data), self.bucket, "k", Config=config)
            back = BytesIO()
            self.s3.download_fileobj(self.bucket, "k", back, Config=config)
            self.assertTrue(back.getvalue() == data, size_bytes)

    def same(self, path: Path, data: bytes) -> None:
        self.assertTrue(path.read_bytes() == data, "the bytes that came back are others")


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
