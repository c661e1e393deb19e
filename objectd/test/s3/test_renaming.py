"""RenameObject over the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import S3Error
from objectd.s3.renaming import rename_source
from objectd.test.s3.test_objects import ObjectsTestCase


class SourceTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """The source is a key, alone or behind its bucket, percent-encoded once."""
        for header, key in (
            ("a", "a"),
            ("dir/a", "dir/a"),
            ("/photos/dir/a", "dir/a"),
            ("photos/a", "photos/a"),
            ("/a", "/a"),
            ("/other/a", "/other/a"),
            ("a%20b+c", "a b+c"),
            ("%2561", "%61"),
            ("%C3%A4", "ä"),
            ("../a", "../a"),
        ):
            self.assertEqual(rename_source("photos", header), key)
        for header in ("", "/photos/", "%FF"):
            self.assertRaises(S3Error, rename_source, "photos", header)


class RenameTests(ObjectsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.etag = self.s3.put_object(
            Bucket="photos", Key="a b", Body=b"bytes", Metadata={"x": "y"}
        )["ETag"]
        self.modified = self.s3.head_object(Bucket="photos", Key="a b")["LastModified"]

    def rename(self, source: str = "a%20b", target: str = "new", **more: Any) -> Any:
        return self.s3.rename_object(Bucket="photos", Key=target, RenameSource=source, **more)

    def test_rename(self) -> None:
        """The object is at the new key with all that it had, and no longer at the old one."""
        self.rename()
        head = self.s3.head_object(Bucket="photos", Key="new")
        self.assertEqual((head["ETag"], head["LastModified"]), (self.etag, self.modified))
        self.assertEqual(head["Metadata"], {"x": "y"})
        self.assertEqual(self.keys(), ["new"])

    def test_token(self) -> None:
        """A token makes a rename happen once, and is for that one only."""
        self.rename(ClientToken="once")
        self.rename(ClientToken="once")
        self.refused("IdempotentParameterMismatch", self.rename, target="x", ClientToken="once")
        self.refused("InvalidArgument", self.rename, ClientToken="t" * 65)

    def test_conditions(self) -> None:
        """Both ends may have conditions, on ETags and on times."""
        second = timedelta(seconds=1)
        self.s3.put_object(Bucket="photos", Key="new", Body=b"other")
        for conditions in (
            {"SourceIfMatch": '"x"'},
            {"SourceIfNoneMatch": "*"},
            {"SourceIfModifiedSince": self.modified},
            {"SourceIfUnmodifiedSince": self.modified - second},
            {"DestinationIfMatch": '"x"'},
            {"DestinationIfNoneMatch": "*"},
            {"DestinationIfUnmodifiedSince": self.modified - second},
        ):
            self.refused("PreconditionFailed", self.rename, **conditions)
        self.refused("NotImplemented", self.rename, DestinationIfMatch="*")
        self.assertEqual(self.keys(), ["a b", "new"])
        self.rename(SourceIfMatch=self.etag, SourceIfUnmodifiedSince=self.modified)
        self.assertEqual(self.keys(), ["new"])

    def test_refusals(self) -> None:
        """A source that is not there, the object itself, and other buckets are refused."""
        self.refused("NoSuchKey", self.rename, source="gone")
        self.refused("NoSuchKey", self.rename, source="/other/a%20b")
        self.refused("InvalidRequest", self.rename, target="a b")
        self.refused("InvalidArgument", self.rename, source="%FF")
        self.assertEqual(self.keys(), ["a b"])
