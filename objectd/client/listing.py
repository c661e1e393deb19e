"""The objects of a bucket, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import attrs

from objectd.client.client import Client
from objectd.client.errors import AnswerInvalid

__all__ = ["Listed", "Page", "objects", "pages"]


@attrs.frozen
class Listed:
    """An object as a listing shows it; `etag` with its quotes."""

    key: str
    size_bytes: int
    modified_us: int
    etag: str


@attrs.frozen
class Page:
    """Up to 1,000 objects, and the prefixes that stand for all that begin with them."""

    objects: Sequence[Listed]
    prefixes: Sequence[str]


async def pages(
    client: Client, bucket: str, prefix: str = "", *, delimiter: str | None = None
) -> AsyncIterator[Page]:
    """In the byte order of the keys, as S3 lists them."""
    token: str | None = None
    while True:
        result = await client.call(
            "ListObjectsV2",
            Bucket=bucket,
            Prefix=prefix or None,
            Delimiter=delimiter,
            ContinuationToken=token,
        )
        contents = cast("Sequence[Mapping[str, object]]", result.get("Contents", ()))
        prefixes = cast("Sequence[Mapping[str, str]]", result.get("CommonPrefixes", ()))
        yield Page([_listed(each) for each in contents], [each["Prefix"] for each in prefixes])
        if not result.get("IsTruncated"):
            return
        following = cast("str | None", result.get("NextContinuationToken"))
        if not following or following == token:
            raise AnswerInvalid("a listing goes on, but does not say where")
        token = following


async def objects(client: Client, bucket: str, prefix: str = "") -> AsyncIterator[Listed]:
    async for page in pages(client, bucket, prefix):
        for each in page.objects:
            yield each


def _listed(entry: Mapping[str, object]) -> Listed:
    try:
        return Listed(
            cast(str, entry["Key"]),
            cast(int, entry["Size"]),
            cast(int, entry["LastModified"]),
            cast(str, entry.get("ETag", "")),
        )
    except KeyError as error:
        raise AnswerInvalid(f"a listing shows an object without {error}") from None
