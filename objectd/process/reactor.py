"""Twisted's epoll reactor without a logging context for each event, and with turns that end.

For every socket that can be read or written Twisted (26.10) makes three dicts, so that whatever
is logged meanwhile by its old interface names the connection. Nothing here is; and it takes
5 µs a request of a process that has 40 µs for each. All else is Twisted's, its own tests of TCP
and Unix sockets run on this reactor too (`objectd.test.functional.test_reactor`), and the
children of a server whose first process has another reactor than epoll have that one.

Names used of Twisted's `EPollReactor`: `_poller`, `_selectables`, `_doReadOrWrite` and
`_justStopped`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReactorCore
from twisted.internet.main import installReactor
from twisted.logger import Logger
from typing_extensions import override
from zope.interface import implementer

from objectd.interfaces import ITurns

__all__ = ["QuietEPollReactor", "install"]

_log = Logger()


@implementer(ITurns)
class QuietEPollReactor(EPollReactor):
    _ends: Sequence[Callable[[], object]] = ()

    def at_end_of_turn(self, call: Callable[[], object]) -> None:
        self._ends = (*self._ends, call)

    @override
    def doPoll(self, timeout: float | None) -> None:
        if self._ends:
            self._end_turn()
            is_now = timeout == 0 or self._justStopped
            timeout = 0 if is_now else self.timeout()  # a call may be due by now
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

    def _end_turn(self) -> None:
        while self._ends:
            ends, self._ends = self._ends, ()
            for end in ends:
                try:
                    end()
                except Exception:
                    _log.failure("{end} failed at the end of a turn", end=end)


def install() -> None:
    made: Callable[[], IReactorCore] = QuietEPollReactor
    installReactor(made())
