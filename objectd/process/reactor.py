"""Twisted's epoll reactor without a logging context for each event.

For every socket that can be read or written Twisted (26.10) makes three dicts, so that whatever
is logged meanwhile by its old interface names the connection. Nothing here is; and it takes
5 µs a request of a process that has 40 µs for each. All else is Twisted's, its own tests of TCP
and Unix sockets run on this reactor too (`objectd.test.functional.test_reactor`), and the
children of a server whose first process has another reactor than epoll have that one.

Names used of Twisted's `EPollReactor`: `_poller`, `_selectables` and `_doReadOrWrite`.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReactorCore
from twisted.internet.main import installReactor
from twisted.logger import Logger
from typing_extensions import override

__all__ = ["QuietEPollReactor", "install"]

_log = Logger()


class QuietEPollReactor(EPollReactor):
    @override
    def doPoll(self, timeout: float | None) -> None:
        selectables = self._selectables
        read_or_write: Callable[..., None] = self._doReadOrWrite
        wait_seconds = -1 if timeout is None else timeout
        for descriptor, event in self._poller.poll(wait_seconds, len(selectables)):
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue  # an event before this one has led to its end
            try:
                read_or_write(selectable, descriptor, event)
            except KeyboardInterrupt:
                raise
            except BaseException:
                # Of reading and writing it has been told already: this is of a connection's end.
                _log.failure("{selectable} failed at its end", selectable=selectable)

    doIteration = doPoll  # noqa: N815


def install() -> None:
    made: Callable[[], IReactorCore] = QuietEPollReactor
    installReactor(made())
