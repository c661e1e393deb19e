"""Child processes: how one is spawned, spoken with, and how it ends."""

from __future__ import annotations

import codecs
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from objectd.errors import ObjectdError
from objectd.process import control
from objectd.process.control import Command, Event, Failed, Frames, Ready

__all__ = ["Child", "ChildFailed", "Concerned", "Spawning"]


class ChildFailed(ObjectdError):
    """A process that the server cannot do without cannot start, or dies again and again."""


@attrs.frozen
class Spawning:
    """What all children of one supervisor are spawned with.

    `descriptors` are theirs → ours. `log_lines` takes what they write to their standard error;
    if None, it is ours.
    """

    reactor: IReactorProcess
    environment: Mapping[str, str] = attrs.field(repr=False)
    descriptors: Mapping[int, int]
    log_lines: Callable[[str], None] | None


class Concerned(Protocol):
    """Whom the doings of a child concern."""

    def told(self, child: Child, event: Event) -> None: ...

    def ended(self, child: Child, how: str) -> None: ...


class Child(ProcessProtocol):
    """One process, which runs `objectd.service.child` in a role that `control` names.

    `became_ready` fires with whether it did.
    """

    transport: IProcessTransport

    def __init__(self, role: str, name: str, concerned: Concerned) -> None:
        self.role = role
        self.name = name
        self.is_ready = False
        self.is_stopping = False
        self.failure = ""
        self.unanswered = 0
        self.became_ready: Deferred[bool] = Deferred()
        self._concerned = concerned
        self._frames = Frames(control.decode_event)
        self._listens = True
        self._log_lines: Callable[[str], None] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""

    def spawn(self, *, spawning: Spawning, sockets: Sequence[int]) -> None:
        """Start it with these listening sockets, the first of which it has as `INHERITED`."""
        self._log_lines = spawning.log_lines
        reactor_module = type(spawning.reactor).__module__
        with open(os.devnull, "r+b") as null:
            errors: int | str = 2 if spawning.log_lines is None else "r"
            descriptors: dict[int, int | str] = {
                0: null.fileno(),
                1: 2 if spawning.log_lines is None else null.fileno(),
                2: errors,
                control.COMMANDS: "w",
                control.EVENTS: "r",
                **spawning.descriptors,
                **dict(enumerate(sockets, control.INHERITED)),
            }
            spawning.reactor.spawnProcess(
                self,
                sys.executable,
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "objectd.service.child",
                    self.role,
                    reactor_module,
                    self.name,
                ],
                env=dict(spawning.environment),
                childFDs=descriptors,
            )

    def tell(self, command: Command) -> None:
        """At any time; who has ended does not hear it."""
        self.is_stopping = self.is_stopping or isinstance(command, control.Stop)
        if self._listens:
            self.transport.writeToChild(control.COMMANDS, control.encode(command))

    def ping(self) -> None:
        """Ask whether it is well; `unanswered` counts since it was last heard."""
        self.unanswered += 1
        self.tell(control.Ping())

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(signal.SIGKILL)

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803
        if childFD == control.EVENTS:
            for event in self._frames.feed(data):
                self._hear(event)
        else:
            self._relay(self._decoder.decode(data))

    def childConnectionLost(self, childFD: int) -> None:  # noqa: N802, N803
        if childFD == control.COMMANDS:
            self._listens = False

    def processEnded(self, reason: Failure) -> None:  # noqa: N802
        self._listens = False
        if self._line:
            self._relay("\n")
        if not self.is_ready:
            self.became_ready.callback(False)
        self._concerned.ended(self, _how(reason, self.failure))

    def _hear(self, event: Event) -> None:
        self.unanswered = 0
        if isinstance(event, Ready):
            self.is_ready = True
        elif isinstance(event, Failed):
            self.failure = event.message
        self._concerned.told(self, event)
        if isinstance(event, Ready):
            self.became_ready.callback(True)

    def _relay(self, text: str) -> None:
        """All lines that are complete go into the log as one event: children write thousands
        a second, and bring time and level themselves."""
        complete, newline, self._line = (self._line + text).rpartition("\n")
        if self._log_lines is not None and newline:
            self._log_lines(complete)


def _how(reason: Failure, failure: str) -> str:
    if failure:
        return f"failed: {failure}"
    if isinstance(reason.value, ProcessDone):
        return "ended"
    number = getattr(reason.value, "signal", None)
    if number is not None:
        return f"died of signal {number}"
    return f"ended with status {getattr(reason.value, 'exitCode', None)}"
