"""Declarations of digests in every spelling that a client may send."""

from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from objectd.model.records import Checksum
from objectd.protocol.errors import S3Error
from objectd.s3.body import decoded


class DecodedTests(SynchronousTestCase):
    def test_not_a_checksum(self) -> None:
        """What is not base64 of as many bytes as the algorithm has is refused, also if it is
        not even ASCII."""
        for text in ("", "\u00e9", "A", "!!!!", "AAAA AAAA", "AAAA", "AAAAAAAA"):
            with self.assertRaises(S3Error) as caught:
                decoded(text, "CRC32")
            self.assertEqual(
                (caught.exception.code, caught.exception.message),
                ("InvalidRequest", "Value for x-amz-checksum-crc32 header is invalid."),
            )

    def test_checksum(self) -> None:
        """A value has its algorithm's width."""
        value = bytes(range(64))
        text = base64.b64encode(value).decode()
        self.assertEqual(decoded(text, "SHA512"), Checksum("SHA512", value))
