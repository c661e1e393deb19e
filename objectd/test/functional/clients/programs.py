"""What the tests of client programs share: one server, and a place to run programs in.

    class PlainTests(ClientTests):
        def test_version(self) -> None:
            self.assertIn("rclone", self.run_program("rclone", "version"))

A test has a bucket and a home directory of its own. Programs see nothing of the environment
of the tests but where programs are.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY
from objectd.test.functional.server import MIB, Server

__all__ = [
    "ACCESS_KEY",
    "INSTALLED",
    "MIB",
    "REGION",
    "SECRET_KEY",
    "TREE",
    "ClientTests",
    "content",
]

REGION = "us-east-1"
INSTALLED = Path(sys.prefix) / "clients"
"""Where `.ci/programs` puts what cannot stand beside our own dependencies."""

PROGRAM_SECONDS_MAX = 300

TREE = {"a": b"a", "empty": b"", "deep/b c": b"b" * 100_000, "deep/er/ü+%": b"c"}
TREE_TIME = 1_000_000_000

_numbers = itertools.count(1)


@cache
def _server() -> Server:
    """The one server of this process, which listens for HTTP and HTTPS."""
    server = Server(Path("client-programs"), tls=True)
    atexit.register(server.end)
    server.start()
    return server


def content(size_bytes: int) -> bytes:
    """Bytes that no compression and no deduplication of blocks makes less of."""
    return Random(size_bytes).randbytes(size_bytes)


class ClientTests(SynchronousTestCase):
    """`secure` ones go over HTTPS, and trust the certificate of the server alone."""

    secure = False

    def setUp(self) -> None:
        server = _server()
        self.url = server.tls_url if self.secure else server.url
        self.host = self.url.partition("://")[2]
        assert server.certificate is not None
        self.certificate = server.certificate
        self.s3 = server.client(secure=self.secure)
        self.bucket = f"bucket-{next(_numbers)}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.environment: dict[str, str] = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run_program(self, program: str | Path, *arguments: str | Path, data: bytes = b"") -> str:
        """Run a program in the home directory to its end, which must be a good one, with
        `data` for its input. Returns what it prints."""
        found = shutil.which(program)
        assert found is not None, f"these tests need {program}, which .ci/programs installs"
        done = subprocess.run(
            [found, *arguments],
            input=data,
            capture_output=True,
            check=False,
            cwd=self.home,
            env=self.environment,
            timeout=PROGRAM_SECONDS_MAX,
        )
        printed = done.stdout.decode()
        self.assertEqual(done.returncode, 0, printed + done.stderr.decode())
        return printed

    # Files

    def write(self, name: str, data: bytes) -> Path:
        """A file in the home directory."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def write_tree(self, name: str) -> None:
        """A small directory in the home directory."""
        for path, data in TREE.items():
            # Of long ago: listings show the time of an object in whole seconds only.
            os.utime(self.write(f"{name}/{path}", data), (TREE_TIME, TREE_TIME))

    def read_tree(self, name: str) -> dict[str, str]:
        """The digests of the files in a directory, by relative path."""
        top = self.home / name
        files = (path for path in top.rglob("*") if path.is_file())
        return {
            path.relative_to(top).as_posix(): sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    # Objects, as boto3 sees them

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for found in listed.get("Contents", [])]

    def part_count(self, key: str) -> int:
        """In how many parts an object was uploaded; 0 for one that came in one piece."""
        etag: str = self.s3.head_object(Bucket=self.bucket, Key=key)["ETag"]
        return int(etag.strip('"').partition("-")[2] or 0)
