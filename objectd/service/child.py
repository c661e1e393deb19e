"""A child of the supervisor: `python -m objectd.service.child ROLE REACTOR`, run by nobody else.

It ignores the signals that a terminal or a service manager sends to all processes of a server:
when to end, it is told by the supervisor. When that is gone, so is the child, at once.
"""

from __future__ import annotations

import os
import signal
import sys
from abc import abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from objectd.config import ConfigurationFile
from objectd.process import control
from objectd.process.control import Announce, Begin, Command, Commands, Failed, tell
from objectd.process.running import log_to_stderr, spare_collections
from objectd.service.lifecycle import ObjectdService, Surroundings, is_for_operators
from objectd.settings import configuration_of

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["ChildService", "main"]

_log = Logger()

QUIETER = {"twisted.internet.epollreactor": "objectd.process.reactor"}
"""What a child runs on, where the first process has the reactor that is named first."""


class ChildService(ObjectdService):
    """What a child does from the supervisor's first word to it until its end."""

    def __init__(self, begin: Begin, reactor: PosixReactorBase, end: Callable[[], object]) -> None:
        super().__init__(
            Surroundings(
                reactor=reactor,
                data_directory=Path(begin.data_directory),
                environment=os.environ,
                announce=lambda line: tell(Announce(line)),
                end=end,
                ready=spare_collections,
            )
        )
        self._told = begin
        tables = msgspec.msgpack.decode(begin.configuration, type=dict[str, object])
        self._configuration = configuration_of(ConfigurationFile(begin.configuration_name, tables))

    @abstractmethod
    def obey(self, command: Command) -> None:
        """Whatever the supervisor says but `Begin`, `Ping` and `Stop`."""

    @override
    def reload(self) -> None:
        """The supervisor tells what there is to reload."""

    def drain(self, seconds: float | None) -> None:
        """So much time have requests from the stop on; None is any."""

    @override
    def _tell(self, error: Exception) -> None:
        if is_for_operators(error):
            tell(Failed(str(error)))
        else:
            _log.failure("a fault of ours", Failure(error))
            tell(Failed(f"{type(error).__name__}: {error}"))


class _Process:
    """Obeys the supervisor, from before there is a service."""

    def __init__(
        self,
        reactor: PosixReactorBase,
        service_type: Callable[[Begin, PosixReactorBase, Callable[[], object]], ChildService],
    ) -> None:
        self._reactor = reactor
        self._service_type = service_type
        self._service: ChildService | None = None
        self._is_stopping = False
        self.status = 0

    def obey(self, command: Command) -> None:
        service = self._service
        if isinstance(command, control.Ping):
            tell(control.Pong())
        elif isinstance(command, Begin):
            self._service = self._service_type(command, self._reactor, self._fail)
            self._reactor.addSystemEventTrigger("before", "shutdown", self._service.stopService)
            self._service.startService()
        elif service is None:
            raise AssertionError(f"told to {command} before Begin")
        elif isinstance(command, control.Stop):
            service.drain(command.drain_seconds)
            self._stop()
        else:
            service.obey(command)

    def _fail(self) -> None:
        self.status = 1
        self._stop()

    def _stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._reactor.stop()


def main() -> None:
    role, reactor_module = sys.argv[1:3]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    log_to_stderr()
    import_module(QUIETER.get(reactor_module, reactor_module)).install()
    service_type = getattr(import_module(f"objectd.service.{role}"), role.capitalize())
    from twisted.internet import reactor as installed

    reactor = cast("PosixReactorBase", installed)
    process = _Process(reactor, service_type)
    reactor.addReader(Commands(process.obey, lost=lambda: os._exit(1)))
    reactor.run(installSignalHandlers=False)
    sys.exit(process.status)


if __name__ == "__main__":
    main()
