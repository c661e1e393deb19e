"""Objects copied by the server itself: no byte comes this way."""

from __future__ import annotations

from urllib.parse import quote

import attrs

from objectd.client.client import Client
from objectd.client.concurrency import for_each
from objectd.client.downloading import Remote, look_up
from objectd.client.errors import Damaged, Refused, SourceChanged
from objectd.client.multipart import PARTS_AT_ONCE, Transfer, under_way

__all__ = ["copy_object"]

COPY_BYTES_MAX = 5 << 30
"""What CopyObject takes; a part, too."""

COPY_PART_BYTES = 512 << 20
_KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "WebsiteRedirectLocation",
)


async def copy_object(
    client: Client,
    source: Remote,
    bucket: str,
    key: str,
    transfer: Transfer,
    *,
    copy_bytes_max: int = COPY_BYTES_MAX,
) -> None:
    """Copy the very object that was looked up, with its metadata, and see that the copy is
    whole. Raises `SourceChanged` if another object has the source's key by now."""
    name = f"{quote(source.bucket, safe='')}/{quote(source.key, safe='/')}"
    arguments = {"CopySource": name, "CopySourceIfMatch": source.etag or None}
    try:
        if source.size_bytes <= copy_bytes_max:
            await client.call("CopyObject", Bucket=bucket, Key=key, **arguments, **transfer.headers)
            transfer.advance(source.size_bytes)
        else:
            await _copy_parts(client, source, bucket, key, transfer, arguments)
    except Refused as error:
        if error.status == 412 or error.code == "PreconditionFailed":
            raise SourceChanged(str(source)) from error
        raise
    copy = await look_up(client, bucket, key)
    comparable = (
        copy.expected is not None
        and source.expected is not None
        and copy.expected.algorithm == source.expected.algorithm
    )
    if copy.size_bytes != source.size_bytes or (comparable and copy.expected != source.expected):
        raise Damaged(str(copy), "content of its source")


async def _copy_parts(
    client: Client,
    source: Remote,
    bucket: str,
    key: str,
    transfer: Transfer,
    arguments: dict[str, str | None],
) -> None:
    size_bytes = source.size_bytes
    part_bytes = max(transfer.part_bytes_for(size_bytes), COPY_PART_BYTES)
    found = await client.call("HeadObject", Bucket=source.bucket, Key=source.key)
    headers = {name: found[name] for name in _KEPT if name in found} | dict(transfer.headers)
    fresh = attrs.evolve(transfer, headers=headers)
    async with under_way(client, bucket, key, fresh) as upload:

        async def copy(part: tuple[int, int]) -> None:
            number, start = part
            stop = min(start + part_bytes, size_bytes)
            await upload.copy(number, arguments, start, stop)

        starts = enumerate(range(0, size_bytes, part_bytes), 1)
        await for_each(starts, copy, at_once=PARTS_AT_ONCE)
        await upload.complete()
