"""What a copy has of its own, and not of its source.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from msgspec import structs

from objectd.model.locks import Lock
from objectd.model.records import Headers, ObjectTail
from objectd.objects.names import check_metadata
from objectd.objects.tag_rules import check_tags


@attrs.frozen
class Overrides:
    """What a copy has of its own; None is what its source has. A website's redirect is never
    copied, so it is always the copy's own (in `headers` or, without them, apart); nor is a lock."""

    headers: Headers | None = None
    metadata: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None
    website_redirect_location: str = ""
    storage_class: str = ""
    annotations: bool = True
    """Whether it has its source's annotations, or none."""
    lock: Lock | None = None

    @property
    def change_the_object(self) -> bool:
        """Whether they make a copy onto itself worth its while: of new tags alone, AWS says
        that they do not, and leaving annotations behind is no more."""
        return self != attrs.evolve(
            COPY_ALL, tags=self.tags, annotations=self.annotations, lock=self.lock
        )

    def check(self) -> None:
        """Raises `MetadataTooLarge`, `InvalidArgument`, `InvalidTag`."""
        check_metadata(self.metadata or {})
        check_tags(self.tags or {})

    def apply(self, tail: ObjectTail) -> ObjectTail:
        headers = self.headers or structs.replace(
            tail.headers, website_redirect_location=self.website_redirect_location
        )
        metadata = tail.metadata if self.metadata is None else dict(self.metadata)
        tags = tail.tags if self.tags is None else dict(self.tags)
        return structs.replace(
            tail,
            headers=headers,
            metadata=metadata,
            tags=tags,
            annotations=0,
            lock=self.lock,
            restore=None,
        )


COPY_ALL = Overrides()
