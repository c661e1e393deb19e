"""Opening an object store in one line, for programs that use it as a library."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThreadPool

from objectd.blobs.memory import MemoryBlobs
from objectd.interfaces import Host
from objectd.keys.memory import MemoryKeys
from objectd.metadata.memory import MemoryMetadata
from objectd.objects.settings import ObjectSettings
from objectd.objects.store import ObjectStore, open_store

if TYPE_CHECKING:
    from twisted.internet.base import ReactorBase

_P = ParamSpec("_P")
_T = TypeVar("_T")


def run_at_once(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
    """A `RunInThread` without threads: for stores that never block."""
    return execute(function, *args, **kwargs)


async def open_in_memory(settings: ObjectSettings = ObjectSettings()) -> ObjectStore:
    """A store that is gone with the process. It needs no running reactor: its coroutines
    never suspend."""
    return await open_store(
        MemoryMetadata(),
        MemoryBlobs(),
        clock=Clock(),
        run_in_thread=run_at_once,
        settings=settings,
        key_manager=MemoryKeys(),
    )


async def open_directory(
    reactor: ReactorBase, directory: str | Path, settings: ObjectSettings = ObjectSettings()
) -> ObjectStore:
    """A store in a directory of this host (RocksDB and files), which is made if need be.

    One process at a time may have it open. Raises `StoreFailed`, `FormatUnsupported`.
    """
    from objectd.blobs import disk
    from objectd.keys import local
    from objectd.metadata import rocksdb

    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before there is anybody else
    run_in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    host = Host(path, reactor, run_in_thread)
    metadata = await rocksdb.open_store(rocksdb.Settings(), host)
    blobs = await disk.open_store(disk.Settings(), host)
    key_manager = await local.open_keys(local.Settings(), host)
    return await open_store(
        metadata,
        blobs,
        clock=reactor,
        run_in_thread=run_in_thread,
        settings=settings,
        key_manager=key_manager,
    )
