"""No byte of a signed upload is seen before all of it is verified (MinIO CVE-2021-21390)."""

from __future__ import annotations

from objectd.auth.payload import PayloadMode
from objectd.test.s3.wire import (
    BUCKET,
    CHUNK_BYTES,
    Upload,
    WireTestCase,
    as_bytes,
    error_document,
)
from objectd.testing.http import Connection

DATA = b"new!" * CHUNK_BYTES


class VisibilityTests(WireTestCase):
    def test_never_half_visible(self) -> None:
        """While chunks arrive, and after one of them was found to be altered, readers see the
        object that was there before, and no file is left."""
        before = self.contents()
        for mode in (PayloadMode.SIGNED_CHUNKS, PayloadMode.SIGNED_CHUNKS_TRAILER):
            upload = Upload(mode, DATA, f"/{BUCKET}/kept")
            request = upload.request()
            sent = bytearray(as_bytes(request, upload.body(request)))
            sent[-CHUNK_BYTES] ^= 1
            connection = Connection(self.server.site)
            for start in range(0, len(sent), CHUNK_BYTES // 2):
                connection.send(bytes(sent[start : start + CHUNK_BYTES // 2]))
                kept = self.s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read()
                self.assertEqual(kept, b"kept" * 9000)
            [response] = connection.responses(["PUT"])
            connection.disconnect()
            self.assertEqual(error_document(response)["Code"], "SignatureDoesNotMatch")
            self.assertEqual(self.contents(), before)
