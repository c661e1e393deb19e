"""What a bucket's versions ought to be: plain lists, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import attrs

from objectd.model.records import Versioning

NO_TAGS: Mapping[str, str] = MappingProxyType({})


@attrs.define(eq=False)
class PlainVersion:
    """`name` is its version id; versions that are null at different times are not the same."""

    name: str
    data: bytes | None
    """None for a delete marker."""

    tags: dict[str, str] = attrs.Factory(dict)

    @property
    def is_null(self) -> bool:
        return self.name == "null"


@attrs.define
class PlainVersions:
    """A bucket. What has an id that only the store can know is told it afterwards."""

    mode: Versioning = Versioning.NEVER
    keys: dict[str, list[PlainVersion]] = attrs.Factory(dict)

    def put(self, key: str, name: str, data: bytes, tags: Mapping[str, str] = NO_TAGS) -> None:
        self._place(key, PlainVersion(name or "null", data, dict(tags)))

    def delete(self, key: str, name: str) -> None:
        """`name` is that of the marker."""
        if self.mode is Versioning.NEVER:
            self.keys.pop(key, None)
        else:
            self._place(key, PlainVersion(name, None))

    def delete_version(self, key: str, name: str) -> PlainVersion | None:
        """Returns what was deleted."""
        found = self.version(key, name)
        if found is not None:
            self._take_away(key, found)
        return found

    def current(self, key: str) -> PlainVersion | None:
        return next(iter(self.keys.get(key, [])), None)

    def version(self, key: str, name: str) -> PlainVersion | None:
        return next((v for v in self.keys.get(key, []) if v.name == name), None)

    def all(self) -> Iterator[tuple[str, PlainVersion]]:
        for key in sorted(self.keys, key=str.encode):
            for version in self.keys[key]:
                yield key, version

    def listed(self, prefix: str = "", delimiter: str = "") -> list[tuple[str, ...]]:
        """Versions as (key, id, kind, 'latest' or ''), and common prefixes as (prefix,)."""
        shown: list[tuple[str, ...]] = []
        for key, version in self.all():
            if not key.startswith(prefix):
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                kind = "marker" if version.data is None else "version"
                latest = "latest" if version is self.keys[key][0] else ""
                shown.append((key, version.name, kind, latest))
            elif (common := (key[: end + len(delimiter)],)) not in shown:
                shown.append(common)
        return shown

    def _place(self, key: str, new: PlainVersion) -> None:
        if self.mode is Versioning.NEVER:
            self.keys.pop(key, None)
        elif self.mode is Versioning.SUSPENDED:
            null = self.version(key, "null")
            if null is not None:
                self._take_away(key, null)
        self.keys.setdefault(key, []).insert(0, new)

    def _take_away(self, key: str, version: PlainVersion) -> None:
        self.keys[key].remove(version)
        if not self.keys[key]:
            del self.keys[key]
