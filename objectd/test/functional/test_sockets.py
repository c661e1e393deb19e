"""The sockets that a supervisor makes, on the loopback interface."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from objectd.process.sockets import (
    SOCKET,
    listening,
    opened_directory,
    owner_path,
    owner_socket,
    shared_memory,
)

HOST = "127.0.0.1"


class Listening(SynchronousTestCase):
    def listening(self, port: int = 0, count: int = 2) -> list[socket.socket]:
        made = listening(HOST, port, count)
        for each in made:
            self.addCleanup(each.close)
        return made

    def test_spread(self) -> None:
        """Connections to one port come to all of its sockets."""
        made = self.listening()
        address = made[0].getsockname()
        self.assertEqual(address, made[1].getsockname())
        clients = [socket.create_connection(address) for _ in range(64)]
        accepted = [_accepted(each) for each in made]
        for client in clients:
            client.close()
        self.assertEqual(64, sum(accepted))
        self.assertGreater(min(accepted), 8)

    def test_taken(self) -> None:
        """A port on which others listen is refused, though they would share it."""
        port = self.listening()[0].getsockname()[1]
        self.assertRaises(CannotListenError, listening, HOST, port, 2)

    def test_ipv6(self) -> None:
        """An address with colons is one of IPv6."""
        [made] = listening("::1", 0, 1)
        self.addCleanup(made.close)
        self.assertEqual(socket.AF_INET6, made.family)


class OwnersSocket(SynchronousTestCase):
    def test_long_path(self) -> None:
        """It can be had in a directory whose path is longer than that of a socket may be, is
        nobody else's, replaces what an earlier server left, and goes with the server."""
        directory = Path(self.mktemp()) / ("d" * 200)
        directory.mkdir(parents=True)
        (directory / SOCKET).touch()
        with opened_directory(directory) as descriptor:
            with owner_socket(descriptor) as made:
                mode = (directory / SOCKET).stat().st_mode
                self.assertTrue(stat.S_ISSOCK(mode))
                self.assertEqual(0o600, stat.S_IMODE(mode))
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(owner_path(descriptor))
                    self.assertEqual(1, _accepted(made))
            self.assertFalse((directory / SOCKET).exists())


class Memory(SynchronousTestCase):
    def test_shared(self) -> None:
        """It is zeroed, as large as was asked for, and without a name in any directory."""
        with shared_memory("test", 4096) as descriptor:
            self.assertEqual(bytes(4096), os.pread(descriptor, 8192, 0))
            self.assertIn("memfd:test", os.readlink(f"/proc/self/fd/{descriptor}"))


def _accepted(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1
