"""Clients of a simulated store that restore what is archived."""

from __future__ import annotations

from objectd.errors import (
    BucketNotFound,
    NotArchived,
    ObjectNotFound,
    RestoreInProgress,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.testing.simulation.asking import REFUSED, Asker
from objectd.testing.simulation.beliefs import KnownVersion
from objectd.testing.simulation.storage_classes import ARCHIVES
from objectd.testing.simulation.versions import BUCKET, VersionClient

LOOKS_MAX = 4


class RestoreClient:
    """Looks for something that is archived, and restores it."""

    def __init__(self, ask: Asker, versions: VersionClient) -> None:
        self._ask = ask
        self._versions = versions

    async def restore(self) -> None:
        for _ in range(LOOKS_MAX):
            known = self._any_known()
            bucket, key = self._ask.place() if known is None else (BUCKET, known.key)
            version = "" if known is None else known.id
            if await self._is_archived(bucket, key, version):
                await self._restore(bucket, key, version)
                if known is not None:
                    await self._versions.read(known)
                return

    def _any_known(self) -> KnownVersion | None:
        versions = list(self._ask.beliefs.versions.values())
        is_wanted = versions and self._ask.schedule.chance(0.6)
        return self._ask.random.choice(versions) if is_wanted else None

    async def _is_archived(self, bucket: str, key: str, version: str) -> bool:
        ask, start = self._ask, self._ask.now
        try:
            found = await ask.store.objects.head(bucket, key, version_id=version)
        except (BucketNotFound, ObjectNotFound, VersionNotFound, VersionIsDeleteMarker, *REFUSED):
            return False
        ask.beliefs.classes.observe(found.head, start, ask.now)
        return found.head.storage_class in ARCHIVES

    async def _restore(self, bucket: str, key: str, version: str) -> None:
        ask, what = self._ask, "restore archived"
        days = ask.random.randint(1, 3)
        work = ask.store.restores.restore(bucket, key, days=days, version_id=version)
        try:
            await ask.change(what, [], work)
        except (
            BucketNotFound,
            NotArchived,
            ObjectNotFound,
            RestoreInProgress,
            VersionNotFound,
            *REFUSED,
        ) as error:
            ask.beliefs.count(f"{what}: {type(error).__name__}")
