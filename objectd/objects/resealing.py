"""The same encrypted bytes for another key: their data key is sealed anew, and they stay."""

from __future__ import annotations

import attrs

from objectd.model.records import Bucket, Encryption, Scheme
from objectd.objects.core import Core
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.object import OpenObject
from objectd.objects.sealing import Sealed


@attrs.frozen
class Resealed:
    """What a version that shares the bytes of `source` (its uid, and how it was encrypted when
    its keys were opened) has of its own."""

    source: tuple[bytes, Encryption | None]
    encryption: Encryption
    etag: str


async def resealed(
    core: Core, opened: OpenObject, wanted: EncryptionWanted | None, place: Bucket, key: bytes
) -> Resealed | None:
    """None if the bytes cannot stay as they are. Raises as `Encryptions.new`."""
    old, secret = opened.object.tail.encryption, opened.secret
    if old is None or secret is None or wanted is None or len(secret.keys) != wanted.layers:
        return None
    sealed = await core.encryptions.again(secret, wanted, place, key.decode())
    source = (opened.object.head.version, old)
    return Resealed(source, sealed.encryption, _etag(opened.object.etag, old, sealed))


def _etag(etag: str, old: Encryption, new: Sealed) -> str:
    """One that tells nothing where it must not; and where clients would take it for an MD5, one
    that does not look like it, as nobody knows the MD5."""
    _, dash, parts = etag.partition("-")
    if not new.etag_is_digest:
        return new.random_etag() + dash + parts
    if old.scheme is Scheme.SSE_S3 or dash:
        return etag
    return f"{new.random_etag()}-1"
