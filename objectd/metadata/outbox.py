"""What goes over the socket between a process and the metadata owner, sent by the turn."""

from __future__ import annotations

from typing import Any

from objectd.interfaces import ITurns
from objectd.transports import write_directly


class Outbox:
    """Sends what is put into it within one turn of the reactor with one system call.

    A frame a call would wake the other process for each, and Twisted's buffering takes two system
    calls and another turn more. Where the reactor does not tell of its turns (`ITurns`), what is
    put in goes to the transport at once.
    """

    def __init__(self, transport: Any, turns: object) -> None:
        self._transport = transport
        self._turns = turns if ITurns.providedBy(turns) else None
        self._frames: list[bytes] = []

    def put(self, frame: bytes) -> None:
        if self._turns is None:
            self._transport.write(frame)
            return
        if not self._frames:
            self._turns.at_end_of_turn(self.send)
        self._frames.append(frame)

    def send(self) -> None:
        """What is in it goes now. After the connection was lost that is nowhere."""
        frames, self._frames = self._frames, []
        if frames:
            write_directly(self._transport, frames[0] if len(frames) == 1 else b"".join(frames))
