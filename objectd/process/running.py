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

__all__ = ["die_of_the_next_signal", "log_to_stderr", "spare_collections"]

MIDDLE_COLLECTIONS = 100
"""Before a full one: 10 is Python's own number. 700,000 objects more than were freed is then the
least that there must be."""


def log_to_stderr() -> None:
    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [levels])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def spare_collections() -> None:
    """Keep the garbage collector from walking what stays for ever or for long. What was imported
    took 30 ms every few hundred requests, a twentieth of a small PUT's time; the rows that a
    worker keeps take it 70 ms. They come and go without cycles, and so do requests, those with
    large bodies too, so that there is little for a full collection to find."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, MIDDLE_COLLECTIONS)


def die_of_the_next_signal() -> None:
    """For a process that has begun to stop: it may be ended at any time."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
