"""What is below a directory or a prefix, under one name for files and objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import attrs

from objectd.cli.places import Local, ObjectPlace
from objectd.cli.session import Session
from objectd.client.errors import UnusableKey
from objectd.client.listing import objects
from objectd.client.paths import files_below, path_below
from objectd.client.syncing import Filters

__all__ = ["Item", "below", "items_below"]


@attrs.frozen
class Item:
    """A file or an object, by its name below where it was looked for."""

    name: str
    place: Local | ObjectPlace
    size_bytes: int
    modified_us: int

    @property
    def marks_directory(self) -> bool:
        """As consoles make them that show prefixes as directories."""
        return self.name.endswith("/") and not self.size_bytes


async def items_below(
    session: Session, root: Local | ObjectPlace, filters: Filters
) -> AsyncGenerator[Item, None]:
    """In the byte order of their names. Files that cannot be read or stored are told, and left
    out; a directory that is not there is empty."""
    if isinstance(root, ObjectPlace):
        async for found in objects(session.client, root.bucket, root.key):
            name = found.key.removeprefix(root.key)
            if name and filters.take(name):
                place = ObjectPlace(root.bucket, found.key)
                yield Item(name, place, found.size_bytes, found.modified_us)
    elif root.path.exists():
        for file in files_below(root.path):
            if isinstance(file, UnusableKey):
                session.report.failed(str(root.path), file)
            elif filters.take(file.name):
                place_of_file = Local(file.path, is_directory=False)
                yield Item(file.name, place_of_file, file.size_bytes, file.modified_us)


def below(root: Local | ObjectPlace, name: str) -> Local | ObjectPlace:
    """Raises `UnusableKey` if no file below a directory can have that name."""
    if isinstance(root, ObjectPlace):
        return root.below(name)
    return Local(path_below(root.path, name), is_directory=False)
