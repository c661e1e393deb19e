"""What a metadata store decides, as pure functions of its rows.

Each takes a state and returns a `Decision`: the answer, and what has to be written before the
answer may be given. Whoever writes a provider gives it a `State` and a way to apply `Writes`
as one atomic, durable step; the meaning of commits, tokens and incarnations is all here.

The store's own rows have keys below `FIRST_KEY`, which nobody else can read or write:

    00                             its revision is that of the last step that wrote anything
    01                             the highest incarnation ever given (4 bytes)
    02 ‖ incarnation               the lowest sequence that its writer still waits for (8)
    03 ‖ incarnation ‖ sequence    a used token: the digest of its commit, or b'' if burned

Incarnations are 4 bytes and sequences 8 bytes, big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
from xxhash import xxh3_128_digest

from objectd.errors import Conflict, CounterLimitReached, Fenced, StoreFailed, TokenReused
from objectd.interfaces import (
    Add,
    Append,
    At,
    Commit,
    Delete,
    EmptyRange,
    Expectation,
    Outcome,
    OutcomeKind,
    Present,
    Put,
    Row,
    Token,
)
from objectd.metadata.limits import COUNTER_MAX, COUNTER_MIN, FIRST_KEY, check_commit, journal_key
from objectd.model import keys
from objectd.model.codec import decode_counter, encode, encode_counter
from objectd.model.records import Incarnation

INCARNATION_MAX = (1 << 32) - 1
CONFLICT_ROWS_MAX = 16
CONFLICT_VALUE_BYTES_MAX = 64 << 10
TOKENS_DELETED_SINGLY_MAX = 64
"""More tokens than this are forgotten by one range deletion."""

_T = TypeVar("_T")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_TOKEN = struct.Struct(">cIQ")

_REVISION = b"\x00"
_HIGHEST_INCARNATION = b"\x01"
_BURNED = b""

_encode = msgspec.msgpack.Encoder().encode


class State(Protocol):
    """All rows of a store at one moment, its own ones included."""

    def row(self, key: bytes) -> Row | None: ...

    def rows(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Row]]:
        """The rows with start <= key < stop, in byte order or descending."""


class Writes(msgspec.Struct, frozen=True):
    """One atomic step. Its parts do not overlap, and its revision is greater than any before."""

    revision: int
    puts: dict[bytes, bytes]
    deletes: list[bytes] = []
    deleted_ranges: list[tuple[bytes, bytes]] = []


class Decision(NamedTuple, Generic[_T]):
    """`writes` is None where the answer follows from what is already written."""

    answer: _T
    writes: Writes | None


def decide_commit(state: State, commit: Commit) -> Decision[int]:
    """The revision of a commit, in the order of checks that `IMetadataStore.commit` gives."""
    check_commit(commit)
    token = commit.token
    if state.row(keys.incarnation(token.incarnation)) is None:
        raise Fenced(token.incarnation)
    digest = _digest(commit)
    token_key = _token_key(*token)
    used = state.row(token_key)
    if used is not None:
        if used.value != digest:
            raise TokenReused(token)
        return Decision(used.revision, None)
    lowest = _lowest_unanswered(state, token.incarnation)
    if token.sequence < lowest:
        raise TokenReused(token)
    check_expectations(state, commit.expect)
    writes = _next_writes(state)
    _expand(state, commit, writes)
    writes.puts[token_key] = digest
    if commit.lowest_unanswered > lowest:
        _forget_tokens(token.incarnation, lowest, commit.lowest_unanswered, writes)
    return Decision(writes.revision, writes)


def decide_outcome(state: State, token: Token) -> Decision[Outcome]:
    """What became of a token, which is burned if it was not used."""
    if state.row(keys.incarnation(token.incarnation)) is None:
        return Decision(Outcome(OutcomeKind.UNKNOWN), None)
    used = state.row(_token_key(*token))
    if used is not None and used.value == _BURNED:
        return Decision(Outcome(OutcomeKind.NOT_APPLIED), None)
    if used is not None:
        return Decision(Outcome(OutcomeKind.APPLIED, used.revision), None)
    if token.sequence < _lowest_unanswered(state, token.incarnation):
        return Decision(Outcome(OutcomeKind.UNKNOWN), None)
    writes = _next_writes(state)
    writes.puts[_token_key(*token)] = _BURNED
    return Decision(Outcome(OutcomeKind.NOT_APPLIED), writes)


def decide_incarnation(state: State, above: int, started_us: int) -> Decision[int]:
    """The next incarnation, greater than `above` and than every earlier one."""
    highest = state.row(_HIGHEST_INCARNATION)
    number = 1 + max(above, _U32.unpack(highest.value)[0] if highest else 0)
    if number > INCARNATION_MAX:
        raise StoreFailed("all incarnation numbers are used up")
    writes = _next_writes(state)
    writes.puts[_HIGHEST_INCARNATION] = _U32.pack(number)
    writes.puts[keys.incarnation(number)] = encode(Incarnation(started_us))
    return Decision(number, writes)


def decide_fence(state: State, incarnations: Sequence[int]) -> Decision[None]:
    """Forget incarnations: without its row, whatever one still sends is refused."""
    alive = [n for n in incarnations if state.row(keys.incarnation(n)) is not None]
    if not alive:
        return Decision(None, None)
    writes = _next_writes(state)
    for number in alive:
        tokens = _token_key(number, 0)[:-8]
        writes.deletes.extend((keys.incarnation(number), _lowest_key(number)))
        writes.deleted_ranges.append(keys.span(tokens))
    return Decision(None, writes)


def tells_only(conflict: Conflict, state: State) -> bool:
    """Whether all that it tells is so in this state as well."""
    told = dict(conflict.rows)
    told.update((key, row) for _, key, row in conflict.failed)
    return all(state.row(key) == row for key, row in told.items())


def visible(state: State, wanted: Sequence[bytes]) -> list[Row | None]:
    """The rows of these keys; the store's own rows are nobody's."""
    return [state.row(key) if key >= FIRST_KEY else None for key in wanted]


def _next_writes(state: State) -> Writes:
    last = state.row(_REVISION)
    return Writes(last.revision + 1 if last else 1, {_REVISION: b""})


def check_expectations(state: State, expect: Sequence[Expectation]) -> None:
    """Raise `Conflict` unless all of them hold."""
    failed = []
    for expectation in expect:
        holds, key, row = _look_up(state, expectation)
        if not holds:
            failed.append((expectation, key, row))
    if failed:
        raise Conflict(failed, _expected_rows(state, expect))


def _expected_rows(state: State, expect: Sequence[Expectation]) -> dict[bytes, Row | None]:
    """What a refused writer would read next: not all of a large commit."""
    rows: dict[bytes, Row | None] = {}
    for expectation in expect[:CONFLICT_ROWS_MAX]:
        if not isinstance(expectation, EmptyRange):
            row = state.row(expectation.key)
            if row is None or len(row.value) <= CONFLICT_VALUE_BYTES_MAX:
                rows[expectation.key] = row
    return rows


def _look_up(state: State, expectation: Expectation) -> tuple[bool, bytes, Row | None]:
    """Whether it holds, and the key and row that it was compared with."""
    if type(expectation) is EmptyRange:
        for first in state.rows(expectation.start, expectation.stop):
            return False, *first
        return True, expectation.start, None
    key = expectation.key
    row = state.row(key)
    if type(expectation) is At:
        return row is not None and row.revision == expectation.revision, key, row
    return (type(expectation) is Present) is (row is not None), key, row


def _expand(state: State, commit: Commit, writes: Writes) -> None:
    """Turn the changes of a commit into plain puts and deletions."""
    appended = 0
    for change in commit.changes:
        if type(change) is Put:
            writes.puts[change.key] = change.value
        elif type(change) is Add:
            writes.puts[change.key] = encode_counter(_sum(state, change))
        elif type(change) is Append:
            key = journal_key(change.prefix, writes.revision, appended)
            writes.puts[key] = change.value
            appended += 1
        elif type(change) is Delete:
            writes.deletes.append(change.key)
        else:
            writes.deleted_ranges.append((change.start, change.stop))


def _sum(state: State, change: Add) -> int:
    row = state.row(change.key)
    value = change.delta + (decode_counter(row.value) if row else 0)
    at_most = COUNTER_MAX if change.at_most is None else change.at_most
    if change.delta >= 0 and value > at_most:
        raise CounterLimitReached(change.key, value, at_most)
    if not COUNTER_MIN <= value <= COUNTER_MAX:
        raise CounterLimitReached(change.key, value, COUNTER_MAX)
    return value


def _forget_tokens(incarnation: int, lowest: int, lowest_now: int, writes: Writes) -> None:
    writes.puts[_lowest_key(incarnation)] = _U64.pack(lowest_now)
    if lowest_now - lowest > TOKENS_DELETED_SINGLY_MAX:
        first, end = (_token_key(incarnation, n) for n in (lowest, lowest_now))
        writes.deleted_ranges.append((first, end))
        return
    for sequence in range(lowest, lowest_now):
        writes.deletes.append(_token_key(incarnation, sequence))


def _lowest_unanswered(state: State, incarnation: int) -> int:
    row = state.row(_lowest_key(incarnation))
    return int(_U64.unpack(row.value)[0]) if row else 0


def _lowest_key(incarnation: int) -> bytes:
    return b"\x02" + _U32.pack(incarnation)


def _token_key(incarnation: int, sequence: int) -> bytes:
    return _TOKEN.pack(b"\x03", incarnation, sequence)


def _digest(commit: Commit) -> bytes:
    """What makes a commit the same: not `lowest_unanswered`, which says nothing of it. It
    tells a writer's own commits apart, and guards against nobody."""
    return xxh3_128_digest(_encode((commit.changes, commit.expect)))
