"""Clients of a bucket whose versions are kept: what they were told is there stays there, until
somebody deletes that very version."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from objectd.errors import (
    AnswerLost,
    BucketAlreadyOwnedByYou,
    BucketNotFound,
    InvalidOperation,
    ObjectdError,
    ObjectNotFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.objects.copy_source import ObjectName
from objectd.objects.deleting import Unwanted
from objectd.objects.ids import NULL
from objectd.objects.object import OpenObject
from objectd.testing.simulation.asking import REFUSED, Asker, Body, done
from objectd.testing.simulation.beliefs import KEYS, KnownVersion
from objectd.testing.simulation.history import Register, Violated, Write

_T = TypeVar("_T")

BUCKET = "kept"


class VersionClient:
    """All clients share one bucket, which nobody deletes."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    async def begin(self) -> None:
        """Have the bucket, with versioning."""
        try:
            await self._ask.change("create kept", [], done(self._ask.store.buckets.create(BUCKET)))
        except (BucketAlreadyOwnedByYou, *REFUSED):
            return
        await self._change("enable", done(self._set_versioning(enabled=True)))

    async def switch(self) -> None:
        """Suspend versioning, or enable it: what is under way is decided again."""
        await self._change(
            "switch", done(self._set_versioning(enabled=self._ask.schedule.chance(0.6)))
        )

    def _set_versioning(self, *, enabled: bool) -> Awaitable[None]:
        return self._ask.store.buckets.set_versioning(BUCKET, enabled=enabled)

    async def put(self) -> None:
        key, data = self._key(), self._ask.data()
        body = Body(self._ask.process, data, broken=False)
        made = await self._change("put kept", self._ask.store.objects.put(BUCKET, key, body))
        if made is not None:
            self._learn(key, made.version_id, data)

    async def restore(self) -> None:
        """Bring an older version back, by a copy onto its own key."""
        known = self._any_known()
        if known is None or known.data is None:
            return
        name, start = ObjectName(BUCKET, known.key), self._ask.now
        work = self._ask.store.copies.copy(name, name, source_version=known.id)
        try:
            made = await self._change("restore", work)
        except VersionNotFound:
            self._observe(known, False, start, "was not there to be copied")
        else:
            if made is not None:
                self._learn(known.key, made.version_id, known.data)

    async def delete(self) -> None:
        """Put a delete marker."""
        key = self._key()
        deleted = await self._change("delete kept", self._ask.store.objects.delete(BUCKET, key))
        if deleted is not None:
            self._learn(key, deleted.version_id, None)

    async def delete_versions(self) -> None:
        """A few at once, in more than one commit if two are of one key: then some may be gone
        though it was refused."""
        ask = self._ask
        doomed = [known for known in (self._any_known(), self._any_known()) if known is not None]
        doomed = list({(known.key, known.id): known for known in doomed}.values())
        writes = [known.register.begin(False, ask.now) for known in doomed]
        unwanted = [Unwanted(known.key, known.id) for known in doomed]
        if ask.schedule.chance(0.3):
            unwanted.append(Unwanted(self._key(), NULL))
        if not unwanted:
            return
        results = await self._change(
            "delete versions",
            ask.store.objects.delete_many(BUCKET, unwanted),
            writes,
            is_one_commit=len({each.key for each in unwanted}) == len(unwanted),
        )
        for write, result in zip(writes, results or [], strict=False):
            if isinstance(result, ObjectdError):
                raise Violated(f"{write} was refused: {result}")

    async def tag(self) -> None:
        """Amend a version where it lies."""
        known, start = self._any_known(), self._ask.now
        if known is None:
            return
        tags = {"n": str(self._ask.beliefs.next_operation())}
        work = self._ask.store.tags.put(BUCKET, known.key, tags, version_id=known.id)
        try:
            await self._change("tag", work)
        except VersionNotFound:
            self._observe(known, False, start, "was not there to be tagged")
        except VersionIsDeleteMarker:
            self._observe(known, known.data is None, start, "is a delete marker")

    async def read_any(self) -> None:
        known = self._any_known()
        if known is not None:
            await self._read_version(known)

    async def read_current(self) -> None:
        """What is current is a version that is there."""
        ask, key, start = self._ask, self._key(), self._ask.now
        try:
            opened = await ask.store.objects.get(BUCKET, key)
        except (ObjectNotFound, BucketNotFound, AnswerLost) as error:
            ask.beliefs.count(f"read current: {type(error).__name__}")
            return
        known = ask.beliefs.versions.get((key, opened.object.version_id))
        if known is not None:
            self._observe(known, True, start, "was current")
        await self._compare(opened, known)

    async def list(self) -> None:
        """Every version that was there all the time is listed, once."""
        ask, start = self._ask, self._ask.now
        known = dict(ask.beliefs.versions)
        found: list[tuple[str, str]] = []
        key, version, is_more = "", "", True
        try:
            while is_more:
                page = await ask.store.version_listings.page(
                    BUCKET,
                    key_marker=key,
                    version_id_marker=version,
                    entries_max=ask.random.randint(1, 4),
                )
                found += [(each.key, each.version_id) for each in page.versions]
                (key, version), is_more = page.next_markers, page.more
        except (BucketNotFound, AnswerLost):
            ask.beliefs.count("list versions: failed")
            return
        named = [each for each in found if each[1] != NULL]
        if len(named) != len(set(named)) or [k for k, _ in found] != sorted(k for k, _ in found):
            raise Violated(f"listed twice, or out of order: {found}")
        for place, each in known.items():
            self._observe(each, place in named, start, f"listed: {place in named}")
        ask.beliefs.count("list versions")

    async def read_everything(self) -> None:
        await self.list()
        for known in list(self._ask.beliefs.versions.values()):
            await self._read_version(known)

    async def _read_version(self, known: KnownVersion) -> None:
        ask, start = self._ask, self._ask.now
        try:
            opened = await ask.store.objects.get(BUCKET, known.key, version_id=known.id)
        except VersionNotFound:
            self._observe(known, False, start, "was not found")
        except VersionIsDeleteMarker:
            if known.data is not None:
                raise Violated(f"{known.register.name} has become a marker") from None
            self._observe(known, True, start, "is a marker")
        except AnswerLost:
            ask.beliefs.count("read version: answer lost")
        else:
            self._observe(known, True, start, "was read")
            await self._compare(opened, known)
            ask.beliefs.count("read version")

    async def _compare(self, opened: OpenObject, known: KnownVersion | None) -> None:
        try:
            data = await opened.read()
        except AnswerLost:
            self._ask.beliefs.count("read version: answer lost")
            return
        if known is not None and data != known.data:
            raise Violated(f"{known.register.name}: read {data!r}, not {known.data!r}")

    async def _change(
        self,
        what: str,
        work: Coroutine[Deferred[Any], Any, _T],
        writes: Sequence[Write[bool]] = (),
        *,
        is_one_commit: bool = True,
    ) -> _T | None:
        try:
            return await self._ask.change(what, writes, work)
        except (BucketNotFound, InvalidOperation, *REFUSED) as error:
            self._ask.refuse(f"{what}: {type(error).__name__}", writes if is_one_commit else ())
        return None

    def _learn(self, key: str, name: str, data: bytes | None) -> None:
        """A null version may be another one later, so nothing is believed of it."""
        if name and name != NULL:
            register = Register(f"version {name} of {key}", True)
            known = KnownVersion(key, name, data, register)
            if self._ask.beliefs.versions.setdefault((key, name), known) is not known:
                raise Violated(f"two versions have the id {name}")

    def _observe(self, known: KnownVersion, is_there: bool, start: int, what: str) -> None:
        known.register.observe(lambda value: value is is_there, start, self._ask.now, what)

    def _any_known(self) -> KnownVersion | None:
        """One of the youngest, so that many clients meet at it."""
        versions = list(self._ask.beliefs.versions.values())
        return self._ask.random.choice(versions[-5:]) if versions else None

    def _key(self) -> str:
        return self._ask.random.choices(KEYS, (6, 2, 1))[0]
