"""What is copied: one version of an object, and what a request says of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import attrs

from objectd.errors import (
    DeleteMarkerFound,
    InvalidOperation,
    ObjectArchived,
    ObjectNotFound,
    SourceArchived,
    VersionIsDeleteMarker,
)
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.encryption import CustomerKey
from objectd.objects.object import Object, OpenObject
from objectd.objects.objects import Objects
from objectd.objects.settings import COPY_SOURCE_BYTES_MAX

_MARKER = (
    "The source of a copy request may not specifically refer to a delete marker by version id."
)


class ObjectName(NamedTuple):
    bucket: str
    key: str


@attrs.frozen
class CopySource:
    """A version of an object, the newest one for ''; `customer_key` opens it if it is encrypted
    for one.

    Each look raises `BucketNotFound`, `ObjectNotFound`; with an id `VersionNotFound`,
    `InvalidOperation`, `InvalidArgument`; and for its bytes `SourceArchived`.
    """

    name: ObjectName
    version_id: str = ""
    conditions: Conditions = NO_CONDITIONS
    customer_key: CustomerKey | None = None

    async def open(self, objects: Objects) -> OpenObject:
        """It must be closed. Raises what `Encryptions.open` raises, too."""
        with self._told_as_source():
            return await objects.get(
                *self.name, version_id=self.version_id, customer_key=self.customer_key
            )

    async def stored(self, objects: Objects) -> tuple[Object, bytes]:
        """As `Objects.stored`."""
        with self._told_as_source():
            found = await objects.stored(*self.name, version_id=self.version_id)
            objects.require_readable(found[0])
            return found

    async def head(self, objects: Objects) -> Object:
        with self._told_as_source():
            return await objects.head(*self.name, version_id=self.version_id)

    @contextmanager
    def _told_as_source(self) -> Iterator[None]:
        """A delete marker is no source: that its newest version is one leaves a key without an
        object, and to name one is a mistake
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)."""
        try:
            yield
        except DeleteMarkerFound:
            raise ObjectNotFound(*self.name) from None
        except VersionIsDeleteMarker:
            raise InvalidOperation(_MARKER) from None
        except ObjectArchived as error:
            raise SourceArchived(error.storage_class) from None


def check_source_size(size_bytes: int) -> None:
    """Raises `InvalidOperation`. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    if size_bytes > COPY_SOURCE_BYTES_MAX:
        raise InvalidOperation(
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {COPY_SOURCE_BYTES_MAX}"
        )
