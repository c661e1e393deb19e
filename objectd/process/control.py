"""What the supervisor and its children tell each other, each over a pipe.

A frame is its length (4 bytes, big-endian) ‖ msgpack. Both ends are of one version. The end of
the pipe to a child is the end of the supervisor, and ends the child at once.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = [
    "COMMANDS",
    "DIRECTORY",
    "EVENTS",
    "INHERITED",
    "LOCK",
    "OWNER",
    "SLOTS",
    "WORKER",
    "Announce",
    "Begin",
    "Command",
    "Commands",
    "Event",
    "Failed",
    "Fence",
    "Fenced",
    "Frames",
    "Incarnation",
    "Listener",
    "Ping",
    "Pong",
    "Ready",
    "Reload",
    "Stop",
    "TakeIncarnation",
    "decode_command",
    "decode_event",
    "encode",
    "tell",
]

# The descriptors of a child, beside the three that every process has.
COMMANDS = 3
EVENTS = 4
LOCK = 5
DIRECTORY = 6
SLOTS = 7
INHERITED = 8
"""The first of the listening sockets."""

OWNER = "owner"
WORKER = "worker"
"""What a child may be."""

_LENGTH = struct.Struct(">I")
_READ_BYTES = 1 << 16

_T = TypeVar("_T")


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="type"):
    pass


class Listener(msgspec.Struct, frozen=True, array_like=True):
    """A listening socket that a child has inherited."""

    descriptor: int
    is_tls: bool


class Begin(_Message, frozen=True, tag="begin"):
    """The first thing that a child is told. `configuration` is for `objectd.settings` to read,
    as the file `configuration_name`. `living` (to the owner) are the incarnations that other
    processes have now; `workers` is between how many the limits are divided."""

    configuration_name: str
    configuration: bytes
    data_directory: str
    listeners: tuple[Listener, ...]
    workers: int
    living: tuple[int, ...] = ()


class Incarnation(_Message, frozen=True, tag="incarnation"):
    """To a worker: its number. From the owner: one that was taken."""

    number: int


class TakeIncarnation(_Message, frozen=True, tag="take"):
    """To the owner."""


class Fence(_Message, frozen=True, tag="fence"):
    """To the owner: the process that had this incarnation is gone."""

    incarnation: int


class Reload(_Message, frozen=True, tag="reload"):
    """To a worker: read the certificate again."""


class Stop(_Message, frozen=True, tag="stop"):
    """End when the requests under way have ended, at the latest after so many seconds."""

    drain_seconds: float | None


class Ping(_Message, frozen=True, tag="ping"):
    """Answered at once by whoever is well."""


class Pong(_Message, frozen=True, tag="pong"):
    pass


class Ready(_Message, frozen=True, tag="ready"):
    pass


class Announce(_Message, frozen=True, tag="announce"):
    line: str


class Failed(_Message, frozen=True, tag="failed"):
    """The child cannot start or cannot go on, and ends."""

    message: str


class Fenced(_Message, frozen=True, tag="fenced"):
    incarnation: int


Command = Begin | Incarnation | TakeIncarnation | Fence | Reload | Ping | Stop
Event = Ready | Announce | Failed | Incarnation | Fenced | Pong

_encode = msgspec.msgpack.Encoder().encode


def encode(message: Command | Event) -> bytes:
    data = _encode(message)
    return _LENGTH.pack(len(data)) + data


decode_command = msgspec.msgpack.Decoder(Command).decode
decode_event = msgspec.msgpack.Decoder(Event).decode


class Frames(Generic[_T]):
    """Cuts a stream of bytes into messages, which `decode` knows."""

    def __init__(self, decode: Callable[[bytes], _T]) -> None:
        self._decode = decode
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[_T]:
        """The messages that are complete now."""
        self._pending += data
        while len(self._pending) >= _LENGTH.size:
            [length] = _LENGTH.unpack_from(self._pending)
            end = _LENGTH.size + length
            if len(self._pending) < end:
                break
            message, self._pending = self._pending[_LENGTH.size : end], self._pending[end:]
            yield self._decode(message)


# The child's end


def tell(event: Event) -> None:
    """Tell the supervisor, at once: the next moment may be the last of this process."""
    os.write(EVENTS, encode(event))


@implementer(IReadDescriptor)
class Commands:
    """What the supervisor says, for a reactor to read. `lost` is called when it is gone."""

    def __init__(
        self,
        obey: Callable[[Command], None],
        lost: Callable[[], object],
        descriptor: int = COMMANDS,
    ) -> None:
        self._obey = obey
        self._lost = lost
        self._descriptor = descriptor
        self._frames = Frames(decode_command)

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:  # noqa: N802
        return "supervisor"

    def doRead(self) -> None:  # noqa: N802
        data = os.read(self._descriptor, _READ_BYTES)
        if not data:
            self._lost()
        for command in self._frames.feed(data):
            self._obey(command)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        self._lost()
