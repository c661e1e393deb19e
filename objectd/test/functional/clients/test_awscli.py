"""aws-cli: what people type."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.request import urlopen

from objectd.test.functional.clients.programs import MIB, ClientTests, content


class AwsCliTests(ClientTests):
    """What all tests of it need."""

    def setUp(self) -> None:
        super().setUp()
        # Version 1 still presigns with the old signature unless told.
        configuration = self.write("config", b"[default]\ns3 =\n    signature_version = s3v4\n")
        self.environment |= {
            "AWS_CONFIG_FILE": str(configuration),
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_PAGER": "",
        }
        self.here = f"s3://{self.bucket}"

    def aws(self, *arguments: str, data: bytes = b"") -> str:
        return self.run_program("aws", "--endpoint-url", self.url, *arguments, data=data)

    def move(self, command: str, *arguments: str, data: bytes = b"") -> str:
        return self.aws("s3", command, "--no-progress", *arguments, data=data)


class PlainTransferTests(AwsCliTests):
    """The commands that move much data at once."""

    def test_multipart(self) -> None:
        """cp brings a file of 40 MiB up in parts, lets the server copy it in parts, and brings
        it down in ranges."""
        data = content(40 * MIB)
        self.write("large", data)
        self.move("cp", "large", f"{self.here}/large")
        self.move("cp", f"{self.here}/large", f"{self.here}/copied")
        self.assertEqual((self.part_count("large"), self.part_count("copied")), (5, 5))
        self.move("cp", f"{self.here}/copied", "back")
        self.assertTrue((self.home / "back").read_bytes() == data)

    def test_pipes(self) -> None:
        """cp takes a stream of unknown length, in parts, and gives one."""
        data = content(9 * MIB)
        self.move("cp", "-", f"{self.here}/stream", data=data)
        self.assertEqual(self.part_count("stream"), 2)
        self.assertTrue(self.get("stream") == data)
        self.put("k", b"data")
        self.assertEqual(self.move("cp", f"{self.here}/k", "-"), "data")

    def test_server_side(self) -> None:
        """cp, mv and sync work between two places in the store."""
        self.put("a", b"a")
        self.put("b/ü +", b"b")
        self.move("cp", "--recursive", f"{self.here}/", f"{self.here}/copied/")
        self.move("mv", f"{self.here}/a", f"{self.here}/moved")
        self.assertEqual(self.keys(), ["b/ü +", "copied/a", "copied/b/ü +", "moved"])
        sync = ["--delete", f"{self.here}/b", f"{self.here}/copied"]
        self.assertEqual(self.move("sync", *sync).count("copy: "), 1)
        self.assertEqual(self.keys("copied/"), ["copied/ü +"])


class SecureTransferTests(PlainTransferTests):
    """The same over HTTPS."""

    secure = True


class PlainTests(AwsCliTests):
    """Everyday use over plain HTTP."""

    def test_buckets(self) -> None:
        """mb, ls and rb make, show and remove a bucket."""
        another = f"{self.bucket}-2"
        self.aws("s3", "mb", f"s3://{another}")
        self.assertIn(f" {another}\n", self.aws("s3", "ls"))
        self.aws("s3", "rb", f"s3://{another}")
        self.assertNotIn(f" {another}\n", self.aws("s3", "ls"))

    def test_copy(self) -> None:
        """cp brings whole trees up and down."""
        self.write_tree("tree")
        self.move("cp", "--recursive", "tree", f"{self.here}/t")
        self.assertIn(" a\n", self.aws("s3", "ls", f"{self.here}/t/"))
        self.move("cp", "--recursive", f"{self.here}/t", "back")
        self.assertEqual(self.read_tree("back"), self.read_tree("tree"))

    def test_sync(self) -> None:
        """sync brings what is new or changed, and removes what is gone."""
        for name in ["a", "b", "c/d"]:
            # Older than the second, which is all that a listing shows of an object's time.
            os.utime(self.write(f"tree/{name}", name.encode()), (0, 0))
        sync = ["--delete", "tree", self.here]
        self.assertEqual(self.move("sync", *sync).count("upload: "), 3)
        self.assertEqual(self.move("sync", *sync), "")
        self.write("tree/b", b"changed")
        (self.home / "tree/a").unlink()
        printed = self.move("sync", *sync)
        self.assertEqual((printed.count("upload: "), printed.count("delete: ")), (1, 1))
        self.assertEqual(self.keys(), ["b", "c/d"])
        self.move("sync", self.here, "back")
        self.assertEqual((self.home / "back/b").read_bytes(), b"changed")

    def test_move(self) -> None:
        """mv leaves nothing where it came from, up and down."""
        path = self.write("file", b"data")
        self.move("mv", "file", f"{self.here}/moved")
        self.assertEqual((path.exists(), self.keys()), (False, ["moved"]))
        self.move("mv", f"{self.here}/moved", "file")
        self.assertEqual((path.read_bytes(), self.keys()), (b"data", []))

    def test_remove(self) -> None:
        """rm removes one key, or all below a prefix."""
        for key in ["a", "b/1", "b/2", "c"]:
            self.put(key, b"x")
        self.aws("s3", "rm", f"{self.here}/a")
        self.assertEqual(self.keys(), ["b/1", "b/2", "c"])
        self.aws("s3", "rm", "--recursive", f"{self.here}/b/")
        self.assertEqual(self.keys(), ["c"])

    def test_presign(self) -> None:
        """Whoever has the URL that presign prints gets the object."""
        self.put("a b", b"data")
        url = self.aws("s3", "presign", f"{self.here}/a b").strip()
        self.assertIn("X-Amz-Signature=", url)
        with urlopen(url, timeout=30) as answer:
            self.assertEqual(answer.read(), b"data")

    def test_s3api(self) -> None:
        """The single operations take and give what they do with AWS."""
        self.write("file", b"data")
        where = ["--bucket", self.bucket, "--key", "k"]
        put = ["--body", "file", "--metadata", "a=b", "--checksum-algorithm", "SHA256"]
        self.aws("s3api", "put-object", *where, *put)
        head: dict[str, Any] = json.loads(
            self.aws("s3api", "head-object", *where, "--checksum-mode", "ENABLED")
        )
        self.assertEqual((head["ContentLength"], head["Metadata"]), (4, {"a": "b"}))
        self.assertIn("ChecksumSHA256", head)
        self.aws("s3api", "get-object", *where, "--range", "bytes=1-2", "back")
        self.assertEqual((self.home / "back").read_bytes(), b"at")
