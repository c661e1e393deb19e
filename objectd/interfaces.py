"""Every contract between objectd and its providers, readable in one sitting.

There are four kinds of provider so far: metadata stores, blob stores, credentials and
TLS. A provider is found as a Twisted plugin by kind and name (`objectd.plugins`), and
each kind of store has a conformance suite in `objectd.testing` that proves a provider.

All times are integers: microseconds since 1970-01-01 UTC. All keys are bytes and are
ordered as bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, runtime_checkable

import attrs
import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory, IReactorTime
from zope.interface import Attribute, Interface

__all__ = [
    "CHANGES_MAX",
    "COMMIT_BYTES_MAX",
    "KEY_BYTES_MAX",
    "ROOT_ACCOUNT",
    "SCAN_ROWS_MAX",
    "VALUE_BYTES_MAX",
    "Absent",
    "Add",
    "Append",
    "At",
    "BlobFile",
    "BlobLocation",
    "Change",
    "Commit",
    "Credential",
    "Delete",
    "DeleteRange",
    "EmptyRange",
    "Entry",
    "Expectation",
    "HasLines",
    "Host",
    "IBlobReader",
    "IBlobStore",
    "IBlobWriter",
    "ICredentials",
    "IMetadataStore",
    "IProvider",
    "ITLSContexts",
    "Outcome",
    "OutcomeKind",
    "Present",
    "Put",
    "Row",
    "RunInThread",
    "ScanPage",
    "SealedBlob",
    "Token",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class RunInThread(Protocol):
    """Run a blocking call in a thread; the Deferred fires on the reactor thread.

    Tests pass one that calls at once. Cancelling the Deferred does not stop the call.
    """

    def __call__(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]: ...


@runtime_checkable
class HasLines(Protocol):
    """What a `RunInThread` may be besides: the server's own is, those of tests need not be."""

    def line(self) -> RunInThread:
        """One that makes one call after the other, in the order in which they were asked for,
        without a turn of the reactor between them."""


@attrs.frozen
class Host:
    """What a provider is given of its surroundings when it is opened.

    `announce` shows lines once to the person who starts the server; they are never logged.
    """

    data_directory: Path
    clock: IReactorTime
    run_in_thread: RunInThread
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    announce: Callable[[str], object] = lambda line: None
    on_failure: Callable[[Exception], None] = lambda error: None
    """Called once by a store that cannot go on (a failed sync): the service then ends the
    process, so that the next one recovers."""
    joins: bool = False
    """Whether another process of this server has what is opened for itself, and this one works
    beside it: then nothing is locked, marked or tidied up, for that is done."""


class IProvider(Interface):
    """A Twisted plugin that opens one provider of one kind. Light: it imports nothing heavy."""

    kind: str = Attribute("'metadata', 'blobs', 'credentials' or 'tls'.")
    name: str = Attribute("What the configuration calls it, e.g. 'rocksdb'.")
    help: str = Attribute("One line for `objectd providers`.")

    def settings_type() -> type[Any]:
        """The frozen attrs class that the provider's section of the configuration is
        checked against. May import the implementation; what the import raises stops the
        start of the server with that very error."""

    async def open(settings: Any, host: Host) -> Any:
        """Open the store (or what the kind calls for), ready for use.

        `settings` is an instance of `settings_type()`. May block while it recovers. Raises
        `FormatUnsupported` before it touches anything that a newer version wrote, and
        `StoreFailed` with what an operator should do.
        """


# --- Metadata ---------------------------------------------------------------------------

KEY_BYTES_MAX = 4096
VALUE_BYTES_MAX = 1 << 20
CHANGES_MAX = 10_000
COMMIT_BYTES_MAX = 8 << 20
SCAN_ROWS_MAX = 10_000


class Token(NamedTuple):
    """Names one commit of one writing process, so that a lost answer can be asked for."""

    incarnation: int
    sequence: int


class _Tagged(msgspec.Struct, frozen=True, array_like=True, tag_field="type", gc=False):
    """Values of commits are msgspec structs: they cross the owner's socket as they are."""


class Put(_Tagged, frozen=True, tag="put"):
    key: bytes
    value: bytes


class Delete(_Tagged, frozen=True, tag="delete"):
    """Deleting a key that has no row is allowed and changes nothing."""

    key: bytes


class DeleteRange(_Tagged, frozen=True, tag="delete-range"):
    """Delete every row with start <= key < stop."""

    start: bytes
    stop: bytes


class Add(_Tagged, frozen=True, tag="add"):
    """Add to a counter row: 8 bytes, signed, big-endian; absent counts as 0.

    `at_most` refuses the commit if the sum would pass it, but never a negative delta.
    """

    key: bytes
    delta: int
    at_most: int | None = None


class Append(_Tagged, frozen=True, tag="append"):
    """Put `value` at prefix ‖ revision of this commit (8 bytes, big-endian) ‖ n (4 bytes),
    n counting the `Append`s of the commit from 0: how a journal is written."""

    prefix: bytes
    value: bytes


Change = Put | Delete | DeleteRange | Add | Append


class At(_Tagged, frozen=True, tag="at"):
    """The row is there with exactly this revision."""

    key: bytes
    revision: int


class Present(_Tagged, frozen=True, tag="present"):
    key: bytes


class Absent(_Tagged, frozen=True, tag="absent"):
    key: bytes


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

    async def scan(
        start: bytes,
        stop: bytes,
        *,
        limit: int,
        reverse: bool = False,
        prefix: bytes = b"",
        delimiter: bytes = b"",
        head_bytes: int | None = None,
    ) -> ScanPage:
        """At most `limit` (1 to `SCAN_ROWS_MAX`) entries with start <= key < stop, in byte
        order (descending with `reverse`), from one snapshot.

        With a `delimiter`, keys that begin with `prefix` and hold the delimiter after it
        are rolled up: all keys that share key[: end of the delimiter's first occurrence
        after the prefix] make one entry with that common prefix as its key, found by
        seeking past them, not by reading them. A rolled-up prefix counts as one entry; it
        is reported if any of its keys is in the range. Not with `reverse`.

        With `head_bytes`, only that many first bytes of each value are returned.

        A page may be shorter than `limit` though `more` is true (a provider bounds the
        work of one call), but then it has at least one entry to go on from: a provider
        that finds none within its bound yields to the reactor and resumes by itself.
        """

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


# --- Blobs ------------------------------------------------------------------------------


@attrs.frozen
class BlobLocation:
    """Where a sealed blob lies and what it must contain."""

    drive: int
    blob_id: bytes
    digest: bytes
    size_bytes: int


@attrs.frozen
class SealedBlob:
    """What `IBlobWriter.finish` knows of the bytes it was given."""

    drive: int
    digest: bytes
    size_bytes: int


@attrs.frozen
class BlobFile:
    """One file as the sweep finds it; `digest` is None while it is incoming."""

    drive: int
    blob_id: bytes
    digest: bytes | None


class IBlobWriter(Interface):
    """Writes one blob, from one coroutine: one call at a time, in order."""

    drive: int = Attribute("The drive chosen for it.")

    async def write(data: bytes) -> None:
        """Take the next bytes; on return `data` may be reused. Best called with 256 KiB to
        1 MiB. Syncs what it has written every few MiB, so that one big write at the end
        does not stall the metadata's log. Raises `StoreFull`, `StoreFailed`."""

    async def finish() -> SealedBlob:
        """No more bytes will come: return what they are. Nothing is durable yet, and
        either `seal` or `abort` follows."""

    async def seal(identity: Mapping[str, Any]) -> None:
        """Make the blob durable under its final name, with a footer that carries the block
        checksums and `identity` (plain msgpack values: whose data this is, for a rebuild
        when the metadata is lost). On return the file and its directory are synced.
        Idempotent after success. If it fails or the process dies, the file is either
        incoming or final, and the sweep takes it if nothing refers to it."""

    async def abort() -> None:
        """Drop the blob if it is not sealed: its file is gone on return, as far as that
        can be done, and its space a moment later; the sweep takes what stays. Safe at any
        time, also twice, also while a cancelled `write` still runs in its thread."""


class IBlobReader(Interface):
    """Reads one range of one blob in order, from one coroutine."""

    async def read() -> bytes:
        """The next verified bytes (up to 1 MiB), b'' at the end of the range. Raises
        `DamagedBlob` before it would return a byte that was not what was written."""

    def close() -> None:
        """Release the file. Idempotent; safe while a cancelled `read` still runs."""


class IBlobStore(Interface):
    """Immutable blobs by an id that is never used twice, on one or more drives.

    Called for every body too large to be a row. A blob goes create → write* → finish →
    seal (or abort); only sealed blobs are read. The store keeps no index: which blobs are
    alive is known to the metadata alone, and `objectd.objects` keeps the two in step.

    All methods may be called at any time and concurrently for different blobs. A provider
    does its blocking work through `Host.run_in_thread`.
    """

    drives: Sequence[int] = Attribute("The numbers of the drives, ascending.")

    async def begin(store_uuid: bytes, digest_key: bytes, incarnation: int) -> None:
        """Called once before anything else: the digest of blobs is BLAKE3-256 keyed with
        `digest_key`. Checks that every drive belongs to this store (`FormatUnsupported`),
        marks drives that are new, and durably records `incarnation` on each drive if it is
        the highest that the drive has seen; called again for each process that joins. A
        process that joins (`Host.joins`) only checks."""

    async def highest_incarnation() -> int:
        """The highest incarnation that any drive has recorded, 0 if none. May be called
        before `begin`."""

    async def create(blob_id: bytes, *, size_bytes: int | None) -> IBlobWriter:
        """Start a blob (12-byte id: incarnation ‖ counter). `size_bytes`, where known,
        helps to choose the drive and to refuse early with `StoreFull`; a blob of few bytes may
        get its file only when it is sealed."""

    async def open(
        location: BlobLocation, *, start: int = 0, stop: int | None = None
    ) -> IBlobReader:
        """Open a sealed blob for bytes start <= i < stop. Raises `DamagedBlob` if the file
        is missing, too short or not the one named."""

    async def identity(location: BlobLocation) -> Mapping[str, Any]:
        """What the blob was sealed with. Raises `DamagedBlob`."""

    async def unlink(files: Sequence[BlobFile]) -> None:
        """Remove files durably: on return their directories are synced. A file that is not
        there is no error. A reader that is open keeps reading."""

    def files(drive: int) -> AsyncIterator[BlobFile]:
        """Every file of a drive, incoming and final, in no order. Files that come or go
        meanwhile may be missed or listed."""

    async def close() -> None:
        """Release everything. Idempotent."""


# --- Credentials and TLS -----------------------------------------------------------------


ROOT_ACCOUNT = 1
"""The account of the root user, which every store has."""


@attrs.frozen
class Credential:
    """A key pair and the account it acts for."""

    access_key: str
    secret_key: str = attrs.field(repr=False)
    account: int


class ICredentials(Interface):
    """Finds the secret that a signature is checked with; asked once a request."""

    async def find(access_key: str) -> Credential | None:
        """The credential, or None if there is no such key (or it is disabled)."""


class ITLSContexts(Interface):
    """Gives the TLS context for connections that are accepted from now on."""

    def context_factory() -> IOpenSSLContextFactory:
        """For `reactor.listenSSL` and its like. It serves newly loaded certificates after
        `reload` without a new listening socket."""

    def reload() -> None:
        """Read the certificate and key again; on any error keep the old ones and raise
        `StoreFailed` with the file's name and what is wrong with it."""
