"""Large objects, and many at once, in little memory."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Barrier

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, MIB, Server, Watch
from objectd.test.functional.traffic import (
    Content,
    at_once,
    connect,
    download,
    upload,
    upload_with_trailer,
)

MEMORY_BYTES_MAX = 200 * MIB
LARGE_BYTES = 2048 * MIB
PARTS = 16
PART_BYTES = LARGE_BYTES // PARTS
UPLOADS = 100
UPLOAD_BYTES = 16 * MIB

_log = Logger()


class LargeTests(SynchronousTestCase):
    """In each the server stays below 200 MiB, and makes no temporary file."""

    timeout = 600

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), tls=True, workers=0)
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()

    def watch(self) -> Watch:
        watch = Watch(self.server)
        self.addCleanup(self.judge, watch)
        return watch

    def judge(self, watch: Watch) -> None:
        _log.info("{id}: at most {mib} MiB", id=self.id(), mib=watch.memory_bytes_max >> 20)
        self.assertGreater(watch.samples, 100)
        self.assertLess(watch.memory_bytes_max, MEMORY_BYTES_MAX)
        self.assertEqual((watch.temporary_files, watch.temporary_was_touched), (set(), False))

    def download(self, key: str) -> bytes:
        connection = connect(self.server)
        self.addCleanup(connection.close)
        return download(connection, f"/{BUCKET}/{key}")

    def test_one_put(self) -> None:
        """2 GiB go up in one PUT and come back."""
        content = Content(1, LARGE_BYTES)
        connection = connect(self.server)
        self.addCleanup(connection.close)
        with self.watch():
            upload(connection, f"/{BUCKET}/k", content)
            self.assertEqual(self.download("k"), content.digest())

    def test_multipart(self) -> None:
        """2 GiB go up in 16 parts, four at a time, and come back as one object."""
        started = self.client.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]

        def upload_some(number: int, barrier: Barrier) -> list[tuple[int, str]]:
            connection = connect(self.server)
            sent = []
            for part in range(number + 1, PARTS + 1, 4):
                target = f"/{BUCKET}/k?partNumber={part}&uploadId={started}"
                sent.append((part, upload(connection, target, Content(part, PART_BYTES))))
            connection.close()
            return sent

        with self.watch():
            parts = sorted(part for some in at_once(4, upload_some) for part in some)
            self.client.complete_multipart_upload(
                Bucket=BUCKET,
                Key="k",
                UploadId=started,
                MultipartUpload={
                    "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]
                },
            )
            whole = self.client.head_object(Bucket=BUCKET, Key="k")
            self.assertEqual(whole["ContentLength"], LARGE_BYTES)
            self.assertEqual(self.download("k"), _digest_of_parts())

    def upload_many(self, send: Callable[..., str], *, secure: bool) -> None:
        def put(number: int, barrier: Barrier) -> str:
            connection = connect(self.server, secure=secure)
            content = Content(number, UPLOAD_BYTES)
            etag = send(connection, f"/{BUCKET}/{number}", content, before_body=barrier.wait)
            connection.close()
            return etag

        with self.watch():
            etags = at_once(UPLOADS, put)
        self.assertEqual(len(set(etags)), UPLOADS)
        for number in range(0, UPLOADS, 10):
            self.assertEqual(self.download(str(number)), Content(number, UPLOAD_BYTES).digest())

    def test_many_at_once(self) -> None:
        """100 uploads of 16 MiB, all under way at once, all succeed."""
        self.upload_many(upload, secure=False)

    def test_many_at_once_over_tls(self) -> None:
        """So do 100 over HTTPS, in the form in which SDKs send them there."""
        self.upload_many(upload_with_trailer, secure=True)

    def test_many_downloads(self) -> None:
        """100 clients that read 16 MiB each, all at once, get them whole."""
        content = Content(1, UPLOAD_BYTES)
        connection = connect(self.server)
        upload(connection, f"/{BUCKET}/k", content)
        connection.close()

        def get(number: int, barrier: Barrier) -> bytes:
            mine = connect(self.server)
            barrier.wait()
            found = download(mine, f"/{BUCKET}/k")
            mine.close()
            return found

        with self.watch():
            found = at_once(UPLOADS, get)
        self.assertEqual(set(found), {content.digest()})


def _digest_of_parts() -> bytes:
    found = sha256()
    for part in range(1, PARTS + 1):
        for piece in Content(part, PART_BYTES).pieces():
            found.update(piece)
    return found.digest()
