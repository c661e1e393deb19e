"""Several blob stores as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.memory import MemoryBlobs
from objectd.blobs.stores import DRIVES_MAX, BlobStores, uuid_at
from objectd.errors import DamagedBlob, FormatUnsupported, StoreFailed
from objectd.interfaces import BlobFile, BlobLocation, IBlobStore, IBlobWriter
from objectd.test.blobs.places import LossyPlace
from objectd.test.blobs.test_memory import MemoryPlace, TwoDrivesPlace
from objectd.testing._blob_case import (
    DIGEST_KEY,
    STORE_UUID,
    BlobStorePlace,
    blob_id,
    listed,
    put,
    read,
    result,
    sealed_file,
)
from objectd.testing.blobs import make_blob_store_tests


class TwoStoresPlace:
    """The first store has two drives, the further one too."""

    def __init__(self) -> None:
        self._places: tuple[BlobStorePlace, ...] = (TwoDrivesPlace(), TwoDrivesPlace())

    def open(self) -> IBlobStore:
        first, cold = (place.open() for place in self._places)
        return self.stores(first, cold)

    def stores(self, first: IBlobStore, cold: IBlobStore) -> BlobStores:
        return BlobStores(first, {"cold": cold})

    def close(self) -> None:
        for place in self._places:
            place.close()


class InFurther(BlobStores):
    """Creates all blobs in the further store."""

    async def create(self, blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        return await self.at(1).create(blob_id, size_bytes=size_bytes)


class FurtherPlace(TwoStoresPlace):
    def stores(self, first: IBlobStore, cold: IBlobStore) -> BlobStores:
        return InFurther(first, {"cold": cold})


class OneStorePlace(MemoryPlace):
    def open(self) -> IBlobStore:
        return BlobStores(super().open())


OneStoreTests = make_blob_store_tests(f"{__name__}.OneStoreTests", OneStorePlace)
TwoStoresTests = make_blob_store_tests(f"{__name__}.TwoStoresTests", TwoStoresPlace)
FurtherTests = make_blob_store_tests(f"{__name__}.FurtherTests", FurtherPlace)


class FailingBlobs(MemoryBlobs):
    """Remembers the drives of what it unlinks; closing it fails after the fact."""

    def __init__(self, drives: tuple[int, ...] = (0,), *, fails: bool = False) -> None:
        super().__init__(drives)
        self.unlinked: list[list[int]] = []
        self.is_closed = False
        self.fails = fails

    async def unlink(self, files: list[BlobFile]) -> None:  # type: ignore[override]
        self.unlinked.append([file.drive for file in files])

    async def close(self) -> None:
        self.is_closed = True
        if self.fails:
            raise StoreFailed("it cannot be closed")


class Numbers(SynchronousTestCase):
    """Drives of several stores have numbers by which they are found."""

    def setUp(self) -> None:
        self.parts = [FailingBlobs((0, 1)), FailingBlobs((0, 1, 2)), FailingBlobs((0, 5))]
        self.stores = stores_of(*self.parts)
        result(self.stores.begin(STORE_UUID, DIGEST_KEY, 7))

    def test_drives(self) -> None:
        """A drive's number is that in its own store, with the store's place above it."""
        self.assertEqual(self.stores.drives, (0, 1, 256, 257, 258, 512, 517))
        self.assertEqual(self.stores.places, {"": 0, "s1": 1, "s2": 2})

    def test_at(self) -> None:
        """The first is the provider itself; what is created in another has its numbers."""
        self.assertIs(self.stores.at(0), self.parts[0])
        for place, mine in enumerate(self.parts):
            writer = result(self.stores.at(place).create(blob_id(place), size_bytes=None))
            self.assertEqual(writer.drive, place << 8)
            self.assertEqual(result(writer.finish()).drive, place << 8)
            self.assertEqual(result(listed(mine)), {BlobFile(0, blob_id(place), None)})

    def test_first_as_it_is(self) -> None:
        """A location in the first store is passed on as it is, and awaited without a step."""
        location = result(put(self.stores, blob_id(1), b"1"))
        passed: list[BlobLocation] = []
        opened = self.parts[0].open

        async def opening(location: BlobLocation, **span: int | None) -> object:
            passed.append(location)
            return await opened(location)

        self.patch(self.parts[0], "open", opening)
        self.assertEqual(result(read(self.stores, location)), b"1")
        self.assertIs(passed[0], location)

    @given(st.lists(st.sampled_from((0, 1, 256, 257, 258, 512, 517))))
    def test_unlink(self, drives: list[int]) -> None:
        """What is unlinked at once is one call for each store that has any of it."""
        for part in self.parts:
            part.unlinked.clear()
        result(self.stores.unlink([BlobFile(drive, blob_id(1), None) for drive in drives]))
        for place, part in enumerate(self.parts):
            own = [drive & 0xFF for drive in drives if drive >> 8 == place]
            self.assertEqual(part.unlinked, [own] if own else [])

    def test_begun(self) -> None:
        """Every store is begun, each with a UUID of its own that follows from its name; the
        highest incarnation of any is that of all."""
        uuids = [part._disks.store_uuid for part in self.parts]
        self.assertEqual(uuids, [uuid_at(STORE_UUID, name) for name in ("", "s1", "s2")])
        self.assertEqual((len(set(uuids)), uuids[0]), (3, STORE_UUID))
        self.assertEqual([part._disks.incarnation for part in self.parts], [7, 7, 7])
        result(self.parts[2].begin(uuids[2], DIGEST_KEY, 9))
        self.assertEqual(result(self.stores.highest_incarnation()), 9)

    def test_nowhere(self) -> None:
        """What is said to lie in a store, or on a drive, that is not there is damaged; to unlink
        it there is nothing."""
        location = result(put(self.stores.at(1), blob_id(1), b"1"))
        for drive, where in ((768, "store 3"), (259, r"drive 3 of \[stores.s1\]")):
            lost = BlobLocation(drive, location.blob_id, location.digest, 1)
            self.assertRaisesRegex(DamagedBlob, where, result, read(self.stores, lost))
            with self.assertRaises(DamagedBlob):
                result(self.stores.identity(lost))
        result(self.stores.unlink([BlobFile(768, blob_id(1), None)]))

    def test_too_many(self) -> None:
        """A store has 256 drives at most, whichever it is."""
        most = tuple(range(DRIVES_MAX))
        self.assertEqual(len(stores_of(MemoryBlobs(most), MemoryBlobs(most)).drives), 512)
        more = MemoryBlobs((*most, DRIVES_MAX))
        message = r"\[blobs\] has 257 drives, of which there can be 256"
        self.assertRaisesRegex(StoreFailed, message, BlobStores, more)
        message = r"\[stores.s1\] has 257 drives"
        self.assertRaisesRegex(StoreFailed, message, stores_of, MemoryBlobs(), more)

    def test_close(self) -> None:
        """All are closed, even if one fails, and then that is told."""
        for failing in range(3):
            parts = [FailingBlobs(fails=number == failing) for number in range(3)]
            with self.assertRaises(StoreFailed):
                result(stores_of(*parts).close())
            self.assertEqual([part.is_closed for part in parts], [True] * 3)


class Mistaken(SynchronousTestCase):
    """Drives that are plugged in where they do not belong, on a file system in memory."""

    def setUp(self) -> None:
        self.place = LossyPlace(3)
        self.paths = dict(zip(("", "cold", "deep"), self.place.paths, strict=True))
        self.begin(self.paths)

    def begin(self, paths: dict[str, str], store_uuid: bytes = STORE_UUID) -> None:
        opened = {}
        for name, self.place.paths in ((name, [path]) for name, path in paths.items()):
            opened[name] = self.place.open()
        stores = BlobStores(opened.pop(""), opened)
        try:
            result(stores.begin(store_uuid, DIGEST_KEY, 1))
        finally:
            result(stores.close())

    def refused(self, paths: dict[str, str]) -> str:
        with self.assertRaises(FormatUnsupported) as caught:
            self.begin(paths)
        return str(caught.exception)

    def test_as_they_were(self) -> None:
        """Where each drive is where it was, and whatever the order of stores is."""
        self.begin(self.paths)
        self.begin(dict(sorted(self.paths.items(), reverse=True)))

    def test_swapped(self) -> None:
        """Drives of two stores that are swapped are refused, and named by where they belong."""
        one, cold, deep = self.paths.values()
        found = self.refused({"": one, "cold": deep, "deep": cold})
        self.assertIn(f"{deep} is a drive of [stores.deep], but is listed in [stores.cold]", found)
        found = self.refused({"": cold, "cold": one, "deep": deep})
        self.assertIn(f"{cold} is a drive of [stores.cold], but is listed in [blobs]", found)

    def test_of_another_store(self) -> None:
        """A drive of quite another store is refused with the section that lists it."""
        *_, other = LossyPlace(4).paths
        self.begin({"": other}, b"not the same one")
        found = self.refused({**self.paths, "cold": other})
        self.assertTrue(found.startswith(f"[stores.cold]: {other} belongs to another"), found)
        found = self.refused({**self.paths, "": other})
        self.assertTrue(found.startswith(f"{other} belongs to another"), found)


def stores_of(first: IBlobStore, *further: IBlobStore) -> BlobStores:
    return BlobStores(first, {f"s{number}": each for number, each in enumerate(further, 1)})


class Deleting(SynchronousTestCase):
    """What is unlinked goes from the store that has it, and nowhere else."""

    def test_same_local_drive(self) -> None:
        stores = stores_of(MemoryBlobs(), MemoryBlobs())
        result(stores.begin(STORE_UUID, DIGEST_KEY, 1))
        here = result(put(stores, blob_id(1), b"x"))
        there = result(put(stores.at(1), blob_id(1), b"x"))
        result(stores.unlink([sealed_file(there)]))
        self.assertEqual(result(listed(stores)), {sealed_file(here)})
