"""Declarations of digests in every spelling that a client may send."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import InvalidArgument
from objectd.s3.body import decoded


class DecodedTests(SynchronousTestCase):
    def test_not_base64(self) -> None:
        """What is not base64 is an invalid argument, also if it is not even ASCII."""
        for text in ("é", "A", "!!!!", "AAAA AAAA"):
            with self.assertRaises(InvalidArgument) as caught:
                decoded(text, "ChecksumCRC32")
            self.assertEqual(
                (caught.exception.name, caught.exception.value), ("ChecksumCRC32", text)
            )
