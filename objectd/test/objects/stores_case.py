"""An object store with further blob stores."""

from __future__ import annotations

from collections.abc import Mapping

from objectd.blobs.memory import MemoryBlobs
from objectd.interfaces import BlobFile
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Places
from objectd.objects.classes import ClassSettings
from objectd.test.objects.cases import StoreCase

COLD: Mapping[str, ClassSettings] = {"STANDARD": ClassSettings("cold")}
WARM = "REDUCED_REDUNDANCY"
"""What has this class lies in the first store."""


class StoresCase(StoreCase):
    """What each test finds has a store `cold`, in which everything lies that asks for no class."""

    names: tuple[str, ...] = ("cold",)
    classes = COLD

    def setUp(self) -> None:
        self.further: dict[str, MemoryBlobs] = {name: MemoryBlobs() for name in self.names}
        super().setUp()

    def places(self) -> tuple[str, ...] | None:
        """What the row tells, if it is there."""
        return next((decode(Places, e.value or b"").names for e in self.rows(keys.PLACES)), None)

    def files_of(self, name: str) -> list[BlobFile]:
        """The files of one store, with the numbers that its drives have for themselves."""

        async def every() -> list[BlobFile]:
            return [file async for file in self.further[name].files(0)]

        return self.ok(every())
