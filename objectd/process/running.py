"""What the processes of the server do to themselves."""

from __future__ import annotations

import gc
import signal
import sys

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

__all__ = ["die_of_the_next_signal", "freeze", "log_to_stderr"]


def log_to_stderr() -> None:
    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [levels])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def freeze() -> None:
    """Keep the garbage collector from walking what was imported and stays for ever: that took
    30 ms every few hundred requests, a twentieth of a small PUT's time."""
    gc.collect()
    gc.freeze()


def die_of_the_next_signal() -> None:
    """For a process that has begun to stop: it may be ended at any time."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
