"""The SDK of MinIO for Python, which is `minio` on PyPI."""

from __future__ import annotations

import io
from datetime import timedelta

from minio import Minio
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from urllib3 import PoolManager

from objectd.test.functional.clients.programs import (
    ACCESS_KEY,
    MIB,
    SECRET_KEY,
    ClientTests,
    content,
)


class PlainTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        self.http = PoolManager(ca_certs=str(self.certificate))
        self.addCleanup(self.http.clear)
        self.minio = Minio(
            self.host,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            secure=self.secure,
            http_client=self.http,
        )

    def read(self, name: str) -> bytes:
        answer = self.minio.get_object(self.bucket, name)
        try:
            data: bytes = answer.read()
        finally:
            answer.close()
            answer.release_conn()
        return data

    def test_buckets(self) -> None:
        """Buckets are made, found, listed and removed."""
        another = f"{self.bucket}-2"
        self.minio.make_bucket(another)
        self.assertTrue(self.minio.bucket_exists(another))
        self.assertIn(another, [bucket.name for bucket in self.minio.list_buckets()])
        self.minio.remove_bucket(another)
        self.assertFalse(self.minio.bucket_exists(another))

    def test_settings(self) -> None:
        """What a bucket has no setting of is reported as such, not as a failure."""
        self.assertEqual(self.minio.get_bucket_versioning(self.bucket).status_string, "Off")
        self.assertIsNone(self.minio.get_bucket_tags(self.bucket))
        self.assertIsNone(self.minio.get_bucket_lifecycle(self.bucket))
        self.assertIsNone(self.minio.get_bucket_encryption(self.bucket))
        self.assertIsNone(self.minio.get_bucket_replication(self.bucket))
        with self.assertRaises(S3Error) as raised:
            self.minio.get_bucket_policy(self.bucket)
        self.assertEqual(raised.exception.code, "NoSuchBucketPolicy")

    def test_objects(self) -> None:
        """Objects are put, described, read whole and in ranges, and removed."""
        put = self.minio.put_object(
            self.bucket, "deep/ü +", io.BytesIO(b"data"), 4, metadata={"colour": "blue"}
        )
        stat = self.minio.stat_object(self.bucket, "deep/ü +")
        self.assertEqual((stat.size, stat.etag), (4, put.etag))
        self.assertEqual((stat.metadata or {})["x-amz-meta-colour"], "blue")
        self.assertEqual(self.read("deep/ü +"), b"data")
        part = self.minio.get_object(self.bucket, "deep/ü +", offset=1, length=2)
        self.assertEqual(part.read(), b"at")
        part.release_conn()
        self.minio.remove_object(self.bucket, "deep/ü +")
        with self.assertRaises(S3Error) as raised:
            self.minio.stat_object(self.bucket, "deep/ü +")
        self.assertEqual(raised.exception.code, "NoSuchKey")

    def test_multipart(self) -> None:
        """Files and streams of unknown length go up in parts and come down whole."""
        data = content(11 * MIB)
        path = str(self.write("large", data))
        self.minio.fput_object(self.bucket, "file", path, part_size=5 * MIB)
        self.minio.put_object(self.bucket, "stream", io.BytesIO(data), -1, part_size=5 * MIB)
        self.assertEqual((self.part_count("file"), self.part_count("stream")), (3, 3))
        self.minio.fget_object(self.bucket, "file", str(self.home / "back"))
        self.assertEqual((self.home / "back").read_bytes(), data)
        self.assertEqual(self.read("stream"), data)

    def test_copies(self) -> None:
        """The server copies objects, and composes one of several."""
        data = content(6 * MIB)
        self.minio.put_object(self.bucket, "first", io.BytesIO(data), len(data))
        self.minio.put_object(self.bucket, "last", io.BytesIO(b"end"), 3)
        self.minio.copy_object(self.bucket, "copied", CopySource(self.bucket, "first"))
        self.assertEqual(self.read("copied"), data)
        sources = [ComposeSource(self.bucket, name) for name in ("first", "last")]
        self.minio.compose_object(self.bucket, "composed", sources)
        self.assertEqual((self.read("composed"), self.part_count("composed")), (data + b"end", 2))

    def test_appends(self) -> None:
        """What is appended stands behind what was there."""
        self.minio.put_object(self.bucket, "k", io.BytesIO(b"data"), 4)
        self.minio.append_object(self.bucket, "k", io.BytesIO(b" and more"), 9)
        self.assertEqual(self.read("k"), b"data and more")

    def test_lists(self) -> None:
        """Objects are listed by directory or all, and removed many at a time."""
        names = ["a", "b/1", "b/2", "c d"]
        for name in names:
            self.minio.put_object(self.bucket, name, io.BytesIO(b"x"), 1)
        listed = [found.object_name for found in self.minio.list_objects(self.bucket)]
        self.assertEqual(listed, ["a", "c d", "b/"])
        below = self.minio.list_objects(self.bucket, recursive=True, start_after="a")
        self.assertEqual([found.object_name for found in below], names[1:])
        errors = self.minio.remove_objects(self.bucket, [DeleteObject(name) for name in names])
        self.assertEqual((list(errors), self.keys()), ([], []))

    def test_tags(self) -> None:
        """Tags of an object are set, read and removed."""
        self.minio.put_object(self.bucket, "k", io.BytesIO(b"x"), 1)
        tags = Tags.new_object_tags()
        tags["colour"] = "blue"
        self.minio.set_object_tags(self.bucket, "k", tags)
        self.assertEqual(self.minio.get_object_tags(self.bucket, "k"), {"colour": "blue"})
        self.minio.delete_object_tags(self.bucket, "k")
        self.assertIsNone(self.minio.get_object_tags(self.bucket, "k"))

    def test_presigned(self) -> None:
        """Whoever has a presigned URL puts and gets without a key."""
        put = self.minio.presigned_put_object(self.bucket, "k", expires=timedelta(minutes=1))
        self.assertEqual(self.http.request("PUT", put, body=b"data").status, 200)
        get = self.minio.presigned_get_object(self.bucket, "k")
        self.assertEqual(self.http.request("GET", get).data, b"data")


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
