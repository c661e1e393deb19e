"""What the application owes the store whatever becomes of a response."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.model.records import Headers
from objectd.test.s3.wire import authentic, head_bytes
from objectd.testing.s3 import MemoryServer, result_of


class UnsendableObjectTests(SynchronousTestCase):
    def test_read_ends(self) -> None:
        """An object whose stored headers no response can carry is an internal error, and the
        read of it is over: else nothing would be collected any more."""
        server = MemoryServer()
        self.addCleanup(self.flushLoggedErrors, ValueError)
        result_of(server.store.buckets.create("bucket"))
        broken = Headers(content_type="text/plain\n")
        result_of(server.store.objects.put("bucket", "key", b"x", headers=broken))
        response = server.send("GET", head_bytes(authentic("GET", "/bucket/key")))
        self.assertEqual(response.status, 500)
        result_of(server.store.core.reads.drained())
