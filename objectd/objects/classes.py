"""Storage classes: what clients call them, where their bytes are kept, and how.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches

import attrs

from objectd.errors import ObjectArchived, UnknownStorageClass
from objectd.model.records import ObjectHead, ObjectTail, Restore, Upload

STANDARD = "STANDARD"

NAMES = (
    "REDUCED_REDUNDANCY",
    STANDARD,
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
"""Those of AWS that buckets of general purpose have, from the warmest to the coldest: a lifecycle
moves objects only to colder ones.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"""

ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")

ZSTD_LEVEL_MAX = 19
RESTORE_SECONDS_MAX = 365 * 86_400.0


@attrs.frozen
class ClassSettings:
    """How an operator has a class kept: in which blob store ('' is that of [blobs]), and compressed
    or, with level 0, as it comes. What is in an `archive` is read only after a RestoreObject, which
    takes so long."""

    store: str = ""
    zstd_level: int = attrs.field(
        default=0, validator=[attrs.validators.ge(0), attrs.validators.le(ZSTD_LEVEL_MAX)]
    )
    archive: bool = False
    restore_seconds: float = attrs.field(
        default=0.0, validator=[attrs.validators.ge(0), attrs.validators.le(RESTORE_SECONDS_MAX)]
    )


_COLD = ClassSettings(zstd_level=3)
_ARCHIVE = ClassSettings(zstd_level=3, archive=True)

DEFAULTS: Mapping[str, ClassSettings] = {
    "REDUCED_REDUNDANCY": ClassSettings(),
    STANDARD: ClassSettings(),
    "STANDARD_IA": _COLD,
    "ONEZONE_IA": _COLD,
    "GLACIER_IR": _COLD,
    "GLACIER": _ARCHIVE,
    "DEEP_ARCHIVE": _ARCHIVE,
}
"""What holds for the classes of which a configuration says nothing. Nothing moves between tiers by
itself, so there is no INTELLIGENT_TIERING unless an operator says what it shall be."""


@attrs.frozen
class StorageClass:
    """`place` is the number of the blob store; only an archive has `restore_seconds`."""

    name: str = STANDARD
    place: int = 0
    zstd_level: int = 0
    restore_seconds: float | None = None
    is_plain: bool = attrs.field(init=False)
    """As all objects were before there were classes. Every put asks."""

    @is_plain.default
    def _plain(self) -> bool:
        return self.name == STANDARD and not self.place and not self.zstd_level

    @property
    def is_archive(self) -> bool:
        return self.restore_seconds is not None

    def keeps_like(self, other: StorageClass) -> bool:
        """What is in the one may be in the other without its bytes being moved."""
        return (self.place, self.zstd_level) == (other.place, other.zstd_level)


@attrs.frozen
class Classes:
    """The storage classes of a store."""

    _by_name: Mapping[str, StorageClass]

    @classmethod
    def made(cls, settings: Mapping[str, ClassSettings], places: Mapping[str, int]) -> Classes:
        """`places` has the number of each blob store by its name."""
        kept = {**DEFAULTS, **settings}
        return cls(
            {
                name: StorageClass(
                    name,
                    places[each.store],
                    each.zstd_level,
                    each.restore_seconds if each.archive else None,
                )
                for name, each in kept.items()
            }
        )

    def named(self, name: str) -> StorageClass:
        """The class that a request asks for, STANDARD for ''. Raises `UnknownStorageClass`."""
        found = self._by_name.get(name or STANDARD)
        if found is None:
            raise UnknownStorageClass(name)
        return found

    def of(self, head: ObjectHead | Upload) -> StorageClass:
        """The class that a version or upload has, which the configuration may no longer know: then
        it is one like STANDARD."""
        return self._by_name.get(head.storage_class) or StorageClass(head.storage_class)

    def require_readable(
        self, head: ObjectHead, tail: ObjectTail, now_us: Callable[[], int]
    ) -> None:
        """Raises `ObjectArchived` for what is archived and not restored."""
        if head.storage_class == STANDARD or not self.of(head).is_archive:
            return
        if not is_restored(tail.restore, now_us()):
            raise ObjectArchived(head.storage_class)


def is_restored(restore: Restore | None, now_us: int) -> bool:
    return restore is not None and restore.ready_us <= now_us < restore.expires_us


class ClassMistake(ValueError):
    """What an operator says of a class makes no sense; `key` is '' if it is the name."""

    def __init__(self, name: str, key: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.key = key
        self.why = why


def check_classes(settings: Mapping[str, ClassSettings], stores: Collection[str]) -> None:
    """Raises `ClassMistake`; `stores` are the names of the further blob stores."""
    for name, each in settings.items():
        if name not in NAMES:
            why = f"there is no storage class {name!r}; {_instead(name, NAMES)}"
            raise ClassMistake(name, "", why)
        if each.store and each.store not in stores:
            why = f"there is no section [stores.{each.store}]; {_instead(each.store, stores)}"
            raise ClassMistake(name, "store", why)
        if each.restore_seconds and not each.archive:
            raise ClassMistake(name, "restore_seconds", "only an archive has something to restore")
        if each.archive and name not in ARCHIVES:
            why = f"clients know only {' and '.join(ARCHIVES)} as archives"
            raise ClassMistake(name, "archive", why)


def _instead(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
