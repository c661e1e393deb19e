"""What every process of the server is: a Twisted service with one way to start and to stop.

`single` is the whole server in one process, `supervised` the process that watches over the
others, `child` those others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from objectd.errors import ConfigurationInvalid, ObjectdError
from objectd.settings import Configuration, Source

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["ObjectdService", "Surroundings", "is_for_operators", "reread", "warn_of_restart"]

_log = Logger()


@attrs.frozen
class Surroundings:
    """What the process that the server runs in gives it.

    `announce` shows a line to the person who starts it. `end` is called at most once, when
    the server cannot start or cannot go on: it ends the process, with a status that says so.
    `log_lines` takes what other processes of the server have to log, one or more lines; if
    None, they write to the standard error of this one. `ready` is called when the server serves.
    """

    reactor: PosixReactorBase
    data_directory: Path
    environment: Mapping[str, str] = attrs.field(repr=False)
    announce: Callable[[str], object]
    end: Callable[[], object]
    log_lines: Callable[[str], None] | None = None
    ready: Callable[[], object] = lambda: None


class ObjectdService(Service):
    """Starts when the reactor runs. `stopService` fires when everything is closed.

    `_assemble` leaves what undoes each of its steps on one stack, and the stack unwound is the
    stop. A start that fails unwinds the same stack.
    """

    name = "objectd"

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._reactor = surroundings.reactor
        self._starting: Deferred[None] | None = None
        self._started = AsyncExitStack()
        self._ended = False

    @override
    def startService(self) -> None:
        Service.startService(self)
        self._reactor.callWhenRunning(self._begin)

    @override
    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    @abstractmethod
    def reload(self) -> None:
        """Take up what has changed in the configuration and the certificate, as far as that
        can be done while the server runs; whatever is wrong leaves the old in use."""

    @abstractmethod
    async def _assemble(self, started: AsyncExitStack) -> None: ...

    def _begin(self) -> None:
        if self.running:
            self._starting = Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        try:
            async with AsyncExitStack() as started:
                await self._assemble(started)
                self._started = started.pop_all()
            self._surroundings.ready()
        except CancelledError:
            _log.info("objectd was stopped before it had started")
        except Exception as error:
            self._end(error)

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await self._starting
        await self._started.aclose()

    def _end(self, error: Exception) -> None:
        """The server cannot start or cannot go on."""
        if self._ended:
            return
        self._ended = True
        self._tell(error)
        self._surroundings.end()

    def _tell(self, error: Exception) -> None:
        if is_for_operators(error):
            _log.critical("objectd ends: {error}", error=error)
        else:
            _log.failure("objectd ends", Failure(error))

    def _is_ready(self) -> bool:
        return bool(self.running) and not self._ended


def is_for_operators(error: Exception) -> bool:
    """Whether an operator can mend it; anything else is a fault of ours."""
    return isinstance(error, (ObjectdError, CannotListenError, OSError))


def reread(source: Source, present: Configuration) -> Configuration:
    """The configuration as it is written now, or, if there is a mistake in it, the present."""
    try:
        return source.load()
    except ConfigurationInvalid as error:
        _log.error("the configuration stays as it was: {error}", error=error)
        return present


def warn_of_restart(changed: list[str]) -> None:
    """What an operator may have changed in vain."""
    if changed:
        _log.warn("these changes need a restart: {changed}", changed=", ".join(changed))
