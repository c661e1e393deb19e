"""aws-cli: what people type."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY
from objectd.test.functional.server import BUCKET, MIB, Server

HERE = f"s3://{BUCKET}"


class AwsCliTests(SynchronousTestCase):
    def setUp(self) -> None:
        aws = shutil.which("aws")
        assert aws is not None, "these tests need aws-cli"
        self.aws_path = aws
        self.directory = Path(self.mktemp()).absolute()
        self.server = Server(self.directory)
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()
        # Version 1 of aws-cli still presigns with the old signature unless told.
        (self.directory / "aws-config").write_text(
            "[default]\ns3 =\n    signature_version = s3v4\n"
        )
        self.files = self.directory / "files"
        self.files.mkdir()

    def aws(self, *arguments: str, status: int = 0) -> str:
        """What it prints."""
        done = subprocess.run(
            [self.aws_path, "--endpoint-url", self.server.url, *arguments],
            capture_output=True,
            check=False,
            cwd=self.files,
            text=True,
            env={
                **os.environ,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_CONFIG_FILE": str(self.directory / "aws-config"),
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_PAGER": "",
            },
        )
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def s3(self, *arguments: str) -> str:
        return self.aws("s3", *arguments)

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET)
        return [found["Key"] for found in listed.get("Contents", [])]

    def write(self, name: str, data: bytes) -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def test_buckets(self) -> None:
        """mb, ls and rb make, show and remove a bucket."""
        self.s3("mb", "s3://another")
        self.assertIn(" another\n", self.s3("ls"))
        self.s3("rb", "s3://another")
        self.assertNotIn(" another\n", self.s3("ls"))

    def test_copy(self) -> None:
        """cp brings files up and down, also through pipes, and in whole trees."""
        self.write("tree/a", b"a")
        self.write("tree/deep/b c", b"b")
        self.s3("cp", "--no-progress", "--recursive", "tree", f"{HERE}/t")
        self.assertEqual(self.keys(), ["t/a", "t/deep/b c"])
        self.assertIn(" a\n", self.s3("ls", f"{HERE}/t/"))
        self.s3("cp", "--no-progress", "--recursive", f"{HERE}/t", "back")
        self.assertEqual((self.files / "back/deep/b c").read_bytes(), b"b")
        self.assertEqual(self.s3("cp", "--no-progress", f"{HERE}/t/a", "-"), "a")

    def test_multipart(self) -> None:
        """cp brings a file of 80 MiB up in parts and down in ranges."""
        data = Random(1).randbytes(80 * MIB)
        self.write("large", data)
        self.s3("cp", "--no-progress", "large", f"{HERE}/large")
        head = self.client.head_object(Bucket=BUCKET, Key="large")
        self.assertEqual((head["ContentLength"], head["ETag"][-4:]), (80 * MIB, '-10"'))
        self.s3("cp", "--no-progress", f"{HERE}/large", "back")
        back = (self.files / "back").read_bytes()
        self.assertEqual(sha256(back).digest(), sha256(data).digest())

    def test_sync(self) -> None:
        """sync brings what is new or changed, and removes what is gone."""
        for name in ["a", "b", "c/d"]:
            # Older than the second, which is all that a listing shows of an object's time.
            os.utime(self.write(f"tree/{name}", name.encode()), (0, 0))
        sync = ["sync", "--no-progress", "--delete", "tree", HERE]
        self.assertEqual(self.s3(*sync).count("upload: "), 3)
        self.assertEqual(self.s3(*sync), "")
        self.write("tree/b", b"changed")
        (self.files / "tree/a").unlink()
        printed = self.s3(*sync)
        self.assertEqual((printed.count("upload: "), printed.count("delete: ")), (1, 1))
        self.assertEqual(self.keys(), ["b", "c/d"])
        self.s3("sync", "--no-progress", HERE, "back")
        self.assertEqual((self.files / "back/b").read_bytes(), b"changed")

    def test_move(self) -> None:
        """mv leaves nothing where it came from, up and down."""
        path = self.write("file", b"data")
        self.s3("mv", "--no-progress", "file", f"{HERE}/moved")
        self.assertEqual((path.exists(), self.keys()), (False, ["moved"]))
        self.s3("mv", "--no-progress", f"{HERE}/moved", "file")
        self.assertEqual((path.read_bytes(), self.keys()), (b"data", []))

    def test_remove(self) -> None:
        """rm removes one key, or all below a prefix."""
        for key in ["a", "b/1", "b/2", "c"]:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        self.s3("rm", f"{HERE}/a")
        self.assertEqual(self.keys(), ["b/1", "b/2", "c"])
        self.s3("rm", "--recursive", f"{HERE}/b/")
        self.assertEqual(self.keys(), ["c"])

    def test_presign(self) -> None:
        """Whoever has the URL that presign prints gets the object."""
        self.client.put_object(Bucket=BUCKET, Key="a b", Body=b"data")
        url = self.s3("presign", f"{HERE}/a b").strip()
        self.assertIn("X-Amz-Signature=", url)
        with urlopen(url, timeout=30) as answer:
            self.assertEqual(answer.read(), b"data")

    def test_s3api(self) -> None:
        """The single operations take and give what they do with AWS."""
        self.write("file", b"data")
        put = ["--bucket", BUCKET, "--key", "k", "--body", "file", "--metadata", "a=b"]
        self.aws("s3api", "put-object", *put, "--checksum-algorithm", "SHA256")
        where = ["--bucket", BUCKET, "--key", "k"]
        head: dict[str, Any] = json.loads(
            self.aws("s3api", "head-object", *where, "--checksum-mode", "ENABLED")
        )
        self.assertEqual((head["ContentLength"], head["Metadata"]), (4, {"a": "b"}))
        self.assertIn("ChecksumSHA256", head)
        self.aws("s3api", "get-object", *where, "--range", "bytes=1-2", "back")
        self.assertEqual((self.files / "back").read_bytes(), b"at")
