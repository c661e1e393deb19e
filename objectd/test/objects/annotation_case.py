"""What the tests of annotations share."""

from __future__ import annotations

from objectd.interfaces import Entry
from objectd.model import keys
from objectd.objects.collecting.queues import pages
from objectd.test.objects.cases import LARGE, StoreCase


class AnnotationCase(StoreCase):
    """With an object `a`."""

    def setUp(self) -> None:
        super().setUp()
        self.ok(self.store.objects.put("photos", "a", LARGE))

    def annotate(self, name: str, payload: bytes = b"x", key: str = "a", version: str = "") -> str:
        """Returns the version's id."""
        put = self.store.annotations.put
        return self.ok(put("photos", key, name, payload, version_id=version)).version_id

    def text(self, name: str, key: str = "a", version: str = "") -> bytes:
        get = self.store.annotations.get
        return self.ok(get("photos", key, name, version_id=version)).payload

    def names(self, key: str = "a", version: str = "", prefix: str = "") -> list[str]:
        page = self.ok(
            self.store.annotations.list("photos", key, version_id=version, prefix=prefix)
        )
        return [listed.name for listed in page.annotations]

    def all_rows(self, prefix: bytes = keys.ANNOTATIONS) -> list[Entry]:
        """What is left when the collector is at rest."""
        self.ok(self.store.collector.run_to_rest())

        async def every() -> list[Entry]:
            return [entry async for page in pages(self.metadata, prefix) for entry in page]

        return self.ok(every())

    def take_away(self, name: str, key: str = "a", version: str = "") -> None:
        self.ok(self.store.annotations.delete("photos", key, name, version_id=version))
