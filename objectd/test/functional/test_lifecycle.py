"""Lifecycles end to end: over the wire, with days that are short, and on disks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects.lifecycle import carrying_out, rules
from objectd.test.functional.server import BUCKET, Server
from objectd.test.machine.homes import DiskHome
from objectd.test.objects.lifecycle.machine import try_histories

CONFIG = """\
objects.lifecycle_day_seconds = 1.0
objects.part_bytes_min = 1
collection.interval_seconds = 0.2
"""
SECONDS_MAX = 60


class LifecycleTests(SynchronousTestCase):
    timeout = 180

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), config=CONFIG)
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()

    def set_rules(self, *rules: dict[str, Any]) -> None:
        wanted = [{"ID": str(n), "Status": "Enabled", **rule} for n, rule in enumerate(rules)]
        self.client.put_bucket_lifecycle_configuration(
            Bucket=BUCKET, LifecycleConfiguration={"Rules": wanted}
        )

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)

    def left(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET)
        return [found["Key"] for found in listed.get("Contents", [])]

    def test_day_passes(self) -> None:
        """What a rule is about goes a day later, with its file and its parts; the rest stays, as
        it does when the rules are gone. Workers do not show what the owner has taken away."""
        for key in ("logs/a", "logs/b", "kept"):
            self.client.put_object(Bucket=BUCKET, Key=key, Body=key.encode() * 30_000)
            self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        upload = self.client.create_multipart_upload(Bucket=BUCKET, Key="logs/parts")["UploadId"]
        self.client.upload_part(
            Bucket=BUCKET, Key="logs/parts", UploadId=upload, PartNumber=1, Body=b"x" * 90_000
        )
        logs = {"Filter": {"Prefix": "logs/"}}
        self.set_rules(
            {**logs, "Expiration": {"Days": 1}},
            {**logs, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        )
        self.wait_until(lambda: self.left() == ["kept"], "objects expire")
        self.wait_until(
            lambda: "Uploads" not in self.client.list_multipart_uploads(Bucket=BUCKET),
            "the upload is aborted",
        )
        self.wait_until(lambda: len(self.server.blob_files()) == 1, "files go")
        self.client.delete_bucket_lifecycle(Bucket=BUCKET)
        put = self.client.put_object(Bucket=BUCKET, Key="logs/new", Body=b"x")
        self.assertNotIn("Expiration", put)
        self.assertEqual(self.left(), ["kept", "logs/new"])
        log = self.server.log.read_text()
        self.assertIn("lifecycle: the current version expires, by rule '0'", log)
        self.assertIn("lifecycle: the upload is aborted, by rule '1'", log)

    def test_transitions(self) -> None:
        """An object goes from class to class, as one blob and in parts, and keeps its bytes: from
        an archive they are restored."""
        data = {"one": b"a line of a log\n" * 20_000, "parts": b"another line\n" * 20_000}
        self.client.put_object(Bucket=BUCKET, Key="one", Body=data["one"])
        named = {"Bucket": BUCKET, "Key": "parts"}
        upload = self.client.create_multipart_upload(**named)["UploadId"]
        listed = [
            {
                "PartNumber": number,
                "ETag": self.client.upload_part(
                    **named, UploadId=upload, PartNumber=number, Body=piece
                )["ETag"],
            }
            for number, piece in enumerate((data["parts"][:150_000], data["parts"][150_000:]), 1)
        ]
        self.client.complete_multipart_upload(
            **named, UploadId=upload, MultipartUpload={"Parts": listed}
        )
        before = {key: self.client.head_object(Bucket=BUCKET, Key=key) for key in data}
        self.set_rules(
            {"Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "STANDARD_IA"}]},
            {"Filter": {}, "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}]},
        )
        self.wait_until(lambda: self.classes() == {"STANDARD_IA"}, "all is moved")
        for key, body in data.items():
            got = self.client.get_object(Bucket=BUCKET, Key=key)
            self.assertEqual(got["Body"].read(), body)
            self.assertEqual(got["StorageClass"], "STANDARD_IA")
        self.wait_until(lambda: self.classes() == {"GLACIER"}, "all is archived")
        for key, body in data.items():
            error = self.assertRaises(ClientError, self.client.get_object, Bucket=BUCKET, Key=key)
            self.assertEqual(error.response["Error"]["Code"], "InvalidObjectState")
            self.client.restore_object(Bucket=BUCKET, Key=key, RestoreRequest={"Days": 1000})
            got = self.client.get_object(Bucket=BUCKET, Key=key)
            self.assertEqual(got["Body"].read(), body)
            for member in ("ETag", "LastModified", "ContentLength"):
                self.assertEqual(got[member], before[key][member])
        self.assertNotIn("Uploads", self.client.list_multipart_uploads(Bucket=BUCKET))
        log = self.server.log.read_text()
        self.assertIn("lifecycle: the version gets the storage class GLACIER, by rule '1'", log)

    def classes(self) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET)
        return {found["StorageClass"] for found in listed["Contents"]}

    def test_after_kill(self) -> None:
        """A server that was killed goes on with it."""
        self.set_rules({"Filter": {}, "Expiration": {"Days": 1}})
        self.client.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        self.server.process.kill()
        self.server.wait()
        self.server.start()
        self.client = self.server.client()
        self.wait_until(lambda: self.left() == [], "the object expires")


class HistoryTests(SynchronousTestCase):
    def test_histories(self) -> None:
        """On RocksDB as well, closed and opened again at any time, a pass leaves what AWS's
        rules leave."""
        self.patch(carrying_out, "VERSIONED_A_COMMIT", 1000)
        self.patch(rules, "MOVED_BYTES_MIN", 5)
        budget = settings(max_examples=10, stateful_step_count=40, deadline=None)
        try_histories(DiskHome, budget)
