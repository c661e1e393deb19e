"""What a blob tells of its first owner when the metadata is lost. Of encrypted bytes not their
digest; but how to decrypt them, for who has the key."""

from __future__ import annotations

import msgspec

from objectd.model.records import Encryption, ObjectHead, ObjectTail
from objectd.objects.sealing import described


def version_identity(
    bucket: str, key: bytes, head: ObjectHead, tail: ObjectTail, salt: bytes
) -> dict[str, object]:
    return {
        "bucket": bucket,
        "key": key,
        "version": head.version,
        "modified_us": head.modified_us,
        **_own(head.etag, tail.encryption, salt),
        "owner": head.owner,
        "headers": msgspec.to_builtins(tail.headers),
        "metadata": tail.metadata,
    }


def part_identity(
    bucket: str,
    key: bytes,
    upload: bytes,
    number: int,
    etag: str,
    encryption: Encryption | None,
    salt: bytes,
) -> dict[str, object]:
    return {
        "bucket": bucket,
        "key": key,
        "upload": upload,
        "part": number,
        **_own(etag, encryption, salt),
    }


def _own(etag: str, encryption: Encryption | None, salt: bytes) -> dict[str, object]:
    if encryption is None:
        return {"etag": etag}
    return {"encryption": described(encryption), "salt": salt}
