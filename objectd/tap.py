"""`twistd objectd`: the same options as `objectd serve`, run by Twisted's daemon."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from twisted.logger import Logger
from twisted.python import usage
from typing_extensions import override

from objectd.errors import ConfigurationInvalid
from objectd.process.running import die_of_the_next_signal, spare_collections
from objectd.service import make_service, reload_on_hangup
from objectd.service.lifecycle import ObjectdService, Surroundings
from objectd.settings import Source

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase


_log = Logger()


class Options(usage.Options):
    """What follows `objectd` on the command line of twistd."""

    synopsis = "[options] [DATA_DIR]"
    optParameters: ClassVar = [  # noqa: N815 - Twisted's name
        ["config", "c", None, "File with settings (TOML)."],
        ["listen", "l", None, "Address, instead of those of the file, e.g. 127.0.0.1:9000."],
        ["workers", "w", None, "Processes that answer requests; one a core.", int],
    ]

    @override
    def parseArgs(self, data_directory: str = "data") -> None:
        self["data_directory"] = Path(data_directory).absolute()

    @override
    def postOptions(self) -> None:
        config = Path(self["config"]).absolute() if self["config"] else None
        self["source"] = Source(config, self["listen"], self["workers"])
        try:
            self["configuration"] = self["source"].load()
        except ConfigurationInvalid as error:
            raise usage.UsageError(str(error)) from error


def makeService(options: Options) -> ObjectdService:  # noqa: N802 - Twisted's name
    # twistd has installed the reactor of its choice by now.
    from twisted.internet import reactor as installed

    reactor = cast("PosixReactorBase", installed)

    def announce(line: str) -> None:
        # Not `sys.stdout`: that is the log by now, which may be kept and read by others.
        print(line, file=sys.__stdout__, flush=True)

    def end() -> None:
        atexit.register(_exit_with_failure)
        reactor.stop()

    service = make_service(
        options["configuration"],
        options["source"],
        Surroundings(
            reactor=reactor,
            data_directory=options["data_directory"],
            environment=os.environ,
            announce=announce,
            end=end,
            ready=spare_collections,
            log_lines=lambda lines: _log.info("{lines}", lines=lines),
        ),
    )
    reload_on_hangup(service, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", die_of_the_next_signal)
    return service


def _exit_with_failure() -> None:
    """twistd ends with status 0 whatever became of its services, and has no way to say
    otherwise. At exit its pidfile is gone and its log closed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
