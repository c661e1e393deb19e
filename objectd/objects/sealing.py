"""Data keys: what the bytes of a version are encrypted with, and how such a key is sealed.

A version has one data key for each layer of its encryption, drawn for it alone; the parts of an
upload share theirs. Each blob is encrypted under a key of its own, made of the data key, a salt
that lies in the blob's row, and its uid. Small objects are one payload, under a key made of the
data key alone: no other payload is ever encrypted with that data key. Annotations come and go,
so each piece of one has a salt of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import TypeAlias

import attrs
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from objectd.blobs.format import Damaged
from objectd.blobs.packets import KEY_BYTES, Packets, open_whole, seal_whole, sealed_bytes
from objectd.errors import DamagedRecord
from objectd.model.records import Encryption, Scheme

RandomBytes: TypeAlias = Callable[[int], bytes]

SALT_BYTES = 32

_COMMITMENT_BYTES = 32
_ETAG_BYTES = 16
_NONCE = bytes(12)  # of keys that are used once


class WrongKey(Exception):
    """A data key was sealed under another envelope key than the one given."""


@attrs.frozen
class Secret:
    """The data keys of a version, the innermost layer's first."""

    keys: tuple[bytes, ...] = attrs.field(repr=False)

    def blob(self, uid: bytes, envelope: bytes) -> Packets:
        """For the blob with this uid, whose row keeps the envelope: the salt and, if it was moved
        as it is, the uid under which it was encrypted."""
        salt, first = envelope[:SALT_BYTES], envelope[SALT_BYTES:] or uid
        return Packets([_derived(key, salt, b"objectd blob 1" + first) for key in self.keys])

    def seal_payload(self, data: bytes) -> bytes:
        return seal_whole(self._payload(), data)

    def open_payload(self, payload: bytes) -> bytes:
        """Raises `DamagedRecord`."""
        try:
            return open_whole(self._payload(), payload)
        except Damaged as error:
            raise DamagedRecord("payload of an object", str(error)) from error

    def seal_piece(self, where: bytes, salt: bytes, data: bytes) -> bytes:
        """A piece of an annotation, which is only ever read in the place that `where` names. The
        same place may be given other data, under another salt."""
        return seal_whole(self._piece(where, salt), data)

    def open_piece(self, where: bytes, salt: bytes, sealed: bytes) -> bytes:
        """Raises `DamagedRecord`."""
        try:
            return open_whole(self._piece(where, salt), sealed)
        except Damaged as error:
            raise DamagedRecord("piece of an annotation", str(error)) from error

    def _piece(self, where: bytes, salt: bytes) -> Packets:
        return Packets([_derived(key, salt, b"objectd annotation 1" + where) for key in self.keys])

    def _payload(self) -> Packets:
        return Packets([_derived(key, b"", b"objectd payload 1") for key in self.keys])


@attrs.frozen
class Sealed:
    """How a version, or the parts of an upload, are to be stored: `encryption` is what is
    written down of it."""

    encryption: Encryption
    secret: Secret
    random_bytes: RandomBytes

    @property
    def etag_is_digest(self) -> bool:
        """As AWS says, only where the key is S3's own; any other ETag must tell nothing.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html"""
        return self.encryption.scheme is Scheme.SSE_S3

    def random_etag(self) -> str:
        return self.random_bytes(_ETAG_BYTES).hex()

    def random_salt(self) -> bytes:
        return self.random_bytes(SALT_BYTES)


def stored_bytes(plain_bytes: int, encryption: Encryption | None) -> int:
    """How long bytes are where they are stored, but for blobs that are compressed."""
    return sealed_bytes(plain_bytes, layers_of(encryption))


def layers_of(encryption: Encryption | None) -> int:
    """How many keys bytes are encrypted with."""
    return 0 if encryption is None else len(encryption.layers)


def described(encryption: Encryption) -> object:
    """In the plain values of a blob's identity."""
    return msgspec.to_builtins(encryption, builtin_types=(bytes,))


def new_secret(layers: int, random_bytes: RandomBytes) -> Secret:
    return Secret(tuple(random_bytes(KEY_BYTES) for _ in range(layers)))


def seal_key(key: bytes, envelope: bytes, random_bytes: RandomBytes) -> bytes:
    """salt ‖ commitment ‖ the data key under AES-256-GCM.

    The commitment tells another envelope key from a damaged record, and no two envelope keys
    open the same bytes, as two keys of AES-GCM could be made to.
    """
    salt = random_bytes(SALT_BYTES)
    cipher, commitment = _sealing(envelope, salt)
    return salt + commitment + cipher.encrypt(_NONCE, key, commitment)


def open_key(sealed: bytes, envelope: bytes) -> bytes:
    """The inverse of `seal_key`. Raises `WrongKey`, `DamagedRecord`."""
    salt, rest = sealed[:SALT_BYTES], sealed[SALT_BYTES:]
    cipher, commitment = _sealing(envelope, salt)
    if not compare_digest(rest[:_COMMITMENT_BYTES], commitment):
        raise WrongKey
    try:
        return cipher.decrypt(_NONCE, rest[_COMMITMENT_BYTES:], commitment)
    except InvalidTag:
        raise DamagedRecord("data key", "it is not what was sealed") from None


def _sealing(envelope: bytes, salt: bytes) -> tuple[AESGCM, bytes]:
    info = b"objectd data key 1"
    derived = HKDF(SHA256(), KEY_BYTES + _COMMITMENT_BYTES, salt, info).derive(envelope)
    return AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(key)
