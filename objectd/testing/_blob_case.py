"""What the tests of the blob store suite share."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import (
    BlobFile,
    BlobLocation,
    IBlobReader,
    IBlobStore,
    IBlobWriter,
    SealedBlob,
)

STORE_UUID = b"store of a test."
DIGEST_KEY = bytes(range(32))
BLOCK_BYTES = 64 << 10
READ_BYTES_MAX = 1 << 20

_T = TypeVar("_T")


class BlobStorePlace(Protocol):
    """Where one test keeps its blobs: empty when it is made, gone when it is closed."""

    def open(self) -> IBlobStore:
        """Open the store, not yet begun. Called again once the last one was closed; what
        was durable is there again then. At least drive 0, of less than 2**60 bytes."""

    def close(self) -> None:
        """Remove everything. The store was closed before."""


def result(work: Coroutine[Deferred[Any], Any, _T]) -> _T:
    """What a coroutine that never waits returns, or raises."""
    results: list[_T] = []
    failures: list[BaseException] = []
    Deferred.fromCoroutine(work).addCallbacks(
        results.append, lambda failure: failures.append(failure.value)
    )
    for error in failures:
        raise error
    if not results:
        raise AssertionError("the store waited for something other than run_in_thread")
    return results[0]


def some_bytes(size_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def blob_id(number: int, incarnation: int = 1) -> bytes:
    return incarnation.to_bytes(4, "big") + number.to_bytes(8, "big")


async def begun(place: BlobStorePlace, incarnation: int = 1) -> IBlobStore:
    store = place.open()
    await store.begin(STORE_UUID, DIGEST_KEY, incarnation)
    return store


async def write(
    store: IBlobStore, uid: bytes, *pieces: bytes, size_bytes: int | None = None
) -> tuple[IBlobWriter, SealedBlob]:
    writer = await store.create(uid, size_bytes=size_bytes)
    for piece in pieces:
        await writer.write(piece)
    return writer, await writer.finish()


async def put(
    store: IBlobStore, uid: bytes, *pieces: bytes, size_bytes: int | None = None
) -> BlobLocation:
    """A sealed blob of these pieces."""
    writer, finished = await write(store, uid, *pieces, size_bytes=size_bytes)
    await writer.seal({"key": b"k"})
    return BlobLocation(finished.drive, uid, finished.digest, finished.size_bytes)


async def read(
    store: IBlobStore, location: BlobLocation, start: int = 0, stop: int | None = None
) -> bytes:
    return await read_all(await store.open(location, start=start, stop=stop))


async def read_all(reader: IBlobReader) -> bytes:
    pieces = []
    while piece := await reader.read():
        pieces.append(piece)
    reader.close()
    return b"".join(pieces)


async def listed(store: IBlobStore) -> set[BlobFile]:
    return {file for drive in store.drives for file in [f async for f in store.files(drive)]}


def sealed_file(location: BlobLocation) -> BlobFile:
    return BlobFile(location.drive, location.blob_id, location.digest)


class BlobStoreTestCase(SynchronousTestCase):
    """Has a store that was begun by incarnation 1, in a place of its own."""

    def make_place(self) -> BlobStorePlace:
        raise NotImplementedError

    def setUp(self) -> None:
        self.place = self.make_place()
        self.store = result(begun(self.place))
        self.addCleanup(self.place.close)
        self.addCleanup(lambda: result(self.store.close()))

    def reopen(self, incarnation: int = 1) -> None:
        result(self.store.close())
        self.store = result(begun(self.place, incarnation))
