"""Which further blob store has which number: a row to which the owner adds.

What lies in a store is known by the number of its drive (`objectd.blobs.stores`), so a store
keeps its number for ever, whatever the order of the sections [stores.NAME]. There is no row while
there is no further store: then programs that know of none can open the data.

A store that is new is first begun, which marks its drives, and then put into the row. A crash
before that leaves marked drives in which nothing lies, and the next start goes on with them; or
without them, should the section be gone by then.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from objectd.blobs.stores import BlobStores, section
from objectd.errors import DamagedRecord, StoreFailed
from objectd.interfaces import Absent, At, Expectation, IBlobStore, Row
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Incompatible, Places
from objectd.objects import features
from objectd.objects.core import Core
from objectd.objects.shield import shield
from objectd.objects.writer import Batch


@attrs.frozen
class KnownPlaces:
    """The names of the row, and what tells whether it has changed since it was read."""

    names: tuple[str, ...]
    expected: Expectation

    def arranged(self, first: IBlobStore, further: Mapping[str, IBlobStore]) -> BlobStores:
        """The stores in the order of their numbers, new ones last. Raises `StoreFailed` if one is
        missing, whatever lies in it."""
        missing = [name for name in self.names if name not in further]
        if missing:
            raise StoreFailed(
                f"objects may lie in {' and '.join(map(section, missing))}, which is not "
                f"configured: put the section back with its drives. A store that was ever used "
                f"stays configured"
            )
        names = (*self.names, *self.added(further))
        return BlobStores(first, {name: further[name] for name in names})

    def added(self, further: Mapping[str, IBlobStore]) -> list[str]:
        """Those that have no number yet."""
        return [name for name in further if name not in self.names]

    def require_all(self, further: Mapping[str, IBlobStore]) -> None:
        """Raises `StoreFailed` if one has no number yet, which only the owner can give it."""
        if added := self.added(further):
            raise StoreFailed(
                f"{' and '.join(map(section, added))} came while the server ran: restart it"
            )


def known_places(row: Row | None) -> KnownPlaces:
    """What the row `keys.PLACES` tells. Raises `StoreFailed` if it is damaged."""
    if row is None:
        return KnownPlaces((), Absent(keys.PLACES))
    try:
        names = decode(Places, row.value).names
    except DamagedRecord as error:
        raise StoreFailed(
            f"nobody can tell which blob store is which: {error}; restore the metadata"
        ) from error
    return KnownPlaces(names, At(keys.PLACES, row.revision))


async def record(core: Core, known: KnownPlaces, further: Mapping[str, IBlobStore]) -> None:
    """Give the new ones their numbers, durably: before anything is put into them. Programs that
    know of no further stores open the data no more."""
    added = known.added(further)
    if not added:
        return

    async def decide(batch: Batch) -> None:
        await features.use(core, batch, Incompatible.STORAGE_CLASSES)
        batch.expect(known.expected)
        batch.put(keys.PLACES, encode(Places((*known.names, *added))))

    await shield(core.writer.transact(decide))
    core.features.add(Incompatible.STORAGE_CLASSES)
