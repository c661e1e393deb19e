"""The object store that a configuration describes, for the server and for commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from objectd.errors import StoreFailed
from objectd.interfaces import Host, IMetadataStore
from objectd.model import keys
from objectd.objects import ObjectStore, open_store
from objectd.objects.store import BODY_MEMORY_BYTES
from objectd.settings import Configuration
from objectd.threads import Threads

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["existing_store", "hosted", "opened_store"]

THREADS_MAX = 16


@contextmanager
def hosted(
    reactor: PosixReactorBase,
    data_directory: Path,
    *,
    environment: Mapping[str, str],
    announce: Callable[[str], object],
    on_failure: Callable[[Exception], None],
) -> Iterator[Host]:
    """What providers are given, with a pool of threads that ends with the context."""
    threads = Threads(reactor, THREADS_MAX, "objectd")
    try:
        yield Host(
            data_directory=data_directory,
            clock=reactor,
            run_in_thread=threads.run,
            environment=environment,
            announce=announce,
            on_failure=on_failure,
        )
    finally:
        threads.stop()


@asynccontextmanager
async def opened_store(
    configuration: Configuration, host: Host, *, body_memory_bytes: int = BODY_MEMORY_BYTES
) -> AsyncIterator[ObjectStore]:
    """The store, made if need be, of which this is the only process; closed with the context.
    Raises `FormatUnsupported`, `StoreFailed`."""
    async with (
        _metadata(configuration, host) as metadata,
        _store_on(metadata, configuration, host, body_memory_bytes) as store,
    ):
        yield store


@asynccontextmanager
async def existing_store(configuration: Configuration, host: Host) -> AsyncIterator[ObjectStore]:
    """The same, for those who have business with a store only if there is one."""
    if not host.data_directory.is_dir():
        raise StoreFailed(f"there is no directory {host.data_directory}")
    async with _metadata(configuration, host) as metadata:
        if await metadata.get([keys.FORMAT]) == [None]:
            raise StoreFailed(f"{host.data_directory} holds no data of objectd")
        async with _store_on(metadata, configuration, host, BODY_MEMORY_BYTES) as store:
            yield store


@asynccontextmanager
async def _metadata(configuration: Configuration, host: Host) -> AsyncIterator[IMetadataStore]:
    async with AsyncExitStack() as opened:
        metadata: IMetadataStore = await configuration.metadata.open(host)
        opened.push_async_callback(metadata.close)
        yield metadata


@asynccontextmanager
async def _store_on(
    metadata: IMetadataStore, configuration: Configuration, host: Host, body_memory_bytes: int
) -> AsyncIterator[ObjectStore]:
    async with AsyncExitStack() as opened:
        blobs = await configuration.blobs.open(host)
        opened.push_async_callback(blobs.close)
        store = await open_store(
            metadata,
            blobs,
            clock=host.clock,
            run_in_thread=host.run_in_thread,
            settings=configuration.objects,
            body_memory_bytes=body_memory_bytes,
        )
        opened.push_async_callback(store.close)
        yield store
