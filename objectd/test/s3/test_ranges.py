"""Which bytes a Range header asks for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import InvalidRange
from objectd.s3.ranges import resolve_range


class ResolveRangeTests(SynchronousTestCase):
    def test_beyond_the_end(self) -> None:
        """Positions past the end of the object mean its end, however large they are."""
        vast = "9" * 30
        self.assertEqual(resolve_range(f"bytes=2-{vast}", 10), (2, 10))
        self.assertEqual(resolve_range(f"bytes=-{vast}", 10), (0, 10))
        with self.assertRaises(InvalidRange):
            resolve_range(f"bytes={vast}-", 10)

    def test_absurd_numbers(self) -> None:
        """Numbers of more digits than anybody means are no numbers: the header is ignored."""
        for header in ("bytes=0-{}", "bytes={}-", "bytes=-{}"):
            self.assertIsNone(resolve_range(header.format("9" * 5000), 10))

    def test_digits_of_other_scripts(self) -> None:
        """Only the digits of ASCII are digits."""
        self.assertIsNone(resolve_range("bytes=٠-٣", 10))
