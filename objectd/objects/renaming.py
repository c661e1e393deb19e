"""Renaming objects within a bucket: one commit, in which the object's row gets another key.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html

A client may give a token with its request, and then ask again until it hears an answer: what
was done is kept with the token, in the commit that does it. Tokens are kept by the day, and
those of two days ago are forgotten all at once, so each lives for 24 hours at least.
"""

from __future__ import annotations

import hashlib
import re

import attrs
import msgspec

from objectd.errors import (
    DamagedRecord,
    InvalidArgument,
    InvalidOperation,
    ObjectNotFound,
    PreconditionFailed,
    TokenMismatch,
)
from objectd.interfaces import Absent, Scan
from objectd.model import keys
from objectd.model.codec import decode, decode_payload, encode
from objectd.model.records import Bucket, ClientToken, InRow
from objectd.objects.buckets import Buckets
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import Current, current, current_bucket, move, require_unversioned
from objectd.objects.names import key_bytes
from objectd.objects.shield import shield
from objectd.objects.writer import Batch

_DAY_US = 24 * 60 * 60 * 1_000_000
_TOKEN = re.compile(r"[!-~]{1,64}")


@attrs.frozen
class _Renaming:
    """One rename, as it was asked for. `token` is the SHA-256 of the client's, or empty."""

    place: Bucket
    source: bytes
    target: bytes
    source_conditions: Conditions
    conditions: Conditions
    token: bytes

    @property
    def digest(self) -> bytes:
        """Equal for requests that ask for the same."""
        asked = (self.source, self.target, self.source_conditions, self.conditions)
        return hashlib.sha256(msgspec.msgpack.encode(asked)).digest()

    def check(self, source: Current, target: Current) -> None:
        """Raises `ObjectNotFound` if there is no source, and `PreconditionFailed`."""
        if not source.is_there:
            raise ObjectNotFound(self.place.name, self.source.decode())
        try:
            source.check(self.source_conditions, self.place.name)
        except PreconditionFailed as error:
            raise PreconditionFailed(f"x-amz-rename-source-{error.condition}") from None
        if self.conditions.if_match and not target.is_there:
            raise PreconditionFailed("If-Match")  # not found is what the source may be
        target.check(self.conditions, self.place.name)


@attrs.frozen
class Renames:
    """Gives objects other keys."""

    _core: Core
    _buckets: Buckets

    async def rename(
        self,
        bucket: str,
        source: str,
        target: str,
        *,
        source_conditions: Conditions = NO_CONDITIONS,
        conditions: Conditions = NO_CONDITIONS,
        token: str = "",
    ) -> None:
        """Give the object at `source` the key `target`, in place of what is there; durable on
        return. It keeps all else, also its time. Nobody sees it at both keys or at neither.

        A `token` (up to 64 visible ASCII characters) makes it happen once: the same request
        with the same token succeeds again and does nothing.

        Raises `BucketNotFound`, `ObjectNotFound`, `InvalidOperation` (onto itself),
        `TokenMismatch` (another request had the token), `PreconditionFailed`,
        `OperationAborted`, with conditions `ConditionalConflict`.
        """
        raw_source, raw_target = key_bytes(source), key_bytes(target)
        if raw_source == raw_target:
            raise InvalidOperation("An object cannot be renamed to the name that it has.")
        if token and _TOKEN.fullmatch(token) is None:
            raise InvalidArgument(
                "A client token has 1 to 64 visible ASCII characters.", name="x-amz-client-token"
            )
        renaming = _Renaming(
            await self._buckets.get(bucket),
            raw_source,
            raw_target,
            source_conditions,
            conditions,
            hashlib.sha256(token.encode()).digest() if token else b"",
        )
        with (conditions or source_conditions).telling_conflicts():
            await shield(self._rename(renaming))

    async def _rename(self, renaming: _Renaming) -> None:
        core, bucket_id = self._core, renaming.place.bucket_id

        async def decide(batch: Batch) -> None:
            if renaming.token and await self._was_done(batch, renaming):
                return
            bucket_row, source_row, target_row, payload_row = await core.metadata.get(
                [
                    keys.bucket(bucket_id),
                    keys.object_(bucket_id, renaming.source),
                    keys.object_(bucket_id, renaming.target),
                    keys.payload(bucket_id, renaming.source),
                ]
            )
            place = current_bucket(core, renaming.place.name, bucket_row)
            require_unversioned(place, "renamed")
            source = current(place, renaming.source, source_row)
            target = current(place, renaming.target, target_row)
            renaming.check(source, target)
            payload = b""
            if source.known and isinstance(source.known[1].source, InRow):
                if payload_row is None:
                    raise DamagedRecord(f"payload of {renaming.source!r}", "missing")
                payload = decode_payload(payload_row.value)
            move(core, batch, source, target, payload)

        locked = [keys.object_(bucket_id, key) for key in (renaming.source, renaming.target)]
        async with core.locks.holding(*locked):
            await core.writer.transact(decide)

    async def _was_done(self, batch: Batch, renaming: _Renaming) -> bool:
        """Whether the token's request was carried out before; else the batch says that it
        is now. Raises `TokenMismatch`. The wall clock may have stepped back since."""
        today, bucket_id = _day(self._core), renaming.place.bucket_id
        days = (today, today - 1, today + 1)
        row_keys = [keys.client_token(day, bucket_id, renaming.token) for day in days]
        rows = await self._core.metadata.get(row_keys)
        for row in rows:
            if row is None:
                continue
            if decode(ClientToken, row.value).request != renaming.digest:
                raise TokenMismatch("the client token was used for another request")
            return True
        batch.expect(*(Absent(key) for key in row_keys))
        batch.put(row_keys[0], encode(ClientToken(renaming.digest)))
        return False


async def forget_old_tokens(core: Core) -> None:
    """A step of the collector: forget the tokens that were used before yesterday."""
    start, stop = keys.CLIENT_TOKENS, keys.client_tokens(_day(core) - 1)
    if (await core.metadata.scan(Scan(start, stop, limit=1))).entries:
        batch = Batch()
        batch.delete_range(start, stop)
        await core.writer.commit(batch)


def _day(core: Core) -> int:
    """Days since 1970 UTC. There is always one before: a host may not know the time yet."""
    return max(core.now_us() // _DAY_US, 1)
