"""Tags of objects and of buckets: changing them where no new version is made.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from msgspec import structs

from objectd.model.records import BucketTags, JournalKind
from objectd.objects.configurations import Configurations
from objectd.objects.tag_rules import check_bucket_tags, check_tags
from objectd.objects.versions import Versions


@attrs.frozen
class Tags:
    """The tags of all objects and buckets."""

    _versions: Versions
    _configurations: Configurations

    async def put(
        self, bucket: str, key: str, tags: Mapping[str, str], *, version_id: str = ""
    ) -> str:
        """Give an object, or a version of it, these tags and no others. It stays the same
        version: its ETag and time do not change, and no byte moves. Returns the version's id.

        Raises `InvalidTag`, `TooManyTags`, `OperationAborted`, and as `Objects.head`.
        """
        check_tags(tags)
        return await self._versions.amend(
            bucket,
            key,
            version_id,
            lambda head, tail: (head, structs.replace(tail, tags=dict(tags))),
            JournalKind.OBJECT_TAGGED,
        )

    async def of_bucket(self, bucket: str) -> Mapping[str, str]:
        """None, if nobody has given it any. Raises `BucketNotFound`."""
        found = await self._configurations.get(bucket, BucketTags)
        return found.tags if found is not None else {}

    async def put_of_bucket(self, bucket: str, tags: Mapping[str, str]) -> None:
        """Give a bucket these tags and no others. Raises `InvalidTag`, `TooManyTags`,
        `BucketNotFound`, `OperationAborted`."""
        check_bucket_tags(tags)
        if tags:
            await self._configurations.put(bucket, BucketTags(dict(tags)))
        else:
            await self._configurations.delete(bucket, BucketTags)
