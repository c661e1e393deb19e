"""What `test_fsspec` does with s3fs. It runs in another environment than the other tests:

AWS_ENDPOINT_URL=... AWS_CA_BUNDLE=... BUCKET=... python fsspec_calls.py
"""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from random import Random
from ssl import create_default_context
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import fsspec
import s3fs

MIB = 1 << 20
BUCKET = os.environ["BUCKET"]


class FileSystemTests(unittest.TestCase):
    """Each test has a directory of its own in the bucket."""

    def setUp(self) -> None:
        self.files = s3fs.S3FileSystem()
        self.here = f"{BUCKET}/{self.id().rpartition('.')[2]}"

    def names(self, paths: list[str]) -> list[str]:
        return sorted(path.removeprefix(f"{self.here}/") for path in paths)

    def test_small(self) -> None:
        """Files are written, described, listed, read, copied, moved and removed."""
        path = f"{self.here}/deep/ü +"
        self.files.pipe(path, b"data")
        self.assertEqual(self.files.cat(path), b"data")
        self.assertEqual(self.files.info(path)["size"], 4)
        with self.files.open(path, "ab") as file:
            file.write(b" and more")
        self.assertEqual(self.files.cat_file(path, start=5, end=8), b"and")
        self.files.cp(path, f"{self.here}/copied")
        self.files.mv(path, f"{self.here}/deep/moved")
        self.assertEqual(self.names(self.files.ls(self.here)), ["copied", "deep"])
        self.assertEqual(self.names(self.files.find(self.here)), ["copied", "deep/moved"])
        self.assertEqual(self.names(self.files.glob(f"{self.here}/**/mov*")), ["deep/moved"])
        self.assertFalse(self.files.exists(path))
        self.files.rm(self.here, recursive=True)
        self.files.invalidate_cache()
        self.assertEqual(self.files.find(self.here), [])

    def test_large(self) -> None:
        """A long file goes up in parts, is read at any place, and is copied part by part."""
        data = Random(1).randbytes(11 * MIB)
        path = f"{self.here}/large"
        with self.files.open(path, "wb", block_size=5 * MIB) as file:
            for start in range(0, len(data), MIB):
                file.write(data[start : start + MIB])
        etag = self.files.info(path)["ETag"]
        self.assertTrue(etag.endswith('-3"'), etag)
        with self.files.open(path, "rb", block_size=MIB) as file:
            file.seek(7 * MIB)
            self.assertEqual(file.read(1000), data[7 * MIB : 7 * MIB + 1000])
        self.files.cp_file(path, f"{self.here}/same", preserve_etag=True)
        self.assertEqual(self.files.info(f"{self.here}/same")["ETag"], etag)
        self.files.cp_file(path, f"{self.here}/whole", preserve_etag=False)
        self.assertEqual(self.files.cat(f"{self.here}/same"), data)
        self.assertEqual(self.files.cat(f"{self.here}/whole"), data)

    def test_trees(self) -> None:
        """Whole directories go up and come down, also by way of their URLs."""
        with TemporaryDirectory() as top:
            source, back = Path(top, "source"), Path(top, "back")
            for name in ("a", "b/c", "b/d e"):
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_text(name)
            self.files.put(f"{source}/", f"{self.here}/", recursive=True)
            self.assertEqual(self.names(self.files.find(self.here)), ["a", "b/c", "b/d e"])
            self.files.get(f"{self.here}/", f"{back}/", recursive=True)
            self.assertEqual((back / "b/d e").read_text(), "b/d e")
        with fsspec.open(f"s3://{self.here}/b/c", "rt") as text:
            self.assertEqual(text.read(), "b/c")

    def test_metadata(self) -> None:
        """Metadata and tags are set, kept and changed."""
        path = f"{self.here}/k"
        self.files.pipe(path, b"x")
        self.files.setxattr(path, colour="blue")
        self.assertEqual(self.files.getxattr(path, "colour"), "blue")
        self.files.put_tags(path, {"shape": "round"})
        self.assertEqual(self.files.get_tags(path), {"shape": "round"})
        self.files.touch(path, truncate=True)
        self.assertEqual(self.files.size(path), 0)

    def test_url(self) -> None:
        """Whoever has a signed URL reads the file."""
        path = f"{self.here}/k"
        self.files.pipe(path, b"data")
        # botocore's default is still the old signature where it does not know the endpoint.
        signing = s3fs.S3FileSystem(config_kwargs={"signature_version": "s3v4"})
        context = create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
        with urlopen(signing.sign(path, 60), timeout=30, context=context) as answer:
            self.assertEqual(answer.read(), b"data")

    def test_missing(self) -> None:
        """What is not there is a FileNotFoundError, as on a disk."""
        with self.assertRaises(FileNotFoundError):
            self.files.cat(f"{self.here}/absent")
        with self.assertRaises(FileNotFoundError):
            self.files.ls(f"{BUCKET}-absent")

    def test_buckets(self) -> None:
        """Buckets are made, listed and removed."""
        self.files.mkdir(f"{BUCKET}-2")
        self.assertIn(f"{BUCKET}-2", self.files.ls("", refresh=True))
        self.files.rmdir(f"{BUCKET}-2")
        self.assertNotIn(f"{BUCKET}-2", self.files.ls("", refresh=True))


if __name__ == "__main__":
    unittest.main()
