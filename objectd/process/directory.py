"""The data directory: one server at a time, and a socket in it however long its path is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from objectd.errors import StoreFailed

__all__ = ["LOCK", "locked"]

LOCK = "server-lock"

_WAIT_SECONDS_MAX = 3.0
"""A server that was killed leaves children, who take a moment to notice."""

_TRY_AGAIN_SECONDS = 0.02


@asynccontextmanager
async def locked(data_directory: Path, clock: IReactorTime) -> AsyncIterator[int]:
    """Have the directory for this server alone. The lock is that of the descriptor, and of all
    processes that inherit it: it goes with the last of them. Raises `StoreFailed`."""
    descriptor = os.open(data_directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        await _lock(descriptor, data_directory, clock)
        yield descriptor
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, data_directory: Path, clock: IReactorTime) -> None:
    until = clock.seconds() + _WAIT_SECONDS_MAX
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if clock.seconds() >= until:
                raise StoreFailed(
                    f"{data_directory} is in use by another server: stop that one, or give each "
                    f"its own directory (or the processes of one that was killed still end)"
                ) from error
        else:
            return
        await deferLater(clock, _TRY_AGAIN_SECONDS)
