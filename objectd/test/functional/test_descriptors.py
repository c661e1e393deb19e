"""File descriptors: connections never use up those that the stores need."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

PROGRAM = """
import resource, sys
from objectd.errors import ConfigurationInvalid
from objectd.process.descriptors import room_for_connections
hard = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
try:
    print(room_for_connections(1000, 200), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
except ConfigurationInvalid as error:
    print(error)
"""


class DescriptorTests(SynchronousTestCase):
    def room(self, hard: int) -> str:
        """What a process with this hard limit finds for 1,000 connections, 200 transfers."""
        command = [sys.executable, "-c", PROGRAM, str(hard)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def test_enough(self) -> None:
        """The soft limit is raised as far as needed."""
        self.assertEqual(self.room(5000), "1000 1712")

    def test_too_few(self) -> None:
        """With a low hard limit there is room for fewer connections."""
        self.assertEqual(self.room(1000), "288 1000")

    def test_hardly_any(self) -> None:
        """With a very low one the server does not start, and says what to raise."""
        self.assertIn("LimitNOFILE", self.room(720))
