"""The sockets that a supervisor makes for its children, and holds open while they come and go."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = [
    "BACKLOG",
    "SOCKET",
    "Accepting",
    "listening",
    "opened_directory",
    "owner_path",
    "owner_socket",
    "shared_memory",
]

BACKLOG = 1024
"""Connections that wait to be accepted, of each socket."""

SOCKET = "metadata.socket"


def listening(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets that listen on one address, between which the system spreads new
    connections. Port 0 lets it choose one for all. Raises `CannotListenError`.

    The first is bound as if it were to be alone, so that a port of another server, even of one
    that shares its own, is refused; only then it agrees to share.
    """
    made: list[socket.socket] = []
    try:
        for number in range(count):
            each = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            made.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if number > 0:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind((host, port))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = each.getsockname()[1]
        for each in made:
            each.setblocking(False)
            each.listen(BACKLOG)
    except OSError as error:
        for each in made:
            each.close()
        raise CannotListenError(host, port, error) from error
    return made


@contextmanager
def owner_socket(directory: int) -> Iterator[socket.socket]:
    """The Unix socket of the metadata owner, in the directory of this descriptor, which must be
    locked: what is left there of an earlier server goes. Nobody else may connect to it, as the
    mode of the socket and of the directory say."""
    path = owner_path(directory)
    with suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)
        try:
            os.chmod(path, 0o600)
            made.setblocking(False)
            made.listen(BACKLOG)
            yield made
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)


def owner_path(directory: int) -> str:
    """A path to the socket that is short enough for one, wherever the directory is."""
    return f"/proc/self/fd/{directory}/{SOCKET}"


@implementer(IReadDescriptor)
class Accepting:
    """Accepts connections on a Unix socket that was inherited. Twisted's own port would give
    the socket away to everybody, shorten its queue and remove it when it stops.
    """

    def __init__(self, descriptor: int, reactor: PosixReactorBase, factory: Factory) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._reactor = reactor
        self._factory = factory
        factory.doStart()
        reactor.addReader(self)

    def stop(self) -> None:
        """Accept no more; those who connect wait for whoever has the socket next."""
        self._reactor.removeReader(self)
        self._factory.doStop()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:  # noqa: N802
        return "owner"

    def doRead(self) -> None:  # noqa: N802
        with suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self._socket.accept()
            with connection:
                connection.setblocking(False)
                self._reactor.adoptStreamConnection(
                    connection.fileno(), socket.AF_UNIX, self._factory
                )

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """Of no use to a socket that only listens."""


@contextmanager
def opened_directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def shared_memory(name: str, size_bytes: int) -> Iterator[int]:
    """Zeroed memory without a file, for whoever inherits its descriptor."""
    descriptor = os.memfd_create(name)
    try:
        os.ftruncate(descriptor, size_bytes)
        yield descriptor
    finally:
        os.close(descriptor)
