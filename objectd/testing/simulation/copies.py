"""Clients of a simulated store that copy objects, and parts of objects into uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from objectd.errors import (
    BucketNotFound,
    ObjectArchived,
    ObjectNotFound,
    PreconditionFailed,
    UploadNotFound,
)
from objectd.objects.copy_source import ObjectName
from objectd.objects.overrides import Overrides
from objectd.testing.simulation.asking import REFUSED, Asker, Undecided
from objectd.testing.simulation.beliefs import KnownUpload, PartValue, Value
from objectd.testing.simulation.careful import (
    CarefulClient,
    is_like,
    is_nothing,
    is_other_than,
    still,
)
from objectd.testing.simulation.history import Violated
from objectd.testing.simulation.versions import BUCKET, VersionClient


class CopyClient:
    """Looks at a source, and copies it if it is still that: so it is known beforehand which
    bytes a copy will have."""

    def __init__(self, ask: Asker, careful: CarefulClient, versions: VersionClient) -> None:
        self._ask = ask
        self._look = careful.look
        self._versions = versions

    async def copy(self) -> None:
        """Now and then onto itself, which only changes the metadata."""
        ask = self._ask
        source, target = ObjectName(*ask.place()), ObjectName(*ask.place())
        seen = await self._look(*source)
        if seen is None:
            return
        storage_class = ask.storage_class()
        md5 = hashlib.md5(seen.data).hexdigest()
        copied = Value(
            ask.beliefs.next_operation(),
            seen.etag,
            seen.data,
            storage_class,
            other_etag=md5 if md5 != seen.etag else "",
        )
        write = ask.beliefs.objects[target].begin(copied, ask.now)
        algorithm = "SHA256" if ask.schedule.chance(0.2) else ""

        async def work() -> bool:
            await ask.store.copies.copy(
                source,
                target,
                own=Overrides(metadata={"op": str(copied.operation)}, storage_class=storage_class),
                source_conditions=still(seen),
                checksum_algorithm=algorithm,
                encryption=ask.encryption(),
            )
            return True

        await self._ask_for("copy", source, seen, target.bucket, write, work)

    async def keep(self) -> None:
        """Copy an object into the bucket that keeps versions."""
        ask, source = self._ask, ObjectName(*self._ask.place())
        key, wanted = self._versions.any_key(), self._versions.wanted()
        seen = await self._look(*source)
        if seen is None:
            return
        work = ask.store.copies.copy(
            source,
            ObjectName(BUCKET, key),
            own=Overrides(storage_class=ask.storage_class()),
            source_conditions=still(seen),
            encryption=wanted,
        )
        try:
            made = await ask.change("keep", [], work)
        except (
            BucketNotFound,
            ObjectArchived,
            ObjectNotFound,
            PreconditionFailed,
            *REFUSED,
        ) as error:
            ask.beliefs.count(f"keep: {type(error).__name__}")
        else:
            if made is not None:
                self._versions.learn(key, made.version_id, seen.data, wanted)

    async def copy_part(self, upload: KnownUpload, number: int) -> None:
        """All of a source, or its first half."""
        ask = self._ask
        source = ObjectName(*ask.place())
        seen = await self._look(*source)
        if seen is None:
            return
        half = len(seen.data) // 2
        span = (0, half) if half and ask.schedule.chance(0.3) else None
        data = seen.data[:half] if span else seen.data
        etag = hashlib.md5(data).hexdigest()
        upload.data[etag] = data
        write = upload.parts[number].begin(PartValue(etag, data), ask.now)

        async def work() -> bool:
            copied = await ask.store.part_copies.copy(
                source,
                ObjectName(upload.bucket, upload.key),
                upload.id,
                number,
                span=span,
                source_conditions=still(seen),
            )
            if copied.part.etag != etag:
                raise Violated(f"a part was copied from {source} with ETag {copied.part.etag}")
            return True

        try:
            await self._ask_for("copy part", source, seen, upload.bucket, write, work)
        except UploadNotFound:
            ask.refuse("copy part: no upload", [write])
            bucket = ask.beliefs.buckets[upload.bucket]
            is_over = upload.may_be_over or ask.beliefs.uploads_end
            if not is_over and not bucket.may_have_become(False, upload.started):
                raise Violated(f"upload {upload.id} is gone, and nobody ended it") from None

    async def _ask_for(
        self,
        what: str,
        source: ObjectName,
        seen: Value,
        bucket: str,
        write: Undecided,
        work: Callable[[], Awaitable[bool]],
    ) -> None:
        ask, start = self._ask, self._ask.now
        register = ask.beliefs.objects[source]

        async def working() -> bool:
            return await work()

        try:
            is_done = await ask.change(what, [write], working())
        except BucketNotFound as error:
            ask.refuse(f"{what}: no bucket", [write])
            ask.observe_bucket(error.bucket, False, start)
        except ObjectNotFound:
            ask.refuse(f"{what}: not found", [write])
            register.observe(is_nothing, start, ask.now, f"refused {what}")
        except PreconditionFailed:
            ask.refuse(f"{what}: condition", [write])
            register.observe(is_other_than(seen), start, ask.now, f"refused {what}")
        except (ObjectArchived, *REFUSED) as error:
            ask.refuse(f"{what}: {type(error).__name__}", [write])
        else:
            if is_done:
                ask.observe_bucket(bucket, True, start)
                register.observe(is_like(seen), start, ask.now, f"let {what} pass")
