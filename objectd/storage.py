"""The object store that a configuration describes, for the server and for commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from objectd.errors import (
    BucketAlreadyOwnedByYou,
    ConfigurationInvalid,
    InvalidBucketName,
    StoreFailed,
)
from objectd.interfaces import Host, IBlobStore, IKeyFile, IKeyManager, IMetadataStore
from objectd.metadata.announcing import AnnouncedMetadata
from objectd.metadata.caching import CachedMetadata
from objectd.metadata.directories import sync_directory
from objectd.metadata.remote import RemoteMetadata
from objectd.metadata.slots import Slots
from objectd.model import keys
from objectd.model.records import Format, Incompatible
from objectd.objects import ObjectStore, open_store
from objectd.objects.reads import Reads
from objectd.objects.store import BODY_MEMORY_BYTES, join_store
from objectd.process.directory import locked
from objectd.process.epochs import Epochs
from objectd.process.owner import OwnerFactory
from objectd.settings import Configuration
from objectd.threads import Threads

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = [
    "BUCKETS_VARIABLE",
    "STORES",
    "OwnedStore",
    "existing_store",
    "hosted",
    "joined_store",
    "make_buckets",
    "opened_store",
    "owned_store",
]

BUCKETS_VARIABLE = "OBJECTD_BUCKETS"

STORES = "stores"
"""The directory in the data directory in which each further blob store has one."""

THREADS_MAX = 16

WORKERS_NICENESS = 10
"""A worker's threads hash, read and write large bodies. Where the processors are busy they leave
them to small requests, of any worker, and to the owner, for whom others wait."""

_log = Logger()


@contextmanager
def hosted(
    reactor: PosixReactorBase,
    data_directory: Path,
    *,
    environment: Mapping[str, str],
    announce: Callable[[str], object],
    on_failure: Callable[[Exception], None],
    joins: bool = False,
) -> Iterator[Host]:
    """What providers are given, with a pool of threads that ends with the context."""
    niceness = WORKERS_NICENESS if joins else 0
    threads = Threads(reactor, THREADS_MAX, "objectd", niceness=niceness)
    try:
        yield Host(
            data_directory=data_directory,
            clock=reactor,
            run_in_thread=threads,
            environment=environment,
            announce=announce,
            on_failure=on_failure,
            joins=joins,
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
    async with (
        locked(host.data_directory, host.clock),
        _metadata(configuration, host) as metadata,
    ):
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
    metadata: IMetadataStore,
    configuration: Configuration,
    host: Host,
    body_memory_bytes: int,
    living: Collection[int] = (),
    others_drained: Callable[[int], Awaitable[None]] | None = None,
) -> AsyncIterator[ObjectStore]:
    async with AsyncExitStack() as opened:
        beneath = await opened.enter_async_context(_beneath(configuration, host))
        store = await open_store(
            metadata,
            beneath.blobs,
            clock=host.clock,
            run_in_thread=host.run_in_thread,
            settings=configuration.objects,
            key_manager=beneath.key_manager,
            encryption=configuration.encryption,
            classes=configuration.classes,
            stores=beneath.stores,
            body_memory_bytes=body_memory_bytes,
            living=living,
            others_drained=others_drained,
        )
        opened.push_async_callback(store.close)
        _warn_of_lost_keys(store.format, beneath.key_manager)
        yield store


@attrs.frozen
class _Beneath:
    """What an object store needs beside its metadata; `stores` are the further blob stores, by
    their names."""

    blobs: IBlobStore
    stores: Mapping[str, IBlobStore]
    key_manager: IKeyManager


@asynccontextmanager
async def _beneath(configuration: Configuration, host: Host) -> AsyncIterator[_Beneath]:
    async with AsyncExitStack() as opened:
        key_manager: IKeyManager = await configuration.keys.open(host)
        opened.push_async_callback(key_manager.close)
        blobs: IBlobStore = await configuration.blobs.open(host)
        opened.push_async_callback(blobs.close)
        stores: dict[str, IBlobStore] = {}
        for name, choice in configuration.stores.items():
            stores[name] = await choice.open(_host_of(name, host))
            opened.push_async_callback(stores[name].close)
        yield _Beneath(blobs, stores, key_manager)


def _host_of(name: str, host: Host) -> Host:
    """What the further store of this name is given: a directory of its own for its data."""
    directory = host.data_directory / STORES / name
    if not host.joins:
        _make_durable(directory, host.data_directory)
    return attrs.evolve(host, data_directory=directory)


def _make_durable(directory: Path, data_directory: Path) -> None:
    """Also what is there may not be durable yet: whoever made it may not have come to the syncs."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_directory(directory.parent)
    sync_directory(data_directory)


def _warn_of_lost_keys(format_: Format, key_manager: IKeyManager) -> None:
    """Before anything is encrypted for new keys, to which the old ones cannot be added."""
    if not format_.incompatible & Incompatible.ENCRYPTION or not IKeyFile.providedBy(key_manager):
        return
    missing = key_manager.missing()
    if missing is not None:
        _log.error(
            "There is no keyring at {path}, and this store holds encrypted objects. Stop the "
            "server and restore the file from its copy before anything else is encrypted: what "
            "was encrypted for its keys cannot be read without it. Only if all of that was "
            "encrypted for customers' keys (SSE-C) nothing is missing.",
            path=missing,
        )


async def make_buckets(store: ObjectStore, environment: Mapping[str, str], region: str) -> None:
    """Make those that the environment names. Raises `ConfigurationInvalid`."""
    for name in filter(None, environment.get(BUCKETS_VARIABLE, "").split(",")):
        try:
            await store.buckets.create(name, region=region)
        except BucketAlreadyOwnedByYou:
            continue
        except InvalidBucketName as error:
            raise ConfigurationInvalid(f"{BUCKETS_VARIABLE}: {error}") from error


# Of several processes


@attrs.frozen
class OwnedStore:
    """The owner's: `factory` serves its metadata to the other processes."""

    store: ObjectStore
    factory: OwnerFactory
    _marking: DeferredLock = attrs.field(factory=DeferredLock, init=False)

    async def begin_incarnation(self) -> int:
        """Take one for a process that will join, and record it on the drives."""
        core, format_ = self.store.core, self.store.format
        number = await core.metadata.begin_incarnation()
        await self._marking.run(
            Deferred.fromCoroutine,
            core.blobs.begin(format_.store_uuid, format_.digest_key, number),
        )
        return number


@asynccontextmanager
async def owned_store(
    configuration: Configuration, host: Host, *, slots: int, living: Collection[int]
) -> AsyncIterator[OwnedStore]:
    """`opened_store` for a server of several processes, of which these incarnations live.
    `slots` is the descriptor of the memory that they share."""
    async with _metadata(configuration, host) as provider:
        epochs = Epochs(provider)
        metadata = AnnouncedMetadata(provider, Slots.mapped(slots), on_fenced=epochs.fenced)
        async with _store_on(
            metadata,
            configuration,
            host,
            BODY_MEMORY_BYTES,
            living=living,
            others_drained=epochs.passed,
        ) as store:
            yield OwnedStore(store, OwnerFactory(metadata, epochs, turns=host.clock))


@asynccontextmanager
async def joined_store(
    configuration: Configuration,
    host: Host,
    *,
    owner: IStreamClientEndpoint,
    slots: int,
    incarnation: Awaitable[int],
    body_memory_bytes: int,
) -> AsyncIterator[ObjectStore]:
    """The store of a process that joins: it reads and writes through the owner, from when it
    has been given its incarnation."""
    number = await incarnation
    async with AsyncExitStack() as opened:
        reads = Reads()
        remote = RemoteMetadata(
            owner,
            host.clock,
            incarnation=number,
            reads_over=reads.drained,
            on_fenced=host.on_failure,
        )
        metadata = CachedMetadata(remote, Slots.mapped(slots))
        opened.push_async_callback(metadata.close)
        beneath = await opened.enter_async_context(_beneath(configuration, host))
        yield await join_store(
            metadata,
            beneath.blobs,
            incarnation=number,
            clock=host.clock,
            run_in_thread=host.run_in_thread,
            settings=configuration.objects,
            key_manager=beneath.key_manager,
            encryption=configuration.encryption,
            classes=configuration.classes,
            stores=beneath.stores,
            body_memory_bytes=body_memory_bytes,
            reads=reads,
        )
