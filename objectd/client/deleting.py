"""Many objects deleted, a thousand a request."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import cast

import attrs

from objectd.client.client import Client
from objectd.client.concurrency import for_each

__all__ = ["KEYS_MAX", "NotDeleted", "delete_all", "delete_batch"]

KEYS_MAX = 1000
"""What DeleteObjects takes."""

BATCHES_AT_ONCE = 4


@attrs.frozen
class NotDeleted:
    """A key that the server did not delete, and why."""

    key: str
    code: str
    message: str


async def delete_batch(client: Client, bucket: str, keys: Sequence[str]) -> list[NotDeleted]:
    """Delete up to 1,000 objects; returns those that are still there."""
    result = await client.call(
        "DeleteObjects",
        Bucket=bucket,
        Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
    )
    errors = cast("Sequence[Mapping[str, str]]", result.get("Errors", ()))
    return [NotDeleted(e.get("Key", ""), e.get("Code", ""), e.get("Message", "")) for e in errors]


async def delete_all(
    client: Client,
    bucket: str,
    batches: AsyncIterable[Sequence[str]],
    done: Callable[[Sequence[str], Sequence[NotDeleted]], None],
) -> None:
    """Delete batches of up to 1,000 keys as they come, several at once, and tell `done` of
    each: so a bucket is emptied while it is being listed."""

    async def delete(keys: Sequence[str]) -> None:
        if keys:
            done(keys, await delete_batch(client, bucket, keys))

    await for_each(batches, delete, at_once=BATCHES_AT_ONCE)
