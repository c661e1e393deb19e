"""s3fs, the file system in user space, where this machine lets one be mounted.

Where it does not, as in most containers, there are no such tests, and a line says why.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from tempfile import TemporaryDirectory

from objectd.test.functional.clients.programs import (
    ACCESS_KEY,
    MIB,
    SECRET_KEY,
    ClientTests,
    content,
)


def _refusal() -> str | None:
    """Why a file system in user space cannot be mounted here; None if it can."""
    fusermount = shutil.which("fusermount")
    if fusermount is None:
        return "there is no fusermount"
    ours, theirs = socket.socketpair()  # over which it hands out what it has mounted
    with ours, theirs, TemporaryDirectory() as top:
        done = subprocess.run(
            [fusermount, top],
            capture_output=True,
            check=False,
            env={"_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            text=True,
        )
        if done.returncode:
            return done.stderr.strip()
        subprocess.run([fusermount, "-u", top], check=True)
    return None


class _MountedTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        passwords = self.write("passwords", f"{ACCESS_KEY}:{SECRET_KEY}".encode())
        passwords.chmod(0o600)
        self.environment["CURL_CA_BUNDLE"] = str(self.certificate)
        self.top = self.home / "mounted"
        self.top.mkdir()
        self.mount()
        self.addCleanup(self.unmount)

    def mount(self) -> None:
        options = f"passwd_file={self.home}/passwords,url={self.url},use_path_request_style"
        self.run_program("s3fs", self.bucket, self.top, "-o", options)
        self.assertTrue(self.top.is_mount())

    def unmount(self) -> None:
        if self.top.is_mount():
            self.run_program("fusermount", "-u", self.top)


class PlainTests(_MountedTests):
    def test_files(self) -> None:
        """Files are written, listed, read, appended to, renamed and removed."""
        deep = self.top / "deep"
        deep.mkdir()
        (deep / "ü +").write_bytes(b"data")
        self.assertEqual(os.listdir(deep), ["ü +"])
        with (deep / "ü +").open("ab") as file:
            file.write(b" and more")
        (deep / "ü +").rename(self.top / "moved")
        self.assertEqual((self.top / "moved").read_bytes(), b"data and more")
        self.assertEqual(self.get("moved"), b"data and more")
        deep.rmdir()
        self.assertEqual(self.keys(), ["moved"])
        (self.top / "moved").unlink()
        self.assertEqual(self.keys(), [])

    def test_attributes(self) -> None:
        """Modes and times are kept with the object, across mounts."""
        path = self.top / "file"
        path.write_bytes(b"data")
        path.chmod(0o640)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        self.unmount()
        self.mount()
        found = path.stat()
        self.assertEqual((found.st_mode & 0o777, found.st_mtime), (0o640, 1_000_000_000))
        self.assertEqual(path.read_bytes(), b"data")

    def test_multipart(self) -> None:
        """A large file goes up in parts; to change some bytes of it, the rest is copied."""
        data = bytearray(content(45 * MIB))
        path = self.top / "large"
        path.write_bytes(data)
        self.assertGreater(self.part_count("large"), 1)
        self.unmount()
        self.mount()
        with path.open("r+b") as file:
            file.seek(22 * MIB)
            file.write(b"changed")
        data[22 * MIB : 22 * MIB + 7] = b"changed"
        self.assertEqual(self.get("large"), bytes(data))
        self.unmount()
        self.mount()
        self.assertEqual(path.read_bytes(), bytes(data))


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True


if why_not := _refusal():
    del PlainTests, SecureTests
    sys.stderr.write(f"s3fs is not tested here: {why_not}\n")
