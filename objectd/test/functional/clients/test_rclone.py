"""rclone."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from objectd.test.functional.clients.programs import (
    ACCESS_KEY,
    MIB,
    REGION,
    SECRET_KEY,
    TREE,
    ClientTests,
    content,
)


class PlainTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        configuration = self.write(
            "rclone.conf",
            f"""\
[objectd]
type = s3
provider = Other
endpoint = {self.url}
region = {REGION}
access_key_id = {ACCESS_KEY}
secret_access_key = {SECRET_KEY}
""".encode(),
        )
        self.environment |= {
            "RCLONE_CONFIG": str(configuration),
            "RCLONE_CA_CERT": str(self.certificate),
        }
        self.here = f"objectd:{self.bucket}"

    def rclone(self, *arguments: str, data: bytes = b"") -> str:
        return self.run_program("rclone", *arguments, data=data)

    def listed(self, *options: str) -> dict[str, Any]:
        """What lsjson tells, by path."""
        found = json.loads(self.rclone("lsjson", *options, self.here))
        return {each["Path"]: each for each in found}

    def test_copy(self) -> None:
        """copy brings a tree up and down, check finds no difference, and times are kept."""
        self.write_tree("tree")
        self.rclone("copy", "tree", f"{self.here}/t")
        self.rclone("check", "tree", f"{self.here}/t")
        self.rclone("check", "--download", "tree", f"{self.here}/t")
        listed = self.listed("--recursive", "--files-only", "--hash")
        self.assertEqual(set(listed), {f"t/{name}" for name in TREE})
        self.assertTrue(listed["t/a"]["ModTime"].startswith("2001-09-09T01:46:40"))
        self.assertEqual(listed["t/a"]["Hashes"]["md5"], "0cc175b9c0f1b6a831c399e269772661")
        self.rclone("copy", f"{self.here}/t", "back")
        self.assertEqual(self.read_tree("back"), self.read_tree("tree"))
        self.assertEqual((self.home / "back/a").stat().st_mtime, 1_000_000_000)

    def test_sync(self) -> None:
        """sync uploads what has changed, sets a time that has, and removes what is gone."""
        self.write_tree("tree")
        self.rclone("sync", "tree", self.here)
        self.write("tree/deep/b c", b"changed")
        (self.home / "tree/empty").unlink()
        os.utime(self.home / "tree/a", (1_100_000_000, 1_100_000_000))
        self.rclone("sync", "tree", self.here)
        self.assertEqual(self.get("deep/b c"), b"changed")
        self.assertEqual(self.keys(), ["a", "deep/b c", "deep/er/ü+%"])
        self.assertTrue(self.listed()["a"]["ModTime"].startswith("2004-11-09T11:33:20"))

    def test_server_side(self) -> None:
        """copyto and moveto let the server copy, as a whole and in parts."""
        data = content(12 * MIB)
        self.put("k", data)
        self.rclone("copyto", f"{self.here}/k", f"{self.here}/copied")
        self.rclone("moveto", f"{self.here}/k", f"{self.here}/moved")
        in_parts = ["copyto", "--s3-copy-cutoff=5Mi", f"{self.here}/moved", f"{self.here}/parts"]
        self.rclone(*in_parts)
        self.assertEqual(self.keys(), ["copied", "moved", "parts"])
        self.assertEqual((self.get("copied"), self.get("moved")), (data, data))
        self.assertEqual((self.get("parts"), self.part_count("parts")), (data, 3))

    def test_multipart(self) -> None:
        """A stream of unknown length goes up in parts, and so does a file above the cutoff,
        whose digest is kept; both are whole."""
        data = content(12 * MIB)
        self.rclone("rcat", f"{self.here}/stream", data=data)
        self.write("large", data)
        self.rclone("copy", "--s3-upload-cutoff=5Mi", "large", self.here)
        self.assertEqual((self.part_count("stream"), self.part_count("large")), (3, 3))
        self.rclone("check", "--include=/large", ".", self.here)
        md5 = self.listed("--hash")["large"]["Hashes"]["md5"]
        self.assertEqual(md5, hashlib.md5(data).hexdigest())
        self.assertEqual((self.get("stream"), self.get("large")), (data, data))

    def test_buckets(self) -> None:
        """mkdir, lsd, rmdir and purge make, show and remove buckets, full ones too."""
        self.rclone("mkdir", f"{self.here}-2")
        self.assertIn(f" {self.bucket}-2\n", self.rclone("lsd", "objectd:"))
        self.rclone("rmdir", f"{self.here}-2")
        self.write_tree("tree")
        self.rclone("copy", "tree", self.here)
        self.rclone("purge", self.here)
        self.assertNotIn(f" {self.bucket}\n", self.rclone("lsd", "objectd:"))


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
