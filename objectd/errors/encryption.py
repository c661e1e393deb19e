"""Why bytes cannot be encrypted, or opened again."""

from __future__ import annotations

from objectd.errors.base import ObjectdError


class CustomerKeyMissing(ObjectdError):
    """What is encrypted for a customer's key was asked for without one."""


class CustomerKeyUnwanted(ObjectdError):
    """A customer's key came with a request about something that is not encrypted for one."""


class CustomerKeyWrong(ObjectdError):
    """Another customer's key than the one that this is encrypted for."""


class EncryptionBlocked(ObjectdError):
    """The bucket takes nothing that is encrypted for a customer's key."""


class KeyNotFound(ObjectdError):
    """The key manager has no such key."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no key {name!r}")
        self.name = name


class KeyDisabled(ObjectdError):
    def __init__(self, name: str) -> None:
        super().__init__(f"key {name!r} is disabled")
        self.name = name


class KeyServiceFailed(ObjectdError):
    """The key manager gives no answer now, or none that can be understood."""


class WrappedKeyDamaged(ObjectdError):
    """What was to be unwrapped was not wrapped with this key and context."""
