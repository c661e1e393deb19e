"""The object store: all of S3's semantics over a metadata store and a blob store."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import attrs
from twisted.internet.interfaces import IReactorTime

import objectd
from objectd.blobs.stores import BlobStores
from objectd.errors import DamagedRecord, FormatUnsupported, StoreFailed
from objectd.interfaces import (
    SCAN_ROWS_MAX,
    Absent,
    IBlobStore,
    IKeyManager,
    IMetadataStore,
    RunInThread,
    Scan,
)
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Format, Incompatible, SweepHold
from objectd.objects import features, places, usage
from objectd.objects.aborting import AbandonedUploads
from objectd.objects.annotations import Annotations
from objectd.objects.appending import Appends
from objectd.objects.bucket_encryption import BucketEncryption, ObjectEncryption
from objectd.objects.buckets import Buckets
from objectd.objects.classes import (
    STANDARD,
    Classes,
    ClassSettings,
    StorageClass,
    check_classes,
)
from objectd.objects.collecting.collector import Collector
from objectd.objects.collecting.sweep import Sweep
from objectd.objects.completing import Completions
from objectd.objects.configurations import Configurations
from objectd.objects.copying import Copies
from objectd.objects.core import Core
from objectd.objects.encryption import Encryptions, EncryptionSettings
from objectd.objects.envelopes import Envelopes
from objectd.objects.ids import IdSource
from objectd.objects.ingest import Intake
from objectd.objects.lifecycle.lifecycles import Lifecycles
from objectd.objects.lifecycle.passes import LifecyclePasses
from objectd.objects.listing import Listings
from objectd.objects.loading import Loads
from objectd.objects.locks import KeyLocks
from objectd.objects.object_lock import ObjectLocks
from objectd.objects.objects import Objects
from objectd.objects.part_copying import PartCopies
from objectd.objects.reads import Reads
from objectd.objects.renaming import Renames
from objectd.objects.restoring import Restores
from objectd.objects.settings import ObjectSettings
from objectd.objects.shield import shield
from objectd.objects.tags import Tags
from objectd.objects.trusted_time import TrustedTime, advance_or_say_why
from objectd.objects.uploads import Uploads
from objectd.objects.uptime import Uptime, machine_uptime
from objectd.objects.version_listing import VersionListings
from objectd.objects.versions import Versions
from objectd.objects.writer import Batch, Writer

BODY_MEMORY_BYTES = 64 << 20
KNOWN_INCOMPATIBLE = int(
    Incompatible.VERSIONS
    | Incompatible.ENCRYPTION
    | Incompatible.STORAGE_CLASSES
    | Incompatible.EVENT_HOLDS
)
KNOWN_READ_COMPATIBLE = 0


@attrs.frozen
class ObjectStore:
    """Buckets and what is in them. `format` says which store this is."""

    format: Format
    buckets: Buckets
    objects: Objects
    listings: Listings
    version_listings: VersionListings
    uploads: Uploads
    completions: Completions
    appends: Appends
    copies: Copies
    part_copies: PartCopies
    renames: Renames
    loads: Loads
    restores: Restores
    tags: Tags
    annotations: Annotations
    versions: Versions
    configurations: Configurations
    lifecycles: Lifecycles
    lifecycle_passes: LifecyclePasses
    object_locks: ObjectLocks
    trusted_time: TrustedTime
    bucket_encryption: BucketEncryption
    object_encryption: ObjectEncryption
    collector: Collector
    sweep: Sweep
    abandoned: AbandonedUploads
    core: Core

    async def fence(self, incarnations: Sequence[int]) -> None:
        """End incarnations whose processes are known to be gone, and take over what they
        counted. Idempotent."""
        await self.core.metadata.fence(incarnations)
        over = frozenset(incarnations)
        await shield(usage.fold(self.core.metadata, self.core.writer, over.__contains__))

    async def close(self) -> None:
        """Close the stores beneath. Operations under way fail. Idempotent."""
        try:
            await self.core.blobs.close()
        finally:
            await self.core.metadata.close()


def wall_clock_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


async def open_store(
    metadata: IMetadataStore,
    blobs: IBlobStore,
    *,
    clock: IReactorTime,
    run_in_thread: RunInThread,
    now_us: Callable[[], int] = wall_clock_us,
    random_bytes: Callable[[int], bytes] = os.urandom,
    uptime: Callable[[], Uptime] = machine_uptime,
    settings: ObjectSettings = ObjectSettings(),
    key_manager: IKeyManager | None = None,
    encryption: EncryptionSettings = EncryptionSettings(),  # noqa: B008 - frozen
    classes: Mapping[str, ClassSettings] = MappingProxyType({}),
    stores: Mapping[str, IBlobStore] = MappingProxyType({}),
    body_memory_bytes: int = BODY_MEMORY_BYTES,
    living: Collection[int] = (),
    others_drained: Callable[[int], Awaitable[None]] | None = None,
) -> ObjectStore:
    """Open the object store that lives on these two, as their owner.

    A new one is made if both are empty. What a newer version wrote is refused with
    `FormatUnsupported` before anything is touched. All earlier incarnations are fenced but
    those that are `living`: processes that joined the store and are still there.
    `uptime` is the clock of the machine, by which locks end (`objectd.objects.trusted_time`).
    `stores` are the further blob stores by their names, and `classes` the storage classes that
    are not kept as by default. A store that was ever there must be there again (`StoreFailed`).
    `others_drained` waits for the reads of all incarnations but the one it is given
    (`objectd.objects.reads`). Bodies on their way in share about `body_memory_bytes`. Without
    `key_manager` nothing can be encrypted but for customers' keys.
    """
    check_classes(classes, stores)
    format_, known = await _read_format(metadata)
    arranged = known.arranged(blobs, stores)

    def writer_for(incarnation: int) -> Writer:
        attempts_max = settings.commit_attempts_max
        return Writer(metadata, incarnation, clock=clock, commit_attempts_max=attempts_max)

    seen = await arranged.highest_incarnation()
    incarnation = await metadata.begin_incarnation()
    if incarnation <= seen:
        # An older backup of the metadata. The hold comes first: after the next line nothing
        # tells any more that there was one.
        await _hold_sweep(writer_for(incarnation), now_us())
        incarnation = await metadata.begin_incarnation(above=seen)
    writer = writer_for(incarnation)
    if format_ is None:
        format_ = await _make_format(writer, now_us(), random_bytes)
    unfenced = frozenset((incarnation, *living))
    await _fence_all_but(metadata, unfenced)
    await arranged.begin(format_.store_uuid, format_.digest_key, incarnation)
    await usage.fold(metadata, writer, lambda shard: shard not in unfenced)
    reads = Reads(others_drained and partial(others_drained, incarnation))
    encryptions = Encryptions(key_manager, encryption, Envelopes(now_us), random_bytes)
    made = Classes.made(classes, arranged.places)
    host = _Host(run_in_thread, now_us, uptime, body_memory_bytes, made)
    store = _assembled(metadata, arranged, writer, format_, reads, settings, encryptions, host)
    await places.record(store.core, known, stores)
    if not store.core.classes.named(STANDARD).keeps_like(StorageClass()):
        await features.ensure(store.core, Incompatible.STORAGE_CLASSES)
    await advance_or_say_why(store.trusted_time)
    return store


async def join_store(
    metadata: IMetadataStore,
    blobs: IBlobStore,
    *,
    incarnation: int,
    clock: IReactorTime,
    run_in_thread: RunInThread,
    now_us: Callable[[], int] = wall_clock_us,
    uptime: Callable[[], Uptime] = machine_uptime,
    random_bytes: Callable[[int], bytes] = os.urandom,
    settings: ObjectSettings = ObjectSettings(),
    key_manager: IKeyManager | None = None,
    encryption: EncryptionSettings = EncryptionSettings(),  # noqa: B008 - frozen
    classes: Mapping[str, ClassSettings] = MappingProxyType({}),
    stores: Mapping[str, IBlobStore] = MappingProxyType({}),
    body_memory_bytes: int = BODY_MEMORY_BYTES,
    reads: Reads,
) -> ObjectStore:
    """Work on an object store beside its owner and others, under an incarnation that was
    begun for this process.

    Fences, folds and makes nothing: that is the owner's. The owner learns from `reads` when
    those of this process are over (`objectd.metadata.remote`). Raises `FormatUnsupported`,
    and `StoreFailed` if no owner has made the store yet.
    """
    check_classes(classes, stores)
    format_, known = await _read_format(metadata)
    if format_ is None:
        raise StoreFailed("there is no object store to join: its owner has not made it")
    known.require_all(stores)
    arranged = known.arranged(blobs, stores)
    await arranged.begin(format_.store_uuid, format_.digest_key, incarnation)
    attempts_max = settings.commit_attempts_max
    writer = Writer(metadata, incarnation, clock=clock, commit_attempts_max=attempts_max)
    encryptions = Encryptions(key_manager, encryption, Envelopes(now_us), random_bytes)
    made = Classes.made(classes, arranged.places)
    host = _Host(run_in_thread, now_us, uptime, body_memory_bytes, made)
    return _assembled(metadata, arranged, writer, format_, reads, settings, encryptions, host)


@attrs.frozen
class _Host:
    """What an object store needs of the machine and the process it runs in."""

    run_in_thread: RunInThread
    now_us: Callable[[], int]
    uptime: Callable[[], Uptime]
    body_memory_bytes: int
    classes: Classes


def _assembled(
    metadata: IMetadataStore,
    blobs: BlobStores,
    writer: Writer,
    format_: Format,
    reads: Reads,
    settings: ObjectSettings,
    encryptions: Encryptions,
    host: _Host,
) -> ObjectStore:
    ids = IdSource(writer.incarnation)
    intake = Intake(
        blobs,
        ids,
        run_in_thread=host.run_in_thread,
        memory_bytes=host.body_memory_bytes,
        etag=settings.etag,
        standard=host.classes.named(STANDARD),
    )
    core = Core(
        metadata,
        blobs,
        writer,
        intake,
        ids,
        reads,
        KeyLocks(),
        host.now_us,
        settings,
        encryptions,
        host.classes,
        host.run_in_thread,
        host.uptime,
    )
    return assemble(core, format_)


def assemble(core: Core, format_: Format) -> ObjectStore:
    """The object store of one process, made of its parts."""
    buckets = Buckets(core)
    objects = Objects(core, buckets)
    uploads = Uploads(core, buckets)
    versions = Versions(core, buckets)
    configurations = Configurations(core, buckets)
    return ObjectStore(
        format=format_,
        buckets=buckets,
        objects=objects,
        listings=Listings(core, buckets),
        version_listings=VersionListings(core, buckets),
        uploads=uploads,
        completions=Completions(core, uploads),
        appends=Appends(core, buckets),
        copies=Copies(core, buckets, objects),
        part_copies=PartCopies(core, objects, uploads),
        renames=Renames(core, buckets),
        loads=Loads(core, buckets),
        restores=Restores(core, buckets, versions),
        tags=Tags(versions, configurations),
        annotations=Annotations(core, buckets),
        versions=versions,
        configurations=configurations,
        lifecycles=Lifecycles(core, buckets, configurations),
        lifecycle_passes=LifecyclePasses(core),
        object_locks=ObjectLocks(core, buckets, versions),
        trusted_time=TrustedTime(core),
        bucket_encryption=BucketEncryption(buckets),
        object_encryption=ObjectEncryption(core, buckets, objects, versions),
        collector=Collector(core),
        sweep=Sweep(core),
        abandoned=AbandonedUploads(core),
        core=core,
    )


async def _read_format(
    metadata: IMetadataStore,
) -> tuple[Format | None, places.KnownPlaces]:
    """What the store is, if there is one yet, and which further blob stores it has."""
    row, places_row = await metadata.get([keys.FORMAT, keys.PLACES])
    if row is None:
        return None, places.known_places(places_row)
    try:
        format_ = decode(Format, row.value)
    except DamagedRecord as error:
        raise FormatUnsupported(f"the metadata is not that of an object store: {error}") from error
    unknown = (
        format_.incompatible & ~KNOWN_INCOMPATIBLE
        | format_.read_compatible & ~KNOWN_READ_COMPATIBLE
    )
    if unknown:
        raise FormatUnsupported(
            f"the store was written by {format_.created_by} or later and needs features "
            f"{unknown:#x} that objectd {objectd.__version__} does not know: use a newer one"
        )
    return format_, places.known_places(places_row)


async def _make_format(writer: Writer, now_us: int, random_bytes: Callable[[int], bytes]) -> Format:
    format_ = Format(
        compatible=0,
        read_compatible=0,
        incompatible=0,
        store_uuid=random_bytes(16),
        digest_key=random_bytes(32),
        created_us=now_us,
        created_by=f"objectd {objectd.__version__}",
    )
    batch = Batch()
    batch.expect(Absent(keys.FORMAT))
    batch.put(keys.FORMAT, encode(format_))
    await writer.commit(batch)
    return format_


async def _hold_sweep(writer: Writer, now_us: int) -> None:
    """The drives have seen later incarnations than the metadata: an older backup of the
    metadata was restored, and files that it does not know may be all there is of the rest."""
    batch = Batch()
    batch.put(keys.SWEEP_HOLD, encode(SweepHold(now_us)))
    await writer.commit(batch)


async def _fence_all_but(metadata: IMetadataStore, unfenced: frozenset[int]) -> None:
    start, stop = keys.span(keys.INCARNATIONS)
    more = True
    while more:
        page = await metadata.scan(Scan(start, stop, limit=SCAN_ROWS_MAX))
        numbers = [keys.incarnation_number(entry.key) for entry in page.entries]
        await metadata.fence([number for number in numbers if number not in unfenced])
        more = page.more
        if page.entries:
            start = page.entries[-1].key + b"\0"
