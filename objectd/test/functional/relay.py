"""A way to a server that ends in the middle: what is to be interrupted cannot be over first."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from threading import Lock, Thread

__all__ = ["Relay"]

PIECE_BYTES = 1 << 16


class Relay:
    """Listens on a `port` of 127.0.0.1 and passes on what comes to the `server`'s address.

    Of what clients send, over all connections, it passes on `bytes_max` bytes; then it reads
    no more of it, and what they wait for does not come. Answers always pass.
    """

    def __init__(self, server: tuple[str, int], bytes_max: int) -> None:
        self._server = server
        self._left = bytes_max
        self._lock = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def end(self) -> None:
        """Close all connections."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _start(self, run: Callable[..., None], *arguments: socket.socket) -> None:
        Thread(target=run, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # `end` closes what this waits on
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._start(self._send, client, server)
                self._start(self._answer, server, client)

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := client.recv(PIECE_BYTES)) and self._takes(len(data)):
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(PIECE_BYTES):
                client.sendall(data)

    def _takes(self, size_bytes: int) -> bool:
        with self._lock:
            self._left -= size_bytes
            return self._left >= 0
