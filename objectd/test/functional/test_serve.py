"""`objectd serve` and `twistd objectd` as processes: start, signals, and exit status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BIN, Server

START_SECONDS_MAX = 1.0
STOP_SECONDS_MAX = 10.0


class Process(SynchronousTestCase):
    """One server process each."""

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()))
        self.addCleanup(self.server.end)

    def held_up(self) -> socket.socket:
        """A connection whose request will never end."""
        connection = socket.create_connection(self.server.address)
        self.addCleanup(connection.close)
        connection.sendall(b"PUT /functional/key HTTP/1.1\r\nHost: s3\r\nContent-Le")
        return connection

    def test_start(self) -> None:
        """From nothing to the first answer takes less than a second of the processor: the
        time on the wall would tell of what else this machine does."""
        self.server.start()
        urlopen(f"{self.server.url}/-/health/ready").close()
        self.assertLess(self.processor_seconds(), START_SECONDS_MAX)

    def processor_seconds(self) -> float:
        """What the server has used so far, in user and system mode."""
        text = Path(f"/proc/{self.server.process.pid}/stat").read_text()
        _, _, fields = text.rpartition(")")
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def test_either_signal_stops(self) -> None:
        """SIGTERM and Ctrl-C end it with status 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.server.start([str(BIN / "objectd"), "serve", *self.server.arguments])
            self.assertEqual(0, self.server.stop(number))

    def test_stops_in_time(self) -> None:
        """A client that never ends its request does not hold the process up for long."""
        self.server.start()
        self.held_up()
        began = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - began, STOP_SECONDS_MAX)

    def test_second_signal(self) -> None:
        """A second Ctrl-C ends the process at once, and the store opens again after it."""
        self.server.start([str(BIN / "objectd"), "serve", *self.server.arguments])
        self.held_up()
        began = time.monotonic()
        self.server.process.send_signal(signal.SIGINT)
        while "Closed" not in self.server.log.read_text():
            self.assertIs(None, self.server.process.poll())
        self.server.process.send_signal(signal.SIGINT)
        self.assertEqual(-signal.SIGINT, self.server.wait())
        self.assertLess(time.monotonic() - began, 2)
        self.server.start()

    def test_failed_start(self) -> None:
        """Where the port is taken both commands say so in a line, and end with status 1."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        arguments = [f"--listen=127.0.0.1:{taken.getsockname()[1]}", str(self.server.data)]
        for command in (
            [str(BIN / "objectd"), "serve", *arguments],
            [str(BIN / "twistd"), "--nodaemon", "--pidfile=", "objectd", *arguments],
        ):
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(1, ended.returncode)
            said = ended.stdout + ended.stderr
            self.assertIn("objectd ends: Couldn't listen on 127.0.0.1", said)
            self.assertNotIn("Traceback", said)
