"""Authenticated clients that ask for too much (Ceph CVE-2018-16846).

There is one limit of uploads, of downloads and of connections for all clients together
(`web.test_limits`); one for each user is not built.
"""

from __future__ import annotations

from objectd.objects.settings import KEY_BYTES_MAX, LIST_ENTRIES_MAX
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic, error_document
from objectd.web.application import RefusalCode

LISTINGS = ("", "?list-type=2", "?uploads")


class ListingTests(WireTestCase):
    def page_max(self, target: str, element: str) -> str:
        response = self.send(authentic("GET", target)).response
        self.assertEqual(response.status, 200, target)
        text = response.body.decode()
        return text.partition(f"<{element}>")[2].partition("<")[0]

    def test_page_sizes(self) -> None:
        """A page of any listing has at most 1,000 entries, and says so, whatever is asked."""
        parts = f"/{BUCKET}/parts?uploadId={self.upload_id}&"
        for target, parameter, element in (
            (f"/{BUCKET}?", "max-keys", "MaxKeys"),
            (f"/{BUCKET}?list-type=2&", "max-keys", "MaxKeys"),
            (f"/{BUCKET}?uploads&", "max-uploads", "MaxUploads"),
            (parts, "max-parts", "MaxParts"),
        ):
            for asked in (LIST_ENTRIES_MAX, LIST_ENTRIES_MAX + 1, (1 << 31) - 1):
                found = self.page_max(f"{target}{parameter}={asked}", element)
                self.assertEqual(found, str(LIST_ENTRIES_MAX), target)
            for asked in (1 << 31, -1):
                response = self.send(authentic("GET", f"{target}{parameter}={asked}")).response
                self.assertEqual(response.status, 400, (target, asked))

    def test_prefixes_and_delimiters(self) -> None:
        """A prefix or delimiter may be as long as a key, and not longer."""
        for listing in LISTINGS:
            for name in ("prefix", "delimiter"):
                for text, status in (
                    ("k" * KEY_BYTES_MAX, 200),
                    ("k" * (KEY_BYTES_MAX + 1), 400),
                    ("%C3%BC" * (KEY_BYTES_MAX // 2), 200),
                    ("%C3%BC" * (KEY_BYTES_MAX // 2 + 1), 400),
                ):
                    query = f"{listing}{'&' if listing else '?'}{name}={text}"
                    response = self.send(authentic("GET", f"/{BUCKET}{query}")).response
                    self.assertEqual(response.status, status, (listing, name, len(text)))
                    if status == 400:
                        document = error_document(response)
                        self.assertEqual(document["Code"], "KeyTooLongError")
                        self.assertEqual(document["MaxSizeAllowed"], str(KEY_BYTES_MAX))


class SlowDownTests(WireTestCase):
    def test_retry_after(self) -> None:
        """A client that is told to slow down is told for how long; others are not."""
        told = self.server.application.refuse("id", RefusalCode.SLOW_DOWN, "")
        self.assertIn((b"Retry-After", b"1"), told.headers)
        for code in set(RefusalCode) - {RefusalCode.SLOW_DOWN}:
            names = {name for name, _ in self.server.application.refuse("id", code, "").headers}
            self.assertNotIn(b"Retry-After", names, code)
