"""The client verbs of the `objectd` command, as processes, against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY
from objectd.test.functional.relay import Relay
from objectd.test.functional.server import BUCKET, MIB, Server
from objectd.test.functional.traffic import Content, connect, request

WAIT_SECONDS_MAX = 60
LARGE = Content(1, 80 * MIB)
OBJECTS = 2500


class VerbCase(SynchronousTestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), tls=True, workers=1)
        self.addCleanup(self.server.end)
        self.server.start()
        self.boto = self.server.client()
        self.here = Path(self.mktemp()).absolute()
        self.here.mkdir()
        self.endpoint = self.server.url

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """A verb that runs in `here`, with a pipe for each of its streams."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from objectd.cli import main; main()", *arguments],
            cwd=self.here,
            env={
                **os.environ,
                "OBJECTD_ENDPOINT": self.endpoint,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_CA_BUNDLE": str(self.server.certificate),
                **options.pop("environment", {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - it takes no lock
            **options,
        )
        self.addCleanup(process.kill)
        return process

    def finish(
        self, process: subprocess.Popen[bytes], data: bytes | None = None
    ) -> tuple[int, bytes, str]:
        """Status, output, and what it complained of."""
        output, errors = process.communicate(data, timeout=WAIT_SECONDS_MAX)
        return process.returncode, output, errors.decode()

    def ok(self, *arguments: str, data: bytes | None = None) -> bytes:
        """The output of a verb that succeeds and complains of nothing."""
        status, output, errors = self.finish(self.start(*arguments), data)
        self.assertEqual((status, errors), (0, ""))
        return output

    def fails(self, *arguments: str, status: int = 1, **options: Any) -> str:
        """The complaint of a verb that fails."""
        found, _, errors = self.finish(self.start(*arguments, **options))
        self.assertEqual(found, status, errors)
        return errors

    def write(self, name: str, data: bytes) -> Path:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def write_large(self, name: str) -> Path:
        path = self.here / name
        with path.open("wb") as file:
            file.writelines(LARGE.pieces())
        return path

    def keys(self, bucket: str = BUCKET) -> list[str]:
        listing = self.boto.list_objects_v2(Bucket=bucket)
        return [each["Key"] for each in listing.get("Contents", ())]

    def uploads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.boto.list_multipart_uploads(Bucket=BUCKET).get(
            "Uploads", []
        )
        return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS_MAX
        while not condition():
            self.assertLess(time.monotonic(), end, "it does not happen")
            self.boto.head_bucket(Bucket=BUCKET)  # what is waited for goes on meanwhile

    def files(self) -> list[str]:
        found = [path for path in self.here.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.here).as_posix() for path in found)


class VerbTests(VerbCase):
    def use_all(self) -> None:
        self.ok("mb", "s3://photos")
        self.write("cat.txt", b"meow")
        self.ok("cp", "cat.txt", "s3://photos/a/")
        self.assertEqual(self.ok("cp", "-", "s3://photos/b.txt", data=b"piped")[:6], b"upload")
        self.assertEqual(self.ok("cat", "s3://photos/b.txt"), b"piped")
        self.assertEqual(self.ok("cp", "s3://photos/a/cat.txt", "-"), b"meow")
        self.assertEqual(self.ok("cp", "-q", "s3://photos/a/cat.txt", "s3://photos/c"), b"")
        self.ok("mv", "s3://photos/c", "got.txt")
        self.assertEqual((self.here / "got.txt").read_bytes(), b"meow")
        listed = [line.split()[-2:] for line in self.ok("ls", "s3://photos").splitlines()]
        self.assertEqual(listed, [[b"PRE", b"a/"], [b"5", b"b.txt"]])
        self.assertIn(b"a/cat.txt", self.ok("ls", "--recursive", "s3://photos"))
        self.assertIn(b"photos", self.ok("ls"))
        self.assertEqual(self.ok("du", "s3://photos").split()[:2], [b"9", b"2"])
        self.ok("rm", "s3://photos/b.txt")
        self.assertEqual(self.keys("photos"), ["a/cat.txt"])
        self.ok("rb", "--force", "s3://photos")
        self.assertNotIn(b"photos", self.ok("ls"))

    def test_http(self) -> None:
        """Buckets and objects are made, shown, copied, moved and removed."""
        self.use_all()

    def test_https(self) -> None:
        """So they are over HTTPS, whose certificate is verified."""
        self.endpoint = self.server.tls_url
        self.use_all()
        complaint = self.fails("ls", environment={"AWS_CA_BUNDLE": "", "AWS_MAX_ATTEMPTS": "1"})
        self.assertIn("certificate", complaint)
        self.ok("ls", "--no-verify")

    def test_presign(self) -> None:
        """A presigned URL works without keys."""
        self.boto.put_object(Bucket=BUCKET, Key="ü +/k", Body=b"meow")
        url = self.ok("presign", f"s3://{BUCKET}/ü +/k", "--expires", "60").decode().strip()
        with urlopen(url) as answer:
            self.assertEqual(answer.read(), b"meow")

    def test_versions(self) -> None:
        """An older version is written out by its id, and deleted for good."""
        status = {"Status": "Enabled"}
        self.boto.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=status)
        place = f"s3://{BUCKET}/k"
        put = self.boto.put_object
        first, second = (
            put(Bucket=BUCKET, Key="k", Body=data)["VersionId"] for data in (b"first", b"second")
        )
        self.assertEqual(self.ok("cat", place), b"second")
        self.assertEqual(self.ok("cat", place, "--version-id", first), b"first")
        self.ok("rm", place, "--version-id", second, "--dry-run")
        self.assertIn(second.encode(), self.ok("rm", place, "--version-id", second))
        self.assertEqual(self.ok("cat", place), b"first")
        self.fails("cat", place, "--version-id", second)
        self.fails("rm", place, "--recursive", "--version-id", first, status=2)
        self.ok("rm", place)
        self.fails("cat", place)
        self.assertEqual(self.ok("cat", place, "--version-id", first), b"first")

    def test_complaints(self) -> None:
        """What is wrong is one line, and the status says of which kind it is."""
        self.write("file", b"x")
        nothing = {"AWS_ACCESS_KEY_ID": "", "HOME": str(self.here)}
        for complaint in (
            self.fails("ls", "s3://no-such-bucket"),
            self.fails("cp", "file", "s3://no-such-bucket/k"),
            self.fails("cat", f"s3://{BUCKET}/nothing"),
            self.fails("cp", "no-such-file", f"s3://{BUCKET}/k"),
            self.fails("rb", "s3://no-such-bucket"),
            self.fails("ls", "--endpoint", "http://127.0.0.1:1"),
            self.fails("cp", "-r", ".", f"s3://{BUCKET}", "--endpoint", "http://127.0.0.1:1"),
            self.fails("ls", environment=nothing, status=2),
            self.fails("ls", "--endpoint", "nowhere", status=2),
        ):
            self.assertEqual(complaint.count("\n"), 1, complaint)
        self.assertIn("neither is an s3:// address", self.fails("cp", "file", "b", status=2))


class TreeTests(VerbCase):
    def test_recursive(self) -> None:
        """Directories go up and come down; patterns choose, and the last match counts."""
        names = ["t/a.txt", "t/b/c.txt", "t/b/d.jpg", "t/e f/ü.txt"]
        for name in names:
            self.write(name, name.encode())
        chosen = ("--exclude", "*", "--include", "*.txt")
        self.ok("cp", "-r", "t", f"s3://{BUCKET}/x", *chosen)
        self.assertEqual(self.keys(), ["x/a.txt", "x/b/c.txt", "x/e f/ü.txt"])
        self.ok("cp", "-r", f"s3://{BUCKET}/x", "back")
        self.ok("mv", "-r", f"s3://{BUCKET}/x", f"s3://{BUCKET}/y")
        self.assertEqual(self.keys(), ["y/a.txt", "y/b/c.txt", "y/e f/ü.txt"])
        for name in ("a.txt", "b/c.txt", "e f/ü.txt"):
            self.assertEqual((self.here / "back" / name).read_bytes(), f"t/{name}".encode())
        self.ok("rm", "-r", f"s3://{BUCKET}/y", "--exclude", "b/*")
        self.assertEqual(self.keys(), ["y/b/c.txt"])

    def test_sync(self) -> None:
        """sync copies what is missing or outdated, and with --delete removes the rest, up and
        down; a dry run only says so."""
        for name in ("t/a", "t/b/c"):
            self.write(name, b"one")
        self.boto.put_object(Bucket=BUCKET, Key="x/extra", Body=b"")
        there = f"s3://{BUCKET}/x"
        self.assertEqual(len(self.ok("sync", "t", there, "--delete", "--dry-run").splitlines()), 3)
        self.assertEqual(self.keys(), ["x/extra"])
        self.ok("sync", "t", there, "--delete")
        self.assertEqual(self.keys(), ["x/a", "x/b/c"])
        self.assertEqual(self.ok("sync", "t", there), b"")
        self.write("t/a", b"longer")
        self.assertEqual(
            self.ok("sync", "t", there).splitlines(), [f"upload: t/a to {there}/a".encode()]
        )

        self.ok("sync", there, "back")
        self.assertEqual((self.here / "back/a").read_bytes(), b"longer")
        self.assertEqual(self.ok("sync", there, "back"), b"")
        self.write("back/extra", b"")
        self.boto.put_object(Bucket=BUCKET, Key="x/b/c", Body=b"four")
        self.ok("sync", there, "back", "--delete")
        self.assertEqual((self.here / "back/b/c").read_bytes(), b"four")
        self.assertEqual([f for f in self.files() if f.startswith("back")], ["back/a", "back/b/c"])

    def test_keys_that_are_no_paths(self) -> None:
        """A key that would be written elsewhere is a failure of its own; the rest comes."""
        bad = ["x/../../escaped", "x//absolute", "x/dir/", "x/ok/below", "x/./dot"]
        for key in [*bad, "x/fine", "x/ok"]:
            self.boto.put_object(Bucket=BUCKET, Key=key, Body=b"data")
        complaints = self.fails("cp", "-r", f"s3://{BUCKET}/x", "down/here").splitlines()
        # Of a file and a directory of one name either may come first.
        self.assertEqual(len(complaints), len(bad))
        self.assertIn("down/here/fine", self.files())
        self.assertTrue(all(name.startswith("down/here/") for name in self.files()))

    def test_emptying(self) -> None:
        """A bucket of several pages is emptied."""
        connection = connect(self.server)
        self.addCleanup(connection.close)
        for number in range(OBJECTS):
            answer = request(connection, "PUT", f"/{BUCKET}/{number:05}", b"x")
            self.assertEqual((answer.status, answer.read()), (200, b""))
        deleted = self.ok("rm", "--recursive", f"s3://{BUCKET}").splitlines()
        self.assertEqual(len(set(deleted)), OBJECTS)
        self.assertEqual(self.keys(), [])


class LargeTests(VerbCase):
    def test_parts(self) -> None:
        """80 MiB go up in parts, are copied, and come back in ranges, through files and pipes."""
        source = self.write_large("large")
        self.ok("cp", "large", f"s3://{BUCKET}/k")
        self.assertIn("-10", self.boto.head_object(Bucket=BUCKET, Key="k")["ETag"])
        self.ok("cp", f"s3://{BUCKET}/k", f"s3://{BUCKET}/copy")
        self.ok("cp", f"s3://{BUCKET}/copy", "back")
        self.assertEqual((self.here / "back").read_bytes(), source.read_bytes())
        self.ok("cp", "-", f"s3://{BUCKET}/piped", data=source.read_bytes())
        self.assertEqual(self.ok("cat", f"s3://{BUCKET}/piped"), source.read_bytes())

    def test_interrupt(self) -> None:
        """Ctrl-C in the middle of an upload aborts it: no parts are left, and the status is
        130."""
        process = self.start("cp", "-", f"s3://{BUCKET}/k")
        assert process.stdin is not None
        for piece in Content(1, 40 * MIB).pieces():
            process.stdin.write(piece)
        self.wait_for(lambda: bool(self.uploads()))
        process.send_signal(signal.SIGINT)
        status, _, errors = self.finish(process)
        self.assertEqual((status, errors), (130, "objectd: interrupted\n"))
        self.assertEqual((self.uploads(), self.keys()), ([], []))

    def test_resumed_upload(self) -> None:
        """An upload that was killed is gone on with: it is the same one."""
        source = self.write_large("large")
        # Of ten parts of 8 MiB, four at once, some come to be, but not all.
        relay = Relay(self.server.address, 64 * MIB)
        self.addCleanup(relay.end)
        process = self.start(
            "cp",
            "large",
            f"s3://{BUCKET}/k",
            "--resume",
            environment={"OBJECTD_ENDPOINT": f"http://127.0.0.1:{relay.port}"},
        )
        self.wait_for(self.has_part)
        process.kill()
        self.finish(process)
        [upload] = self.uploads()
        self.assertEqual(self.keys(), [])
        self.ok("cp", "large", f"s3://{BUCKET}/k", "--resume")
        self.assertEqual(self.uploads(), [], f"{upload} was left behind")
        self.assertEqual(self.ok("cat", f"s3://{BUCKET}/k"), source.read_bytes())

    def has_part(self) -> bool:
        return any(
            self.boto.list_parts(Bucket=BUCKET, Key="k", UploadId=upload["UploadId"]).get("Parts")
            for upload in self.uploads()
        )

    def test_resumed_download(self) -> None:
        """So is a download; under the name of the file there is all of it, or nothing."""
        source = self.write_large("large")
        self.ok("cp", "large", f"s3://{BUCKET}/k")
        process = self.start("cp", f"s3://{BUCKET}/k", "back", "--resume")
        self.wait_for(lambda: any(path.stat().st_size for path in self.here.glob(".objectd-*")))
        process.kill()
        self.finish(process)
        if (self.here / "back").exists():
            self.assertEqual((self.here / "back").read_bytes(), source.read_bytes())
        self.ok("cp", f"s3://{BUCKET}/k", "back", "--resume")
        self.assertEqual((self.here / "back").read_bytes(), source.read_bytes())
        self.assertEqual(self.files(), ["back", "large"])

    def test_broken_pipe(self) -> None:
        """Who reads no more ends the program, with one line."""
        self.write_large("large")
        self.ok("cp", "large", f"s3://{BUCKET}/k")
        process = self.start("cat", f"s3://{BUCKET}/k")
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        process.stdout = None
        status, _, errors = self.finish(process)
        self.assertEqual(status, 1)
        self.assertEqual(errors.count("\n"), 1, errors)
