"""What metadata stores and blob stores raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectd.errors.base import ObjectdError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from objectd.interfaces import Expectation, Row, Token


class CommitInvalid(ObjectdError):
    """The commit is malformed or over a limit; nothing was looked at."""


class Conflict(ObjectdError):
    """An expectation did not hold; nothing was applied.

    `failed` gives, for each expectation that failed, the key and the row that were found
    instead (for `EmptyRange` the first one). `rows` are the rows of the keys that were
    expected anything of, also of what held, as far as the store tells. All are of one state of
    the store, are durable, and may have changed since.
    """

    def __init__(
        self,
        failed: Sequence[tuple[Expectation, bytes, Row | None]],
        rows: Mapping[bytes, Row | None] | None = None,
    ) -> None:
        super().__init__(f"{len(failed)} expectation(s) of the commit did not hold")
        self.failed = tuple(failed)
        self.rows = {} if rows is None else rows


class CounterLimitReached(ObjectdError):
    """An `Add` with `at_most` would have passed its limit; nothing was applied."""

    def __init__(self, key: bytes, value: int, at_most: int) -> None:
        super().__init__(f"counter {key!r} would be {value}, at most {at_most} is allowed")
        self.key = key
        self.value = value
        self.at_most = at_most


class Fenced(ObjectdError):
    """The incarnation of the token is over: its process may write nothing any more."""

    def __init__(self, incarnation: int) -> None:
        super().__init__(f"incarnation {incarnation} is fenced")
        self.incarnation = incarnation


class TokenReused(ObjectdError):
    """The token was used for another commit, or `outcome` has burned it."""

    def __init__(self, token: Token) -> None:
        super().__init__(f"token {token.incarnation}/{token.sequence} was used before")
        self.token = token


class AnswerLost(ObjectdError):
    """The store went away before it answered: ask `outcome` before trying again."""


class WrittenInPart(AnswerLost):
    """Of commits that were taken together some are durable and the others refused: each writer
    finds out by its `outcome`."""


class OutcomeUnknown(ObjectdError):
    """A commit was handed in, and nobody can tell whether it was applied."""


class StoreBusy(ObjectdError):
    """The store cannot take more writes at this moment; nothing was applied."""


class StoreFull(ObjectdError):
    """A disk (or its inodes) is full; nothing was applied."""


class StoreFailed(ObjectdError):
    """The store cannot go on (a failed sync, a closed store): restart the process."""


class FormatUnsupported(ObjectdError):
    """The data was written by a newer version, or is not a store at all."""


class ForeignDrive(FormatUnsupported):
    """A drive belongs to another blob store than it is opened for. Both are UUIDs in hex."""

    def __init__(self, drive: str, *, belongs_to: str, wanted: str) -> None:
        super().__init__(
            f"{drive} belongs to another store ({belongs_to}), not to this one ({wanted})"
        )
        self.drive = drive
        self.belongs_to = belongs_to


class DamagedRecord(ObjectdError):
    """A metadata value does not decode; only what it describes is lost."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"damaged {what}: {why}")
        self.what = what


class DamagedBlob(ObjectdError):
    """Bytes of a blob do not have the checksum they were written with, or are gone."""

    def __init__(self, blob: str, why: str) -> None:
        super().__init__(f"damaged blob {blob}: {why}")
        self.blob = blob
