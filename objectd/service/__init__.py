"""The server that a configuration asks for: one process, or several.

What either is made of is imported when it is chosen: a process that watches over others is
not to hold what only they need.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from objectd.service.lifecycle import ObjectdService, Surroundings
from objectd.settings import Configuration, Source

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["make_service", "reload_on_hangup"]


def make_service(
    configuration: Configuration, source: Source, surroundings: Surroundings
) -> ObjectdService:
    if configuration.server.worker_count:
        from objectd.service.supervised import Supervised

        return Supervised(configuration, source, surroundings)
    from objectd.service.single import SingleProcess

    return SingleProcess(configuration, source, surroundings)


def reload_on_hangup(service: ObjectdService, reactor: PosixReactorBase) -> None:
    """SIGHUP reads configuration and certificate again, as a renewal tool expects."""
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(service.reload))
