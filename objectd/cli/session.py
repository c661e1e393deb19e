"""What a client verb works with, and the reactor that it runs on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import attrs
import click
from twisted.internet import reactor as installed
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from objectd.cli.report import Report, blamed
from objectd.cli.statuses import INTERRUPTED
from objectd.client.bodies import RunInThread
from objectd.client.client import Client
from objectd.client.configuration import Given, find_target
from objectd.client.connecting import Connections
from objectd.errors import ConfigurationInvalid, ObjectdError

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["Session", "open_session", "run_verb"]

THREADS_MAX = 16

_T = TypeVar("_T")


@attrs.frozen
class Session:
    """`run_in_thread` is for files; `run_on_pipe` for the standard input and output, which may
    keep a thread waiting for ever, also beyond the end of the program."""

    client: Client
    report: Report
    run_in_thread: RunInThread
    run_on_pipe: RunInThread


Verb = Callable[[Session], Coroutine[Deferred[object], object, None]]


def run_verb(given: Given, verb: Verb, *, quiet: bool = False) -> NoReturn:
    """Run a verb to its end, and exit: 0 if everything was done, 1 if something was not, 2 if
    it is not known which server to ask, 130 after Ctrl-C. A second Ctrl-C ends it at once."""
    session = open_session(given, quiet=quiet)
    raise SystemExit(_Run(cast("PosixReactorBase", installed), session, verb).status())


def open_session(given: Given, *, quiet: bool = False) -> Session:
    """Nothing is connected, and no reactor runs. Raises `click.ClickException`, status 2, if it
    is not known which server to ask."""
    reactor = cast("PosixReactorBase", installed)
    try:
        target = find_target(given, os.environ, Path.home())
        connections = Connections(reactor, target.trust)
    except ConfigurationInvalid as error:
        raise _NotConfigured(str(error)) from error
    reactor.suggestThreadPoolSize(THREADS_MAX)
    return Session(
        connections.client(target.address, target.key_pair, region=target.region),
        Report(quiet=quiet),
        partial(deferToThreadPool, reactor, reactor.getThreadPool()),
        _Pipes(reactor).run,
    )


class _NotConfigured(click.ClickException):
    exit_code = 2


class _Run:
    """One verb on the reactor."""

    def __init__(self, reactor: PosixReactorBase, session: Session, verb: Verb) -> None:
        self._reactor = reactor
        self._session = session
        self._verb = verb
        self._work: Deferred[None] | None = None
        self._interrupted = False
        self._mistake: click.UsageError | None = None
        self._over: Deferred[None] = Deferred()

    def status(self) -> int:
        """Run to the end."""
        self._reactor.callWhenRunning(self._start)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._interrupt)
        self._reactor.run()
        if self._mistake is not None:
            raise self._mistake
        if self._interrupted:
            return INTERRUPTED
        return 1 if self._session.report.failures else 0

    def _start(self) -> None:
        self._work = Deferred.fromCoroutine(self._verb(self._session))
        self._work.addErrback(self._fail)
        self._work.addBoth(self._end)

    def _end(self, _: object) -> None:
        self._work = None
        self._session.report.clear()
        self._over.callback(None)
        if not self._interrupted:
            self._reactor.stop()

    def _interrupt(self) -> Deferred[None] | None:
        """The reactor is being stopped: by Ctrl-C, if the verb has not ended."""
        if self._work is None:
            return None
        self._interrupted = True
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._work.cancel()
        return self._over

    def _fail(self, failure: Failure) -> None:
        report, error = self._session.report, failure.value
        if self._interrupted and failure.check(CancelledError):
            click.echo("objectd: interrupted", err=True)
        elif isinstance(error, click.UsageError):
            self._mistake = error
        elif isinstance(error, BrokenPipeError):
            # What is still in Python's buffer must not be tried again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            report.failed("standard output", "nobody reads it any more")
        elif isinstance(error, (ObjectdError, OSError, ValueError)):
            report.failed(blamed(error, "error"), error)
        else:
            report.failed("error in objectd itself", error)
            failure.printTraceback(sys.stderr)


class _Pipes:
    """One daemon thread: it may be blocked in a pipe when the program ends, which then does
    not wait for it."""

    def __init__(self, reactor: PosixReactorBase) -> None:
        self._reactor = reactor
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, function: Callable[[], _T], /) -> Deferred[_T]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()
        result: Deferred[_T] = Deferred()
        self._queue.put(lambda: self._call(function, result))
        return result

    def _serve(self) -> None:
        while True:
            self._queue.get()()

    def _call(self, function: Callable[[], _T], result: Deferred[_T]) -> None:
        outcome: _T | Failure
        try:
            outcome = function()
        except BaseException:
            outcome = Failure()

        self._reactor.callFromThread(result.callback, cast(_T, outcome))
