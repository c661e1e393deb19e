"""A server, with this process as its first or only one, until a signal ends it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from twisted.internet import reactor as installed

from objectd.process.running import die_of_the_next_signal, log_to_stderr, spare_collections
from objectd.service import make_service, reload_on_hangup
from objectd.service.lifecycle import Surroundings
from objectd.settings import Configuration, Source

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["run_server"]


def run_server(configuration: Configuration, source: Source, data_directory: Path) -> int:
    """Returns the status to exit with: 0 after a signal, 1 if the server failed.

    SIGTERM and SIGINT let the requests under way end; a second one ends the process at once.
    """
    reactor = cast("PosixReactorBase", installed)
    failed = False

    def end() -> None:
        nonlocal failed
        failed = True
        reactor.stop()

    service = make_service(
        configuration,
        source,
        Surroundings(
            reactor=reactor,
            data_directory=data_directory,
            environment=os.environ,
            announce=click.echo,
            end=end,
            ready=spare_collections,
        ),
    )
    log_to_stderr()
    service.startService()
    reload_on_hangup(service, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", die_of_the_next_signal)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    return 1 if failed else 0
