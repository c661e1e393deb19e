"""Request ids."""

from __future__ import annotations

import secrets

from twisted.trial.unittest import SynchronousTestCase

from objectd.web.ids import BATCH, RequestIds


class RequestIdsTests(SynchronousTestCase):
    def test_ids(self) -> None:
        """Sixteen hexadecimal digits, each id once, over the end of a batch."""
        new_id = RequestIds(secrets.token_bytes)
        ids = [new_id() for _ in range(3 * BATCH)]
        self.assertEqual(len(set(ids)), len(ids))
        for each in ids:
            self.assertRegex(each, r"\A[0-9a-f]{16}\Z")
