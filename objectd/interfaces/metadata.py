"""Metadata stores: ordered, transactional rows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, final

import msgspec
from twisted.internet.defer import Deferred
from zope.interface import Interface

KEY_BYTES_MAX = 4096
VALUE_BYTES_MAX = 1 << 20
CHANGES_MAX = 10_000
COMMIT_BYTES_MAX = 8 << 20
SCAN_ROWS_MAX = 10_000
SCANS_MAX = 4


class Token(NamedTuple):
    """Names one commit of one writing process, so that a lost answer can be asked for."""

    incarnation: int
    sequence: int


class _Tagged(msgspec.Struct, frozen=True, array_like=True, tag_field="type", gc=False):
    """Values of commits are msgspec structs: they cross the owner's socket as they are. They are
    final, for `type(change) is Put` takes a tenth of `isinstance`, which asks their metaclass."""


@final
class Put(_Tagged, frozen=True, tag="put"):
    key: bytes
    value: bytes


@final
class Delete(_Tagged, frozen=True, tag="delete"):
    """Deleting a key that has no row is allowed and changes nothing."""

    key: bytes


@final
class DeleteRange(_Tagged, frozen=True, tag="delete-range"):
    """Delete every row with start <= key < stop."""

    start: bytes
    stop: bytes


@final
class Add(_Tagged, frozen=True, tag="add"):
    """Add to a counter row: 8 bytes, signed, big-endian; absent counts as 0.

    `at_most` refuses the commit if the sum would pass it, but never a negative delta.
    """

    key: bytes
    delta: int
    at_most: int | None = None


@final
class Append(_Tagged, frozen=True, tag="append"):
    """Put `value` at prefix ‖ revision of this commit (8 bytes, big-endian) ‖ n (4 bytes),
    n counting the `Append`s of the commit from 0: how a journal is written."""

    prefix: bytes
    value: bytes


Change = Put | Delete | DeleteRange | Add | Append


@final
class At(_Tagged, frozen=True, tag="at"):
    """The row is there with exactly this revision."""

    key: bytes
    revision: int


@final
class Present(_Tagged, frozen=True, tag="present"):
    key: bytes


@final
class Absent(_Tagged, frozen=True, tag="absent"):
    key: bytes


@final
class EmptyRange(_Tagged, frozen=True, tag="empty-range"):
    """No row has start <= key < stop."""

    start: bytes
    stop: bytes


Expectation = At | Present | Absent | EmptyRange


class Commit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One atomic change of the store.

    `lowest_unanswered` is the lowest sequence of this incarnation whose answer its writer
    still waits for (this commit's own counts): what the store remembers of tokens below it
    may go.
    """

    token: Token
    lowest_unanswered: int
    changes: tuple[Change, ...]
    expect: tuple[Expectation, ...] = ()


class Row(NamedTuple):
    value: bytes
    revision: int


class Scan(msgspec.Struct, frozen=True, array_like=True, tag_field="type", tag="scan"):
    """At most `limit` (1 to `SCAN_ROWS_MAX`) entries with start <= key < stop, in byte order
    (descending with `reverse`).

    With a `delimiter`, keys that begin with `prefix` and hold the delimiter after it are rolled
    up: all keys that share key[: end of the delimiter's first occurrence after the prefix] make
    one entry with that common prefix as its key, and the next row is sought, not read on to.
    A rolled-up prefix counts as one entry; it is reported if any of its keys is in the range. Not
    with `reverse`.

    With `head_bytes`, only that many first bytes of each value are returned. `ValueError` where
    these rules are broken.
    """

    start: bytes
    stop: bytes
    limit: int
    reverse: bool = False
    prefix: bytes = b""
    delimiter: bytes = b""
    head_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= SCAN_ROWS_MAX:
            raise ValueError(f"a scan of {self.limit} rows")
        if self.reverse and self.delimiter:
            raise ValueError("a reverse scan cannot roll up")


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of a scan: a row, or (`value` None, `revision` 0) a rolled-up prefix.

    A struct, for a page has a thousand: 0.06 µs each, 0.17 as a tuple, which the collector of
    garbage would look at besides.
    """

    key: bytes
    value: bytes | None
    revision: int


class ScanPage(NamedTuple):
    """`more`: something lies beyond the last entry and before the end of the range."""

    entries: list[Entry]
    more: bool


class OutcomeKind(Enum):
    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


class Outcome(NamedTuple):
    """`revision` is 0 unless the commit was applied."""

    kind: OutcomeKind
    revision: int = 0


class IMetadataStore(Interface):
    """An ordered, transactional store of rows (key → value, revision).

    Called for every request, some ten thousand times a second, from one reactor thread,
    with any number of calls under way at once. Everything that S3 means is built on it in
    `objectd.objects`, so a provider knows nothing of buckets or objects.

    **Revisions.** Every commit gets a number greater than every earlier one, and every row
    that it writes carries that number. Once anybody has seen revision r of the store, no
    read that begins later is answered from a state older than r.

    **Durability.** What a read returns, and what an answer depends on (a revision, a
    conflict, a refused limit, an outcome), is durable before it is returned: a crash after
    the answer cannot undo it.

    **Order.** Commits are linearizable. Commits handed in by one caller without waiting may
    be applied in any order.

    **Cancellation.** Cancelling a read frees what it holds. From the moment that `commit`
    is called it runs to its end whatever becomes of the caller: a cancelled caller does not
    know whether it was applied, and asks `outcome`.

    **Errors** of every method: `StoreFailed` once the store cannot go on or was closed;
    `StoreBusy` when it cannot take more at this moment; `AnswerLost` where the store is in
    another process and went away (a read may simply be tried again).
    """

    async def begin_incarnation(above: int = 0) -> int:
        """Take a number for a process that will write: greater than `above` and than every
        earlier one, 1 to 2**32 - 1, never given twice. Puts the row
        `objectd.model.keys.incarnation(n)` in one durable step; the number lives until
        `fence`. Any rows may expect it `Present`."""

    async def fence(incarnations: Sequence[int]) -> None:
        """End incarnations whose processes are known to be gone: deletes their rows and
        what is remembered of their tokens. On return every commit of theirs has either been
        applied or will be refused with `Fenced` for ever. Idempotent, durable."""

    async def get(keys: Sequence[bytes]) -> list[Row | None]:
        """The rows of these keys, in their order, from one snapshot."""

    def known(keys: Sequence[bytes]) -> list[Row | None] | None:
        """What `get` would return now, if that can be told without waiting; None otherwise,
        and a provider that never can always returns None. Has no effect."""

    async def scan(scan: Scan) -> ScanPage:
        """A page of rows, from one snapshot.

        It may be shorter than the limit though `more` is true (a provider bounds the work of
        one call), but then it has at least one entry to go on from: a provider that finds none
        within its bound yields to the reactor and resumes by itself.
        """

    async def scans(scans: Sequence[Scan]) -> list[ScanPage]:
        """A page of each of at most `SCANS_MAX` scans, as `scan` returns it, all from one
        snapshot: for ranges between which commits move rows. `ValueError` for more."""

    async def commit(commit: Commit) -> int:
        """Apply all changes at once, or none; return the revision.

        Checked in this order: the limits at the top of this module, and that no key is
        changed twice, nor lies in a deleted range (`CommitInvalid`); that the incarnation
        is not fenced (`Fenced`); the token: the same commit again returns the revision that
        it was applied with, another one raises `TokenReused`; the expectations, all of
        them, against the state that the commit would change (`Conflict`); the limits of
        counters (`CounterLimitReached`). A refused commit leaves its token unused.
        """

    async def outcome(token: Token) -> Outcome:
        """What became of a commit whose answer was lost.

        Not applied burns the token: a copy of the commit that is still on its way will be
        refused with `TokenReused`. Unknown: the incarnation is fenced, or the commit lay
        below its `lowest_unanswered`.
        """

    async def close() -> None:
        """Finish what is under way and release everything. Idempotent."""


class ICommitGroups(Interface):
    """A metadata store that carries out many commits with one wait."""

    def take(commit: Commit) -> int | None:
        """Carry out a commit but for the waiting, if that can be; return its revision, which
        nobody may be told before the Deferred of the next `taken` fires. None where nothing
        was done: then `commit` carries it out, or tells why not."""

    def taken() -> Deferred[None]:
        """Fires when what was taken since the last call is durable and can be read; fails as
        `commit` does."""
