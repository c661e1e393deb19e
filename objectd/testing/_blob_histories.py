"""Histories: many steps in any order, beside the store in memory."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable
from typing import TypeVar

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import DamagedBlob
from objectd.interfaces import BlobLocation, IBlobWriter
from objectd.testing._blob_case import (
    BLOCK_BYTES,
    DIGEST_KEY,
    STORE_UUID,
    BlobStorePlace,
    BlobStoreTestCase,
    begun,
    blob_id,
    listed,
    read,
    result,
    sealed_file,
    some_bytes,
)

_T = TypeVar("_T")


class BesideMemory(RuleBasedStateMachine):
    """The same steps on a store and on `MemoryBlobs`, whose only drive is number 0."""

    unfinished: Bundle[bytes] = Bundle("unfinished")
    finished: Bundle[bytes] = Bundle("finished")
    sealed: Bundle[BlobLocation] = Bundle("sealed")

    def __init__(self, place: BlobStorePlace) -> None:
        super().__init__()
        self.place = place
        self.memory = MemoryBlobs()
        result(self.memory.begin(STORE_UUID, DIGEST_KEY, 1))
        self.store = result(begun(place))
        self.writers: dict[bytes, tuple[IBlobWriter, IBlobWriter]] = {}
        self.ids = itertools.count()

    def teardown(self) -> None:
        result(self.store.close())
        self.place.close()

    @rule(target=unfinished)
    def create(self) -> bytes:
        uid = blob_id(next(self.ids))
        self.writers[uid] = (
            result(self.memory.create(uid, size_bytes=None)),
            result(self.store.create(uid, size_bytes=None)),
        )
        return uid

    @rule(uid=unfinished, size_bytes=st.integers(0, 3 * BLOCK_BYTES), seed=st.integers(0, 3))
    def write(self, uid: bytes, size_bytes: int, seed: int) -> None:
        for writer in self.writers.get(uid, ()):
            result(writer.write(some_bytes(size_bytes, seed)))

    @rule(target=finished, uid=consumes(unfinished))
    def finish(self, uid: bytes) -> bytes:
        digests = {result(writer.finish()).digest for writer in self.writers.get(uid, ())}
        assert len(digests) <= 1
        return uid

    @rule(target=sealed, uid=consumes(finished))
    def seal(self, uid: bytes) -> BlobLocation | MultipleResults[BlobLocation]:
        if uid not in self.writers:
            return multiple()
        for writer in self.writers[uid]:
            result(writer.seal({"uid": uid}))
        made = result(self.writers.pop(uid)[1].finish())
        return BlobLocation(made.drive, uid, made.digest, made.size_bytes)

    @rule(uid=consumes(unfinished) | consumes(finished))
    def abort(self, uid: bytes) -> None:
        for writer in self.writers.pop(uid, ()):
            result(writer.abort())

    @rule(location=sealed, edges=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def read_range(self, location: BlobLocation, edges: tuple[float, float]) -> None:
        start, stop = sorted(round(edge * location.size_bytes) for edge in edges)
        expected = result(outcome(read(self.memory, in_memory(location), start, stop)))
        assert result(outcome(read(self.store, location, start, stop))) == expected

    @rule(location=sealed)
    def read_identity(self, location: BlobLocation) -> None:
        expected = result(outcome(self.memory.identity(in_memory(location))))
        assert result(outcome(self.store.identity(location))) == expected

    @rule(location=sealed)
    def unlink(self, location: BlobLocation) -> None:
        result(self.memory.unlink([sealed_file(in_memory(location))]))
        result(self.store.unlink([sealed_file(location)]))

    @rule()
    def reopen(self) -> None:
        self.writers.clear()
        result(self.store.close())
        self.store = result(begun(self.place))
        self.memory = self.memory.reopened()
        result(self.memory.begin(STORE_UUID, DIGEST_KEY, 1))

    @invariant()
    def same_files(self) -> None:
        found = {attrs.evolve(file, drive=0) for file in result(listed(self.store))}
        assert found == result(listed(self.memory))


def in_memory(location: BlobLocation) -> BlobLocation:
    return attrs.evolve(location, drive=0)


async def outcome(work: Awaitable[_T]) -> _T | str:
    """What comes of it, for a comparison: a result, or that the blob is damaged."""
    try:
        return await work
    except DamagedBlob:
        return "damaged"


class HistoryTests(BlobStoreTestCase):
    def test_agrees_with_memory(self) -> None:
        """Whatever is done with it, the store does as the one in memory does."""
        suite = self

        class Histories(BesideMemory):
            def __init__(self) -> None:
                super().__init__(suite.make_place())

        run_state_machine_as_test(
            Histories,
            settings=settings(
                deadline=None,
                database=None,
                max_examples=30,
                stateful_step_count=25,
                # A history that draws a blob before there is one is drawn again.
                suppress_health_check=list(HealthCheck),
            ),
        )
