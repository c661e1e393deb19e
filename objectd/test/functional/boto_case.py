"""A server of its own for each test, and boto3 as its client."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import Server


class BotoCase(SynchronousTestCase):
    """Over HTTPS where it is `secure`."""

    secure = False

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), tls=self.secure)
        self.addCleanup(self.server.end)
        self.start()

    def start(self) -> None:
        self.server.start()
        self.client = self.server.client(secure=self.secure)

    def restart(self) -> None:
        self.assertEqual(self.server.stop(), 0)
        self.start()
