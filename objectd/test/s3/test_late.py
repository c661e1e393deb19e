"""Answers that take long: boto3 waits for them, and raises what they turn out to be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import StoreBusy, StoreFull
from objectd.interfaces import Commit
from objectd.metadata.memory import MemoryMetadata
from objectd.objects import open_store
from objectd.objects.opening import run_at_once
from objectd.protocol.messages import HttpRequest
from objectd.s3.application import S3Settings
from objectd.test.s3.wire import as_bytes, authentic, refusal
from objectd.testing.http import ClientResponse, Connection, memory_site
from objectd.testing.s3 import MemoryServer, result_of
from objectd.web.application import AccessEvent

PATIENCE = S3Settings().patience_seconds


class SlowMetadata(MemoryMetadata):
    """A store that commits when the test says so, once it is made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Deferred[None]] = []
        self.is_slow = False

    async def commit(self, commit: Commit) -> int:
        if self.is_slow:
            gate: Deferred[None] = Deferred()
            self.waiting.append(gate)
            await gate
        return await super().commit(commit)

    def go_on(self, error: Exception | None = None) -> None:
        """Let the next commit be done, or fail."""
        gate = self.waiting.pop(0)
        if error is None:
            gate.callback(None)
        else:
            gate.errback(error)


class SlowServer(MemoryServer):
    """While a client waits for its answer, `meanwhile` happens."""

    def __init__(self) -> None:
        self.metadata = SlowMetadata()
        store = open_store(self.metadata, MemoryBlobs(), clock=Clock(), run_in_thread=run_at_once)
        super().__init__(store=result_of(store))
        self.events: list[AccessEvent] = []
        self.site = memory_site(self.application, log_request=self.events.append)
        self.meanwhile: Callable[[], None] = lambda: None
        self.last: ClientResponse | None = None

    def send(self, method: str, data: bytes, *, secure: bool = False) -> ClientResponse:
        connection = Connection(self.site, secure=secure)
        connection.send(data)
        self.meanwhile()
        connection.run()
        [self.last] = connection.responses([method])
        connection.disconnect()
        return self.last


class LateCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = SlowServer()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")
        self.s3.put_object(Bucket="photos", Key="k", Body=b"x" * 20_000)

    def after(self, seconds: float, *errors: Exception | None) -> None:
        """From now on, commits wait; this one goes on, or fails, after so many seconds."""
        self.server.metadata.is_slow = True

        def pass_time() -> None:
            steps, rest = divmod(seconds, PATIENCE)
            self.server.clock.pump([PATIENCE] * int(steps) + [rest])
            for error in errors:
                self.server.metadata.go_on(error)

        self.server.meanwhile = pass_time

    def copy(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.copy_object(
            Bucket="photos", Key="c", CopySource="photos/k"
        )["CopyObjectResult"]
        return answer

    def last(self) -> ClientResponse:
        assert self.server.last is not None
        return self.server.last


class InTimeTests(LateCase):
    def test_in_time(self) -> None:
        """An operation that ends in time is answered as always, with its length."""
        self.after(PATIENCE - 1, None)
        self.assertIn("ETag", self.copy())
        self.assertIsNotNone(self.last().header(b"content-length"))
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_error_in_time(self) -> None:
        """One that fails in time has the status of its error."""
        self.after(PATIENCE - 1, StoreFull("disk"))
        refusal(self, 507, "InsufficientStorage", self.copy)
        self.assertEqual(self.last().status, 507)

    def test_others_wait(self) -> None:
        """An operation that is not among those that take long gets its status when it ends."""
        self.after(3 * PATIENCE, None)
        self.s3.put_object_tagging(Bucket="photos", Key="k", Tagging={"TagSet": []})
        self.assertIsNotNone(self.last().header(b"content-length"))


class LateTests(LateCase):
    def test_blanks_come_first(self) -> None:
        """After a while the head goes out, then the XML declaration and a blank now and then,
        and at last the document: one well-formed document as a whole."""
        self.after(3 * PATIENCE + 1, None)
        copied = self.copy()
        response = self.last()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header(b"content-type"), b"application/xml")
        self.assertIsNotNone(response.header(b"x-amz-request-id"))
        declaration, _, rest = response.body.partition(b"\n")
        self.assertTrue(declaration.startswith(b"<?xml "))
        self.assertTrue(rest.startswith(b"  <CopyObjectResult"), rest)
        self.assertEqual(copied["ETag"], f'"{hashlib.md5(b"x" * 20_000).hexdigest()}"')
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_error_inside(self) -> None:
        """One that fails late has its error inside the 200; boto3 raises it all the same, and
        the access log tells of it."""
        self.after(PATIENCE + 1, StoreFull("disk"))
        refusal(self, 500, "InsufficientStorage", self.copy)
        self.assertEqual(self.last().status, 200)
        event = self.server.events[-1]
        self.assertEqual((event.status, event.error_code), (200, "InsufficientStorage"))

    def test_upload(self) -> None:
        """UploadPartCopy and CompleteMultipartUpload wait likewise."""
        upload_id = self.s3.create_multipart_upload(Bucket="photos", Key="c")["UploadId"]
        where = {"Bucket": "photos", "Key": "c", "UploadId": upload_id}
        source = {"CopySource": "photos/k", "PartNumber": 1}
        self.after(PATIENCE + 1, StoreBusy("wait"))
        self.assertRaises(ClientError, self.s3.upload_part_copy, **where, **source)
        self.assertEqual(self.last().status, 200)
        self.after(PATIENCE + 1, None)
        part = self.s3.upload_part_copy(**where, **source)["CopyPartResult"]
        self.assertEqual(self.last().status, 200)
        listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        complete = self.s3.complete_multipart_upload
        self.after(PATIENCE + 1, StoreBusy("wait"))
        self.assertRaises(ClientError, complete, **where, MultipartUpload=listed)
        self.assertEqual(self.last().status, 200)
        self.after(PATIENCE + 1, None, None)
        self.assertIn("ETag", complete(**where, MultipartUpload=listed))
        self.assertIsNone(self.last().header(b"content-length"))


class GoneTests(LateCase):
    def request(self) -> HttpRequest:
        return authentic("PUT", "/photos/c", {"x-amz-copy-source": "photos/k"})

    def test_client_goes_away(self) -> None:
        """A client that does not wait, before or after the first blank, cancels no commit; no
        read stays open and no timer runs."""
        for seconds in (1.0, PATIENCE + 1, 2 * PATIENCE + 1):
            self.server.metadata.is_slow = True
            connection = Connection(self.server.site)
            connection.send(as_bytes(self.request(), b""))
            self.server.clock.pump([PATIENCE] * int(seconds // PATIENCE) + [seconds % PATIENCE])
            connection.disconnect()
            self.assertEqual(self.server.clock.getDelayedCalls(), [])
            self.server.metadata.go_on()
            self.server.metadata.is_slow = False
            got = self.s3.get_object(Bucket="photos", Key="c")["Body"].read()
            self.assertEqual(len(got), 20_000)
            self.s3.delete_object(Bucket="photos", Key="c")
            result_of(self.server.store.core.reads.drained())
