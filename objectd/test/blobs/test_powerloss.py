"""What a disk store has acknowledged survives the loss of power at any instant."""

from __future__ import annotations

import contextlib
import itertools
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.disk import DiskBlobs
from objectd.interfaces import BlobFile, BlobLocation
from objectd.test.blobs.lossy import PowerLost
from objectd.test.blobs.places import LossyPlace
from objectd.testing._blob_case import (
    begun,
    blob_id,
    listed,
    put,
    read,
    result,
    sealed_file,
    some_bytes,
    write,
)


@attrs.define
class _Ledger:
    """What the callers of a store were told, over all its lives."""

    written: dict[bytes, bytes] = attrs.Factory(dict)
    sealed: dict[BlobFile, BlobLocation] = attrs.Factory(dict)
    unlinked: set[BlobFile] = attrs.Factory(set)
    incarnation: int = 0


async def _live(store: DiskBlobs, ledger: _Ledger, random: Random) -> None:
    """Write, seal, abort and unlink blobs until the power goes."""
    for number in range(6):
        uid = blob_id(number, ledger.incarnation)
        data = some_bytes(random.choice((0, 10, 150_000)), seed=random.randrange(3))
        size_bytes = random.choice((None, len(data)))
        ledger.written[uid] = data
        if random.random() < 0.2:
            writer, _ = await write(store, uid, data, size_bytes=size_bytes)
            await writer.abort()
        else:
            location = await put(store, uid, data, size_bytes=size_bytes)
            ledger.sealed[sealed_file(location)] = location
        if ledger.sealed and random.random() < 0.3:
            file = random.choice(list(ledger.sealed))
            del ledger.sealed[file]
            await store.unlink([file])
            ledger.unlinked.add(file)


async def _check(store: DiskBlobs, ledger: _Ledger) -> None:
    files = await listed(store)
    assert not files & ledger.unlinked, "an unlinked file came back"
    assert files >= set(ledger.sealed), "a sealed blob is gone"
    for file in files:
        if file.digest is not None:
            data = ledger.written[file.blob_id]
            location = BlobLocation(file.drive, file.blob_id, file.digest, len(data))
            assert await read(store, location) == data


class PowerLossTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=150)
    @given(seed=st.integers(0, 1 << 32), drives=st.integers(1, 2), data=st.data())
    def test_acknowledged_survives(self, seed: int, drives: int, data: st.DataObject) -> None:
        """Over several lives, each ended by a kill or a loss of power between any two system
        calls, sealed blobs stay whole, unlinked ones stay away, and no sealed file is ever
        half there."""
        random = Random(seed)
        place = LossyPlace(drives)
        ledger = _Ledger()
        for _ in range(4):
            ledger.incarnation += 1
            place.files.calls_left = data.draw(st.integers(1, 120), "calls until the end")
            try:
                store = place.open()
                result(store.begin(b"u" * 16, bytes(32), ledger.incarnation))
                result(_live(store, ledger, random))
            except PowerLost:
                pass
            if data.draw(st.booleans(), "only the process is killed"):
                place.files = place.files.after_kill()
            else:
                place.files = place.files.after_power_loss(random)
            store = place.open()
            result(store.begin(b"u" * 16, bytes(32), ledger.incarnation))
            result(_check(store, ledger))
            result(store.close())

    def test_directories_that_a_killed_process_made(self) -> None:
        """Where a process was killed while it sealed a blob, the next one does not take the
        directories that it finds for durable."""
        for calls, seed in itertools.product(range(32), range(8)):
            place = LossyPlace()
            store = result(begun(place))
            place.files.calls_left = calls
            with contextlib.suppress(PowerLost):
                result(put(store, blob_id(1), b"data"))
            place.files = place.files.after_kill()
            location = result(put(result(begun(place)), blob_id(2), b"data"))
            place.files = place.files.after_power_loss(Random(seed))
            self.assertEqual(result(read(result(begun(place)), location)), b"data")

    def test_incarnation_survives(self) -> None:
        """An incarnation that `begin` has recorded is never forgotten."""
        for seed in range(30):
            place = LossyPlace()
            store = result(begun(place, incarnation=5))
            place.files.calls_left = seed % 6
            try:
                result(store.begin(b"store of a test.", bytes(range(32)), 6))
                expected = {6}
            except PowerLost:
                expected = {5, 6}
            place.files = place.files.after_power_loss(Random(seed))
            self.assertIn(result(place.open().highest_incarnation()), expected)
