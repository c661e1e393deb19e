"""What a commit may hold: the limits of `objectd.interfaces`, checked before any row is read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from objectd.errors import CommitInvalid
from objectd.interfaces import (
    CHANGES_MAX,
    COMMIT_BYTES_MAX,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    Add,
    Append,
    Commit,
    Delete,
    DeleteRange,
    EmptyRange,
    Put,
    Token,
)

FIRST_KEY = b"\x20"
"""The least key of others; what is below belongs to the store itself."""

COUNTER_MIN, COUNTER_MAX = -(1 << 63), (1 << 63) - 1

_APPENDED_BYTES = 12


def journal_key(prefix: bytes, revision: int, n: int) -> bytes:
    """Where the n-th `Append` of the commit with this revision puts its value."""
    return prefix + revision.to_bytes(8, "big") + n.to_bytes(4, "big")


def check_commit(commit: Commit) -> None:
    """Raise `CommitInvalid` unless the commit is well formed and within every limit."""
    _check_token(commit.token, commit.lowest_unanswered)
    if len(commit.changes) > CHANGES_MAX or len(commit.expect) > CHANGES_MAX:
        raise CommitInvalid(f"more than {CHANGES_MAX} changes or expectations")
    size_bytes = 0
    for key in _keys(commit):
        if key < FIRST_KEY or len(key) > KEY_BYTES_MAX:
            raise CommitInvalid(f"a key of {len(key)} bytes, or one that belongs to the store")
        size_bytes += len(key)
    for change in commit.changes:
        if isinstance(change, (Put, Append)):
            if len(change.value) > VALUE_BYTES_MAX:
                raise CommitInvalid(f"a value of {len(change.value)} bytes")
            size_bytes += len(change.value)
        elif isinstance(change, Add) and not COUNTER_MIN <= change.delta <= COUNTER_MAX:
            raise CommitInvalid("a delta of more than 64 bits")
    if size_bytes > COMMIT_BYTES_MAX:
        raise CommitInvalid(f"{size_bytes} bytes of keys and values")
    _check_overlaps(commit)


def _check_token(token: Token, lowest_unanswered: int) -> None:
    if not (0 <= token.incarnation < 1 << 32 and 0 <= token.sequence < 1 << 64):
        raise CommitInvalid("a token outside its range")
    if not 0 <= lowest_unanswered <= token.sequence:
        raise CommitInvalid("the lowest unanswered sequence is above the commit's own")


def _keys(commit: Commit) -> Iterator[bytes]:
    """Every key that the commit names, an appended one in its full length."""
    for change in commit.changes:
        if isinstance(change, DeleteRange):
            yield from _ends(change)
        elif isinstance(change, Append):
            yield change.prefix + bytes(_APPENDED_BYTES)
        else:
            yield change.key
    for expectation in commit.expect:
        if isinstance(expectation, EmptyRange):
            yield from _ends(expectation)
        else:
            yield expectation.key


def _ends(span: DeleteRange | EmptyRange) -> tuple[bytes, bytes]:
    if span.start > span.stop:
        raise CommitInvalid("a range that ends before it starts")
    return span.start, span.stop


def _check_overlaps(commit: Commit) -> None:
    """No key is changed twice, nor lies in a deleted range.

    What an `Append` will be called is not known yet, so it must be safe under any revision.
    """
    named = sorted(c.key for c in commit.changes if isinstance(c, (Put, Delete, Add)))
    if any(a == b for a, b in pairwise(named)):
        raise CommitInvalid("a key is changed twice")
    prefixes = {c.prefix for c in commit.changes if isinstance(c, Append)}
    if prefixes and any(key[:-_APPENDED_BYTES] in prefixes for key in named):
        raise CommitInvalid("a key is changed that an Append could make")
    for change in commit.changes:
        if isinstance(change, DeleteRange):
            first = bisect_left(named, change.start)
            if first < len(named) and named[first] < change.stop:
                raise CommitInvalid("a key is changed that lies in a deleted range")
            if any(_may_append_into(prefix, change) for prefix in prefixes):
                raise CommitInvalid("an Append could lie in a deleted range")


def _may_append_into(prefix: bytes, deleted: DeleteRange) -> bool:
    lowest, highest = prefix + bytes(_APPENDED_BYTES), prefix + b"\xff" * _APPENDED_BYTES
    return deleted.start <= highest and lowest < deleted.stop
