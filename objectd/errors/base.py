"""What all errors have in common."""

from __future__ import annotations


class ObjectdError(Exception):
    """Base of all errors that objectd raises on purpose."""


class ConfigurationInvalid(ObjectdError):
    """The server cannot start with what its operator wrote; the message says where and why."""
