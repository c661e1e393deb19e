"""Appends, and the storage classes of what they are made to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from objectd.blobs.stores import DRIVES_MAX
from objectd.errors import OperationAborted
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode
from objectd.objects.classes import ClassSettings
from objectd.streams import BytesStream
from objectd.test.objects.cases import LARGE
from objectd.test.objects.encrypted import SMALL
from objectd.test.objects.moving_case import MovingCase


class MeanwhileStream(BytesStream):
    """A body before whose bytes something happens."""

    def __init__(self, data: bytes, meanwhile: Callable[[], object]) -> None:
        super().__init__(data)
        self._meanwhile = meanwhile

    async def read(self) -> bytes:
        data = await super().read()
        if data:
            self._meanwhile()
        return data


class ConfiguredTests(MovingCase):
    """STANDARD is kept as an operator says."""

    classes: Mapping[str, ClassSettings] = {"STANDARD": ClassSettings("cold")}

    def test_new(self) -> None:
        """An object that an append makes is kept as one that is put."""
        self.ok(self.store.appends.append("photos", "new", LARGE, offset_bytes=0))
        self.assertEqual(len(self.cold_files()), 1)
        self.assert_read("new", LARGE)


class RaceTests(MovingCase):
    def test_moved_meanwhile(self) -> None:
        """What was taken in for one class is not appended to a version that has been moved to
        another since."""
        append = self.store.appends.append
        for key, data in (("small", SMALL), ("large", LARGE)):
            self.put(key, data, None)
            body = MeanwhileStream(LARGE, partial(self.move, key, "GLACIER"))
            appending = append("photos", key, body, offset_bytes=len(data))
            self.refused(OperationAborted, appending)
            self.assert_read(key, data)
            self.ok(append("photos", key, LARGE, offset_bytes=len(data)))
            self.assert_read(key, data + LARGE)
            self.ok(self.store.collector.run_to_rest())
            blobs = [decode(Blob, row.value or b"") for row in self.rows(keys.BLOBS)]
            self.assertEqual({blob.drive // DRIVES_MAX for blob in blobs}, {1})
            self.ok(self.store.objects.delete("photos", key))
            self.assert_clean()

    def test_moved_alike(self) -> None:
        """Where both classes keep bytes alike, nothing is in the way."""
        self.put("large", LARGE, None)
        body = MeanwhileStream(LARGE, partial(self.move, "large", "REDUCED_REDUNDANCY"))
        self.ok(self.store.appends.append("photos", "large", body, offset_bytes=len(LARGE)))
        self.assert_read("large", LARGE + LARGE)
        self.assertEqual(self.version("large").head.storage_class, "REDUCED_REDUNDANCY")
