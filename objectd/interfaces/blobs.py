"""Blob stores: the bytes of large objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import attrs
from zope.interface import Attribute, Interface


@attrs.frozen
class BlobLocation:
    """Where a sealed blob lies and what it must contain."""

    drive: int
    blob_id: bytes
    digest: bytes
    size_bytes: int


@attrs.frozen
class SealedBlob:
    """What `IBlobWriter.finish` knows of the bytes it was given."""

    drive: int
    digest: bytes
    size_bytes: int


@attrs.frozen
class BlobFile:
    """One file as the sweep finds it; `digest` is None while it is incoming."""

    drive: int
    blob_id: bytes
    digest: bytes | None


class IBlobWriter(Interface):
    """Writes one blob, from one coroutine: one call at a time, in order."""

    drive: int = Attribute("The drive chosen for it.")

    async def write(data: bytes) -> None:
        """Take the next bytes; on return `data` may be reused. Best called with 256 KiB to
        1 MiB. Syncs what it has written every few MiB, so that one big write at the end
        does not stall the metadata's log. Raises `StoreFull`, `StoreFailed`."""

    async def finish() -> SealedBlob:
        """No more bytes will come: return what they are. Nothing is durable yet, and
        either `seal` or `abort` follows."""

    async def seal(identity: Mapping[str, Any]) -> None:
        """Make the blob durable under its final name, with a footer that carries the block
        checksums and `identity` (plain msgpack values: whose data this is, for a rebuild
        when the metadata is lost). On return the file and its directory are synced.
        Idempotent after success. If it fails or the process dies, the file is either
        incoming or final, and the sweep takes it if nothing refers to it."""

    async def abort() -> None:
        """Drop the blob if it is not sealed: its file is gone on return, as far as that
        can be done, and its space a moment later; the sweep takes what stays. Safe at any
        time, also twice, also while a cancelled `write` still runs in its thread."""


class IBlobReader(Interface):
    """Reads one range of one blob in order, from one coroutine."""

    async def read() -> bytes:
        """The next verified bytes (up to 1 MiB), b'' at the end of the range. Raises
        `DamagedBlob` before it would return a byte that was not what was written."""

    def close() -> None:
        """Release the file. Idempotent; safe while a cancelled `read` still runs."""


class IBlobStore(Interface):
    """Immutable blobs by an id that is never used twice, on one or more drives.

    Called for every body too large to be a row. A blob goes create → write* → finish →
    seal (or abort); only sealed blobs are read. The store keeps no index: which blobs are
    alive is known to the metadata alone, and `objectd.objects` keeps the two in step.

    All methods may be called at any time and concurrently for different blobs. A provider
    does its blocking work through `Host.run_in_thread`.
    """

    drives: Sequence[int] = Attribute("The numbers of the drives, ascending.")
    """Those of a provider are below 256 (`objectd.blobs.stores`)."""

    async def begin(store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        """Called once before anything else: the digest of blobs is BLAKE3-256 keyed with
        `digest_key`. Checks that every drive belongs to this store (`ForeignDrive`, or else
        `FormatUnsupported`), marks drives that are new, and durably records `incarnation` on
        each drive if it is the highest that the drive has seen; called again for each process
        that joins. A process that joins (`Host.joins`) only checks."""

    async def highest_incarnation() -> int:
        """The highest incarnation that any drive has recorded, 0 if none. May be called
        before `begin`."""

    async def create(blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        """Start a blob (12-byte id: incarnation ‖ counter). `size_bytes`, where known,
        helps to choose the drive and to refuse early with `StoreFull`; a blob of few bytes may
        get its file only when it is sealed."""

    async def open(
        location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> IBlobReader:
        """Open a sealed blob for bytes start <= i < stop. Raises `DamagedBlob` if the file
        is missing, too short or not the one named."""

    async def identity(location: BlobLocation) -> Mapping[str, Any]:
        """What the blob was sealed with. Raises `DamagedBlob`."""

    async def unlink(files: Sequence[BlobFile]) -> None:
        """Remove files durably: on return their directories are synced. A file that is not
        there is no error. A reader that is open keeps reading."""

    def files(drive: int) -> AsyncIterator[BlobFile]:
        """Every file of a drive, incoming and final, in no order. Files that come or go
        meanwhile may be missed or listed."""

    async def close() -> None:
        """Release everything. Idempotent."""
