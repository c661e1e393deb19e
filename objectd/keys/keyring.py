"""Keys and their versions as one immutable value, and how they wrap others.

A wrapped key is

    01 ‖ version of the key (4) ‖ salt (32) ‖ AES-256-GCM (48)

under a key that HKDF-SHA256 makes of the version's secret and the salt, so that no nonce is
used twice however many are wrapped. Name and context are authenticated.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from objectd.errors import InvalidArgument, KeyDisabled, KeyNotFound, WrappedKeyDamaged
from objectd.interfaces import ENVELOPE_KEY_BYTES, KEY_NAME_PATTERN, EnvelopeKey, KeyDescription

__all__ = ["Keyring", "RandomBytes", "check_name"]

RandomBytes = Callable[[int], bytes]

_SECRET_BYTES = 32
_SALT_BYTES = 32
_HEAD = struct.Struct(">BI")
_FORM = 1
_NONCE = bytes(12)  # of a key that is used once
_NAME = re.compile(KEY_NAME_PATTERN)


def check_name(name: str) -> None:
    """Raises `InvalidArgument`."""
    if _NAME.fullmatch(name) is None:
        raise InvalidArgument(f"{name!r} cannot be the name of a key")


@attrs.frozen
class _Version:
    secret: bytes = attrs.field(repr=False)
    created_us: int


@attrs.frozen
class _Key:
    """Its versions are counted from 1."""

    versions: tuple[_Version, ...]
    enabled: bool = True


@attrs.frozen
class Keyring:
    """What a key manager knows. Changes make another one."""

    _keys: Mapping[str, _Key] = attrs.field(factory=dict)

    @property
    def names(self) -> list[str]:
        return sorted(self._keys)

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def describe(self, name: str) -> KeyDescription:
        key = self._key(name)
        return KeyDescription(name, len(key.versions), key.enabled, key.versions[0].created_us)

    def created(self, name: str, now_us: int, random_bytes: RandomBytes) -> Keyring:
        """With this key, which is made if it is not there. Raises `InvalidArgument`."""
        check_name(name)
        if name in self._keys:
            return self
        return self._with(name, _Key((_Version(random_bytes(_SECRET_BYTES), now_us),)))

    def rotated(self, name: str, now_us: int, random_bytes: RandomBytes) -> Keyring:
        key = self._key(name)
        version = _Version(random_bytes(_SECRET_BYTES), now_us)
        return self._with(name, attrs.evolve(key, versions=(*key.versions, version)))

    def switched(self, name: str, *, enabled: bool) -> Keyring:
        return self._with(name, attrs.evolve(self._key(name), enabled=enabled))

    def generate(
        self, name: str, context: Mapping[str, str], random_bytes: RandomBytes
    ) -> EnvelopeKey:
        """As `IKeyManager.generate`."""
        key = self._enabled(name)
        number = len(key.versions)
        plain, salt = random_bytes(ENVELOPE_KEY_BYTES), random_bytes(_SALT_BYTES)
        cipher = _cipher(key.versions[-1], salt)
        head = _HEAD.pack(_FORM, number)
        sealed = cipher.encrypt(_NONCE, plain, head + _bound(name, context))
        return EnvelopeKey(plain, head + salt + sealed)

    def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """As `IKeyManager.unwrap`."""
        key = self._enabled(name)
        if len(wrapped) < _HEAD.size + _SALT_BYTES:
            raise WrappedKeyDamaged(f"{len(wrapped)} bytes are no wrapped key")
        form, number = _HEAD.unpack_from(wrapped)
        if form != _FORM or not 1 <= number <= len(key.versions):
            raise WrappedKeyDamaged(f"key {name!r} has no version {number} of form {form}")
        salt = wrapped[_HEAD.size : _HEAD.size + _SALT_BYTES]
        sealed = wrapped[_HEAD.size + _SALT_BYTES :]
        cipher = _cipher(key.versions[number - 1], salt)
        try:
            return cipher.decrypt(_NONCE, sealed, wrapped[: _HEAD.size] + _bound(name, context))
        except InvalidTag:
            raise WrappedKeyDamaged(f"not wrapped with key {name!r} and this context") from None

    def encoded(self) -> str:
        keys = {
            name: {
                "enabled": key.enabled,
                "versions": [
                    {"created_us": version.created_us, "secret": version.secret.hex()}
                    for version in key.versions
                ],
            }
            for name, key in sorted(self._keys.items())
        }
        return json.dumps({"version": 1, "keys": keys}, indent=1) + "\n"

    @classmethod
    def decoded(cls, text: str) -> Keyring:
        """Raises `ValueError` for what is no keyring."""
        document = json.loads(text)
        try:
            if document["version"] != 1:
                raise ValueError(f"version {document['version']} is unknown")
            keys = {
                name: _Key(tuple(map(_version, key["versions"])), bool(key["enabled"]))
                for name, key in document["keys"].items()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no keyring: {error!r}") from error
        if not all(key.versions for key in keys.values()):
            raise ValueError("a key has no versions")
        return cls(keys)

    def _with(self, name: str, key: _Key) -> Keyring:
        return Keyring({**self._keys, name: key})

    def _key(self, name: str) -> _Key:
        try:
            return self._keys[name]
        except KeyError:
            raise KeyNotFound(name) from None

    def _enabled(self, name: str) -> _Key:
        key = self._key(name)
        if not key.enabled:
            raise KeyDisabled(name)
        return key


def _version(fields: Mapping[str, object]) -> _Version:
    secret, created_us = bytes.fromhex(str(fields["secret"])), fields["created_us"]
    if len(secret) != _SECRET_BYTES or not isinstance(created_us, int):
        raise ValueError("a version of a key is malformed")
    return _Version(secret, created_us)


def _cipher(version: _Version, salt: bytes) -> AESGCM:
    derived = HKDF(SHA256(), ENVELOPE_KEY_BYTES, salt, b"objectd wrapped key 1")
    return AESGCM(derived.derive(version.secret))


def _bound(name: str, context: Mapping[str, str]) -> bytes:
    return json.dumps([name, sorted(context.items())]).encode()
