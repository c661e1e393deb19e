"""Uploads, downloads and copies, against a whole server in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.client.client import Client
from objectd.client.copying import copy_object
from objectd.client.downloading import Download, look_up, read
from objectd.client.errors import Damaged, Refused, SourceChanged, UnusableKey
from objectd.client.multipart import MIB, PARTS_MAX, Transfer
from objectd.client.uploading import upload_file, upload_stream
from objectd.objects import ObjectSettings
from objectd.protocol.messages import Response
from objectd.streams import BytesStream
from objectd.test.client.cases import (
    BUCKET,
    Disturbed,
    at_once,
    client_of,
    disturbed_site,
    transfer,
)
from objectd.test.client.test_client import error_answer
from objectd.testing.s3 import MemoryServer, result_of

PART = 2000
RANGE = 1000
DENIED = error_answer("AccessDenied", 403)


def content(size_bytes: int) -> bytes:
    """Bytes no two pieces of which are the same."""
    return b"".join(b"%8d" % number for number in range(-(-size_bytes // 8)))[:size_bytes]


class TransferCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=1))
        self.boto = self.server.client()
        self.boto.create_bucket(Bucket=BUCKET)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.moved = 0

    def client(self, *script: Response | None) -> Client:
        self.application = Disturbed(self.server, script)
        return client_of(disturbed_site(self.application))

    def advance(self, size_bytes: int) -> None:
        self.moved += size_bytes

    def file(self, data: bytes) -> Path:
        path = self.directory / "source"
        path.write_bytes(data)
        return path

    def object(self, key: str = "k") -> bytes:
        data: bytes = self.boto.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def uploads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.boto.list_multipart_uploads(Bucket=BUCKET).get(
            "Uploads", []
        )
        return found

    def targets(self, method: str) -> list[bytes]:
        return [r.target for r in self.application.requests if r.method == method]


class UploadTests(TransferCase):
    def upload(self, client: Client, path: Path, **options: Any) -> Deferred[None]:
        options = {"part_bytes": PART, "advance": self.advance, **options}
        return Deferred.fromCoroutine(upload_file(client, path, BUCKET, "k", transfer(**options)))

    def test_small(self) -> None:
        """A file of up to a part goes up in one request, with a checksum."""
        for size_bytes in (0, 1, PART):
            data = content(size_bytes)
            self.successResultOf(self.upload(self.client(), self.file(data)))
            self.assertEqual(self.object(), data)
            [request] = self.application.requests
            self.assertIsNotNone(request.header(b"x-amz-checksum-crc64nvme"))
        self.assertEqual(self.moved, PART + 1)

    def test_parts(self) -> None:
        """A larger one goes up in parts, and is one object with the checksum of its bytes."""
        data = content(2 * PART + 1)
        for checksum in ("CRC64NVME", "CRC32", ""):
            self.successResultOf(self.upload(self.client(), self.file(data), checksum=checksum))
            self.assertEqual(self.object(), data)
            self.assertEqual(len(self.targets("PUT")), 3)
        self.assertEqual(self.moved, 3 * len(data))
        self.assertEqual(self.uploads(), [])

    def test_headers(self) -> None:
        """Type and metadata come along, in parts or not."""
        headers = {"ContentType": "text/x", "Metadata": {"a": "b"}}
        for size_bytes in (1, PART + 1):
            path = self.file(content(size_bytes))
            self.successResultOf(self.upload(self.client(), path, headers=headers))
            found = self.boto.head_object(Bucket=BUCKET, Key="k")
            self.assertEqual((found["ContentType"], found["Metadata"]), ("text/x", {"a": "b"}))

    def test_part_size(self) -> None:
        """Parts grow so that 10,000 are enough for the largest object."""
        for size_bytes in (1, PART * PARTS_MAX, PART * PARTS_MAX + 1, 5 << 40):
            part_bytes = transfer(part_bytes=PART).part_bytes_for(size_bytes)
            self.assertLessEqual(-(-size_bytes // part_bytes), PARTS_MAX)
            self.assertTrue(part_bytes == PART or part_bytes % MIB == 0)

    def test_failure(self) -> None:
        """An upload that fails is aborted: no parts are left that somebody pays for."""
        work = self.upload(self.client(None, None, DENIED), self.file(content(3 * PART)))
        self.failureResultOf(work, Refused)
        self.assertEqual(self.uploads(), [])

    def test_cancelled(self) -> None:
        """So is one that is cancelled, and the key keeps what it had."""
        client = self.client()

        def stuck_after_create(function: Callable[[], object]) -> Any:
            return Deferred() if self.targets("POST") else at_once(function)

        path = self.file(content(3 * PART))
        stuck = Transfer(stuck_after_create, part_bytes=PART)
        work = Deferred.fromCoroutine(upload_file(client, path, BUCKET, "k", stuck))
        self.assertEqual(len(self.uploads()), 1)
        work.cancel()
        self.failureResultOf(work, CancelledError)
        self.assertEqual(self.uploads(), [])

    def test_resume(self) -> None:
        """With `resume` it is left, and a later attempt sends only what is missing."""
        path = self.file(content(3 * PART + 1))
        script = [None, None, None, None, DENIED]
        self.failureResultOf(self.upload(self.client(*script), path, resume=True), Refused)
        self.assertEqual(len(self.uploads()), 1)
        self.successResultOf(self.upload(self.client(), path, resume=True))
        self.assertLess(len(self.targets("PUT")), 4)
        self.assertEqual(self.object(), path.read_bytes())
        self.assertEqual(self.uploads(), [])

    def test_resume_after_a_change(self) -> None:
        """Parts whose bytes are others by now are sent again."""
        path = self.file(content(3 * PART + 1))
        script = [None, None, None, None, DENIED]
        self.failureResultOf(self.upload(self.client(*script), path, resume=True), Refused)
        changed = b"x" + path.read_bytes()[1:]
        path.write_bytes(changed)
        self.successResultOf(self.upload(self.client(), path, resume=True))
        self.assertEqual(self.object(), changed)

    def test_resume_with_other_checksums(self) -> None:
        """An upload that was begun with other checksums is another program's, and is left."""
        other = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"}
        begun = self.boto.create_multipart_upload(Bucket=BUCKET, Key="k", **other)
        path = self.file(content(3 * PART))
        self.successResultOf(self.upload(self.client(), path, resume=True))
        self.assertEqual(self.object(), path.read_bytes())
        self.assertEqual([each["UploadId"] for each in self.uploads()], [begun["UploadId"]])

    def test_no_file(self) -> None:
        """A pipe has no size: it is refused, not stored as an empty object."""
        path = self.directory / "pipe"
        os.mkfifo(path)
        self.failureResultOf(self.upload(self.client(), path), UnusableKey)
        self.assertEqual(self.targets("PUT"), [])

    def test_changed_file(self) -> None:
        """A file that is changed meanwhile is no object: neither longer nor shorter."""
        for change in (lambda path: os.utime(path, (1, 1)), lambda path: os.truncate(path, PART)):
            path = self.file(content(3 * PART))
            client = self.client()

            def disturb(
                size_bytes: int,
                path: Path = path,
                change: Callable[[Path], None] = change,
            ) -> None:
                change(path)

            work = self.upload(client, path, advance=disturb)
            self.failureResultOf(work, SourceChanged)
            self.assertRaises(self.boto.exceptions.NoSuchKey, self.object)
            self.assertEqual(self.uploads(), [])

    def test_streams(self) -> None:
        """A stream of any length is stored, in parts if it is longer than one."""
        for size_bytes in (0, 1, PART, PART + 1, 3 * PART):
            data = content(size_bytes)
            result_of(
                upload_stream(
                    self.client(), BytesStream(data), BUCKET, "k", transfer(part_bytes=PART)
                )
            )
            self.assertEqual(self.object(), data)


class DownloadTests(TransferCase):
    def setUp(self) -> None:
        super().setUp()
        self.target = self.directory / "target"

    def put(self, data: bytes) -> None:
        self.boto.put_object(Bucket=BUCKET, Key="k", Body=data)

    def download(self, client: Client, *, keep_partial: bool = False) -> Deferred[None]:
        async def work() -> None:
            remote = await look_up(client, BUCKET, "k")
            download = Download(client, remote, self.target, at_once, range_bytes=RANGE)
            await download.run(advance=self.advance, keep_partial=keep_partial)

        return Deferred.fromCoroutine(work())

    def files(self) -> list[str]:
        return sorted(os.listdir(self.directory))

    def test_sizes(self) -> None:
        """An object becomes a file with its bytes and its time, in ranges if it is large."""
        for size_bytes in (0, 1, RANGE, RANGE + 1, 3 * RANGE):
            self.put(content(size_bytes))
            self.successResultOf(self.download(self.client()))
            self.assertEqual(self.target.read_bytes(), content(size_bytes))
            self.assertEqual(len(self.targets("GET")), -(-size_bytes // RANGE))
            modified = self.boto.head_object(Bucket=BUCKET, Key="k")["LastModified"]
            self.assertEqual(self.target.stat().st_mtime, modified.timestamp())
        self.assertEqual(self.files(), ["target"])

    def test_failure(self) -> None:
        """A download that fails leaves the file that was there, and nothing beside it."""
        self.target.write_bytes(b"before")
        self.put(content(3 * RANGE))
        self.failureResultOf(self.download(self.client(None, None, DENIED)), Refused)
        self.assertEqual(self.target.read_bytes(), b"before")
        self.assertEqual(self.files(), ["target"])

    def test_resume(self) -> None:
        """One that is kept goes on where it ended."""
        self.put(content(6 * RANGE))
        script = [None, None, None, None, None, None, DENIED]
        self.failureResultOf(self.download(self.client(*script), keep_partial=True), Refused)
        [partial] = self.files()
        have_bytes = (self.directory / partial).stat().st_size
        self.assertGreater(have_bytes, 0)
        self.successResultOf(self.download(self.client(), keep_partial=True))
        self.assertEqual(len(self.targets("GET")), 6 - have_bytes // RANGE)
        self.assertEqual(self.target.read_bytes(), content(6 * RANGE))
        self.assertEqual(self.files(), ["target"])

    def test_mode(self) -> None:
        """A file gets the mode that any new file gets."""
        self.put(b"#!/bin/sh")
        self.successResultOf(self.download(self.client()))
        fresh = self.file(b"")
        self.assertEqual(self.target.stat().st_mode, fresh.stat().st_mode)

    def test_no_file(self) -> None:
        """What has the name and is no file, such as a device, is not replaced."""
        self.put(b"meow")
        os.mkfifo(self.target)
        self.failureResultOf(self.download(self.client()), UnusableKey)
        self.assertTrue(self.target.is_fifo())
        self.assertEqual(self.files(), ["target"])

    def test_resume_of_another_object(self) -> None:
        """What was kept of one object is no part of another."""
        self.put(content(6 * RANGE))
        script = [None, None, None, None, None, None, DENIED]
        self.failureResultOf(self.download(self.client(*script), keep_partial=True), Refused)
        self.put(b"x" * RANGE + content(RANGE))
        self.successResultOf(self.download(self.client(), keep_partial=True))
        self.assertEqual(self.target.read_bytes(), b"x" * RANGE + content(RANGE))

    def test_damaged_partial(self) -> None:
        """What lies on the disk is verified: a damaged beginning is not gone on with."""
        self.put(content(6 * RANGE))
        script = [None, None, None, None, None, None, DENIED]
        self.failureResultOf(self.download(self.client(*script), keep_partial=True), Refused)
        [partial] = self.files()
        with (self.directory / partial).open("r+b") as file:
            file.write(b"x")
        self.failureResultOf(self.download(self.client(), keep_partial=True), Damaged)
        self.assertEqual(self.files(), [])
        self.successResultOf(self.download(self.client(), keep_partial=True))

    def test_changed_object(self) -> None:
        """An object that is replaced meanwhile is an error, never a mixture."""
        self.put(content(3 * RANGE))
        client = self.client()

        async def work() -> None:
            remote = await look_up(client, BUCKET, "k")
            self.put(b"y" * 3 * RANGE)
            download = Download(client, remote, self.target, at_once, range_bytes=RANGE)
            await download.run(advance=self.advance, keep_partial=False)

        self.failureResultOf(Deferred.fromCoroutine(work()), SourceChanged)
        self.assertEqual(self.files(), [])

    def test_wrong_bytes(self) -> None:
        """Bytes that do not have the digest of the object are refused, in files and streams."""
        self.put(b"meow")
        lie = Response(206, (), b"woof")
        self.failureResultOf(self.download(self.client(None, lie)), Damaged)
        self.assertEqual(self.files(), [])
        client = self.client(None, lie)

        async def stream() -> None:
            async with aclosing(read(client, await look_up(client, BUCKET, "k"))) as pieces:
                async for _ in pieces:
                    pass

        self.failureResultOf(Deferred.fromCoroutine(stream()), Damaged)


class CopyTests(TransferCase):
    def copy(self, client: Client, **options: int) -> Deferred[None]:
        async def work() -> None:
            source = await look_up(client, BUCKET, "source/ü +?")
            await copy_object(client, source, BUCKET, "k", transfer(), **options)

        return Deferred.fromCoroutine(work())

    def put(self, data: bytes) -> None:
        self.boto.put_object(
            Bucket=BUCKET, Key="source/ü +?", Body=data, ContentType="text/x", Metadata={"a": "b"}
        )

    def test_copy(self) -> None:
        """The server copies content, type and metadata, at once or, if too large, in parts."""
        for limit in (1 << 30, 1):
            self.put(b"meow")
            self.successResultOf(self.copy(self.client(), copy_bytes_max=limit))
            found = self.boto.get_object(Bucket=BUCKET, Key="k")
            self.assertEqual(found["Body"].read(), b"meow")
            self.assertEqual((found["ContentType"], found["Metadata"]), ("text/x", {"a": "b"}))

    def test_changed_source(self) -> None:
        """Another object under the source's key is not copied."""
        self.put(b"meow")
        client = self.client()

        async def work() -> None:
            source = await look_up(client, BUCKET, "source/ü +?")
            self.put(b"woof")
            await copy_object(client, source, BUCKET, "k", transfer())

        self.failureResultOf(Deferred.fromCoroutine(work()), SourceChanged)
        self.assertRaises(self.boto.exceptions.NoSuchKey, self.object)
