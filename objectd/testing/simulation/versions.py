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
    CustomerKeyMissing,
    InvalidOperation,
    ObjectArchived,
    ObjectdError,
    ObjectNotFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.objects.copy_source import ObjectName
from objectd.objects.deleting import Unwanted
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.ids import NULL
from objectd.objects.object import OpenObject
from objectd.objects.overrides import Overrides
from objectd.testing.simulation.asking import REFUSED, Asker, Body, Undecided, done
from objectd.testing.simulation.beliefs import KEYS, KnownVersion
from objectd.testing.simulation.history import Register, Violated
from objectd.testing.simulation.keys import CUSTOMERS_KEY, STORES_KEY, TWO_KEYS

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
        key, data = self.any_key(), self._ask.data()
        body = Body(self._ask.process, data, broken=False)
        wanted = self.wanted()
        work = self._ask.store.objects.put(
            BUCKET, key, body, encryption=wanted, storage_class=self._ask.storage_class()
        )
        made = await self._change("put kept", work)
        if made is not None:
            self.learn(key, made.version_id, data, wanted)

    async def restore(self) -> None:
        """Bring an older version back, by a copy onto its own key."""
        known = self._any_known()
        if known is None or known.data is None:
            return
        name, start, wanted = ObjectName(BUCKET, known.key), self._ask.now, self.wanted()
        work = self._ask.store.copies.copy(
            name,
            name,
            source_version=known.id,
            own=Overrides(storage_class=self._ask.storage_class()),
            encryption=wanted,
            source_customer_key=known.customer_key,
        )
        try:
            made = await self._change("restore", work)
        except VersionNotFound:
            self._observe(known, False, start, "was not there to be copied")
        except ObjectArchived:
            self._observe_archived(known, start)
        else:
            if made is not None:
                copied = self.learn(known.key, made.version_id, known.data, wanted)
                if copied is not None:
                    copied.tags.begin(made.tail.tags.get("n", ""), start).acknowledge(start)

    async def delete(self) -> None:
        """Put a delete marker."""
        key = self.any_key()
        deleted = await self._change("delete kept", self._ask.store.objects.delete(BUCKET, key))
        if deleted is not None:
            self.learn(key, deleted.version_id, None)

    async def delete_versions(self) -> None:
        """A few at once, in more than one commit if two are of one key: then some may be gone
        though it was refused."""
        ask = self._ask
        doomed = [known for known in (self._any_known(), self._any_known()) if known is not None]
        doomed = list({(known.key, known.id): known for known in doomed}.values())
        writes = [known.register.begin(False, ask.now) for known in doomed]
        unwanted = [Unwanted(known.key, known.id) for known in doomed]
        if ask.schedule.chance(0.3):
            unwanted.append(Unwanted(self.any_key(), NULL))
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
        tag = str(self._ask.beliefs.next_operation())
        work = self._ask.store.tags.put(BUCKET, known.key, {"n": tag}, version_id=known.id)
        write = known.tags.begin(tag, start)
        try:
            await self._change("tag", done(work), [write])
        except VersionNotFound:
            self._ask.refuse("tag: not found", [write])
            self._observe(known, False, start, "was not there to be tagged")
        except VersionIsDeleteMarker:
            self._ask.refuse("tag: marker", [write])
            self._observe(known, known.data is None, start, "is a delete marker")

    async def read_any(self) -> None:
        known = self._any_known()
        if known is not None:
            await self.read(known)

    async def read_current(self) -> None:
        """What is current is a version that is there."""
        ask, key, start = self._ask, self.any_key(), self._ask.now
        try:
            opened = await ask.store.objects.get(BUCKET, key)
        except (
            ObjectNotFound,
            BucketNotFound,
            CustomerKeyMissing,
            ObjectArchived,
            AnswerLost,
        ) as error:
            ask.beliefs.count(f"read current: {type(error).__name__}")
            return
        known = ask.beliefs.versions.get((key, opened.object.version_id))
        if known is not None:
            self._observe(known, True, start, "was current")
        await self._compare(opened, known, start)

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
            await self.read(known)

    async def read(self, known: KnownVersion) -> None:
        ask, start = self._ask, self._ask.now
        try:
            opened = await ask.store.objects.get(
                BUCKET, known.key, version_id=known.id, customer_key=known.customer_key
            )
        except VersionNotFound:
            self._observe(known, False, start, "was not found")
        except ObjectArchived:
            self._observe_archived(known, start)
        except VersionIsDeleteMarker:
            if known.data is not None:
                raise Violated(f"{known.register.name} has become a marker") from None
            self._observe(known, True, start, "is a marker")
        except AnswerLost:
            ask.beliefs.count("read version: answer lost")
        else:
            self._observe(known, True, start, "was read")
            await self._compare(opened, known, start)
            ask.beliefs.count("read version")

    async def _compare(self, opened: OpenObject, known: KnownVersion | None, start: int) -> None:
        now, head, tail = self._ask.now, opened.object.head, opened.object.tail
        self._ask.beliefs.classes.observe_reading(head, tail, start, now)
        if known is not None:
            tag = tail.tags.get("n", "")
            known.tags.observe(lambda value: value == tag, start, now, f"tag {tag} was read")
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
        writes: Sequence[Undecided] = (),
        *,
        is_one_commit: bool = True,
    ) -> _T | None:
        try:
            return await self._ask.change(what, writes, work)
        except (BucketNotFound, InvalidOperation, *REFUSED) as error:
            self._ask.refuse(f"{what}: {type(error).__name__}", writes if is_one_commit else ())
        return None

    def learn(
        self, key: str, name: str, data: bytes | None, wanted: EncryptionWanted | None = None
    ) -> KnownVersion | None:
        """A null version may be another one later, so nothing is believed of it."""
        if not name or name == NULL:
            return None
        customer_key = wanted.customer_key if wanted is not None else None
        register = Register(f"version {name} of {key}", True)
        known = KnownVersion(key, name, data, register, customer_key)
        if self._ask.beliefs.versions.setdefault((key, name), known) is not known:
            raise Violated(f"two versions have the id {name}")
        return known

    def _observe(self, known: KnownVersion, is_there: bool, start: int, what: str) -> None:
        known.register.observe(lambda value: value is is_there, start, self._ask.now, what)

    def _observe_archived(self, known: KnownVersion, start: int) -> None:
        """It is there, and may not be read."""
        self._observe(known, True, start, "is archived")
        self._ask.beliefs.classes.observe_refusal(known.uid, start, self._ask.now)
        self._ask.beliefs.count("read version: archived")

    def wanted(self) -> EncryptionWanted | None:
        """Seldom anything: for the store's key, a customer's, or for two keys."""
        wanted = (None, STORES_KEY, CUSTOMERS_KEY, TWO_KEYS)
        return self._ask.random.choices(wanted, (16, 2, 2, 1))[0]

    def _any_known(self) -> KnownVersion | None:
        """One of the youngest, so that many clients meet at it."""
        versions = list(self._ask.beliefs.versions.values())
        return self._ask.random.choice(versions[-5:]) if versions else None

    def any_key(self) -> str:
        return self._ask.random.choices(KEYS, (6, 2, 1))[0]
