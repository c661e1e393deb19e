"""Tags and annotations through boto3 against the real server, and over its restart."""

from __future__ import annotations

from typing import Any

from objectd.test.functional.boto_case import BotoCase
from objectd.test.functional.server import BUCKET, MIB
from objectd.test.s3.wire import refusal

RED: dict[str, Any] = {"TagSet": [{"Key": "colour", "Value": "rot + grün"}]}
K: dict[str, Any] = {"Bucket": BUCKET, "Key": "dir/k ü"}


class PlainTests(BotoCase):
    def test_tags_of_buckets(self) -> None:
        """Tags of buckets are put, read, kept and deleted."""
        client = self.client
        refusal(self, 404, "NoSuchTagSet", client.get_bucket_tagging, Bucket=BUCKET)
        client.put_bucket_tagging(Bucket=BUCKET, Tagging=RED)
        client.create_bucket(
            Bucket="born-with-tags", CreateBucketConfiguration={"Tags": RED["TagSet"]}
        )
        twice = {"TagSet": RED["TagSet"] * 2}
        refusal(self, 400, "InvalidTag", client.put_bucket_tagging, Bucket=BUCKET, Tagging=twice)
        self.restart()
        for bucket in (BUCKET, "born-with-tags"):
            found = self.client.get_bucket_tagging(Bucket=bucket)
            self.assertEqual(found["TagSet"], RED["TagSet"])
        self.client.delete_bucket_tagging(Bucket=BUCKET)
        refusal(self, 404, "NoSuchTagSet", self.client.get_bucket_tagging, Bucket=BUCKET)

    def test_tags_of_objects(self) -> None:
        """Tags of objects are put, counted, read, copied and deleted."""
        client = self.client
        client.put_object(**K, Body=b"x", Tagging="a=1&b=%C3%BC+%2B")
        self.assertEqual(client.head_object(**K)["TagCount"], 2)
        source = {"CopySource": K, "Bucket": BUCKET, "Key": "copy"}
        client.copy_object(**source)
        found = client.get_object_tagging(Bucket=BUCKET, Key="copy")["TagSet"]
        self.assertEqual(found, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü +"}])
        client.copy_object(**source, TaggingDirective="REPLACE")
        self.assertNotIn("TagCount", client.get_object(Bucket=BUCKET, Key="copy"))
        client.put_object_tagging(**K, Tagging=RED)
        self.assertEqual(client.get_object_tagging(**K)["TagSet"], RED["TagSet"])
        client.delete_object_tagging(**K)
        self.assertEqual(client.get_object_tagging(**K)["TagSet"], [])

    def test_annotations(self) -> None:
        """Annotations are put, read, listed, copied and deleted, and outlive a restart."""
        client = self.client
        etag = client.put_object(**K, Body=b"x")["ETag"]
        texts = {f"dir/n {number}": ("ü" if number else "x") * 1000 for number in range(5)}
        texts["largest"] = "x" * MIB
        for name, text in texts.items():
            client.put_object_annotation(
                **K, AnnotationName=name, AnnotationPayload=text.encode(), ObjectIfMatch=etag
            )
        gone = {"AnnotationName": "dir/n 0"}
        refusal(
            self,
            412,
            "PreconditionFailed",
            client.delete_object_annotation,
            **K,
            **gone,
            ObjectIfMatch='"other"',
        )
        client.delete_object_annotation(**K, **gone)
        refusal(self, 404, "NoSuchAnnotation", client.get_object_annotation, **K, **gone)
        del texts["dir/n 0"]
        copy = {"Bucket": BUCKET, "Key": "copy"}
        client.copy_object(**copy, CopySource=K)
        self.restart()
        for where in (K, copy):
            self.assertEqual(self.annotations(where), texts)
        self.client.delete_object(**K)
        self.client.put_object(**K, Body=b"x")
        self.assertEqual(self.annotations(K), {})

    def annotations(self, where: dict[str, str]) -> dict[str, str]:
        """What a client finds that goes through the pages."""
        found: dict[str, str] = {}
        more: dict[str, Any] = {}
        while True:
            page = self.client.list_object_annotations(**where, MaxAnnotationResults=2, **more)
            for entry in page["Annotations"]:
                got = self.client.get_object_annotation(
                    **where, AnnotationName=entry["AnnotationName"], ChecksumMode="ENABLED"
                )
                payload = got["AnnotationPayload"].read()
                self.assertEqual(len(payload), entry["Size"])
                found[entry["AnnotationName"]] = payload.decode()
            if "NextContinuationToken" not in page:
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}


class SecureTests(PlainTests):
    """The same over HTTPS, where boto3 sends checksums in trailers."""

    secure = True
