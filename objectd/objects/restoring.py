"""Restores: archived versions that may be read for some days.

The bytes of an archived version stay where they are; a restore is the permission to read them. It
begins after as long as the operator says that the class takes, and nobody has to end it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import attrs
from msgspec import structs

from objectd.errors import InvalidArgument, NotArchived, RestoreInProgress
from objectd.model import keys
from objectd.model.codec import decode_object
from objectd.model.records import JournalKind, ObjectHead, ObjectTail, Restore
from objectd.objects.buckets import Buckets
from objectd.objects.classes import is_restored
from objectd.objects.core import Core
from objectd.objects.lifecycle.rules import due_us
from objectd.objects.listing import ListedObject
from objectd.objects.settings import RESTORE_DAYS_MAX
from objectd.objects.version_listing import ListedVersion
from objectd.objects.versions import Versions

_L = TypeVar("_L", ListedObject, ListedVersion)


@attrs.frozen
class Restores:
    """Restores versions of objects."""

    _core: Core
    _buckets: Buckets
    _versions: Versions

    async def restore(
        self, bucket: str, key: str, *, days: int, version_id: str = "", tier: str = ""
    ) -> bool:
        """Let a version be read for so many days; durable on return. False if it could be read
        already: then the days count anew, from now on. They end at a midnight. Of `tier`, how fast
        it is wanted, no more is made than AWS's refusal of what a class does not have.

        Raises `NotArchived`, `RestoreInProgress`, `InvalidArgument`, `OperationAborted`, and as
        `Objects.head`.
        """
        if not 1 <= days <= RESTORE_DAYS_MAX:
            raise InvalidArgument(f"'Days' must be between 1 and {RESTORE_DAYS_MAX}")
        core, begins = self._core, False

        def change(head: ObjectHead, tail: ObjectTail) -> tuple[ObjectHead, ObjectTail]:
            nonlocal begins
            seconds = core.classes.of(head).restore_seconds
            if seconds is None:
                raise NotArchived(head.storage_class)
            _check_tier(head.storage_class, tier)
            now_us, restore = core.now_us(), tail.restore
            if restore is not None and now_us < restore.ready_us:
                raise RestoreInProgress
            begins = not is_restored(restore, now_us)
            ready_us = now_us + round(seconds * 1_000_000) if begins else now_us
            expires_us = due_us(ready_us, days, core.settings.lifecycle_day_us)
            return head, structs.replace(tail, restore=Restore(ready_us, expires_us))

        kind = JournalKind.OBJECT_RESTORED
        await self._versions.amend(bucket, key, version_id, change, kind)
        return begins

    async def of_objects(
        self, bucket: str, listed: Sequence[ListedObject]
    ) -> dict[ListedObject, Restore]:
        """How it stands with the restores of these objects; those that have none are left out."""
        bucket_id = await self._buckets.id_of(bucket)
        archived = [each for each in listed if self._core.classes.of(each.head).is_archive]
        rows = [keys.object_(bucket_id, each.key.encode()) for each in archived]
        return await self._restores(archived, rows)

    async def of_versions(
        self, bucket: str, listed: Sequence[ListedVersion]
    ) -> dict[ListedVersion, Restore]:
        """The same of versions, wherever they lie."""
        bucket_id = await self._buckets.id_of(bucket)
        archived = [each for each in listed if self._core.classes.of(each.head).is_archive]
        rows = [
            keys.object_(bucket_id, each.key.encode())
            if each.is_latest
            else keys.version(
                bucket_id, each.key.encode(), each.head.modified_us, each.head.version
            )
            for each in archived
        ]
        return await self._restores(archived, rows)

    async def _restores(self, listed: Sequence[_L], row_keys: Sequence[bytes]) -> dict[_L, Restore]:
        """A version that has gone, or moved, since it was listed is left out."""
        if not listed:
            return {}
        found: dict[_L, Restore] = {}
        rows = await self._core.metadata.get(row_keys)
        for each, row in zip(listed, rows, strict=True):
            if row is None:
                continue
            head, tail = decode_object(row.value)
            if head.version == each.head.version and tail.restore is not None:
                found[each] = tail.restore
        return found


def _check_tier(storage_class: str, tier: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html"""
    if (storage_class, tier) == ("DEEP_ARCHIVE", "Expedited"):
        raise InvalidArgument("Retrieval option is not supported by this storage class")
