"""How a bucket encrypts by default, and giving objects that are there another key.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html
"""

from __future__ import annotations

import attrs
from msgspec import structs

from objectd.errors import InvalidOperation, OperationAborted
from objectd.model.records import (
    DefaultEncryption,
    Encryption,
    JournalKind,
    ObjectHead,
    ObjectTail,
    Scheme,
)
from objectd.objects.buckets import Buckets
from objectd.objects.core import Core
from objectd.objects.destroying import NO_PERMIT, Permit
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.objects import Objects
from objectd.objects.shield import Outdated, shield
from objectd.objects.versions import Versions

_UPDATABLE = (Scheme.SSE_S3, Scheme.SSE_KMS)


class _Replaced(Outdated):
    """The version was replaced, or given another key, since its keys were opened."""


@attrs.frozen
class BucketEncryption:
    """What comes into a bucket from now on; what is there stays as it is."""

    _buckets: Buckets

    async def put(self, bucket: str, default: DefaultEncryption | None) -> None:
        """Durable on return. A put that is under way may still be as it was before. The key is
        looked for when it is needed, as on AWS. Raises `BucketNotFound`, `OperationAborted`."""
        await shield(
            self._buckets.change(bucket, lambda old: structs.replace(old, encryption=default))
        )


@attrs.frozen
class ObjectEncryption:
    """Gives versions another key."""

    _core: Core
    _buckets: Buckets
    _objects: Objects
    _versions: Versions

    async def update(
        self, bucket: str, key: str, wanted: EncryptionWanted, *, version_id: str = ""
    ) -> str:
        """Seal the data key of a version as it is wanted (SSE-S3 or SSE-KMS); durable on return.
        Bytes, ETag and time stay as they are. Returns the version's id.

        Raises as `Objects.get`, `OperationAborted`, `InvalidOperation` for a version that is not
        encrypted, or not for one key of the key manager, and `ObjectLocked` for one that is
        locked: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
        """
        for _ in range(self._core.settings.commit_attempts_max):
            place = await self._buckets.get(bucket)
            found, _ = await self._objects.stored(bucket, key, version_id=version_id)
            old, version = found.tail.encryption, found.head.version
            if old is None or old.scheme not in _UPDATABLE:
                raise InvalidOperation(
                    "Only objects that are encrypted with SSE-S3 or SSE-KMS can be updated."
                )
            permit = await NO_PERMIT.timed(self._core, (found.head, found.tail))
            permit.check(found.tail.lock)
            secret = await self._core.encryptions.open(old, None)
            sealed = await self._core.encryptions.again(secret, wanted, place, key)
            try:
                return await self._versions.amend(
                    bucket,
                    key,
                    version_id,
                    _Change(version, old, sealed.encryption, permit),
                    JournalKind.OBJECT_ENCRYPTION_UPDATED,
                )
            except _Replaced:
                continue
        raise OperationAborted("the object kept being replaced: try again")


@attrs.frozen
class _Change:
    version: bytes
    old: Encryption
    new: Encryption
    permit: Permit

    def __call__(self, head: ObjectHead, tail: ObjectTail) -> tuple[ObjectHead, ObjectTail]:
        if (head.version, tail.encryption) != (self.version, self.old):
            raise _Replaced
        self.permit.check(tail.lock)
        return head, structs.replace(tail, encryption=self.new)
