"""Why a bucket, or what it is told about itself, is not as a caller wants it."""

from __future__ import annotations

from objectd.errors.base import ObjectdError


class ConfigurationMalformed(ObjectdError):
    """A bucket's configuration is none that AWS's schema allows; the message says why."""


class InvalidBucketName(ObjectdError):
    """The name breaks the rules for bucket names; the message says which one."""

    def __init__(self, bucket: str, why: str) -> None:
        super().__init__(f"{bucket!r} is not a valid bucket name: {why}")
        self.bucket = bucket


class BucketNotFound(ObjectdError):
    def __init__(self, bucket: str) -> None:
        super().__init__(f"there is no bucket {bucket!r}")
        self.bucket = bucket


class BucketAlreadyExists(ObjectdError):
    """Another account owns a bucket of that name."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} belongs to another account")
        self.bucket = bucket


class BucketAlreadyOwnedByYou(ObjectdError):
    def __init__(self, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} exists and is yours")
        self.bucket = bucket


class BucketNotEmpty(ObjectdError):
    def __init__(self, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} still holds objects or versions")
        self.bucket = bucket


class BucketStateInvalid(ObjectdError):
    """Versioning and Object Lock of a bucket do not go together like that."""


class ObjectLockConfigurationNotFound(ObjectdError):
    def __init__(self, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} has no Object Lock configuration")
        self.bucket = bucket
