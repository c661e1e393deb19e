"""Conditions on what is at a key: RFC 9110, section 13, as S3 applies it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import attrs

from objectd.errors import (
    ConditionalConflict,
    NotModified,
    ObjectNotFound,
    OperationAborted,
    PreconditionFailed,
)
from objectd.model.records import ObjectHead

_SECOND_US = 1_000_000
_UNKNOWN_ETAG = '"'
"""That no client can name: quotes are taken off."""


@attrs.frozen
class Conditions:
    """What must be true of the object that a request is about; what is empty or None is not
    asked for. Lists of ETags are as sent, quoted or not; times are microseconds since 1970
    UTC and are compared by the second, which is all that HTTP shows of them."""

    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None
    size_bytes: int | None = None
    modified_us: int | None = None

    def __bool__(self) -> bool:
        return self is not NO_CONDITIONS and self != NO_CONDITIONS

    def check_read(self, head: ObjectHead) -> None:
        """Raises `PreconditionFailed` or `NotModified`. A condition on the ETag goes before
        the one on the time that says the same (RFC 9110, 13.2.2)."""
        self._check_same(head)
        if self._is_unchanged(head):
            raise NotModified(head.etag, head.modified_us)

    def check_source(self, head: ObjectHead) -> None:
        """As for a read, but all that fails is `PreconditionFailed`: a copy writes."""
        self._check_same(head)
        if self._is_unchanged(head):
            raise PreconditionFailed("If-None-Match" if self.if_none_match else "If-Modified-Since")

    def check_write(self, bucket: str, key: str, found: ObjectHead | None) -> None:
        """For what a write replaces or removes; `found` is None where there is nothing.
        Raises `ObjectNotFound` if an ETag needs something there, and `PreconditionFailed`.

        Size and time of what is not there fail nothing: only a delete has them, and what it
        would delete is gone (DeleteObject, x-amz-if-match-size).
        """
        if found is not None:
            self.check_source(found)
        elif self.if_match:
            raise ObjectNotFound(bucket, key)
        elif self.if_modified_since is not None:
            raise PreconditionFailed("If-Modified-Since")

    def check_damaged(self) -> None:
        """For what is there and cannot be read: it exists, and nothing else of it is known.
        Raises `PreconditionFailed` unless that is enough."""
        if self.if_match and not _matches(self.if_match, _UNKNOWN_ETAG):
            raise PreconditionFailed("If-Match")
        if attrs.evolve(self, if_match=""):
            raise PreconditionFailed("If-None-Match" if self.if_none_match else "If-Match")

    def telling_conflicts(self) -> _TellingConflicts:
        """What is aborted because others keep winning is a `ConditionalConflict` where there
        are conditions: AWS tells those clients to look again before they try again."""
        return _TellingConflicts(bool(self))

    def _check_same(self, head: ObjectHead) -> None:
        modified_us = _second(head.modified_us)
        if self.if_match:
            if not _matches(self.if_match, head.etag):
                raise PreconditionFailed("If-Match")
        elif self.if_unmodified_since is not None and modified_us > self.if_unmodified_since:
            raise PreconditionFailed("If-Unmodified-Since")
        if self.size_bytes not in (None, head.size_bytes):
            raise PreconditionFailed("x-amz-if-match-size")
        if self.modified_us is not None and _second(self.modified_us) != modified_us:
            raise PreconditionFailed("x-amz-if-match-last-modified-time")

    def _is_unchanged(self, head: ObjectHead) -> bool:
        if self.if_none_match:
            return _matches(self.if_none_match, head.etag)
        since_us = self.if_modified_since
        return since_us is not None and _second(head.modified_us) <= since_us


NO_CONDITIONS = Conditions()


class _TellingConflicts:
    def __init__(self, are_conditions: bool) -> None:
        self._are_conditions = are_conditions

    def __enter__(self) -> None:
        """Nothing is begun."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._are_conditions and isinstance(error, OperationAborted):
            raise ConditionalConflict(str(error)) from error


def _second(time_us: int) -> int:
    return time_us // _SECOND_US * _SECOND_US


def _matches(listed: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in listed.split(","))
    return any(tag in ("*", etag) for tag in tags)
