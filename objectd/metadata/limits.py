"""What a commit may hold: the limits of `objectd.interfaces`, checked before any row is read."""

from __future__ import annotations

from bisect import bisect_left

from objectd.errors import CommitInvalid
from objectd.interfaces import (
    CHANGES_MAX,
    COMMIT_BYTES_MAX,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    Add,
    Append,
    Commit,
    DeleteRange,
    EmptyRange,
    Put,
    Token,
)

FIRST_KEY = b"\x20"
"""The least key of others; what is below belongs to the store itself."""

COUNTER_MIN, COUNTER_MAX = -(1 << 63), (1 << 63) - 1

_APPENDED_BYTES = 12
_APPENDED = bytes(_APPENDED_BYTES)


def journal_key(prefix: bytes, revision: int, n: int) -> bytes:
    """Where the n-th `Append` of the commit with this revision puts its value."""
    return prefix + revision.to_bytes(8, "big") + n.to_bytes(4, "big")


def check_commit(commit: Commit) -> None:
    """Raise `CommitInvalid` unless the commit is well formed and within every limit."""
    _check_token(commit.token, commit.lowest_unanswered)
    if len(commit.changes) > CHANGES_MAX or len(commit.expect) > CHANGES_MAX:
        raise CommitInvalid(f"more than {CHANGES_MAX} changes or expectations")
    changed: list[bytes] = []
    prefixes: list[bytes] = []
    ranges: list[DeleteRange] = []
    size_bytes = 0
    for change in commit.changes:
        value = b""
        if type(change) is Put:
            key, value = change.key, change.value
            changed.append(key)
        elif type(change) is Append:
            key, value = change.prefix + _APPENDED, change.value
            prefixes.append(change.prefix)
        elif type(change) is DeleteRange:
            ranges.append(change)
            size_bytes += _range_bytes(change)
            continue
        else:
            key = change.key
            changed.append(key)
            if type(change) is Add and not COUNTER_MIN <= change.delta <= COUNTER_MAX:
                raise CommitInvalid("a delta of more than 64 bits")
        if key < FIRST_KEY or len(key) > KEY_BYTES_MAX or len(value) > VALUE_BYTES_MAX:
            raise _not_allowed(key, value)
        size_bytes += len(key) + len(value)
    for expectation in commit.expect:
        if type(expectation) is EmptyRange:
            size_bytes += _range_bytes(expectation)
        else:
            size_bytes += _key_bytes(expectation.key)
    if size_bytes > COMMIT_BYTES_MAX:
        raise CommitInvalid(f"{size_bytes} bytes of keys and values")
    _check_overlaps(changed, prefixes, ranges)


def _check_token(token: Token, lowest_unanswered: int) -> None:
    if not (0 <= token.incarnation < 1 << 32 and 0 <= token.sequence < 1 << 64):
        raise CommitInvalid("a token outside its range")
    if not 0 <= lowest_unanswered <= token.sequence:
        raise CommitInvalid("the lowest unanswered sequence is above the commit's own")


def _key_bytes(key: bytes) -> int:
    if key < FIRST_KEY or len(key) > KEY_BYTES_MAX:
        raise _not_allowed(key)
    return len(key)


def _not_allowed(key: bytes, value: bytes = b"") -> CommitInvalid:
    if len(value) > VALUE_BYTES_MAX:
        return CommitInvalid(f"a value of {len(value)} bytes")
    return CommitInvalid(f"a key of {len(key)} bytes, or one that belongs to the store")


def _range_bytes(span: DeleteRange | EmptyRange) -> int:
    if span.start > span.stop:
        raise CommitInvalid("a range that ends before it starts")
    return _key_bytes(span.start) + _key_bytes(span.stop)


def _check_overlaps(changed: list[bytes], prefixes: list[bytes], ranges: list[DeleteRange]) -> None:
    """No key is changed twice, nor lies in a deleted range.

    What an `Append` will be called is not known yet, so it must be safe under any revision.
    """
    if len(set(changed)) < len(changed):
        raise CommitInvalid("a key is changed twice")
    if prefixes:
        appendable = set(prefixes)
        for key in changed:
            if key[:-_APPENDED_BYTES] in appendable:
                raise CommitInvalid("a key is changed that an Append could make")
    if not ranges:
        return
    changed.sort()
    for change in ranges:
        first = bisect_left(changed, change.start)
        if first < len(changed) and changed[first] < change.stop:
            raise CommitInvalid("a key is changed that lies in a deleted range")
        if any(_may_append_into(prefix, change) for prefix in prefixes):
            raise CommitInvalid("an Append could lie in a deleted range")


def _may_append_into(prefix: bytes, deleted: DeleteRange) -> bool:
    lowest, highest = prefix + _APPENDED, prefix + b"\xff" * _APPENDED_BYTES
    return deleted.start <= highest and lowest < deleted.stop
